"""Which rows are documents: plain text files, a table's column of texts, a few long texts. Knows nothing of tokens."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import polars as pl

from danlu.cache import kept
from danlu.data.examples import ROW, Column, Examples
from danlu.data.formats.folders import is_labelled
from danlu.data.formats.table import Source
from danlu.data.kept import (
    byte_sizes,
    character_counts,
    contents,
    cut_apart,
    file_of,
    in_pieces,
    is_kept,
    lines_between,
    part_of,
    references,
    where_of,
)
from danlu.data.sources import STANDARD_INPUT, sources_of
from danlu.data.split import Split
from danlu.errors import DanluError
from danlu.recipe import DataConfig, SplitConfig
from danlu.words import Note

FEWEST = 10  # documents that are divided whole; fewer are each cut in three
NAMES = ("text", "content", "document", "body", "正文", "文本", "内容")
STRETCHES = 32  # parts, at least, of what is drawn from long documents
_SEARCH = 2000  # characters behind a cut within which the end of a line is looked for


def is_plain_text(config: DataConfig) -> bool:
    """Whether all files are plain text without any label, so that nothing but the text can be learned."""
    if config.target or not config.files or STANDARD_INPUT in config.files:
        return False
    return all(_is_plain(source) for name in config.files for source in sources_of(name))


def with_documents(config: DataConfig, task: str) -> tuple[DataConfig, list[Note]]:
    """The settings with what a row of plain text files is, and why.

    Raises DanluError where there are targets, or where `data.documents` is set and no file is plain text.
    """
    if config.target:
        raise DanluError("corpus.target", task=task, columns=", ".join(config.target))
    sources = [source for name in config.files for source in sources_of(name)]
    plain = [source for source in sources if source.format in ("lines", "texts")]
    if not plain:
        if config.documents:
            raise DanluError("corpus.no_plain_text", files=", ".join(config.files))
        return config, []
    columns = {"text": "text", **config.columns}
    unit = config.documents or "file"
    whole = len(plain) == 1 and plain[0].format == "lines" and not config.documents
    why = Note("corpus.unit_one_file" if whole else f"corpus.unit_{unit}", files=len(plain))
    return config.model_copy(update={"documents": unit, "columns": columns}), [why]


def of_documents(examples: Examples) -> Examples:
    """The examples with one column that is read, that of the documents; empty documents are left out.

    Raises DanluError where no column holds texts, or several do and no name leaves no doubt.
    """
    name = document_column(examples)
    reason = Note("corpus.other_column", column=name)
    columns = {
        c.name: c if c.name == name or c.kind == "ignore" else Column(c.name, "ignore", reason)
        for c in examples.columns.values()
    }
    frame = examples.frame
    if not is_kept(frame[name]):  # of those that are, none is empty
        frame = frame.filter(pl.col(name).cast(pl.String).str.strip_chars().str.len_bytes() > 0)
    if frame.is_empty():
        raise DanluError("corpus.empty", column=name)
    return replace(examples, frame=frame, columns=columns)


def document_column(examples: Examples) -> str:
    """The column of texts, or of several the one that is called so; DanluError where that leaves a doubt."""
    texts = examples.of_kind("text")
    if found := lone_text(texts):
        return found
    if not texts:
        raise DanluError("corpus.no_text", names=", ".join(examples.columns))
    raise DanluError("corpus.several_texts", columns=", ".join(texts), example=texts[0])


def lone_text(columns: Sequence[str]) -> str | None:
    """The only one of these columns, or the only one that is called as texts are; None where that leaves a doubt."""
    named = [name for name in columns if name.strip().lower() in NAMES]
    return (named or columns)[0] if len(columns) == 1 or len(named) == 1 else None


def are_few(examples: Examples, config: SplitConfig) -> bool:
    """Whether the documents are too few to be divided whole."""
    return len(examples) < FEWEST and not config.by and not config.time


def cut_in_parts(examples: Examples, config: SplitConfig) -> tuple[Examples, Split]:
    """Each document cut by position: its beginning to train, what follows for validation, its end for the test.

    Cuts lie at the ends of lines where there are any nearby.
    """
    name, shares = document_column(examples), (1 - config.validation - config.test, 1 - config.test)
    cut = (_cut_once if is_kept(examples.frame[name]) else _cut_apart)(examples.frame[name], shares)
    rows = examples.frame[ROW].gather(cut.document)
    frame = pl.DataFrame([cut.text.alias(name), rows])
    note = Note("corpus.cut", count=len(examples))
    train, validation, test = (np.flatnonzero(cut.side.to_numpy() == side) for side in range(3))
    return replace(examples, frame=frame, columns={name: examples.columns[name]}), Split(
        train, validation, test, (note,)
    )


@dataclass(frozen=True)
class _Cut:
    """The parts of documents: text, the document's position, and the side (0 train, 1 validation, 2 test)."""

    text: pl.Series
    document: pl.Series
    side: pl.Series


