"""BLEU, chrF and ROUGE from figures of each row: sacrebleu's own corpus scores, and worked examples of Lin 2004."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from danlu.evaluation import overlap
from danlu.evaluation.bootstrap import resampled
from danlu.evaluation.lexicon import lexicon
from danlu.evaluation.metrics import measure
from danlu.evaluation.outcome import Outcome

ENGLISH = ["the", "cat", "sat", "on", "a", "mat", ".", "It's", "1,000", "dogs"]
CHINESE = [*"我你他是的一猫坐在上，。", "ok", "2024"]
KINDS = [(ENGLISH, " ", "13a"), (CHINESE, "", "zh"), (CHINESE, "", "char")]


def corpus(words: list[str], glue: str, rows: int = 30, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    """Answers that are their references with some words lost or changed, an empty one among them; two references."""
    rng = random.Random(seed)
    references = [[glue.join(rng.choices(words, k=rng.randint(1, 12))) for _ in range(2)] for _ in range(rows)]
    answers = [
        glue.join(
            word if rng.random() < 0.7 else rng.choice(words) for word in (list(one[0]) if not glue else one[0].split())
        )
        for one in references
    ]
    return ["", *answers[1:]], references


@pytest.mark.parametrize(
    ("words", "glue", "tokenize"), [(ENGLISH, " ", "13a"), (CHINESE, "", "zh"), (CHINESE, "", "char")]
)
@pytest.mark.parametrize("several", [False, True])
def test_sums_of_rows_give_sacrebleus_corpus_scores(words, glue, tokenize, several):
    answers, references = corpus(words, glue)
    references = references if several else [each[:1] for each in references]
    sums = overlap.figures(answers, references, tokenize).sum(0)
    streams = [list(stream) for stream in zip(*references, strict=True)]
    assert overlap.bleu(sums[overlap.BLEU]) == pytest.approx(
        BLEU(tokenize=tokenize).corpus_score(answers, streams).score
    )
    assert overlap.chrf(sums[overlap.CHRF]) == pytest.approx(CHRF().corpus_score(answers, streams).score)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text("ab ,", max_size=12), st.text("ab ,", max_size=12)), min_size=1, max_size=4))
def test_scores_of_any_texts_are_sacrebleus(rows):
    answers, references = [one for one, _ in rows], [[other] for _, other in rows]
    sums = overlap.figures(answers, references, "13a").sum(0)
    streams = [[each[0] for each in references]]
    assert overlap.bleu(sums[overlap.BLEU]) == pytest.approx(BLEU().corpus_score(answers, streams).score)
    assert overlap.chrf(sums[overlap.CHRF]) == pytest.approx(CHRF().corpus_score(answers, streams).score)


def test_rouge_has_the_values_of_lins_example():
    # Lin 2004, section 3.1: "police killed the gunman" as the reference; ROUGE-L of both answers, β = 1
    reference = ["police killed the gunman"]
    assert overlap.rouge("police kill the gunman", reference) == pytest.approx((3 / 4, 1 / 3, 3 / 4))
    assert overlap.rouge("the gunman kill police", reference) == pytest.approx((3 / 4, 1 / 3, 2 / 4))


def test_rouge_takes_the_best_reference_for_each_figure():
    answer, references = "a b c d", ["a b x y", "d c b a"]
    one, two, longest = zip(*(overlap.rouge(answer, [each]) for each in references), strict=True)
    assert overlap.rouge(answer, references) == (max(one), max(two), max(longest))
    assert max(one) == 1.0


def test_rouge_reads_chinese_by_characters_and_no_marks():
    assert overlap.words_of("深度学习，很 Useful!") == ["深", "度", "学", "习", "很", "useful"]
    assert overlap.rouge("我是猫。", ["我是狗"]) == pytest.approx((2 / 3, 1 / 2, 2 / 3))


def test_an_empty_answer_scores_nothing():
    assert overlap.rouge("", ["a b"]) == (0.0, 0.0, 0.0)
    figures = overlap.figures([""], [["a b"]], "13a")[0]
    assert overlap.bleu(figures[overlap.BLEU]) == overlap.chrf(figures[overlap.CHRF]) == 0.0


def test_resampled_scores_are_those_of_the_rows_that_were_drawn():
    answers, references = corpus(ENGLISH, " ", rows=12)
    figures = np.pad(overlap.figures(answers, references, "13a"), ((0, 0), (0, 2)), constant_values=np.nan)
    outcome = Outcome("en", "translation", (), np.ones((12, 1)), figures, [""] * 12, None)
    drawn = np.random.default_rng(7).integers(0, 12, 12)
    chosen, right = [answers[i] for i in drawn], [references[i] for i in drawn]
    values = resampled(outcome, 1, seed=7)
    assert values["bleu"][0] == pytest.approx(BLEU().corpus_score(chosen, list(zip(*right, strict=True))).score)
    assert values["rouge_l"][0] == pytest.approx(
        np.mean([overlap.rouge(*row)[2] for row in zip(chosen, right, strict=True)])
    )
    assert "loss" not in measure(outcome)


def test_the_lexicon_finds_which_token_goes_with_which():
    rng = random.Random(0)
    sources = [rng.sample(range(10), 3) for _ in range(200)]
    answers = [[10 + token for token in rng.sample(source, 3)] for source in sources]
    table = lexicon(sources, answers, size=25)
    assert table.tolist() == [*range(10, 20), *range(10, 25)]
