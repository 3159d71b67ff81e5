"""Layout: sentences and tables in terminal cells, of which a Chinese character takes two."""

import shutil
import unicodedata
from collections.abc import Iterable, Sequence

WIDEST = 100  # cells; longer lines are hard to read
LONGEST_NAME = 24  # cells; a longer name gets a line of its own
NOT_FIRST = "，。、：；！？）》」』”’…,.:;!?)]}%"  # a line never begins with these


def cells(text: str) -> int:
    """Width of `text` on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(text: str, indent: str = "", width: int | None = None) -> list[str]:
    """Lines of at most `width` cells; Chinese breaks between any two characters, but not before a comma."""
    width = width or min(shutil.get_terminal_size().columns, WIDEST)
    lines, line = [], indent
    for piece in _pieces(text):
        if cells(line + piece.rstrip()) > width and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += piece.lstrip() if line == indent else piece
    return [*lines, line.rstrip()]


def definitions(rows: Iterable[tuple[str, str]], indent: str = "  ", width: int | None = None) -> list[str]:
    """Lines of names and what they mean, the meaning wrapped beside its name."""
    rows = list(rows)
    left = min(max((cells(name) for name, _ in rows), default=0), LONGEST_NAME) + 2
    margin = indent + " " * left
    lines = []
    for name, text in rows:
        first, *rest = wrapped(text, margin, width)
        if cells(name) + 2 <= left:
            lines.append((indent + padded(name, left) + first[len(margin) :]).rstrip())
        else:
            lines += [indent + name, first]
        lines += rest
    return lines


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are as wide as their widest cell; the first row is the heading."""
    widths = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def padded(text: str, width: int) -> str:
    """`text` with spaces up to `width` cells."""
    return text + " " * (width - cells(text))


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells, ending in "…" where something is left out."""
    if cells(text) <= width:
        return text
    while text and cells(text) > width - 1:
        text = text[:-1]
    return text + "…"


def _pieces(text: str) -> list[str]:
    """Pieces between which a line may break: words with the space before them, single Chinese characters."""
    pieces: list[str] = []
    for c in text:
        wide = cells(c) == 2
        after_wide = bool(pieces) and cells(pieces[-1][-1:]) == 2
        if not pieces or (c not in NOT_FIRST and (c == " " or wide or after_wide)):
            pieces.append(c)
        else:
            pieces[-1] += c
    return pieces
