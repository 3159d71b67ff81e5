"""Fill-mask from texts to answers: pretrain, measure, fill, go on; transformers reads what danlu wrote."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from safetensors.torch import load_file
from typer.testing import CliRunner

import danlu
from danlu.cli import app
from danlu.errors import DanluError
from danlu.run import Run

TOWNS = {"oslo": "norway", "rome": "italy", "lima": "peru", "paris": "france"}
SMALL = {"width": 16, "depth": 1, "heads": 2}
QUICK: dict[str, Any] = {"evaluate__bootstrap": 20, "quiet": True, "data__columns": {"text": "text"}}


def texts(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    towns = rng.choice(list(TOWNS), count)
    return [f"{town} is the capital of {TOWNS[town]} . it was day {rng.integers(9)} there ." for town in towns]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny BERT that has learned a few phrases."""
    return danlu.train(
        pl.DataFrame({"text": texts(400)}), task="fill-mask", model={"family": "bert", **SMALL, "dropout": 0.0},
        out=tmp_path_factory.mktemp("runs") / "bert", train__steps=200, train__learning_rate=5e-3, train__batch_size=32,
        **QUICK,
    )  # fmt: skip


def test_what_it_learns_is_measured_beside_what_needs_no_model(pretrained: Run) -> None:
    (target,) = pretrained.report["targets"]
    assert target["kind"] == "masked"
    assert target["headline"] == "accuracy"
    assert set(target["metrics"]) == {"accuracy", "top5_accuracy", "perplexity", "loss"}
    commonest, neighbours = (baseline["metrics"]["accuracy"] for baseline in target["baselines"])
    assert commonest < neighbours
    assert commonest < target["metrics"]["accuracy"]
    assert target["metrics"]["perplexity"] == pytest.approx(np.exp(target["metrics"]["loss"]))
    assert "hidden tokens" in target["verdict"][0]["text"]
    page = pretrained.report_html.read_text(encoding="utf-8")
    assert "Among the first five" in page


def test_every_mask_is_filled_and_its_tokens_come_with_their_chances(pretrained: Run) -> None:
    model = danlu.load(pretrained)
    answers = model.predict(["rome is the [MASK] of italy .", "<mask> is the capital [MASK] peru ."])
    filled, other = answers["prediction"]
    assert filled == "rome is the capital of italy ."
    assert other.endswith(" is the capital of peru .")
    first, second = answers["tokens"].to_list()
    assert [answer["mask"] for answer in first] == [1] * 5
    assert [answer["mask"] for answer in second] == [1] * 5 + [2] * 5
    scores = [answer["score"] for answer in first]
    assert scores == sorted(scores, reverse=True)
    assert 0.5 < sum(scores) <= 1


def test_a_text_without_a_mask_is_refused_with_its_place(pretrained: Run) -> None:
    with pytest.raises(DanluError, match=r'row 2: there is nothing to fill in "rome"\. Write \[MASK\]'):
        danlu.load(pretrained).predict(["[MASK]", "rome"])


def test_the_command_line_takes_the_text_itself(pretrained: Run) -> None:
    def said(*arguments: str) -> str:
        return CliRunner().invoke(app, ["predict", str(pretrained), *arguments], catch_exceptions=False).stdout

    line = said("rome is the [MASK] of italy .")
    assert "rome is the capital of italy ." in line
    assert line == said("--text", "rome is the [MASK] of italy .")
    with pytest.raises(DanluError, match="nothing to fill"):
        said("rome is the capital .")


def test_transformers_gives_the_same_logits_for_the_same_text(pretrained: Run) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(pretrained.model)
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(pretrained.model).eval()
    text = "rome is the capital of [MASK] ."
    inputs = tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        logits = theirs(**inputs).logits[inputs["input_ids"] == tokenizer.mask_token_id]
    model = danlu.load(pretrained)
    tokens = model.codec.reading.questions([text]).batch(torch.tensor([0])).inputs["tokens"]
    assert tokens.tolist() == inputs["input_ids"].tolist()
    (answer,) = model.predict(text)["tokens"].to_list()
    best = [tokenizer.decode(number) for number in logits[0].topk(5).indices.tolist()]
    assert [each["token"] for each in answer] == best
    expected = logits.softmax(-1)[0].topk(5).values.tolist()
    np.testing.assert_allclose([each["score"] for each in answer], expected, rtol=1e-4)


