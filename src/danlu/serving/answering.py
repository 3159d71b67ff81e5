"""Rows of several requests → an answer or a refusal for each of them, by the run's Predictor. Knows no HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from danlu.data.examples import ROW, Column, Examples
from danlu.data.read import examples_of
from danlu.drift.measures import Seen
from danlu.errors import DanluError
from danlu.predictor import Predictor
from danlu.serving.batching import Outcome, Piece
from danlu.serving.drift import Drift
from danlu.serving.rows import Table, frame_of_tables
from danlu.words import Note

Answer = dict[str, Any]  # of a row, as JSON has it


@dataclass(frozen=True)
class Answering:
    """A run's Predictor as the work of a batcher."""

    predictor: Predictor
    drift: Drift | None = None

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The columns that the model reads."""
        return {name: self.predictor.columns[name] for name in self.predictor.codec.inputs}

    def __call__(self, pieces: Sequence[Piece[Table]]) -> list[list[Outcome[Answer]]]:
        """An outcome for each row of each piece; pieces whose columns have the same dtypes are answered together."""
        order = sorted(range(len(pieces)), key=lambda place: str(pieces[place].given.schema))
        outcomes: list[list[Outcome[Answer]]] = [[] for _ in pieces]
        for _, group in groupby(order, key=lambda place: pieces[place].given.schema):
            places = list(group)
            for place, found in zip(places, self._alike([pieces[place] for place in places]), strict=True):
                outcomes[place] = found
        return outcomes

    def _alike(self, pieces: Sequence[Piece[Table]]) -> list[list[Outcome[Answer]]]:
        """Outcomes of pieces of one schema: of all together, or where one of them is refused, of each by itself."""
        try:
            return self._together(pieces)
        except DanluError as error:
            if len(pieces) > 1:
                return [self._alike([piece])[0] for piece in pieces]
            return [[error] * (pieces[0].end - pieces[0].first)]

    def _together(self, pieces: Sequence[Piece[Table]]) -> list[list[Outcome[Answer]]]:
        examples, places = self._examples(pieces)
        found: dict[int, Outcome[Answer]] = {
            bad.row: _refusal(bad.reason, int(places[bad.row]) + 1) for bad in examples.origin.bad_rows
        }
        if len(examples):
            rows = examples.frame[ROW].to_list()
            numbers = places[rows] if len(pieces) == 1 else rows  # of several, a refusal is found again by itself
            named = Examples(examples.frame.with_columns(pl.Series(ROW, numbers, pl.UInt32)), examples.columns)
            found |= dict(zip(rows, self._answers(named), strict=True))
        ends = np.cumsum([piece.end - piece.first for piece in pieces]).tolist()
        return [[found[row] for row in range(begin, end)] for begin, end in zip([0, *ends], ends, strict=False)]

    def _examples(self, pieces: Sequence[Piece[Table]]) -> tuple[Examples, np.ndarray]:
        """The rows with typed columns, those that do not fit left out; the place of each in its request."""
        frame = frame_of_tables([piece.given.piece(piece.first, piece.end) for piece in pieces])
        settings = {"max_bad_rows": 1.0, "sequences": None}  # sequences come whole, not step by step
        examples = examples_of(frame, self.predictor.data.model_copy(update=settings), self.predictor.columns)
        return examples, np.concatenate([np.arange(piece.first, piece.end) for piece in pieces])

    def _answers(self, examples: Examples) -> list[Answer]:
        store = self.predictor.encoded(examples)
        answered = self.predictor.answers(examples, store=store)
        own = answered[:, : answered.width - (examples.frame.width - 1)]
        if self.drift:
            self.drift.saw(Seen(examples.frame, store, own))
        if store is None:
            return [_plain(row) for row in own.to_dicts()]
        return _by_target(self.predictor, own)


def _by_target(predictor: Predictor, answered: pl.DataFrame) -> list[Answer]:
    """prediction and probabilities of each row; of several targets, under the name of each."""
    columns = iter(answered.get_columns())
    found: dict[str, list[Answer]] = {}
    for name, target in predictor.codec.targets.items():
        predictions = next(columns).to_list()
        found[name] = [{"prediction": _plain(prediction)} for prediction in predictions]
        if target.kind != "number":
            chances = zip(*(next(columns).to_list() for _ in target.classes), strict=True)
            for answer, row in zip(found[name], chances, strict=True):
                answer["probabilities"] = dict(zip(target.classes, map(_plain, row), strict=True))
    if len(found) == 1:
        return next(iter(found.values()))
    return [{"targets": dict(zip(found, row, strict=True))} for row in zip(*found.values(), strict=True)]


def _refusal(reason: Note, row: int) -> DanluError:
    """Why a row has no answer, with the row's number in its own request."""
    fields = reason.fields | {"row": row}
    if reason.key == "data.bad_cell":
        return DanluError("serve.bad_cell", **fields | {"found": repr(fields["found"])})
    return DanluError("serve.row", why=Note(reason.key, **fields))


def _plain(value: Any) -> Any:
    """As JSON has it: without not-a-number."""
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
