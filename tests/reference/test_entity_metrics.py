"""Entity precision, recall and F1 against worked examples: those of conlleval and of seqeval's documentation."""

import numpy as np
import polars as pl
import pytest

from danlu.data.codec import Codec
from danlu.data.read import examples_of
from danlu.data.tagging import fit_tagging
from danlu.evaluation.entities import Tagged, rivals
from danlu.evaluation.metrics import measure
from danlu.evaluation.outcome import Outcome
from danlu.recipe import DataConfig, TextConfig
from danlu.tasks.token_classification import entities_right

Tags = list[list[str]]


def tagged(tags: Tags, words: list[list[str]] | None = None) -> Tagged:
    rows = [
        {"tokens": words[n] if words else [f"w{i}" for i in range(len(row))], "tags": row} for n, row in enumerate(tags)
    ]
    examples = examples_of(rows, DataConfig(), task="token-classification")
    tagging, target, _ = fit_tagging(examples, "entities", TextConfig(tokenizer="word"))
    return Tagged(Codec({"entities": target}, {"text": "text"}, reading=tagging), examples)


def outcome(truth: Tags, answer: Tags) -> Outcome:
    said = tagged(answer).true.with_columns(score=pl.lit(1.0))
    return tagged(truth).outcome(said)


def test_the_example_of_seqeval() -> None:
    truth = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    answer = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    measured = measure(outcome(truth, answer))
    assert [measured[f"{name}_micro"] for name in ("precision", "recall", "f1")] == [0.5, 0.5, 0.5]
    assert measured["f1_macro"] == 0.5  # MISC 0, PER 1


def test_precision_recall_and_f1_of_each_kind_and_of_all() -> None:
    truth = [["B-A", "I-A", "O", "B-B"], ["B-A", "O", "B-B", "B-B"], ["O", "O"]]
    answer = [["B-A", "I-A", "O", "B-A"], ["B-A", "O", "B-B", "O"], ["B-B", "O"]]
    measured = measure(outcome(truth, answer))
    assert measured["precision_micro"] == pytest.approx(3 / 5)  # A: 2 of 3 answers, B: 1 of 2
    assert measured["recall_micro"] == pytest.approx(3 / 5)  # A: 2 of 2, B: 1 of 3
    assert measured["precision_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert measured["recall_macro"] == pytest.approx((1 + 1 / 3) / 2)
    assert measured["f1_macro"] == pytest.approx((4 / 5 + 2 / 5) / 2)
    assert measured["f1_weighted"] == pytest.approx((4 / 5 * 2 + 2 / 5 * 3) / 5)


@pytest.mark.parametrize(
    ("truth", "answer", "right"),
    [
        (["B-A", "I-A"], ["B-A", "O"], 0),  # a part of an entity is none of it
        (["B-A", "I-A"], ["B-B", "I-B"], 0),  # nor is another kind
        (["B-A", "I-A"], ["I-A", "I-A"], 1),  # conlleval: what goes on with nothing begins
        (["B-A", "B-A"], ["B-A", "I-A"], 0),  # two are not one
        (["B-A", "I-A"], ["B-A", "I-B"], 0),  # another kind ends it
    ],
)
def test_an_entity_is_right_as_a_whole_or_not_at_all(truth: list[str], answer: list[str], right: int) -> None:
    classes = ["O", "B-A", "I-A", "B-B", "I-B"]
    true, said = (np.array([classes.index(tag) for tag in tags]) for tags in (truth, answer))
    assert entities_right(true, said, np.zeros(len(true), np.int64))[0] == right


def test_an_entity_never_crosses_sentences() -> None:
    both = np.array([1, 2])
    assert entities_right(both, both, np.array([0, 1])) == (2, 2, 2)
    assert entities_right(both, both, np.array([0, 0])) == (1, 1, 1)


def test_kinds_that_training_never_saw_count_as_missed() -> None:
    model = tagged([["B-A", "O"]])
    test = Tagged(model.codec, tagged([["B-A", "B-C"]]).examples)
    said = test.outcome(test.true.filter(pl.col("label") == "A").with_columns(score=pl.lit(1.0)))
    assert said.classes == ("A", "C")
    assert measure(said)["recall_micro"] == 0.5


def test_the_baselines_are_no_entity_and_each_words_commonest_tag() -> None:
    words = [["Rome", "is", "old"], ["in", "Rome", "Lee"], ["Rome", "Lee", "is"]]
    tags = [["B-loc", "O", "O"], ["O", "B-loc", "B-per"], ["B-per", "I-per", "O"]]
    train = tagged(tags, words)
    test = Tagged(train.codec, tagged([["B-loc", "O"], ["B-per", "O"]], [["Rome", "old"], ["Kim", "is"]]).examples)
    truth = test.outcome(test.true.with_columns(score=pl.lit(1.0)))
    none, commonest = (measure(truth.predicted(rival.prediction)) for rival in rivals(train, test))
    assert none["f1_micro"] == 0
    assert commonest["precision_micro"] == 1.0  # Rome is a place most often; Kim was never seen
    assert commonest["recall_micro"] == 0.5
