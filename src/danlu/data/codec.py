"""Codec: rows become tensors. All in it is fitted on the training rows, the only rows that `fit` sees."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, TypeVar

import polars as pl
import torch
from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter
from torch import Tensor

from danlu.data.corpus import Documents
from danlu.data.examples import Column, Examples
from danlu.data.images import Images, fit_images
from danlu.data.masking import Masking
from danlu.data.ngrams import Terms, fit_terms
from danlu.data.pairs import Pairs
from danlu.data.passages import Passages
from danlu.data.sequences import Sequences, fit_sequences
from danlu.data.store import Dense, Feed, Modality, Shapes, Store
from danlu.data.tabular import Category, Numbers, fit_category, fit_numbers
from danlu.data.tagging import Tagging
from danlu.data.tally import Rows, Tally
from danlu.data.targets import UNKNOWN_CLASS, Goal, Target, fit_target
from danlu.data.text import Checkpoint, Tokens, fit_tokens, given_tokens
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.recipe import ColumnKind, DataConfig, TextConfig
from danlu.words import Note

T = TypeVar("T")
Said = Annotated[
    Note,
    PlainValidator(lambda note: note if isinstance(note, Note) else Note.from_json(note)),
    PlainSerializer(Note.to_json),
]

# The inputs that a column of each kind can become; a family reads some of them.
INPUTS: Mapping[ColumnKind, tuple[str, ...]] = {
    "number": ("numbers",),
    "boolean": ("numbers",),
    "date": ("numbers",),
    "category": ("categories",),
    "text": ("tokens", "terms"),
    "image": ("image",),
    "sequence": ("sequence",),
    "labels": (),
    "entities": (),
    "answers": (),
}
_WITH_TOKENIZER = ("tokens", "reading")  # parts whose tokenizer is a file of its own
AnyReading = Annotated[Documents | Pairs | Tagging | Passages | Masking, Field(discriminator="reads")]


@dataclass(frozen=True)
class Codec:
    """How rows become tensors: the targets, the columns that are read, and what was fitted for each input.

    `unused` says of every other column why it is not read; `notes` says what was fitted.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # what is saved and not known would change the tensors in silence

    targets: dict[str, Target]
    inputs: dict[str, ColumnKind]
    unused: tuple[Said, ...] = ()
    notes: tuple[Said, ...] = ()
    numbers: Numbers | None = None
    categories: tuple[Category, ...] = ()
    tokens: Tokens | None = None
    reading: AnyReading | None = None  # the task's own, where columns are not inputs one by one
    terms: Terms | None = None
    images: Images | None = None
    sequences: Sequences | None = None

    @classmethod
    def fit(
        cls,
        train: Examples,
        targets: Sequence[str],
        goal: Goal,
        reads: Mapping[Modality, tuple[str, ...]],
        modality: Modality,
        config: DataConfig,
        progress: Progress | None = None,
        *,
        robust: bool = True,
        marked: bool = False,
        checkpoint: Checkpoint | None = None,
    ) -> "Codec":
        """The codec of the training rows, for a family that takes the inputs `reads[modality]`.

        `robust`: numbers are centred on the median and those far out drawn in; else mean and deviation, so
        that the coefficients of a linear model can be told in raw units.
        `marked`: texts are read between marks. `checkpoint`: of a pretrained model, whose tokenizer reads the texts.
        `goal` is that of a lone target; each of several is what its column's kind says.
        Raises DanluError where a target does not fit the goal or no column can be read.
        """
        _require(train, targets)
        frame, rows, taken = train.frame, Rows.of(train, Tally()), reads[modality]
        lone = goal if len(targets) == 1 else None
        fitted_targets = {name: _fitted_target(train, name, lone, rows) for name in targets}
        readable = {c.name: c for c in train.columns.values() if c.name not in targets and c.kind != "ignore"}
        columns, unused = _columns_by_input(frame, readable.values(), taken)
        kinds = {name: readable[name].kind for name in columns["numbers"]}
        numbers, constant = _numbers(frame, kinds, rows, robust, "missing" in taken)
        categories, useless = _categories(frame, columns["categories"])
        unused += [*constant, *useless]
        left_out = {note.fields["column"] for note in unused}
        inputs = {name: column.kind for name, column in readable.items() if name not in left_out}
        if not readable:
            others = ", ".join(name for name in train.columns if name not in targets) or "–"
            raise DanluError("codec.no_columns", others=others)
        if not inputs:
            raise DanluError("codec.no_inputs", reads=", ".join(taken), columns=", ".join(readable))
        tokens, said = _fitted(
            columns["tokens"], lambda c: _tokens(frame, c, config.text, marked, checkpoint, progress), []
        )
        terms, said = _fitted(columns["terms"], lambda c: fit_terms(frame, c, config.text, progress), said)
        images, said = _fitted(columns["image"], lambda c: fit_images(frame, c[0], config.image, rows), said)
        sequences, said = _fitted(columns["sequence"], lambda c: fit_sequences(frame, c, rows), said)
        return cls(
            targets=fitted_targets,
            inputs=inputs,
            unused=tuple(unused),
            notes=(*said, *rows.tally.notes()),
            numbers=numbers,
            categories=categories,
            tokens=tokens,
            terms=terms,
            images=images,
            sequences=sequences,
        )

    def require(self, examples: Examples, with_targets: bool = True) -> None:
        """Raises DanluError where a column that is read is missing."""
        _require(examples, [*self.inputs, *(self.targets if with_targets else ())])

    def encode(
        self,
        examples: Examples,
        with_targets: bool = True,
        progress: Progress | None = None,
        tally: Tally | None = None,
    ) -> Store:
        """The rows as tensors; what is unusual in them is counted in `tally`.

        Raises DanluError where a column is missing or a value does not fit, with its row.
        """
        self.require(examples, with_targets)
        rows = Rows.of(examples, tally or Tally())
        if self.reading:
            return self.reading.encode(examples, self.targets if with_targets else {}, rows, progress)
        targets = {}
        if with_targets:
            targets = {name: _encoded_target(t, examples.frame[name], rows) for name, t in self.targets.items()}
        return Store(self._feeds(examples.frame, rows, progress), targets, torch.from_numpy(rows.positions))

    def _feeds(self, frame: pl.DataFrame, rows: Rows, progress: Progress | None) -> dict[str, Feed]:
        feeds: dict[str, Feed] = {}
        if self.numbers:
            numbers, missing = self.numbers.encode(frame, rows)
            feeds |= {name: Dense(t) for name, t in (("numbers", numbers), ("missing", missing)) if t.shape[1]}
        if self.categories:
            indices = [category.encode(frame[category.name], rows) for category in self.categories]
            feeds["categories"] = Dense(torch.stack(indices, dim=1))
        if self.tokens:
            feeds |= self.tokens.encode(frame, rows, progress)
        if self.terms:
            feeds["terms"] = self.terms.encode(frame, progress)
        if self.images:
            feeds["image"] = self.images.encode(frame, rows, progress)
        if self.sequences:
            feeds["sequence"] = self.sequences.encode(frame, rows)
        return feeds

    @property
    def shapes(self) -> Shapes:
        """What a model must know of the tensors."""
        if self.reading:
            return self.reading.shapes(self.targets)
        return Shapes(
            numbers=len(self.numbers.features) if self.numbers else 0,
            missing=len(self.numbers.indicators) if self.numbers else 0,
            categories=tuple(category.cardinality for category in self.categories),
            tokens=self.tokens.size if self.tokens else 0,
            max_tokens=self.tokens.max_length if self.tokens else 0,
            segments=self.tokens.segments if self.tokens else 0,
            terms=self.terms.size if self.terms else 0,
            image=self.images.shape if self.images else None,
            image_mean=self.images.mean if self.images else (),
            image_std=self.images.std if self.images else (),
            sequence=self.sequences.channels if self.sequences else 0,
            max_steps=self.sequences.max_steps if self.sequences else 0,
            heads={name: target.size for name, target in self.targets.items()},
        )

    @property
    def tokenizer_json(self) -> str | None:
        """The tokenizer as the text of a `tokenizer.json`, which the tokenizers library reads."""
        read = self.tokens or self.reading
        return read.tokenizer_json if read else None

    def reading_by(self, tokenizer_json: str) -> "Codec":
        """The same with this tokenizer."""
        known = {name: getattr(self, name) for name in _WITH_TOKENIZER if getattr(self, name)}
        return replace(self, **{name: replace(part, tokenizer_json=tokenizer_json) for name, part in known.items()})

    def to_json(self) -> dict[str, Any]:
        """All that was fitted, but for `tokenizer_json`, which is a file of its own."""
        data = _adapter().dump_python(self, mode="json")
        for name in _WITH_TOKENIZER:
            if data[name]:
                del data[name]["tokenizer_json"]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], tokenizer_json: str | None = None) -> "Codec":
        """The codec that `to_json` wrote."""
        for name in _WITH_TOKENIZER:
            if data.get(name):
                data = {**data, name: {**data[name], "tokenizer_json": tokenizer_json}}
        return _adapter().validate_python(data)


