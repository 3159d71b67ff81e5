"""Going on from a checkpoint: training begins with what it knows, and what comes out is a checkpoint again."""

import math
from pathlib import Path

import polars as pl
import pytest
import torch
import torch.nn.functional as F
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import danlu
from danlu.errors import DanluError
from danlu.models.pretrained import Pretrained
from danlu.recipe import DataConfig, ImageConfig

STORIES = Path(__file__).parents[3] / "shared" / "data" / "weights-stories260k"
TEXT = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a "
    "big red ball. She wanted to play with it, but it was too high.\n"
)
QUICK = {"evaluate__baseline": False, "evaluate__bootstrap": 10, "quiet": True}
END = "<|endoftext|>"


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """Twelve documents, of which one is for validation and one for the test."""
    folder = tmp_path_factory.mktemp("stories")
    for n, name in enumerate(["Lily", "Tim", "Sue", "Ben", "Mia", "Tom", "Ann", "Sam", "Max", "Amy", "Bob", "Eva"]):
        (folder / f"{n}.txt").write_text(TEXT.replace("Lily", name) * 2)
    return folder


@pytest.fixture(scope="module")
def sayings(tmp_path_factory):
    """A random GPT-2 and a random Llama that read bytes, as transformers saves them."""
    folder = tmp_path_factory.mktemp("hub")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate([END, *letters])}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens([END])
    size = {"vocab_size": 257, "bos_token_id": 0, "eos_token_id": 0}
    torch.manual_seed(0)
    gpt2 = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64, **size)
    llama = transformers.LlamaConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=24,
        max_position_embeddings=64, **size,
    )  # fmt: skip
    for name, model in (
        ("gpt2", transformers.GPT2LMHeadModel(gpt2)), ("llama", transformers.LlamaForCausalLM(llama)),
    ):  # fmt: skip
        model.save_pretrained(folder / name)
        tokenizer.save(str(folder / name / "tokenizer.json"))
    return folder


def gone_on(stories, model, out, **settings):
    """A run of one step, too small to change anything."""
    given = {"task": "text-generation", "train__steps": 1, "train__learning_rate": 1e-9, **QUICK, **settings}
    return danlu.train(stories, model=model if isinstance(model, dict) else str(model), out=out, **given)


def their_loss(theirs, documents, text):
    """What transformers says that a token of the document costs, behind the token that begins it."""
    ids = documents.tokenizer.encode(text, add_special_tokens=False).ids
    row = torch.tensor([[documents.begin, *ids, documents.end]])
    with torch.no_grad():
        return float(F.cross_entropy(theirs(row[:, :-1]).logits[0], row[0, 1:]))


def our_loss(run, text):
    return danlu.load(run).predict([{"text": text}])["loss"][0]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_loss_begins_where_the_checkpoint_is_and_the_folder_loads_in_transformers(stories, sayings, tmp_path, name):
    run = gone_on(stories, sayings / name, tmp_path / "run")
    documents = danlu.load(run).codec.reading
    assert (documents.begin, documents.end, documents.max_length) == (0, 0, 64)
    for folder in (sayings / name, run.model):
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
        assert our_loss(run, TEXT[:60]) == pytest.approx(their_loss(theirs, documents, TEXT[:60]), abs=1e-4)
    assert run.metrics()[0]["loss"] == pytest.approx(math.log(257), rel=0.02)  # what random weights know
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.model)
    assert tokenizer.decode(tokenizer(TEXT, add_special_tokens=False)["input_ids"]) == TEXT


def test_a_model_of_llama2c_goes_on_where_it_was(stories, tmp_path):
    if not STORIES.exists():
        pytest.skip(f"needs {STORIES}")
    run = gone_on(stories, STORIES, tmp_path / "run")
    documents = danlu.load(run).codec.reading
    assert (documents.begin, documents.end, documents.size) == (1, 2, 512)  # <s>, </s>
    assert run.metrics()[0]["loss"] < 2.0  # nats; a model that knows nothing has 6.2
    theirs = transformers.AutoModelForCausalLM.from_pretrained(run.model).eval()
    assert our_loss(run, TEXT) == pytest.approx(their_loss(theirs, documents, TEXT), abs=1e-4)
    written = danlu.load(run).generate("Once upon a time", temperature=0.0, max_new_tokens=12)
    assert written[0].startswith(", there was a little girl named")


def test_a_run_goes_on_from_another_run_by_its_folder(stories, tmp_path):
    size = {"family": "llama", "width": 16, "depth": 1, "heads": 2}
    first = gone_on(stories, size, tmp_path / "first", train__steps=60, train__learning_rate=0.01)
    for folder in (first.folder, first.model):
        again = gone_on(stories, folder, tmp_path / f"from-{folder.name}")
        assert our_loss(again, TEXT) == pytest.approx(our_loss(first, TEXT), abs=1e-3)
        assert danlu.load(again).codec.tokenizer_json == danlu.load(first).codec.tokenizer_json


def test_a_decoder_learns_to_tell_classes_from_a_checkpoint(sayings, tmp_path):
    starts = ("a film", "the plot", "it", "the end", "a scene", "her voice")
    rows = [{"text": f"{start} is {how}", "label": how} for start in starts for how in ("good", "bad")]
    pl.DataFrame(rows * 6).write_csv(tmp_path / "reviews.csv")
    run = danlu.train(
        tmp_path / "reviews.csv", target="label", task="text-classification", data__columns={"text": "text"},
        model=str(sayings / "llama"),
        out=tmp_path / "run", train__epochs=6, train__learning_rate=0.01, **QUICK,
    )  # fmt: skip
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(run.model)
    assert type(theirs) is transformers.LlamaForSequenceClassification
    assert danlu.load(run).predict(["the film is good", "it is bad"])["prediction"].to_list() == ["good", "bad"]


def test_a_run_whose_model_has_no_place_in_the_layout_says_so(tmp_path):
    rows = pl.DataFrame({"a": range(40), "label": ["x", "y"] * 20})
    danlu.train(rows, target="label", model="mlp", out=tmp_path / "run", train__epochs=1, **QUICK)
    with pytest.raises(DanluError) as refused:
        Pretrained.open(str(tmp_path / "run"))
    assert refused.value.key == "hub.own_names"


def test_images_of_another_size_than_a_checkpoint_has_places_for_are_refused_by_their_setting(tmp_path):
    begin = Pretrained("tiny", tmp_path, "vit", {"image_size": 16, "patch_size": 4, "num_attention_heads": 2})
    assert begin.asked(DataConfig()).image.size == 16
    with pytest.raises(DanluError, match=r"data\.image\.size"):
        begin.asked(DataConfig(image=ImageConfig(size=32)))
