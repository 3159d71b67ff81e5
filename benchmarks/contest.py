"""A contest: the same work done by several contestants, in turn, each in a process of its own.

A benchmark is a file with `CONTESTANTS`, name → function(settings) → {"speed": …, "quality": …}, the first of them
danlu's, and calls `main`. What is printed are medians, and ratios between runs of the same round.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

Contestant = Callable[[argparse.Namespace], dict[str, float]]
PACKAGES = (
    "danlu", "torch", "transformers", "lightning", "keras", "jax", "sentence-transformers", "onnxruntime",
)  # fmt: skip


def main(
    doc: str | None,
    contestants: Mapping[str, Contestant],
    *,
    unit: str,
    quality: str,
    rounds: int = 3,
    threads: int | None = None,
    options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> None:
    """Run `rounds` rounds of all contestants, or those named; print speeds, ratios and the quality reached.

    `threads`: of torch, for every contestant; None leaves them to the contestant. `options` adds the file's own.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--only", nargs="+", choices=contestants, default=list(contestants), metavar="NAME")
    parser.add_argument("--one", choices=contestants, help=argparse.SUPPRESS)
    options(parser)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(_alone(contestants[asked.one], asked, threads)))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; {_versions()}", flush=True)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in asked.only}
    for number in range(asked.rounds):
        for name in asked.only:
            results[name].append(_in_process(name))
            latest = results[name][-1]
            said = f"{latest['speed']:.6g} {unit}, {quality} {latest['quality']:.4f}"
            print(f"    round {number + 1}, {name}: {said}", file=sys.stderr, flush=True)
    for line in table(results, unit, quality):
        print(line)


def table(results: Mapping[str, Sequence[Mapping[str, float]]], unit: str, quality: str) -> list[str]:
    """Rows of a Markdown table: median speed, how many times as fast the first contestant is, quality."""
    first = next(iter(results))
    lines = [f"| | {unit} | {first} is … times as fast | {quality} |", "|---|---|---|---|"]
    for name, runs in results.items():
        ratios = [ours["speed"] / theirs["speed"] for ours, theirs in zip(results[first], runs, strict=True)]
        speed = statistics.median(run["speed"] for run in runs)
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if name != first else "1"
        lines.append(f"| {name} | {speed:,.4g} | {spread} | {statistics.mean(run['quality'] for run in runs):.4f} |")
    return lines


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _alone(contestant: Contestant, asked: argparse.Namespace, threads: int | None) -> dict[str, float]:
    if threads:
        import torch

        torch.set_num_threads(threads)
    return contestant(asked)


def _in_process(name: str) -> dict[str, float]:
    command = [sys.executable, *sys.argv, "--one", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
