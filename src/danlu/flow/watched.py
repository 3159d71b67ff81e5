"""Watched: the rows of which a run keeps what drift is told by. Knows no server."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from danlu.data.codec import Codec
from danlu.data.examples import Examples
from danlu.drift.measures import Seen
from danlu.drift.reference import ROWS, Reference, RowsOf
from danlu.evaluation.answers import Answers
from danlu.evaluation.judge import Evidence
from danlu.flow.material import Material
from danlu.predictor import Predictor

ENOUGH = 500  # test rows; fewer are joined by those of validation
IMAGES = 640  # that are decoded once more


def watched(
    predictor: Predictor, material: Material, evidence: Sequence[Evidence], answers: Answers | None
) -> Reference:
    """The reference: test rows with the answers that were measured, and where these are few, validation rows.

    Rows that were trained on only where there are no others. `answers`: of a task that reads texts in its own way,
    which is asked no more than it was.
    """
    codec = predictor.codec
    if codec.reading is not None:
        return _of_own(codec, material, answers)
    seen = [_seen(predictor, material.test, evidence)] if len(material.test) else []
    if len(material.test) < ENOUGH and len(material.validation):
        seen.append(_asked(predictor, material.validation, ENOUGH))
    if seen:
        return Reference.fit(codec, seen, "held_out" if len(material.test) < sum(map(len, seen)) else "test")
    return Reference.fit(codec, [_asked(predictor, material.train, ENOUGH)], "train")


def _asked(predictor: Predictor, rows: Examples, most: int) -> Seen:
    """Some of the rows, answered now."""
    some = rows.take(_evenly(len(rows), most))
    return _seen(predictor, some, predictor.evidence(some))


def _seen(predictor: Predictor, rows: Examples, evidence: Sequence[Evidence]) -> Seen:
    taken = _evenly(len(rows), IMAGES if predictor.codec.images else ROWS)
    some = rows.take(taken)
    predictions = {each.outcome.target: each.outcome.prediction[taken] for each in evidence}
    return Seen(_inputs(predictor.codec, some), predictor.encoded(some), predictions)


def _of_own(codec: Codec, material: Material, answers: Answers | None) -> Reference:
    """Texts with masks are filled only where somebody asks, so that nothing is known of the answers."""
    rows = next(filter(len, (material.test, material.validation, material.train)))
    taken = _evenly(len(rows), ROWS)
    of: RowsOf = "test" if rows is material.test else "held_out" if rows is material.validation else "train"
    answered = pl.DataFrame()
    if of == "test" and answers and codec.reading and codec.reading.reads != "masked":
        answered = pl.DataFrame(answers.columns())[taken]
    return Reference.fit(codec, [Seen(_inputs(codec, rows.take(taken)), None, answered)], of)


def _inputs(codec: Codec, rows: Examples) -> pl.DataFrame:
    return rows.frame.select([name for name in codec.inputs if name in rows.frame.columns])


def _evenly(count: int, most: int) -> np.ndarray:
    """At most so many positions of `count`."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