@cache
def _adapter() -> TypeAdapter[Codec]:
    return TypeAdapter(Codec)


def _require(examples: Examples, columns: Iterable[str]) -> None:
    missing = [name for name in columns if name not in examples.frame.columns]
    if missing:
        found = ", ".join(examples.columns)
        raise DanluError("codec.missing_columns", columns=", ".join(missing), found=found)


def _columns_by_input(
    frame: pl.DataFrame, columns: Iterable[Column], reads: tuple[str, ...]
) -> tuple[dict[str, tuple[str, ...]], list[Note]]:
    """The columns that become each input, and of the others why they become none."""
    by_input: dict[str, tuple[str, ...]] = {name: () for names in INPUTS.values() for name in names}
    unused = []
    for column in columns:
        names = [name for name in INPUTS[column.kind] if name in reads]
        if not names:
            unused.append(Note("codec.unread", column=column.name, kind=Note(f"codec.kind_{column.kind}")))
        elif column.kind in ("text", "category") and frame[column.name].n_unique() == 1:
            unused.append(Note("codec.constant", column=column.name))
        elif names == ["image"] and by_input["image"]:
            unused.append(Note("codec.second_image", column=column.name, first=by_input["image"][0]))
        else:
            by_input |= {name: (*by_input[name], column.name) for name in names}
    return by_input, unused


