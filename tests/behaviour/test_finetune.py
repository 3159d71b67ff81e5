"""Fine-tuning: a checkpoint in, a model for the user's task out, in the layout that it came in."""

import json
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file

import danlu
from danlu.data.examples import Origin, SourceFile
from danlu.data.tally import Rows, Tally
from danlu.data.text import Checkpoint, given_tokens
from danlu.errors import DanluError
from danlu.models.hub.tokenizer import tokenizer_json_of
from danlu.recipe import TextConfig

WORDS = ["good", "bad", "film", "plot", "fine", "poor", "not", "very", "a", "the", "##s", "##ly", ".", ","]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
QUICK = {"train__epochs": 2, "evaluate__baseline": False, "evaluate__bootstrap": 20, "quiet": True}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random BERT that knows a few words, as transformers saves it."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-bert"
    config = transformers.BertConfig(
        vocab_size=len(MARKS + WORDS), hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=24,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(MARKS + WORDS))
    return folder


@pytest.fixture
def reviews(tmp_path):
    draw = random.Random(0)
    rows = [
        (" ".join(draw.choices(["a", "the", "very", "film", "plot", ".", ","], k=8)) + f" {how}", how)
        for _ in range(60) for how in ("good", "bad")
    ]  # fmt: skip
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_csv(tmp_path / "reviews.csv")
    return tmp_path


def train(folder, tiny, out="run", **settings):
    data = folder / "reviews.csv"
    return danlu.train(data, target="label", model=str(tiny), out=folder / out, **(QUICK | settings))


def test_what_was_fine_tuned_loads_in_transformers_and_says_the_same(reviews, tiny):
    run = train(reviews, tiny)
    model = danlu.load(run)
    texts = ["a good film .", "not a very poor plot, badly"]
    ours = model.predict([{"text": text} for text in texts])
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(run.model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.model)
    with torch.no_grad():
        logits = theirs(**tokenizer(texts, return_tensors="pt", padding=True)).logits
    chances = (logits / model.temperatures["label"]).softmax(-1)
    assert theirs.config.id2label == {0: "bad", 1: "good"}
    torch.testing.assert_close(
        torch.tensor(ours.select("probability_bad", "probability_good").to_numpy(), dtype=torch.float32), chances,
        atol=1e-4, rtol=1e-4,
    )  # fmt: skip


def test_frozen_layers_stay_as_they_were_and_the_others_move(reviews, tiny):
    run = train(reviews, tiny, train__freeze=1)
    before, after = load_file(tiny / "model.safetensors"), load_file(run.model / "model.safetensors")
    moved = {
        name for name, tensor in before.items()
        if f"bert.{name}" in after and not torch.equal(tensor, after[f"bert.{name}"])
    }  # fmt: skip
    assert not any(name.startswith(("embeddings", "encoder.layer.0.")) for name in moved)
    assert any(name.startswith("encoder.layer.1.") for name in moved)
    assert any(name.startswith("encoder.layer.2.") for name in moved)


def test_what_is_trained_is_said(reviews, tiny):
    run = train(reviews, tiny, train__freeze=2)
    said = next(note for note in run.resolved["notes"] if note["code"] == "models.pretrained")
    assert said["fields"]["family"] == "bert"
    assert "heads" in said["fields"]["new"]
    assert int(said["fields"]["trained"].replace(",", "")) < int(said["fields"]["total"].replace(",", ""))


def test_two_text_columns_are_read_as_a_pair_with_segments(tiny):
    checkpoint = Checkpoint(tokenizer_json_of(tiny), 24, len(MARKS + WORDS))
    frame = pl.DataFrame({"a": ["good film", "poor"], "b": ["the plot", "fine fine film"]})
    tokens, _ = given_tokens(checkpoint, frame, ("a", "b"), TextConfig())
    witness = transformers.AutoTokenizer.from_pretrained(tiny)
    feeds = tokens.encode(frame, Rows(np.arange(2), Origin((SourceFile("pairs.csv", "csv", "", 0, 2),)), Tally()))
    for row, pair in enumerate(frame.iter_rows()):
        expected = witness(*pair)
        index = torch.tensor([row])
        assert feeds["tokens"].take("tokens", index)["tokens"][0].tolist() == expected["input_ids"]
        assert feeds["segments"].take("segments", index)["segments"][0].tolist() == expected["token_type_ids"]


