"""Answers: how a model is asked, by what its codec's reading `reads`. Knows no file and no run."""

from collections.abc import Callable, Mapping

from danlu.evaluation.asking import Answers, Asking
from danlu.evaluation.entities import Found
from danlu.evaluation.fill_mask import Filled
from danlu.evaluation.language import Costs
from danlu.evaluation.question_answering import Asked
from danlu.evaluation.text_to_text import Written

ANSWERS: Mapping[str, Callable[[Asking], Answers]] = {
    "documents": Costs,
    "words": Found,
    "masked": Filled,
    "passages": Asked,
    "pairs": Written,
}

__all__ = ["ANSWERS", "Answers", "Asking"]
