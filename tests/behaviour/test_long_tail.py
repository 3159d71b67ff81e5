"""Architectures of transformers go the whole way: trained, saved in its layout, loaded, resumed, and said the same."""

import json
import random
import sys

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer

import danlu
from danlu.api import recipe_of, training
from danlu.data.store import Shapes
from danlu.errors import DanluError
from danlu.events import Trained
from danlu.models import build, family_for, family_named
from danlu.models.long_tail import at_the_end
from danlu.models.precision import computed_in
from danlu.recipe import Recipe

SMALL = {"width": 16, "depth": 2, "heads": 2}
XLNET = {"family": "transformers:xlnet", **SMALL}
QUICK = {
    "train__epochs": 2, "train__learning_rate": 0.01, "evaluate__baseline": False, "evaluate__bootstrap": 10,
    "quiet": True,
}  # fmt: skip
TEXTS = ["a very good film", "bad", "the the the , . film bad plot very"]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("reviews"), random.Random(0)
    words = ["a", "the", "very", "film", "plot", ".", ","]
    starts = [" ".join(draw.choices(words, k=draw.randint(1, 9))) for _ in range(40)]
    rows = [(f"{start} {how}", how) for start in starts for how in ("good", "bad")]
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_csv(folder / "reviews.csv")
    return folder


def classifier(folder, out, model, **settings):
    file = folder / "reviews.csv"
    given = {"target": "label", "task": "text-classification", **QUICK, **settings}
    return danlu.train(file, model=model, out=folder / out, **given)


def their_chances(run, texts, side="right"):
    """What transformers says of the texts, with all that is saved in the run's model folder."""
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(run.model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.model, padding_side=side)
    with torch.no_grad():
        logits = theirs(**tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)).logits
    return theirs, logits


def our_logits(predictor, texts):
    rows = pl.DataFrame({"text": texts})
    from danlu.data.read import examples_of

    store = predictor.codec.encode(examples_of(rows, predictor.data, predictor.columns), with_targets=False)
    return predictor.outputs(store)["label"]


@pytest.fixture(scope="module")
def xlnet(reviews):
    return classifier(reviews, "xlnet", XLNET)


def test_an_xlnet_says_what_the_plain_module_of_transformers_says(xlnet):
    model = danlu.load(xlnet)
    theirs, logits = their_chances(xlnet, TEXTS, side="left")
    assert type(theirs) is transformers.XLNetForSequenceClassification
    assert theirs.config.id2label == {0: "bad", 1: "good"}
    torch.testing.assert_close(our_logits(model, TEXTS), logits, atol=1e-5, rtol=1e-4)
    assert model.predict([{"text": text} for text in TEXTS])["prediction"].is_in(["good", "bad"]).all()


def test_what_an_xlnet_says_of_a_text_does_not_change_with_the_texts_beside_it(xlnet):
    model = danlu.load(xlnet)
    alone = torch.cat([our_logits(model, [text]) for text in TEXTS])
    torch.testing.assert_close(our_logits(model, TEXTS), alone, atol=1e-5, rtol=1e-4)


def test_a_run_is_resumed_with_the_weights_of_an_uninterrupted_one(reviews, xlnet):
    asked = {name: value for name, value in QUICK.items() if name != "quiet"}
    recipe = recipe_of(
        [str(reviews / "reviews.csv")], target="label", task="text-classification", model=XLNET,
        train__checkpoint_every=2, **asked,
    )  # fmt: skip
    events = training(recipe, reviews / "stopped")
    trained = 0
    for event in events:
        trained += isinstance(event, Trained)
        if trained == 3:
            events.close()
    again = danlu.train(resume=reviews / "stopped", quiet=True)
    for name, tensor in weights(xlnet).items():
        assert torch.equal(tensor, weights(again)[name]), name


def weights(run):
    return transformers.AutoModelForSequenceClassification.from_pretrained(run.model).state_dict()


def test_an_xlnet_tells_words(tmp_path):
    draw = random.Random(0)
    people, places = [("Ann", "B-person"), ("Bob", "B-person")], [("Rome", "B-place"), ("Oslo", "B-place")]
    sentences = [[draw.choice(people), ("saw", "O"), draw.choice(places), (".", "O")] for _ in range(60)]
    lines = "\n\n".join("\n".join("\t".join(word) for word in sentence) for sentence in sentences)
    (tmp_path / "names.conll").write_text(lines + "\n")
    run = danlu.train(tmp_path / "names.conll", model=XLNET, out=tmp_path / "run", **(QUICK | {"train__epochs": 8}))
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(run.model)
    assert type(theirs) is transformers.XLNetForTokenClassification
    found = danlu.load(run).predict(["Ann saw Oslo ."])["entities"][0]
    assert [(entity["text"], entity["label"]) for entity in found] == [("Ann", "person"), ("Oslo", "place")]


