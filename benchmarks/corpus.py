"""Cost growth: a language model's corpus from 1 MB to 1 GB, time per token and memory.

    python benchmarks/corpus.py [1 10 100 1000] [--text FILE] [--steps 100] [--cache FOLDER]

For each size, in MB, a text is made of FILE (without it, of Python's own library), again and again with words
exchanged where it is too short. A small model is trained on it twice, each time in a process of its own: first with an
empty cache folder, then with what the first one left there. Memory is what the process holds beyond what the imports
take: anonymous pages, which nobody can give back, and all resident pages, those of mapped files included.
"""

import argparse
import multiprocessing
import os
import random
import re
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

MODEL = {"width": 32, "depth": 1, "heads": 2}
WATCH_S = 0.05
BYTES_AT_ONCE = 100_000


def main() -> None:
    """Every size in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=float, default=[1, 10, 100, 1000])
    parser.add_argument("--text", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--tokenizer", default="bpe")
    parser.add_argument("--cache", type=Path)
    asked = parser.parse_args()
    print("   MB          run  first step    µs CPU per token read    per token trained    anonymous MB    resident MB")
    with tempfile.TemporaryDirectory(dir=asked.cache) as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        source = asked.text or library(Path(folder) / "library.txt")
        for size in asked.sizes:
            path = Path(folder) / f"text-{size:g}.txt"
            write(path, size, source)
            for name in ("empty cache", "filled cache"):
                found = in_a_process(path, Path(folder) / f"{size:g} {name}", asked.steps, asked.tokenizer)
                print(
                    f"{size:5g} {name:>12} {found['first_step_s']:9.1f} s {found['read_us']:23.3f}"
                    f"{found['trained_us']:21.2f} {found['anonymous']:15.0f} {found['resident']:14.0f}",
                    flush=True,
                )


def write(path: Path, megabytes: float, source: Path) -> None:
    """A text of so many megabytes; what is taken from the source a second time has words exchanged."""
    rng, left, times = random.Random(0), int(megabytes * 1e6), 0
    with path.open("wb") as file:
        while left:
            for part in parts(source, rng, others=times > 0):
                left -= file.write(part[:left])
                if not left:
                    return
            times += 1


def parts(source: Path, rng: random.Random, others: bool) -> Iterator[bytes]:
    """The source part by part, in any order; with `others` a few words in each are exchanged for others."""
    places = list(range(0, source.stat().st_size, BYTES_AT_ONCE))
    rng.shuffle(places)
    with source.open("rb") as file:
        for place in places:
            file.seek(place)
            part = file.read(BYTES_AT_ONCE).decode(errors="ignore")
            words = sorted(set(re.findall(r"[A-Za-z]{4,}", part))) if others else []
            for _ in range(5 if words else 0):
                part = part.replace(rng.choice(words), rng.choice(words))
            yield part.encode()


def library(path: Path) -> Path:
    """Python's own library as one file, written to `path`."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = [file for file in sorted(folder.rglob("*.py")) if "site-packages" not in file.parts]
    path.write_text("\n".join(file.read_text(encoding="utf-8", errors="ignore") for file in files), encoding="utf-8")
    return path


def in_a_process(path: Path, out: Path, steps: int, tokenizer: str) -> dict[str, float]:
    """What `measured` finds in a new process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(measured, (path, out, steps, tokenizer))


def measured(path: Path, out: Path, steps: int, tokenizer: str) -> dict[str, float]:
    """Seconds to the first step, CPU microseconds per token read and per token trained, megabytes held at most."""
    from danlu.api import recipe_of, training

    settings: dict[str, Any] = {
        "train__steps": steps, "train__evaluate_every": steps, "train__batch_size": 16,
        "data__text": {"tokenizer": tokenizer, "vocab_size": 4096, "max_length": 256},
        "evaluate__bootstrap": 10, "evaluate__baseline": False,
    }  # fmt: skip
    recipe = recipe_of([str(path)], task="text-generation", model={"family": "llama", **MODEL}, **settings)
    with watched() as peak:
        began, cpu = time.monotonic(), time.process_time()
        marks = [(time.monotonic(), time.process_time()) for _ in steps_of(training(recipe, out), steps)]
    tokens = path.stat().st_size / (1 if tokenizer == "char" else 4)
    spent = sorted(after[1] - before[1] for before, after in pairwise(marks))
    return {
        "first_step_s": marks[0][0] - began,
        "read_us": 1e6 * (marks[0][1] - cpu) / tokens,
        "trained_us": 1e6 * spent[len(spent) // 10] / (16 * 256),  # of a quick step: others may use the machine
        **peak,
    }


def steps_of(events: Iterator[Any], steps: int) -> Iterator[int]:
    """The steps before the last one, behind which evaluation begins."""
    from danlu.events import Trained

    for event in events:
        if isinstance(event, Trained):
            if event.step == steps:
                return
            yield event.step


class watched:  # noqa: N801
    """The most memory, in megabytes beyond what there was before, that the process holds within the block."""

    def __enter__(self) -> dict[str, float]:
        self.before, self.peak, self.done = resident(), {"anonymous": 0.0, "resident": 0.0}, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self.peak

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.done.wait(WATCH_S):
            for name, value in resident().items():
                self.peak[name] = max(self.peak[name], value - self.before[name])


def resident() -> dict[str, float]:
    """Megabytes that the process holds now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    fields = {"anonymous": "RssAnon", "resident": "VmRSS"}
    return {name: int(lines[field].split()[0]) / 1024 for name, field in fields.items()}


if __name__ == "__main__":
    main()
