"""Precision: what fewer bits cost, in training and in writing, mean and deviation of three seeds.

python benchmarks/precision.py                  every row
python benchmarks/precision.py digits --steps 50

Three tasks are trained in bfloat16 and in float32: the best validation loss. `writing`: a small Llama trained on nine
tenths of tinyshakespeare, its perplexity on the last tenth in the precisions in which `danlu generate` writes.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import contest

import danlu
from danlu.models.precision import computed_in

WRITTEN: tuple[Any, ...] = ("float32", "bfloat16", "int8")
SEEDS = (0, 1, 2)
SHARED = Path(__file__).parents[2] / "shared" / "data"
SMALL = {"model__width": 64, "model__depth": 2}
QUICK = {"evaluate__baseline": False, "evaluate__bootstrap": 0, "evaluate__calibrate": False, "quiet": True}
ROWS: dict[str, dict[str, Any]] = {
    "digits": {"data": "sample:digits", "model": "vit", "train__batch_size": 64},
    "entities": {"data": str(SHARED / "ner-en" / "wnut17train.conll"), "model": "bert", "train__batch_size": 32},
    "shakespeare": {
        "data": str(SHARED / "lm-en" / "tinyshakespeare.txt"),
        "task": "text-generation",
        "model": "gpt2",
        "data__text__tokenizer": "char",
        "data__text__max_length": 128,
        "train__batch_size": 16,
    },
}


def main() -> None:
    """Run the rows that are named, all without a name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join([*ROWS, 'writing'])}")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    asked = parser.parse_args()
    names = asked.rows or [*ROWS, "writing"]
    footer = f"{contest.machine()}; {contest.listed({'danlu': version('danlu'), 'torch': version('torch')})}."
    if trained := [name for name in names if name in ROWS]:
        lines = [f"| `{contest.command()}`: best validation loss | float32 | bfloat16 |", "|---|---|---|"]
        for name in trained:
            columns = [
                [_best_loss(p, seed, asked.steps, **ROWS[name]) for seed in SEEDS] for p in ("float32", "bfloat16")
            ]
            lines.append(f"| {name} | {' | '.join(map(_with_deviation, columns))} |")
            print(f"    {lines[-1]}", file=sys.stderr, flush=True)
        contest.report([*lines, "", footer], asked.write)
    if "writing" in names:
        found = [_perplexities(seed, asked.steps) for seed in SEEDS]
        heads = f"| `{contest.command()}`: perplexity | {' | '.join(WRITTEN)} |"
        columns = [_with_deviation([each[p] for each in found]) for p in WRITTEN]
        more = [max(each[p] / each["float32"] - 1 for each in found) for p in WRITTEN]
        lines = [heads, "|---" * (1 + len(WRITTEN)) + "|", f"| mean of {len(SEEDS)} seeds | {' | '.join(columns)} |"]
        lines.append(f"| more than float32, at most | {' | '.join(f'{share:+.3%}' for share in more)} |")
        contest.report([*lines, "", footer], asked.write, "precision writing")


def _with_deviation(values: list[float]) -> str:
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def _perplexities(seed: int, steps: int) -> dict[str, float]:
    """By precision, of text that the model was not trained on."""
    path = SHARED / "lm-en" / "tinyshakespeare.txt"
    whole = path.read_text(encoding="utf-8")
    sizes = {"family": "llama", "width": 256, "depth": 4, "heads": 4}
    text = {"tokenizer": "bpe", "vocab_size": 2048, "max_length": 128}
    with tempfile.TemporaryDirectory() as folder:
        seen, held = Path(folder) / "seen.txt", Path(folder) / "held.txt"
        seen.write_text(whole[: len(whole) * 9 // 10], encoding="utf-8")
        held.write_text(whole[len(whole) * 9 // 10 :], encoding="utf-8")
        given = {"train__steps": steps, "train__batch_size": 16, "data__text": text}
        out = Path(folder) / "run"
        danlu.train(str(seen), task="text-generation", model=sizes, out=out, seed=seed, **given, **QUICK)
        predictor = danlu.load(out)
        each = {p: replace(predictor, module=computed_in(predictor.module, p)) for p in WRITTEN}
        return {p: other.evaluate(str(held), 0)["targets"][0]["metrics"]["perplexity"] for p, other in each.items()}


def _best_loss(precision: str, seed: int, steps: int, data: str, **settings: Any) -> float:
    """Of the validations of a run that picks its weights by the loss."""
    given = {"train__steps": steps, "train__evaluate_every": max(1, steps // 10), "train__metric": "loss"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = danlu.train(data, out=out, seed=seed, train__precision=precision, **given, **SMALL, **QUICK, **settings)
        return min(record["validation"]["loss"] for record in run.metrics() if "validation" in record)


if __name__ == "__main__":
    main()
