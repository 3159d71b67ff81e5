"""What an exporter is given, and what it gives back. Knows no format."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from danlu.data.examples import Examples
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.predictor import Predictor
from danlu.run import Run
from danlu.words import Note

Bits = Literal["f16", "q8_0", "q4_0"]


@dataclass(frozen=True)
class Job:
    """A run that is to be written in another format into an empty `folder`, and rows on which it is tried.

    `labelled` gives rows with their targets, for what is lost by rounding; `name`: of the run; `place`: where the
    folder will be once all is well.
    """

    run: Run
    predictor: Predictor
    rows: Examples
    folder: Path
    name: str
    place: Path
    labelled: Callable[[], Examples]
    int8: bool = False
    bits: Bits = "f16"
    compiled: bool = False
    max_drop: float = 1.0  # points of the main metric that rounding may cost
    progress: Progress | None = None


@dataclass(frozen=True)
class Proof:
    """How far what was written differs from the run: the largest difference, what it may be, and of what."""

    largest: float
    bound: float
    of: Note
    notes: list[Note] = field(default_factory=list)

    def judged(self) -> "Proof":
        """The same; DanluError where the difference is above what it may be."""
        if not self.largest <= self.bound:  # so too where it is not a number
            raise DanluError("export.differs", largest=f"{self.largest:.2g}", bound=f"{self.bound:g}", of=self.of)
        return self


def require(*packages: str) -> None:
    """DanluError where one of the packages that an exporter needs is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise DanluError("export.not_installed", packages=", ".join(missing))


def plain_name(name: str) -> str:
    """The name of a run as an address may hold it: letters of ASCII in lower case, digits and hyphens."""
    kept = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())
    return kept.strip("-") or "run"


def size_of(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
