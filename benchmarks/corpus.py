"""Cost growth: a language model's corpus from 1 MB to 1 GB, time per token and memory.

    python benchmarks/corpus.py [1 10 100 1000] [--text FILE] [--steps 20] [--cache FOLDER]

For each size, in MB, a text is made of FILE (without it, of Python's own library) again and again with words exchanged,
and a small model is trained on it twice, each time in a process of its own: first with an empty cache folder, then with
what the first one left there. Memory is what the process holds beyond what the imports take: anonymous pages, which
nobody can give back, and all resident pages, those of mapped files included.
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
from pathlib import Path
from typing import Any

MODEL = {"width": 32, "depth": 1}
WATCH_S = 0.05
BYTES_AT_ONCE = 100_000


def main() -> None:
    """Every size in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=float, default=[1, 10, 100, 1000])
    parser.add_argument("--text", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tokenizer", default="bpe")
    parser.add_argument("--cache", type=Path)
    asked = parser.parse_args()
    print("   MB          run  first step    µs CPU per token read    per token trained    anonymous MB    resident MB")
    with tempfile.TemporaryDirectory(dir=asked.cache) as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for size in asked.sizes:
            path = Path(folder) / "text.txt"
            write(path, size, asked.text)
            for name in ("empty cache", "filled cache"):
                found = in_a_process(path, Path(folder) / name, asked.steps, asked.tokenizer)
                print(
                    f"{size:5g} {name:>12} {found['first_step_s']:9.1f} s {found['read_us']:23.3f}"
                    f"{found['trained_us']:21.2f} {found['anonymous']:15.0f} {found['resident']:14.0f}",
                    flush=True,
                )


def write(path: Path, megabytes: float, source: Path | None) -> None:
    """A text of so many megabytes, in which no two copies are equal."""
    whole, rng, size = source_text(source), random.Random(0), 0
    words = sorted(set(re.findall(r"[A-Za-z]{4,}", whole)))
    starts = range(0, len(whole), BYTES_AT_ONCE)
    with path.open("w", encoding="utf-8") as file:
        while size < megabytes * 1e6:
            begin = rng.choice(starts)
            part = whole[begin : begin + BYTES_AT_ONCE]
            for _ in range(5):
                part = part.replace(rng.choice(words), rng.choice(words))
            part = part[: int(megabytes * 1e6) - size]
            size += file.write(part)


def source_text(source: Path | None) -> str:
    """The text that others are made of."""
    if source:
        return source.read_text(encoding="utf-8")
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [path for path in sorted(library.rglob("*.py")) if "site-packages" not in path.parts]
    return "\n".join(path.read_text(encoding="utf-8", errors="ignore") for path in files)


def in_a_process(path: Path, out: Path, steps: int, tokenizer: str) -> dict[str, float]:
    """What `measured` finds in a new process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(measured, (path, out, steps, tokenizer))


def measured(path: Path, out: Path, steps: int, tokenizer: str) -> dict[str, float]:
    """Seconds to the first step, CPU microseconds per token read and per token trained, megabytes held at most."""
    from danlu.api import recipe_of, training

    settings: dict[str, Any] = {
        "train__steps": steps, "train__log_every": 1, "train__evaluate_every": steps, "train__batch_size": 16,
        "data__text": {"tokenizer": tokenizer, "vocab_size": 4096, "max_length": 256},
        "evaluate__bootstrap": 10, "evaluate__baseline": False,
    }  # fmt: skip
    recipe = recipe_of([str(path)], task="text-generation", model={"family": "llama", **MODEL}, **settings)
    with watched() as peak:
        began, cpu = time.monotonic(), time.process_time()
        marks = [(time.monotonic(), time.process_time()) for _ in steps_of(training(recipe, out), steps)]
    tokens = path.stat().st_size / 4
    trained = 16 * 256 * (len(marks) - 1)
    return {
        "first_step_s": marks[0][0] - began,
        "read_us": 1e6 * (marks[0][1] - cpu) / tokens,
        "trained_us": 1e6 * (marks[-1][1] - marks[0][1]) / trained,
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