def _cut_apart(texts: pl.Series, shares: tuple[float, float]) -> _Cut:
    """Each text in parts that end near two shares of its length; those without text are left out."""
    parts: list[pl.Series] = []
    places: list[tuple[int, int]] = []
    for position in range(len(texts)):
        for side, part in enumerate(_parts(texts, position, _ends(texts, position, *shares))):
            if _holds_text(part):
                places.append((position, side))
                parts.append(part)
    of = pl.DataFrame(places, ["document", "side"], orient="row")
    return _Cut(pl.concat(parts), of["document"], of["side"])


def _cut_once(texts: pl.Series, shares: tuple[float, float]) -> _Cut:
    """The same of a large corpus, which is read for it once: where its parts lie is kept."""
    how = repr((shares, _SEARCH)).encode()
    key = hashlib.sha256(how + contents(texts).to_numpy().tobytes()).hexdigest()[:32]
    starts = where_of(texts)["start"]

    def fill(folder: Path) -> None:
        cut = _cut_apart(texts, shares)
        where = where_of(cut.text).with_columns(pl.col("start") - starts.gather(cut.document))
        where.with_columns(cut.document, cut.side).write_ipc(folder / "parts.arrow")

    where = pl.read_ipc(kept("cuts", key, fill) / "parts.arrow")
    where = where.with_columns(pl.col("start") + starts.gather(where["document"]))
    return _Cut(references(texts.name, where, file_of(texts)), where["document"], where["side"])


def drawn(examples: Examples, most: int, seed: int) -> Examples:
    """At most `most` bytes of the documents, drawn by `seed`: whole ones, and of long ones stretches; in their order.

    All of them where they are no more, and always one.
    """
    name = document_column(examples)
    texts = examples.frame[name]
    sizes = byte_sizes(texts)
    if sizes.sum() <= most:
        return examples
    counts = -(-sizes // max(1, most // STRETCHES))  # stretches of each document
    document = np.repeat(np.arange(len(texts)), counts)
    number = np.arange(len(document)) - np.repeat(counts.cumsum() - counts, counts)
    begin, end = (sizes[document] * place // counts[document] for place in (number, number + 1))
    order = np.random.default_rng(seed).permutation(len(document))
    taken = np.sort(order[: max(1, int(((end - begin)[order].cumsum() <= most).sum()))])
    parts: list[str] = []
    for row, places in groupby(taken.tolist(), key=lambda i: int(document[i])):
        parts += lines_between(texts, row, [(int(begin[i]), int(end[i])) for i in places])
    chosen = examples.take(document[taken])
    frame = chosen.frame.with_columns(pl.Series(name, parts, dtype=pl.String))
    return replace(chosen, frame=frame.filter(pl.col(name).str.contains(r"\S")))


def _ends(texts: pl.Series, row: int, first: float, second: float) -> tuple[int, int, int]:
    """Behind how many characters the three parts of a text end, near two shares of its length."""
    length = int(character_counts(texts[row : row + 1])[0])
    one = _cut(texts, row, round(first * length), length)
    return one, max(one, _cut(texts, row, round(second * length), length)), length


def _parts(texts: pl.Series, row: int, ends: tuple[int, int, int]) -> Iterator[pl.Series]:
    """The text of a row in parts, as columns of one row, none of them empty."""
    if is_kept(texts):
        parts = cut_apart(texts, row, ends)
        yield from (parts[i : i + 1] for i in range(len(parts)))
        return
    for begin, end in pairwise((0, *ends)):
        yield pl.Series([texts[row][begin:end]])


def _holds_text(part: pl.Series) -> bool:
    return any(text.strip() for pieces in in_pieces(part) for text in pieces.texts)


def _cut(texts: pl.Series, row: int, near: int, length: int) -> int:
    line = part_of(texts, row, near, near + _SEARCH).find("\n")
    return near if line < 0 or near in (0, length) else near + line + 1


def _is_plain(source: Source) -> bool:
    if source.format == "lines":
        return True
    return source.format == "texts" and source.path is not None and not is_labelled(source.path)