def test_a_checkpoint_of_an_architecture_that_danlu_lacks_is_fine_tuned(reviews, xlnet, tmp_path):
    albert = transformers.AlbertConfig(
        vocab_size=12, embedding_size=8, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=20, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    body = transformers.AlbertModel(albert)
    body.save_pretrained(tmp_path / "albert")
    Tokenizer.from_file(str(xlnet.model / "tokenizer.json")).save(str(tmp_path / "albert" / "tokenizer.json"))
    with pytest.raises(DanluError, match="--model transformers:"):
        classifier(reviews, "albert", str(tmp_path / "albert"))
    run = classifier(reviews, "albert", f"transformers:{tmp_path / 'albert'}", train__freeze=2)
    theirs, logits = their_chances(run, TEXTS)
    assert type(theirs) is transformers.AlbertForSequenceClassification
    torch.testing.assert_close(our_logits(danlu.load(run), TEXTS), logits, atol=1e-5, rtol=1e-4)
    after = theirs.albert.state_dict()
    frozen = [name for name in body.state_dict() if name.startswith(("embeddings.", "encoder.albert_layer"))]
    assert frozen
    assert all(torch.equal(after[name], body.state_dict()[name]) for name in frozen)
    note = next(note for note in run.resolved["notes"] if note["code"] == "models.pretrained")
    assert "classifier.weight" in note["fields"]["new"]


def test_a_pickle_is_refused_and_no_code_of_a_checkpoint_is_run(reviews, tmp_path, xlnet):
    config = json.loads((xlnet.model / "config.json").read_text())
    config |= {"auto_map": {"AutoModelForSequenceClassification": "evil.Model"}, "attn_implementation": "org/kernels"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    (tmp_path / "tokenizer.json").write_bytes((xlnet.model / "tokenizer.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"not opened")
    with pytest.raises(DanluError) as refused:
        classifier(reviews, "evil", f"transformers:{tmp_path}")
    assert refused.value.key == "hub.pickle"
    (tmp_path / "model.safetensors").write_bytes((xlnet.model / "model.safetensors").read_bytes())
    run = classifier(reviews, "evil", f"transformers:{tmp_path}", train__epochs=1)
    assert danlu.load(run).predict(["bad film"]).height == 1
    assert "evil" not in sys.modules


def test_a_decoder_of_transformers_is_trained_and_writes(tmp_path):
    draw = random.Random(0)
    for n in range(30):
        lines = [f"the {draw.choice(['red', 'old'])} cat sat\n" for _ in range(6)]
        (tmp_path / f"{n}.txt").write_text("".join(lines))
    files = [str(file) for file in sorted(tmp_path.glob("*.txt"))]
    run = danlu.train(
        files, task="text-generation", model={"family": "transformers:gpt_neox", **SMALL}, out=tmp_path / "run",
        data__text__max_length=16, train__steps=60, train__learning_rate=0.01, evaluate__bootstrap=10, quiet=True,
    )  # fmt: skip
    theirs = transformers.AutoModelForCausalLM.from_pretrained(run.model).eval()
    known = danlu.load(run)
    assert type(theirs) is transformers.GPTNeoXForCausalLM
    prompts = ["the", "the red ca"]
    for prompt, written in zip(prompts, known.generate(prompts, max_new_tokens=6, temperature=0.0), strict=True):
        documents = known.codec.reading
        ids = [documents.end, *documents.tokenizer.encode(prompt).ids]
        wanted = theirs.generate(torch.tensor([ids]), max_new_tokens=6, do_sample=False, pad_token_id=0)[0, len(ids) :]
        assert written == documents.tokenizer.decode(wanted.tolist())
    assert known.generate("the", max_new_tokens=4, num_beams=2)


@torch.inference_mode()
def test_far_places_are_told_in_bfloat16_as_well_as_near_ones():
    fields = {"width": 64, "depth": 2, "heads": 4, "max_length": 1000}
    model, _ = build("transformers:llama", fields, Shapes(tokens=53, max_tokens=1000))
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.15)
    tokens = torch.randint(53, (1, 900), generator=torch.Generator().manual_seed(1))
    exact, near = (
        each({"tokens": tokens})["logits"][0].float().log_softmax(-1)
        for each in (model.eval(), computed_in(model, "bfloat16"))
    )
    lost = (exact.exp() * (exact - near)).sum(-1)
    assert lost[-100:].mean() < 2 * lost[:100].mean()


def test_documents_of_one_row_do_not_see_each_other():
    model, _ = build("transformers:gpt_neox", {**SMALL, "max_length": 20}, Shapes(tokens=11, max_tokens=9))
    model.eval()
    tokens = torch.randint(1, 11, (2, 9), generator=torch.Generator().manual_seed(0))
    documents = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 2], [3] * 9])
    with torch.no_grad():
        together = model({"tokens": tokens, "documents": documents})["logits"]
        for row, first, end in ((0, 0, 3), (0, 3, 8), (0, 8, 9), (1, 0, 9)):
            alone = model({"tokens": tokens[row : row + 1, first:end]})["logits"]
            torch.testing.assert_close(together[row, first:end], alone[0], atol=1e-5, rtol=1e-4)


