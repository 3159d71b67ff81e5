"""Text of any encoding as UTF-8, block by block. Knows nothing of rows."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from danlu.errors import DanluError

SAMPLE = 1 << 20  # bytes by which an encoding is judged

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8 = ("utf-8", "utf-8-sig")


class Utf8Reader:
    """A byte stream as blocks of UTF-8 without a byte order mark.

    `encoding` is what was given or detected; `damaged` tells that bytes which it does not know became U+FFFD.
    Raises DanluError where there is no encoding of the given name.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None, name: str, block: int) -> None:
        self._name = name
        self._given = encoding is not None
        self._only_ascii = True
        self._tail = b""  # the bytes of a character that goes on in the next block
        self._offset = 0  # of the block in hand
        self.damaged = False
        sample = stream.read(SAMPLE)
        self._use(encoding or detected_encoding(sample))
        if self.encoding in _UTF8:
            sample = sample.removeprefix(codecs.BOM_UTF8)
        self._blocks = self._converted(sample, stream, block)

    def read(self) -> bytes:
        """The next block; empty at the end. Raises DanluError where a given encoding does not fit."""
        return next(self._blocks, b"")

    def _converted(self, raw: bytes, stream: BinaryIO, size: int) -> Iterator[bytes]:
        while raw:
            if block := self._block(raw, final=False):
                yield block
            self._offset += len(raw)
            raw = stream.read(size)
        if block := self._block(b"", final=True):
            yield block

    def _use(self, encoding: str) -> None:
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            raise DanluError("data.unknown_encoding", encoding=encoding) from None
        self.encoding = name if name in _UTF8 else encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def _block(self, raw: bytes, final: bool) -> bytes:
        return self._checked(raw, final) if self.encoding in _UTF8 else self._decoded(raw, final)

    def _checked(self, raw: bytes, final: bool) -> bytes:
        """The block as it is, but for a last character that is cut; otherwise encoded where it is no UTF-8."""
        raw = self._tail + raw
        end = len(raw) if final else _whole_characters(raw)
        block, self._tail = raw[:end], raw[end:]
        if _is_utf8(block):
            self._only_ascii = self._only_ascii and block.isascii()
            return block
        better = detected_encoding(block)
        if self._only_ascii and better != "utf-8" and not self._given:
            self._use(better)
            rest, self._tail = block + self._tail, b""
            return self._decoded(rest, final)
        return self._replaced(block, final)

    def _decoded(self, raw: bytes, final: bool) -> bytes:
        before = self._decoder.getstate()
        try:
            return self._decoder.decode(raw, final).encode()
        except UnicodeDecodeError:
            self._decoder.setstate(before)
            return self._replaced(raw, final)

    def _replaced(self, raw: bytes, final: bool) -> bytes:
        """The block with U+FFFD for what the encoding does not know; an error where the user vouched for it."""
        if self._given:
            raise DanluError("data.not_decodable", file=self._name, encoding=self.encoding, byte=self._offset)
        self.damaged = True
        self._decoder.errors = "replace"
        return self._decoder.decode(raw, final).encode()


def _is_utf8(raw: bytes) -> bool:
    try:
        return raw.isascii() or len(pl.Series([raw]).cast(pl.String)) == 1  # ten times as fast as bytes.decode
    except pl.exceptions.ComputeError:
        return False


def _whole_characters(raw: bytes) -> int:
    """Length without the first bytes of a character that the end cuts."""
    for back in range(1, min(4, len(raw) + 1)):
        byte = raw[-back]
        if byte >= 0xC0:  # the first byte of a character tells its length
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(raw) - back if length > back else len(raw)
        if byte < 0x80:
            break
    return len(raw)


def detected_encoding(sample: bytes) -> str:
    """The encoding of `sample` by order of evidence: byte order mark, zero bytes, UTF-8, GB18030, Western."""
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name
    if b"\0" in sample:
        return _utf16(sample)
    if _fits(sample, "utf-8") or _damaged_utf8(sample):
        return "utf-8"
    if _fits(sample, "gb18030") and _looks_chinese(sample):
        return "gb18030"
    # Windows wrote most "Latin-1": it has printable characters where Latin-1 has control codes.
    return "cp1252" if any(0x80 <= b < 0xA0 for b in set(sample)) and _fits(sample, "cp1252") else "latin-1"


def _fits(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _utf16(sample: bytes) -> str:
    """UTF-16 without a mark has its zero bytes, those of ASCII characters, on one side only."""
    encoding = "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
    return encoding if _fits(sample, encoding) else "utf-8"


def _damaged_utf8(sample: bytes) -> bool:
    """Whether nearly all that is not ASCII is sound UTF-8."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(sample)
    broken = text.count("\ufffd")
    return sum(c > "\x7f" for c in text) - broken > 20 * broken


def _looks_chinese(sample: bytes) -> bool:
    """Whether nine in ten characters beyond ASCII are in GB 2312, the common part: Western bytes rarely pair so."""
    text = codecs.getincrementaldecoder("gb18030")().decode(sample)
    wide = [c for c in text if c > "\x7f"][:20_000]
    return sum(_in_gb2312(c) for c in wide) >= 0.9 * len(wide)


def _in_gb2312(character: str) -> bool:
    return len(character.encode("gb2312", "ignore")) == 2
