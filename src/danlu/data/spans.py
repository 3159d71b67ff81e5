"""Entities as tags of words and back, and where words lie in a text. Knows nothing of files or tokens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from danlu.data.values import IDEOGRAPHS

OUTSIDE = "O"
WORDS = "words"  # format of a text column whose cells are words with one space between them
Positions = npt.NDArray[np.int64]

# What a tag says of its word: outside, or how an entity begins, goes on, ends or is this word alone.
OUT, BEGIN, INSIDE, END, SINGLE = range(5)
_PREFIXES = {"B": BEGIN, "I": INSIDE, "M": INSIDE, "E": END, "L": END, "S": SINGLE, "U": SINGLE}
_TAG = re.compile(r"([BIMELSU])[-_](.+)", re.DOTALL)

_LETTERS = rf"[^\W{IDEOGRAPHS}]+"
_WORD = re.compile(rf"https?://\S+|[@#]?{_LETTERS}(?:[-.&]{_LETTERS})*|(?<=\w)['’]{_LETTERS}|\S")


@dataclass(frozen=True)
class Parsed:
    """Tags of N words, sentence after sentence: what each says, and of which of `labels` (-1 outside)."""

    code: Positions
    label: Positions
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Spans:
    """M entities: the first word of each, the one behind its last, and which label it has."""

    first: Positions
    end: Positions
    label: Positions


def parsed(tags: Sequence[str]) -> Parsed:
    """Tags such as B-person, I_person, U-person and O; any other is a label by itself."""
    said = {tag: _said(tag) for tag in dict.fromkeys(tags)}
    labels = tuple(sorted({label for _, label in said.values() if label}))
    number = {"": -1} | {label: place for place, label in enumerate(labels)}
    code = np.array([said[tag][0] for tag in tags], np.int64)
    return Parsed(code, np.array([number[said[tag][1]] for tag in tags], np.int64), labels)


def scheme(tags: Sequence[str], found: Parsed, sentence: Positions) -> tuple[str, int]:
    """What the tags are called, and how many go on with an entity that none began where that is a mistake."""
    letters = {match[1] for tag in dict.fromkeys(tags) if (match := _TAG.fullmatch(tag))}
    if not letters:
        return "plain", 0
    unopened = begins(found.code, found.label, sentence) & np.isin(found.code, (INSIDE, END))
    if letters & {"U", "L"}:
        return "BILOU", int(unopened.sum())
    if letters & {"S", "E"}:
        return ("BMES" if "M" in letters else "IOBES"), int(unopened.sum())
    same = np.zeros(len(tags), bool)  # as the word before, so that only a B can tell the two entities apart
    same[1:] = (found.label[1:] == found.label[:-1]) & (sentence[1:] == sentence[:-1])
    if unopened.any() and same[found.code == BEGIN].all():
        return "IOB1", 0
    return "BIO", int(unopened.sum())


def begins(code: Positions, label: Positions, sentence: Positions) -> npt.NDArray[np.bool_]:
    """(N,): whether an entity begins at each word.

    It does where a tag says so, and where one goes on with what was not begun: conlleval's rule (Tjong Kim Sang and
    Buchholz 2000), under which BIO and IOB1 mean the same.
    """
    apart = np.ones(len(code), bool)
    apart[1:] = (sentence[1:] != sentence[:-1]) | (label[1:] != label[:-1]) | np.isin(code[:-1], (OUT, END, SINGLE))
    return (code != OUT) & (apart | (code == BEGIN) | (code == SINGLE))


def spans(code: Positions, label: Positions, sentence: Positions) -> Spans:
    """The entities of N words, sentence after sentence."""
    first = np.flatnonzero(starts := begins(code, label, sentence))
    stops = np.append(np.flatnonzero(starts | (code == OUT)), len(code))
    return Spans(first, stops[np.searchsorted(stops, first, side="right")], label[first])


def bio_classes(labels: Sequence[str]) -> tuple[str, ...]:
    """O, then B- and I- of each label: class 2n + 1 begins label n, class 2n + 2 goes on with it."""
    return (OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in "BI"))


def labels_of(classes: Sequence[str]) -> tuple[str, ...]:
    """The labels of `bio_classes`."""
    return tuple(name[2:] for name in classes[1::2])


def bio_spans(classes: Positions, sentence: Positions) -> Spans:
    """The entities of words with these classes of `bio_classes`."""
    code = np.where(classes == 0, OUT, np.where(classes % 2 == 1, BEGIN, INSIDE))
    return spans(code, (classes + 1) // 2 - 1, sentence)


def words_in(text: str, given: bool) -> list[tuple[int, int]]:
    """Start and end of each word: those `given`, with one space between them, or letters, marks and ideographs."""
    if not given:
        return [match.span() for match in _WORD.finditer(text)]
    places, start = [], 0
    for word in text.split(" ") if text else []:
        places.append((start, start + len(word)))
        start += len(word) + 1
    return places


def _said(tag: str) -> tuple[int, str]:
    if tag == OUTSIDE:
        return OUT, ""
    match = _TAG.fullmatch(tag)
    return (_PREFIXES[match[1]], match[2]) if match else (INSIDE, tag)
