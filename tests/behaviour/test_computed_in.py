"""Answers in fewer bits: near those in float32, of every kind of model, and refused where they would change nothing."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import danlu
from danlu.cli import app
from danlu.errors import DanluError
from danlu.models.int8 import Int8Linear
from danlu.predictor import Predictor
from danlu.serving.served import embedder_of

TEXTS = {
    "good": ["a good film", "good and warm", "warm, so warm"],
    "bad": ["a bad film", "bad and cold", "cold, so cold"],
}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A run that tells good texts from bad, and the labelled file."""
    folder = tmp_path_factory.mktemp("reviews")
    rows = [
        {"text": f"{text} {n}", "label": label} for label, texts in TEXTS.items() for text in texts for n in range(12)
    ]
    file = folder / "labelled.csv"
    file.write_text("text,label\n" + "".join(f'"{row["text"]}",{row["label"]}\n' for row in rows))
    model = {"width": 64, "depth": 2, "heads": 2}
    run = danlu.train(
        str(file), target="label", model={"family": "bert", **model}, out=folder / "run", quiet=True, train__epochs=6
    )
    return str(run.folder), str(file)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_texts_are_told_apart_as_in_float32(reviews: tuple[str, str], precision: str) -> None:
    exact = danlu.load(reviews[0])
    near = exact.computed_in(precision)
    texts = [text for texts in TEXTS.values() for text in texts]
    one, other = (each.predict(texts) for each in (exact, near))
    assert one["prediction"].to_list() == other["prediction"].to_list()
    chances = [frame["probability_good"].to_numpy() for frame in (one, other)]
    assert np.abs(chances[0] - chances[1]).max() < 0.05
    assert not np.array_equal(*chances), "nothing was rounded"
    assert next(near.module.parameters()).dtype == torch.float32


def test_the_model_itself_stays_as_it_was(reviews: tuple[str, str]) -> None:
    model = danlu.load(reviews[0])
    before = model.predict(["a good film"])
    model.computed_in("int8").predict(["a good film"])
    assert not any(isinstance(each, Int8Linear) for each in model.module.modules())
    assert before.equals(model.predict(["a good film"]))
    assert model.computed_in("float32").module is model.module


def test_another_precision_can_be_asked_for_afterwards(reviews: tuple[str, str]) -> None:
    model, texts = danlu.load(reviews[0]), ["a good film", "cold, so cold"]
    afterwards = model.computed_in("bfloat16").computed_in("int8").predict(texts)
    assert afterwards.equals(model.computed_in("int8").predict(texts))


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_the_commands_take_it(reviews: tuple[str, str], precision: str) -> None:
    run, file = reviews
    told = CliRunner().invoke(
        app, ["predict", run, "--text", "a warm film", "--precision", precision], catch_exceptions=False
    )
    near = Predictor.load(run).computed_in(precision).predict(["a warm film"])
    assert f"{near['probability_good'][0]:.3f}"[:5] in told.output
    measured = CliRunner().invoke(app, ["evaluate", run, file, "--precision", precision], catch_exceptions=False)
    assert measured.exit_code == 0


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_vectors_that_are_served_are_computed_in_it_too(reviews: tuple[str, str], precision: str) -> None:
    model, texts = danlu.load(reviews[0]), ["a good film", "cold, so cold"]
    served = embedder_of(model.computed_in(precision), precision)
    assert served is not None
    assert np.array_equal(served.vectors(texts), model.embed(texts, precision=precision))


def test_a_model_without_matrices_has_nothing_to_round(tmp_path) -> None:
    rows = [{"x": n, "y": 2 * n + 1} for n in range(40)]
    run = danlu.train(rows, target="y", model="linear", out=tmp_path / "run", quiet=True)
    with pytest.raises(DanluError, match="bfloat16"):
        danlu.load(run.folder).computed_in("int8")