def test_a_model_that_sees_ahead_is_no_language_model(tmp_path):
    (tmp_path / "text.txt").write_text("a line of text, and another\n" * 200)
    with pytest.raises(DanluError) as refused:
        danlu.train(
            tmp_path / "text.txt", task="text-generation", out=tmp_path / "run", quiet=True,
            model={"family": "transformers:roformer", **SMALL, "settings": {"is_decoder": False}},
        )  # fmt: skip
    assert refused.value.key == "models.sees_ahead"


def test_images_are_read_by_a_convnext(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(24):
        path = tmp_path / "photos" / ("dark" if n % 2 else "light") / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((rng.random((32, 32, 3)) * (100 if n % 2 else 255)).astype(np.uint8)).save(path)
    run = danlu.train(
        tmp_path / "photos", model={"family": "transformers:convnext", "width": 4, "depth": 1}, out=tmp_path / "run",
        **QUICK,
    )  # fmt: skip
    theirs = transformers.AutoModelForImageClassification.from_pretrained(run.model).eval()
    assert theirs.config.hidden_sizes == [4, 8, 16, 32]
    image = Image.open(tmp_path / "photos" / "dark" / "1.png")
    said = json.loads((run.model / "preprocessor_config.json").read_text())
    pixels = (np.asarray(image) / 255 - said["image_mean"]) / said["image_std"]
    with torch.no_grad():
        logits = theirs(torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None]).logits
    model = danlu.load(run)
    (temperature,) = model.temperatures.values()
    ours = model.predict(image).select(f"probability_{name}" for name in theirs.config.id2label.values()).to_numpy()
    np.testing.assert_allclose(ours[0], (logits / temperature).softmax(-1)[0].numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "said"), [("xlnett", "xlnet"), ("albret", "albert"), ("tiny-bert", "transformers:./folder")]
)
def test_an_unknown_type_is_refused_with_the_nearest(name, said):
    with pytest.raises(DanluError, match=said) as refused:
        family_named(f"transformers:{name}")
    assert refused.value.key == "models.unknown_type"


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DanluError, match=r"pip install 'danlu\[transformers\]'"):
        family_named("transformers:some-type-that-was-never-asked-for")


def test_what_an_architecture_cannot_do_is_refused():
    with pytest.raises(DanluError) as refused:
        family_for("transformers:convnext", "text")
    assert refused.value.key == "models.cannot_read"
    shapes = Shapes(tokens=9, max_tokens=4, heads={"label": 2})
    for name, fields, key in (
        ("fnet", {}, "models.no_mask"),
        ("xlnet", {"width": 10, "heads": 3}, "models.bad_settings"),
        ("electra", {"max_length": 3}, "models.too_long"),
    ):
        with pytest.raises(DanluError) as refused:
            build(f"transformers:{name}", SMALL | fields, shapes)
        assert refused.value.key == key


def test_settings_of_the_architecture_win_over_what_is_derived():
    shapes = Shapes(tokens=9, max_tokens=4, heads={"label": 3})
    model, _ = build("transformers:xlnet", {**SMALL, "settings": {"d_inner": 24, "dropout": 0.3}}, shapes)
    assert (model.model.config.d_inner, model.model.config.dropout, model.model.config.num_labels) == (24, 0.3, 3)


def test_padding_moves_to_the_beginning():
    rows, length = torch.tensor([[1, 2, 0, 0], [1, 2, 3, 4], [5, 0, 0, 0]]), torch.tensor([2, 4, 1])
    assert at_the_end(rows, length).tolist() == [[0, 0, 1, 2], [1, 2, 3, 4], [0, 0, 0, 5]]


def test_a_folder_behind_the_prefix_is_found_from_elsewhere(tmp_path):
    (tmp_path / "albert").mkdir()
    located = Recipe.of({"model": "transformers:./albert"}).located(tmp_path)
    assert located.model.pretrained == f"transformers:{tmp_path / 'albert'}"
    assert Recipe.of({"model": "transformers:org/name"}).located(tmp_path).model.pretrained == "transformers:org/name"
