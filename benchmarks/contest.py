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
from dataclasses import replace
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
        shown = f"{speed:,.0f}" if speed >= 1000 else f"{speed:.4g}"
        lines.append(f"| {name} | {shown} | {spread} | {statistics.mean(run['quality'] for run in runs):.4f} |")
    return lines


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
    print(*(line for line in done.stderr.splitlines() if line.startswith("    ")), sep="\n", file=sys.stderr, end="")
    return json.loads(done.stdout.splitlines()[-1])


def _versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
