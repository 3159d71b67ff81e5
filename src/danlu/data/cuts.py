"""Long texts in pieces, cut where tokenizers cut as well. Knows nothing of files, nor of any tokenizer.

Tokenizers take a text apart into words before they look for tokens, and a word begins with the space before it. So the
tokens of the pieces are those of the whole. In scripts without spaces a single line break does as well.
"""

import re
from collections.abc import Iterator

BETWEEN_WORDS = re.compile(r"(?<=[^\W\d_])(?= [^\W\d_])")
_BETWEEN_LINES = re.compile(r"(?<=\S\n)(?=\S)")
_LOOK = 4096  # characters before the longest a piece may be in which a cut is looked for first
_BEFORE = 256  # characters before a cut in which the beginning of a word is looked for


def pieces_of(text: str, most: int) -> Iterator[str]:
    """The text in pieces of at most `most` characters."""
    begin = 0
    while len(text) - begin > most:
        end = cut_before(text, begin + most, begin)
        yield text[begin:end]
        begin = end
    yield text[begin:] if begin else text


def cut_before(text: str, near: int, begin: int = 0) -> int:
    """The last place up to `near`, and behind `begin`, where a text may be cut; `near` where there is none."""
    for first in (max(begin + 1, near - _LOOK), begin + 1):
        for places in (BETWEEN_WORDS, _BETWEEN_LINES):
            found = [match.start() for match in places.finditer(text, first, near + 2)]
            if before := [place for place in found if place <= near]:
                return before[-1]
    return near


def last_words(text: str) -> str:
    """Some last words of a piece: what a tokenizer must have seen that marks where a text begins."""
    first = max(1, len(text) - _BEFORE)
    found = BETWEEN_WORDS.search(text, first) or _BETWEEN_LINES.search(text, first)
    return text[found.start() :] if found else ""
