"""Exact match and F1 against cases worked by hand from SQuAD's and CMRC's own evaluation scripts, and against witnesses
written from their definition."""

import re
import string

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.evaluation.metrics import measure
from danlu.evaluation.outcome import Outcome
from danlu.evaluation.question_answering import (
    best_scores,
    best_threshold,
    chinese_scores,
    normalized,
    sentences,
    squad_scores,
)


def test_normalization_is_that_of_squad() -> None:
    assert normalized("  The  Cat's,\n an A-b. theory ") == "cats ab theory"
    assert normalized("THE") == ""
    assert normalized("“the” cat") == "“ ” cat", "punctuation is that of ASCII, as in the script"


@pytest.mark.parametrize(
    ("answer", "reference", "exact", "f1"),
    [
        ("Denver Broncos", "the Denver Broncos!", 1, 1),
        ("Broncos", "Denver Broncos", 0, 2 / 3),
        ("the big big dog", "big dog dog", 0, 2 / 3),  # big dog of three and three: a word counts as often as in both
        ("cat", "dog", 0, 0),
        ("", "", 1, 1),
        ("", "dog", 0, 0),
        ("dog", "", 0, 0),
        ("a", "the", 1, 1),  # nothing is left of either
        ("a", "dog", 0, 0),
    ],
)
def test_scores_of_words_are_those_worked_by_hand(answer: str, reference: str, exact: float, f1: float) -> None:
    assert squad_scores(answer, reference) == pytest.approx((exact, f1))


@pytest.mark.parametrize(
    ("answer", "reference", "exact", "f1"),
    [
        ("光荣和ω-force", "光荣和ω-force。", 1, 1),
        ("北京大学", "北京的大学", 0, 4 / 9),  # the longest run of four and five is 北京, or 大学
        ("1976年", "在1976年出生", 0, 4 / 7),  # 1976 年 of two and five
        ("Word one", "word ONE", 1, 1),
        ("猫", "狗", 0, 0),
        ("", "", 1, 1),
        ("", "狗", 0, 0),
    ],
)
def test_scores_of_characters_are_those_worked_by_hand(answer: str, reference: str, exact: float, f1: float) -> None:
    assert chinese_scores(answer, reference) == pytest.approx((exact, f1))


def test_the_best_reference_counts_and_none_is_the_right_answer_to_a_question_without_one() -> None:
    assert best_scores("the cat", ["dog", "black cat", "cat sat on mats"], squad_scores) == pytest.approx((0, 2 / 3))
    assert best_scores("", [], squad_scores) == (1, 1)
    assert best_scores("cat", [], squad_scores) == (0, 0)


def witness(answer: str, reference: str) -> tuple[float, float]:
    """SQuAD's definition, words crossed out one by one."""

    def words(text: str) -> list[str]:
        kept = "".join("" if letter in string.punctuation else letter for letter in text.lower())
        return [word for word in re.sub(r"\b(a|an|the)\b", " ", kept).split() if word]

    said, wanted = words(answer), words(reference)
    if not said or not wanted:
        return float(said == wanted), float(said == wanted)
    rest, same = list(wanted), 0
    for word in said:
        if word in rest:
            rest.remove(word)
            same += 1
    if same == 0:
        return 0.0, 0.0
    precision, recall = same / len(said), same / len(wanted)
    return float(said == wanted), 2 * precision * recall / (precision + recall)


some_text = st.lists(st.sampled_from(["a", "the", "Cat", "cat", "dog.", "red", "-", "x-y", "'s"]), max_size=6).map(
    " ".join
)


@given(some_text, some_text)
def test_scores_of_words_are_those_of_the_definition(answer: str, reference: str) -> None:
    assert squad_scores(answer, reference) == pytest.approx(witness(answer, reference))


@given(st.text("猫狗鱼，", max_size=7), st.text("猫狗鱼。", max_size=7))
def test_f1_of_characters_is_that_of_the_longest_text_within_both(answer: str, reference: str) -> None:
    said, right = answer.replace("，", ""), reference.replace("。", "")
    within = [said[i:j] for i in range(len(said)) for j in range(i + 1, len(said) + 1) if said[i:j] in right]
    longest = max(map(len, within), default=0)
    expected = 2 * longest / (len(said) + len(right)) if said and right else float(said == right)
    assert chinese_scores(answer, reference) == pytest.approx((float(said == right), expected))


def test_metrics_are_means_and_tell_questions_without_an_answer_apart() -> None:
    scores = np.array([[1, 1], [0, 0.5], [1, 1], [0, 0]], float)
    outcome = Outcome("answers", "answers", (), np.array([1, 1, 0, 0], float), scores, ["row"] * 4, pl.DataFrame())
    assert measure(outcome) == pytest.approx(
        {
            "exact_match": 0.5,
            "f1": 0.625,
            "exact_match_answerable": 0.5,
            "f1_answerable": 0.75,
            "no_answer_accuracy": 0.5,
        }
    )


@given(st.lists(st.tuples(st.integers(-5, 5), st.sampled_from([-1.0, 0.0, 0.5, 1.0])), min_size=1, max_size=12))
def test_no_other_threshold_is_better_than_the_best(rows: list[tuple[int, float]]) -> None:
    margin, gain = np.array(rows, float).T
    total = [gain[margin > threshold].sum() for threshold in np.arange(-6, 7, 0.5)]
    assert gain[margin > best_threshold(margin, gain)].sum() == pytest.approx(max(total))


def test_sentences_end_with_a_mark_or_a_line() -> None:
    assert sentences("It cost 3.5 euros. Why? Nobody\nknew") == ["It cost 3.5 euros.", "Why?", "Nobody", "knew"]
    assert sentences("今天下雨。他说：走吧！") == ["今天下雨。", "他说：走吧！"]
    assert sentences("") == [""]
