"""Files that are no table, by how they begin: refused by name. Knows nothing of what danlu reads."""

import re

from danlu.errors import DanluError
from danlu.words import Note

ZIP, OLE = "zip", "ole"
SIGNATURES = {
    "pickle": rb"\x80[\x02-\x05]",  # protocols 2 to 5; cp1252 has "\x80" as the euro sign
    "pdf": rb"%PDF-",
    ZIP: rb"PK\x03\x04",
    OLE: rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "packed": rb"BZh[1-9]1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|\x1f\x8b",
    "tar": rb"(?s:.{257})ustar",
    "program": rb"\x7fELF|MZ[^\0]{0,2}\0|\xcf\xfa\xed\xfe",
    "sqlite": rb"SQLite format 3\0",
    "hdf5": rb"\x89HDF\r\n",
    "npy": rb"\x93NUMPY",
}
CONTAINERS = {"excel": (ZIP, OLE), "npz": (ZIP,)}  # formats whose files are containers themselves


def refuse_foreign(name: str, head: bytes, format_by_suffix: str | None = None) -> None:
    """Raise DanluError where a file that begins with `head` is certainly no table."""
    for kind, signature in SIGNATURES.items():
        if kind not in CONTAINERS.get(format_by_suffix or "", ()) and re.match(signature, head):
            raise DanluError("data.foreign", file=name, what=Note(f"data.foreign.{kind}"))
