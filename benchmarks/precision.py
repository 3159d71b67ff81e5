"""Precision: the best validation loss in bfloat16 beside float32, mean and deviation of three seeds, on three tasks.

python benchmarks/precision.py                  every row
python benchmarks/precision.py digits --steps 50
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import danlu

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
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--steps", type=int, default=600)
    asked = parser.parse_args()
    for name in asked.rows or ROWS:
        losses = {
            p: [_best_loss(p, seed, asked.steps, **ROWS[name]) for seed in SEEDS] for p in ("float32", "bfloat16")
        }
        told = ", ".join(f"{p} {statistics.mean(v):.4f} ± {statistics.stdev(v):.4f}" for p, v in losses.items())
        print(f"{name}: {told}", flush=True)


def _best_loss(precision: str, seed: int, steps: int, data: str, **settings: Any) -> float:
    """Of the validations of a run that picks its weights by the loss."""
    given = {"train__steps": steps, "train__evaluate_every": max(1, steps // 10), "train__metric": "loss"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = danlu.train(data, out=out, seed=seed, train__precision=precision, **given, **SMALL, **QUICK, **settings)
        return min(record["validation"]["loss"] for record in run.metrics() if "validation" in record)


if __name__ == "__main__":
    main()