def test_a_classifier_begins_with_what_was_learned(pretrained: Run, tmp_path: Path) -> None:
    rows = pl.DataFrame({"text": texts(60, seed=1), "label": ["a", "b"] * 30})
    run = danlu.train(
        rows, target="label", model=f"{pretrained.folder}/model", out=tmp_path / "run", train__steps=1,
        train__freeze=1, evaluate__baseline=False, **QUICK,
    )  # fmt: skip
    before, after = (load_file(each.model / "model.safetensors") for each in (pretrained, run))
    body = [name for name in before if name.startswith("bert.")]
    assert len(body) > 15
    for name in body:
        torch.testing.assert_close(after[name], before[name])
    assert (run.model / "tokenizer.json").read_text() == (pretrained.model / "tokenizer.json").read_text()
    codec = danlu.load(run).codec
    store = codec.encode(danlu.read(rows))
    begin, end = (codec.tokens._tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]"))
    batch = store.batch(torch.arange(3))
    assert batch.inputs["tokens"][:, 0].tolist() == [begin] * 3
    assert batch.inputs["tokens"][0, batch.inputs["tokens_length"][0] - 1] == end


def test_pretraining_goes_on_from_a_checkpoint_with_its_tokenizer(pretrained: Run, tmp_path: Path) -> None:
    run = danlu.train(
        pl.DataFrame({"text": texts(40, seed=2)}), task="fill-mask", model=f"{pretrained.folder}/model",
        out=tmp_path / "run", train__steps=1, train__learning_rate=1e-6, evaluate__baseline=False, **QUICK,
    )  # fmt: skip
    assert run.report["targets"][0]["metrics"]["accuracy"] > 0.5
    assert any("new: –" in note["text"] for note in run.resolved["notes"])


@pytest.mark.parametrize("tokenizer", ["wordpiece", "unigram"])
@pytest.mark.parametrize("next_sentence", [False, True])
def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, next_sentence: bool, tokenizer: str) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(texts(60)), encoding="utf-8")
    asked = {
        "task": "fill-mask", "model": {"family": "bert", **SMALL}, "data__documents": "line", "train__steps": 12,
        "train__checkpoint_every": 5, "data__text__next_sentence": next_sentence, "data__text__whole_word": True,
        "data__text__tokenizer": tokenizer,
        "evaluate__bootstrap": 0, "evaluate__baseline": False, "quiet": True,
    }  # fmt: skip
    run = danlu.train(str(tmp_path / "texts.txt"), out=tmp_path / "whole", **asked)
    shutil.copytree(run.folder, tmp_path / "left")
    (tmp_path / "left" / "report.json").unlink()
    shutil.rmtree(tmp_path / "left" / "checkpoints" / "step-12")
    assert (tmp_path / "left" / "checkpoints" / "step-10").is_dir()
    resumed = danlu.train(resume=tmp_path / "left", quiet=True)
    weights = [(each.model / "model.safetensors").read_bytes() for each in (run, resumed)]
    assert weights[0] == weights[1]
    assert [record["loss"] for record in resumed.metrics()] == [record["loss"] for record in run.metrics()]


def test_pairs_are_told_and_measured(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kinds = [list("abcdefgh"), list("stuvwxyz")] * 150
    topics = [". ".join(" ".join(rng.choice(words, 6)) for _ in range(2)) + "." for words in kinds]
    run = danlu.train(
        pl.DataFrame({"text": topics}), task="fill-mask", model={"family": "bert", **SMALL, "dropout": 0.0},
        out=tmp_path / "run", data__text__next_sentence=True, train__steps=150, train__learning_rate=5e-3, **QUICK,
    )  # fmt: skip
    metrics = run.report["targets"][0]["metrics"]
    assert metrics["next_accuracy"] > 0.6  # half of the foreign parts are of the same topic: 0.75 is the most
    assert transformers.BertForPreTraining.from_pretrained(run.model).cls.seq_relationship.out_features == 2
    assert danlu.load(run).predict("a b [MASK] d.")["tokens"][0][0]["mask"] == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"task": "fill-mask", "target": "label"}, "task fill-mask has no target"),
        ({"task": "fill-mask", "data__text__max_length": 4}, "max_length is 4"),
        ({"task": "fill-mask", "data__text__over_long": "cut"}, "over_long has no effect"),
        ({"task": "fill-mask", "model": "roberta", "data__text__next_sentence": True}, "model.family=bert"),
        ({"task": "fill-mask", "model": "gpt2"}, "gpt2 does not take texts with hidden tokens"),
        ({"target": "label", "data__text__whole_word": True}, "whole_word is for the task fill-mask"),
        ({"target": "label", "data__text__next_sentence": True}, "next_sentence is for the task fill-mask"),
    ],
)
def test_a_setting_without_a_meaning_is_refused(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    rows = pl.DataFrame({"text": texts(40), "label": ["a", "b"] * 20})
    with pytest.raises(DanluError, match=words):
        danlu.train(rows, out=tmp_path / "run", **settings, **QUICK)
