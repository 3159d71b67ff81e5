"""A contest: the same work done by several contestants, in turn, each in a process of its own.

A benchmark is a file with `CONTESTANTS`, name → function(settings) → {"speed": …, "quality": …}, the first of them
danlu's, and calls `main`. What is printed are medians, ratios between runs of the same round, and whether all reached
the same quality; `--write` keeps that in docs/benchmarks.md. A contestant may add "share": how much of what the machine
can do at most its speed comes to.
"""

import argparse
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Result = dict[str, Any]
Contestant = Callable[[argparse.Namespace], Result]
Results = Mapping[str, Sequence[Result]]
PACKAGES = {
    "danlu": "danlu", "torch": "torch", "transformers": "transformers", "lightning": "lightning", "keras": "keras",
    "jax": "jax", "fastai": "fastai", "skorch": "skorch", "sentence_transformers": "sentence-transformers",
    "onnxruntime": "onnxruntime", "sklearn": "scikit-learn", "litserve": "litserve", "xllamacpp": "xllamacpp",
    "uvicorn": "uvicorn", "polars": "polars",
}  # fmt: skip
ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
# Peers whose dependencies would change what the others run on have an environment of their own above danlu's.
PEERS = Path(sys.prefix) / "peers" / "bin" / "python"


def main(
    doc: str | None,
    contestants: Mapping[str, Contestant],
    *,
    unit: str,
    quality: str,
    tolerance: float,
    limit: str = "",
    part: str = "",
    rounds: int = 3,
    threads: int | None = None,
    apart: Collection[str] = (),
    options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> None:
    """Run `rounds` rounds of all contestants, or those named; print speeds, ratios and the quality reached.

    `tolerance`: how far the qualities of equal models lie apart; beyond it the process ends with 1. `limit`: what a
    "share" is of. `part`: of the benchmark, where it has several tables. `threads`: of torch, for every contestant;
    None leaves them to the contestant. `apart`: contestants that run in the environment of `make peers`. `options`
    adds the file's own.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--only", nargs="+", choices=contestants, default=list(contestants), metavar="NAME")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--one", choices=contestants, help=argparse.SUPPRESS)
    options(parser)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(_alone(contestants[asked.one], asked, threads)))
        return
    names = [name for name in asked.only if name not in apart or PEERS.exists()]
    for name in set(asked.only) - set(names):
        print(f"    {name} is left out: `make peers` installs it", file=sys.stderr)
    results: dict[str, list[Result]] = {name: [] for name in names}
    for number in range(asked.rounds):
        for name in names:
            results[name].append(_in_process(name, PEERS if name in apart else Path(sys.executable)))
            latest = results[name][-1]
            said = f"{latest['speed']:.6g} {unit}, {quality} {latest['quality']:.4f}"
            print(f"    round {number + 1}, {name}: {said}", file=sys.stderr, flush=True)
    same, verdict = compared(results, quality, tolerance)
    versions = {name: found for runs in results.values() for name, found in runs[0]["versions"].items()}
    footer = f"{machine()}; {listed(versions)}. {of_rounds(asked.rounds)} {verdict}"
    report(
        [*table(results, unit, quality, limit), "", footer],
        write=asked.write,
        name=f"{Path(sys.argv[0]).stem} {part}".rstrip(),
    )
    if not same:
        sys.exit(1)


def table(results: Results, unit: str, quality: str, limit: str = "") -> list[str]:
    """Rows of a Markdown table: median speed, how many times as fast the first contestant is, quality."""
    first = next(iter(results))
    heads = [f"`{command()}`", unit, f"{first} is … times as fast", quality, *([limit] if limit else [])]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, runs in results.items():
        ratios = [ours["speed"] / theirs["speed"] for ours, theirs in zip(results[first], runs, strict=True)]
        ratio = with_spread(ratios) if name != first else "1"
        cells = [name, shown(_median(runs, "speed")), ratio, f"{_mean(runs):.4f}"]
        if limit:
            cells.append(f"{_median(runs, 'share'):.0%}" if "share" in runs[0] else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def compared(results: Results, quality: str, tolerance: float) -> tuple[bool, str]:
    """Whether all reached the first one's quality, and a sentence about it."""
    first, *others = ((name, _mean(runs)) for name, runs in results.items())
    distances = {name: abs(reached - first[1]) for name, reached in others}
    far = [f"{name} by {distance:.4f}" for name, distance in distances.items() if not distance <= tolerance]
    if far:
        return False, f"NOT the same {quality}, which may differ by {tolerance:g}: {', '.join(far)}."
    largest = max(distances.values(), default=0.0)
    return True, f"Same {quality}: apart by {largest:.4f} at most, {tolerance:g} allowed."


def report(lines: Sequence[str], write: bool, name: str = "") -> None:
    """Print what was found and, with `write`, put it between the program's markers of docs/benchmarks.md.

    `name`: of the markers, that of the program if there is none. Without markers it goes to the end of the document.
    """
    print("\n".join(lines))
    if not write:
        return
    name = name or Path(sys.argv[0]).stem
    block = "\n".join([f"<!-- {name} -->", *lines, f"<!-- end of {name} -->"])
    text = DOCUMENT.read_text(encoding="utf-8")
    marked = re.compile(rf"<!-- {name} -->\n.*?<!-- end of {name} -->", re.S)
    text = marked.sub(lambda _: block, text) if marked.search(text) else f"{text.rstrip()}\n\n{block}\n"
    DOCUMENT.write_text(text, encoding="utf-8")


def command() -> str:
    """The command that was given, without `--write`."""
    given = [part for part in sys.argv[1:] if part != "--write"]
    threads = [f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS",) if name in os.environ]
    return shlex.join([*threads, f"benchmarks/{Path(sys.argv[0]).name}", *given])


def machine() -> str:
    """The processor, its cores, of which so many are ours, and Python."""
    info = Path("/proc/cpuinfo")
    told = info.read_text() if info.exists() else ""
    model = re.search(r"model name\s*: (.+)", told)
    name = model[1] if model else platform.processor() or platform.machine()
    units = next((unit for unit in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if unit in told), "")
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = f"{ours} of {os.cpu_count()} cores" if ours != os.cpu_count() else f"{ours} cores"
    return f"{name}{f' ({units})' if units else ''}, {cores}; Python {platform.python_version()}"


def listed(versions: Mapping[str, str]) -> str:
    """Packages and their versions; danlu's with its commit."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    known = {name: versions[name] for name in PACKAGES.values() if name in versions}
    return ", ".join(f"{name} {found}{f' ({commit})' * (name == 'danlu')}" for name, found in known.items())


def versions() -> dict[str, str]:
    """Of the packages that this process has imported."""
    return dict(_versions())


def _versions() -> Iterator[tuple[str, str]]:
    for module, name in PACKAGES.items():
        if module in sys.modules:
            try:
                yield name, version(name)
            except PackageNotFoundError:
                continue


def shown(number: float) -> str:
    """A speed with the digits that count."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def of_rounds(rounds: int) -> str:
    """What the figures of a table are of."""
    return "One round." if rounds == 1 else f"Medians of {rounds} rounds (least–most)."


def with_spread(ratios: Sequence[float]) -> str:
    """Their median and, of more than one, the least and the greatest."""
    middle = f"{statistics.median(ratios):.2f}"
    return middle if len(ratios) == 1 else f"{middle} ({min(ratios):.2f}–{max(ratios):.2f})"


def _median(runs: Sequence[Result], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _mean(runs: Sequence[Result]) -> float:
    return statistics.mean(run["quality"] for run in runs)


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def loop(
    task: str,
    family: str,
    fields: Mapping[str, Any],
    shapes: Any,
    store: Any,
    settings: Mapping[str, Any],
    targets: Mapping[str, Any],
    warm: int,
) -> tuple[Any, list[float], float]:
    """Train danlu's family on encoded rows: the model, the loss of each step, rows per second behind `warm` steps."""
    import torch

    from danlu import models
    from danlu.data.loader import Loader
    from danlu.recipe import TrainConfig
    from danlu.tasks import TASKS
    from danlu.training.loop import Training, fit
    from danlu.training.machine import set_for
    from danlu.training.plan import cores, plan_of

    asked = TrainConfig(
        threads=torch.get_num_threads() if torch.get_num_threads() < cores() else cores(),
        schedule="constant", warmup=0, keep="last", weight_decay=0.01, **settings,
    )  # fmt: skip
    torch.manual_seed(0)
    model, _ = models.build(family, dict(fields), shapes)
    objective = TASKS[task].objective(targets, asked, {})
    loader = Loader(store, asked.batch_size, None, 0)
    plan, _ = plan_of(
        asked, {}, rows=len(store), validation_rows=0, flops_per_row=1e12, metrics=("loss",), device="cpu", seed=0,
        batches_of=lambda size, tokens: loader.steps_per_epoch,
    )  # fmt: skip
    plan = plan.model_copy(update={"log_every": 1})
    nothing = replace(store, rows=store.rows[:0])
    losses, began = [], 0.0
    with set_for(plan):
        for record in fit(Training(model, objective, plan, loader, nothing)):
            losses.append(record.loss)
            if record.step == warm:
                began = time.perf_counter()
        taken = time.perf_counter() - began
    rows = len(store) * (plan.steps - warm) / plan.steps_per_epoch
    return model, losses, rows / taken


def in_keras(
    backend: str,
    layers_of: Callable[[Any], list[Any]],
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    *,
    rate: float,
    batch: int,
    epochs: int,
) -> dict[str, float]:
    """Train what `layers_of(keras.layers)` stack up, with Keras on that backend; the first epoch is not timed."""
    os.environ["KERAS_BACKEND"] = backend
    import keras

    model = keras.Sequential(layers_of(keras.layers))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(rate), loss, metrics=["accuracy"])
    model.fit(*train, batch_size=batch, epochs=1, verbose=0)
    taken = seconds(lambda: model.fit(*train, batch_size=batch, epochs=epochs - 1, verbose=0))
    reached = model.evaluate(*test, verbose=0)[1]
    return {"speed": len(train[1]) * (epochs - 1) / taken, "quality": float(reached)}


def in_lightning(net: Any, batches: Any, test: tuple[Any, ...], *, rate: float, epochs: int) -> dict[str, float]:
    """Train a network of classes with Lightning; a batch is its inputs and, last, the classes. As `in_keras` times."""
    import lightning
    import torch

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.began = net, 0.0

        def training_step(self, batch: Any, _: int) -> Any:
            return torch.nn.functional.cross_entropy(self.net(*batch[:-1]), batch[-1])

        def on_train_epoch_start(self) -> None:
            if self.current_epoch == 1:
                self.began = time.perf_counter()

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=rate)

    module = Module()
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", **dict.fromkeys(quiet, False))
    trainer.fit(module, batches)
    speed = len(batches.dataset) * (epochs - 1) / (time.perf_counter() - module.began)
    module.eval()
    with torch.no_grad():
        right = (net(*test[:-1]).argmax(1) == test[-1]).float().mean()
    return {"speed": speed, "quality": float(right)}


def _alone(contestant: Contestant, asked: argparse.Namespace, threads: int | None) -> Result:
    if threads:
        import torch

        torch.set_num_threads(threads)
    return {**contestant(asked), "versions": versions()}


def _in_process(name: str, python: Path) -> Result:
    done = subprocess.run([str(python), *sys.argv, "--one", name], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-4000:]}")
    print(*(line for line in done.stderr.splitlines() if line.startswith("    ")), sep="\n", file=sys.stderr, end="")
    return json.loads(done.stdout.splitlines()[-1])
