"""Speeds: what a machine computes per second, and what follows for a run. Knows nothing of how it is measured."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from danlu.recipe import Frozen
from danlu.words import Note

HALF_PAYS = 1.5  # times float32's speed, from which on bfloat16 outweighs its casts
LIBRARY_PAYS = 1.3  # times that of torch's own choice: small products lose where large ones win
STEP_SHARE = 1 / 3  # of the speed of products is what a whole step reaches
GRAIN_S = 0.01  # of one thread: below it a second one gains little, and loses a hundredfold where it has to wait

Rate = float  # floating-point operations per second


class Speeds(Frozen):
    """Matrix products as a training step makes them, on the processor, at the useful number of threads.

    `float32` is through the library that torch takes, `onednn` through oneDNN (0 where that does not compute in
    float32), `one_thread` float32 of one thread. `threads`: more bring nothing. `measured_at`: seconds since 1970.
    `busy`: others had the processor at the time.
    """

    float32: Rate = Field(gt=0)
    onednn: Rate = Field(ge=0)
    bfloat16: Rate = Field(gt=0)
    one_thread: Rate = Field(gt=0)
    threads: int = Field(ge=1)
    measured_at: float
    busy: bool

    def better_of(self, other: "Speeds") -> "Speeds":
        """The higher of each: what one measurement missed for others' work, another may have seen."""
        highest = {name: max(getattr(self, name), getattr(other, name)) for name in RATES}
        return self.model_copy(update=highest | {"threads": max(self.threads, other.threads)})


RATES = ("float32", "onednn", "bfloat16", "one_thread")


@dataclass(frozen=True)
class Strengths:
    """What pays on a device: the half precision, if one does, the library for float32, and threads; and why."""

    half: Literal["bfloat16", "float16"] | None
    float32_by: Literal["torch", "onednn"]
    threads: int
    flops_per_thread: float  # of a step, from which on a further thread pays
    why: Note | None = None


def strengths(speeds: Speeds) -> Strengths:
    """What pays on a processor of such speeds."""
    float32_by: Literal["torch", "onednn"] = "onednn" if speeds.onednn > LIBRARY_PAYS * speeds.float32 else "torch"
    best = speeds.onednn if float32_by == "onednn" else speeds.float32
    return Strengths(
        half="bfloat16" if speeds.bfloat16 > HALF_PAYS * best else None,
        float32_by=float32_by,
        threads=speeds.threads,
        flops_per_thread=GRAIN_S * STEP_SHARE * speeds.one_thread,
        why=told(speeds),
    )


def told(speeds: Speeds) -> Note:
    """The speeds in words."""
    return Note(
        "train.speeds" if speeds.onednn else "train.speeds_of_one_library",
        float32=round(speeds.float32 / 1e9),
        onednn=round(speeds.onednn / 1e9),
        bfloat16=round(speeds.bfloat16 / 1e9),
        threads=speeds.threads,
    )
