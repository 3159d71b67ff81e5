"""Reading and checking a CSV: danlu beside polars with the same checks written by hand.

    python benchmarks/read_csv.py --megabytes 1000 --repeats 3

Each side runs in a process of its own, in turn; what is compared is the least time of the repeats and the
largest memory (the process's peak, less what it held after its imports). Bars: at most 1.5 times the time,
and at most twice the file's size in memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import contest
import numpy as np
import polars as pl

from danlu.data.checks import check
from danlu.data.read import read
from danlu.data.split import split
from danlu.recipe import DataConfig

TARGET = "label"
ROWS_PER_MEGABYTE = 8200
CHUNK = 200_000  # rows written at a time


def main() -> None:
    """Write the file, run both sides in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--side", choices=SIDES, help="run one side on --file, and print its figures as JSON")
    parser.add_argument("--file")
    given = parser.parse_args()
    if given.side:
        print(json.dumps(measured(given.side, given.file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_csv(path, given.megabytes * ROWS_PER_MEGABYTE)
        runs = [(side, run_apart(side, path)) for _ in range(given.repeats) for side in SIDES]
        versions = {name: version(name) for name in ("danlu", "polars")}
        footer = f"{contest.machine()}; {contest.listed(versions)}. {path.stat().st_size / 1e6:.0f} MB."
        contest.report([*table(runs, path.stat().st_size), "", footer], given.write)


def write_csv(path: Path, rows: int) -> None:
    """Numbers (some missing), a few categories, short texts, a date and a class: about 122 bytes a row."""
    rng = np.random.default_rng(0)
    words = np.array(
        [
            "the",
            "film",
            "was",
            "good",
            "bad",
            "long",
            "short",
            "actors",
            "story",
            "music",
            "and",
            "very",
            "not",
            "really",
            "boring",
        ]
    )
    with path.open("wb") as stream:
        for start in range(0, rows, CHUNK):
            n = min(CHUNK, rows - start)
            columns = {f"x{i}": rng.normal(size=n).round(6) for i in range(6)}
            frame = pl.DataFrame(columns).with_columns(
                pl.when(pl.Series(rng.random(n) < 0.02)).then(None).otherwise(pl.col("x5")).alias("x5"),
                pl.Series("count", rng.integers(0, 100_000, n)),
                pl.Series("city", rng.choice(["Berlin", "Paris", "Rome", "Wien", "北京"], n)),
                pl.Series("remark", [" ".join(row) for row in rng.choice(words, (n, 7))]),
                pl.Series("day", np.datetime64("2020-01-01") + rng.integers(0, 1500, n).astype("timedelta64[D]")),
                pl.Series(TARGET, rng.choice(["no", "yes"], n, p=[0.7, 0.3])),
            )
            frame.write_csv(stream, include_header=start == 0)


def by_danlu(path: str) -> None:
    """Everything that danlu does between a file and a split: encoding, kinds, bad rows, hash, checks."""
    config = DataConfig(files=path, target=TARGET)
    examples = read(config)
    parts = split(examples, (TARGET,), config.split, 0, TARGET)
    check(examples, (TARGET,), True, parts, None)


def by_danlu_reading(path: str) -> None:
    """danlu's reading alone: encoding, kinds, bad rows, hash."""
    read(DataConfig(files=path, target=TARGET))


def by_polars_reading(path: str) -> None:
    """polars' reading alone."""
    pl.read_csv(path, try_parse_dates=True)


def by_hand(path: str) -> None:
    """polars, and what a careful analyst would ask of the frame."""
    frame = pl.read_csv(path, try_parse_dates=True, null_values=["NA", "N/A", "nan", "null", "None", "?", "-"])
    inputs = [name for name in frame.columns if name != TARGET]
    frame.null_count()
    frame.select(pl.all().n_unique())
    frame.is_duplicated().sum()
    keys = frame.select(inputs).hash_rows().alias("key")
    frame.select(TARGET).with_columns(keys).group_by("key").agg(pl.col(TARGET).n_unique()).filter(pl.col(TARGET) > 1)
    frame[TARGET].value_counts()
    answer = (frame[TARGET] == "yes").alias("answer")
    for name in inputs:  # does one column tell the answer almost alone?
        column = frame[name].to_frame().with_columns(answer)
        if frame.schema[name] == pl.String:
            counts = column.group_by(name).agg(pl.len(), pl.col("answer").sum())
            counts.select(pl.max_horizontal("answer", pl.col("len") - pl.col("answer")).sum())
        else:
            ranks = column.drop_nulls().select(pl.col(name).rank(), "answer")
            ranks.filter("answer").select(pl.col(name).mean())


SIDES = {
    "polars, reading": by_polars_reading,
    "danlu, reading": by_danlu_reading,
    "polars, with checks": by_hand,
    "danlu, with checks": by_danlu,
}


def measured(side: str, path: str) -> dict[str, float]:
    """Seconds and peak bytes of one side."""
    before = peak_bytes()
    start = time.perf_counter()
    SIDES[side](path)
    return {"seconds": time.perf_counter() - start, "bytes": peak_bytes() - before}


def peak_bytes() -> int:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_apart(side: str, path: Path) -> dict[str, float]:
    """`measured` in a fresh process."""
    command = [sys.executable, __file__, "--side", side, "--file", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def table(runs: list[tuple[str, dict[str, float]]], size: int) -> list[str]:
    """A line per side: least seconds, time against polars, most memory in files' sizes."""
    lines = [f"| `{contest.command()}` | time | of polars | memory |", "|---|---|---|---|"]
    least = {side: min(run["seconds"] for name, run in runs if name == side) for side in SIDES}
    for side in SIDES:
        memory = max(run["bytes"] for name, run in runs if name == side) / size
        share = least[side] / least[side.replace("danlu", "polars")]
        lines.append(f"| {side} | {least[side]:.2f} s | {share:.2f} | {memory:.2f} × the file |")
    return lines


if __name__ == "__main__":
    main()
