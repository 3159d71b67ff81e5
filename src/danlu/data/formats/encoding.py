"""Text of any encoding as UTF-8, block by block. Knows nothing of rows."""

import codecs
from typing import BinaryIO

from danlu.errors import DanluError

SAMPLE = 1 << 20  # bytes by which an encoding is judged

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Utf8Reader:
    """A byte stream as blocks of UTF-8 without a byte order mark.

    `encoding` is what was given or detected; `damaged` tells that bytes which are no UTF-8 became U+FFFD.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None, name: str) -> None:
        self._stream = stream
        self._name = name
        self._given = encoding is not None
        self._first = stream.read(SAMPLE)
        self._only_ascii = True
        self._offset = 0
        self.damaged = False
        self._use(encoding or detected_encoding(self._first))

    def read(self, size: int) -> bytes:
        """About `size` bytes, as UTF-8; empty at the end. Raises DanluError where the encoding does not fit."""
        raw = self._first or self._stream.read(size)
        self._first = b""
        self._offset += len(raw)
        if self.encoding == "utf-8" and self._only_ascii and raw.isascii():
            return raw
        block = self._decoded(raw)
        while raw and not block:  # a lone mark or half a character: the end has not come
            raw = self._stream.read(size)
            block = self._decoded(raw)
        return block

    def _use(self, encoding: str) -> None:
        try:
            self._decoder = codecs.getincrementaldecoder(encoding)()
        except LookupError:
            raise DanluError("data.unknown_encoding", encoding=encoding) from None
        self.encoding = encoding

    def _decoded(self, raw: bytes) -> bytes:
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            self._decoder.setstate(state)
            return self._retried(raw, error)
        self._only_ascii = self._only_ascii and raw.isascii()
        return text.encode()

    def _retried(self, raw: bytes, error: UnicodeDecodeError) -> bytes:
        """The block in the encoding that its bytes speak for, where only ASCII came before it; else as damaged UTF-8."""
        if self._given or self.encoding not in ("utf-8", "utf-8-sig"):
            raise DanluError(
                "data.not_decodable",
                file=self._name,
                encoding=self.encoding,
                byte=self._offset - len(raw) + error.start,
            )
        better = detected_encoding(raw)
        if self._only_ascii and better != "utf-8":
            self._use(better)
            return self._decoded(raw)
        self.damaged = True
        self._decoder.errors = "replace"
        return self._decoder.decode(raw, final=not raw).encode()


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