def _numbers(
    frame: pl.DataFrame, kinds: Mapping[str, ColumnKind], rows: Rows, robust: bool, indicate: bool
) -> tuple[Numbers | None, list[Note]]:
    """The numbers, and of the columns that tell nothing, why they are left out."""
    numbers = fit_numbers(frame, kinds, rows, robust, indicate)
    constant = [Note("codec.constant", column=name) for name in kinds if name not in numbers.columns]
    return numbers if numbers.columns else None, constant


def _categories(frame: pl.DataFrame, columns: tuple[str, ...]) -> tuple[tuple[Category, ...], list[Note]]:
    """The categories, and of the columns that tell nothing, why they are left out."""
    fitted = [fit_category(frame[name], name) for name in columns]
    useless = [Note("codec.all_differ", column=category.name) for category in fitted if not category.values]
    return tuple(category for category in fitted if category.values), useless


def _tokens(
    frame: pl.DataFrame,
    columns: tuple[str, ...],
    config: TextConfig,
    marked: bool,
    checkpoint: Checkpoint | None,
    progress: Progress | None,
) -> tuple[Tokens, list[Note]]:
    """The checkpoint's tokenizer, or one trained on the texts."""
    if checkpoint:
        return given_tokens(checkpoint, frame, columns, config, progress)
    return fit_tokens(frame, columns, config, progress, marked)


def _fitted(
    columns: tuple[str, ...], fit: Callable[[tuple[str, ...]], tuple[T, list[Note]]], said: list[Note]
) -> tuple[T | None, list[Note]]:
    """What `fit` makes of the columns, None without any; and all that was said, with what it says."""
    if not columns:
        return None, said
    fitted, notes = fit(columns)
    return fitted, said + notes


def _fitted_target(train: Examples, name: str, goal: Goal | None, rows: Rows) -> Target:
    """The target of a column; without a goal, as one of several, it is what the column's kind says."""
    series = train.frame[name]
    _refuse_missing(series, name, rows)
    by_kind: Goal = "regression" if train.columns[name].kind in ("number", "date") else "classification"
    return fit_target(series, name, goal or by_kind)


def _encoded_target(target: Target, series: pl.Series, rows: Rows) -> Tensor:
    _refuse_missing(series, target.name, rows)
    encoded = target.encode(series)
    if target.kind == "number":
        _refuse_no_number(encoded, series, target.name, rows)
    elif target.kind == "class":
        rows.count("codec.unseen_class", target.name, (encoded == UNKNOWN_CLASS).numpy())
    else:
        unseen = series.list.n_unique().to_numpy() > encoded.sum(1).numpy()
        rows.count("codec.unseen_class", target.name, unseen)
    return encoded


def _refuse_missing(series: pl.Series, name: str, rows: Rows) -> None:
    missing = series.is_null()
    if series.dtype.is_float():
        missing |= series.is_nan()
    if missing.any():
        count = int(missing.sum())
        raise DanluError("codec.target_missing", place=rows.first(missing.to_numpy()), column=name, count=count)


def _refuse_no_number(encoded: Tensor, series: pl.Series, name: str, rows: Rows) -> None:
    unreadable = (~encoded.isfinite()).numpy()
    if unreadable.any():
        got = str(series[int(unreadable.argmax())])[:80]
        raise DanluError(
            "codec.wrong_value",
            place=rows.first(unreadable),
            column=name,
            wanted=Note("codec.kind_number"),
            got=got,
        )