def test_texts_longer_than_the_model_can_take_are_cut_behind_their_marks_and_counted(reviews, tiny):
    run = train(reviews, tiny)
    with pytest.warns(UserWarning, match="longer"):
        long = danlu.load(run).predict([{"text": "good " * 100}])
    assert long["prediction"][0] in ("good", "bad")


@pytest.mark.parametrize("setting", [{"vocab_size": 100}, {"tokenizer": "word"}])
def test_a_checkpoint_keeps_its_tokenizer(reviews, tiny, setting):
    with pytest.raises(DanluError) as refused:
        train(reviews, tiny, data__text=setting)
    assert refused.value.key == "codec.tokenizer_given"


def test_what_only_a_checkpoint_has_is_refused_without_one(reviews):
    with pytest.raises(DanluError) as refused:
        danlu.train(reviews / "reviews.csv", target="label", model="linear", out=reviews / "run", train__freeze=1)
    assert refused.value.key == "train.only_pretrained"


def test_a_checkpoint_of_another_family_than_asked_is_refused(reviews, tiny):
    with pytest.raises(DanluError) as refused:
        train(reviews, tiny, model__family="gpt2")
    assert refused.value.key == "models.other_family"


def test_a_model_that_transformers_has_no_place_for_keeps_our_names(reviews, tiny):
    rows = pl.read_csv(reviews / "reviews.csv").with_columns(long=pl.col("text").str.len_chars() > 30)
    run = danlu.train(
        rows, target=["label", "long"], task="text-classification", model=str(tiny), out=reviews / "run", **QUICK
    )
    assert set(json.loads((run.model / "config.json").read_text())) == {"danlu"}
    assert danlu.load(run).predict([{"text": "a good film"}]).height == 1


def test_the_slashless_name_of_a_folder_is_a_family(tmp_path):
    from danlu.recipe import Recipe

    assert Recipe.of({"model": "bert"}).model.family == "bert"
    assert Recipe.of({"model": "./bert"}).model.pretrained == "./bert"
    (tmp_path / "bert").mkdir()
    assert Path(Recipe.of({"model": "./bert"}).located(tmp_path).model.pretrained) == tmp_path / "bert"


def test_an_image_checkpoint_sees_images_as_it_was_trained_to(tmp_path):
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=4,
    )  # fmt: skip
    checkpoint = tmp_path / "tiny-vit"
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(checkpoint)
    pixels = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
    (checkpoint / "preprocessor_config.json").write_text(json.dumps(pixels))
    rng = np.random.default_rng(0)
    for n in range(40):
        path = tmp_path / "photos" / ("dark" if n % 2 else "light") / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((rng.random((16, 16, 3)) * (100 if n % 2 else 255)).astype(np.uint8)).save(path)
    run = danlu.train(tmp_path / "photos", model=str(checkpoint), out=tmp_path / "run", **QUICK)
    model, image = danlu.load(run), Image.open(tmp_path / "photos" / "dark" / "1.png")
    theirs = transformers.AutoModelForImageClassification.from_pretrained(run.model).eval()
    seen = (np.asarray(image) / 255 - pixels["image_mean"]) / pixels["image_std"]
    with torch.no_grad():
        logits = theirs(torch.tensor(seen, dtype=torch.float32).permute(2, 0, 1)[None]).logits
    (temperature,) = model.temperatures.values()
    said = model.predict(image).select(f"probability_{name}" for name in theirs.config.id2label.values())
    np.testing.assert_allclose(said.to_numpy()[0], (logits / temperature).softmax(-1)[0].numpy(), atol=1e-4)
    assert json.loads((run.model / "preprocessor_config.json").read_text())["image_mean"] == pytest.approx(
        [0.4, 0.5, 0.6]
    )
