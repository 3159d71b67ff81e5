"""tinyshakespeare by characters, from scratch, both in the same minutes: danlu's defaults and nanoGPT's CPU recipe.

    python benchmarks/shakespeare.py [--minutes 10] [--seeds 1]

The division is nanoGPT's: the first nine tenths to train, the last tenth to validate. Its recipe for a processor is 4
layers of width 128, 4 heads, 64 characters in view, 12 rows a step, AdamW with betas 0.9 and 0.99, decay 0.1, clipped
at 1, a learning rate of 1e-3 that falls to 1e-4 along a cosine after 100 steps, float32, no dropout; here the cosine
spans the minutes instead of 2,000 steps. Prints the loss of every character of the last tenth, in nats.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import contest
import torch
import torch.nn.functional as F

import danlu
from danlu.models import gpt2
from danlu.models.causal import CausalLM

FILE = Path(__file__).parents[2] / "shared" / "data" / "lm-en" / "tinyshakespeare.txt"
CONTEXT, ROWS, RATE, LEAST_RATE, WARMUP = 64, 12, 1e-3, 1e-4, 100


def main() -> None:
    """Every seed of both, in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    asked = parser.parse_args()
    losses: dict[str, list[float]] = {"danlu": [], "nanoGPT's recipe": []}
    for seed in range(asked.seeds):
        for name, train in (("danlu", ours), ("nanoGPT's recipe", recipe)):
            losses[name].append(train(60 * asked.minutes, seed))
            print(f"    seed {seed}, {name}: {losses[name][-1]:.4f}", file=sys.stderr, flush=True)
    lines = [f"| `{contest.command()}` | loss of the last tenth, nats per character |", "|---|---|"]
    lines += [f"| {name} | {statistics.mean(values):.4f} |" for name, values in losses.items()]
    contest.report([*lines, "", f"{contest.machine()}; {contest.listed(contest.versions())}."], asked.write)


def ours(seconds: float, seed: int) -> float:
    """The best validation loss of danlu's defaults; the time limit holds reading and evaluation too."""
    with tempfile.TemporaryDirectory() as folder:
        run = danlu.train(
            str(FILE),
            out=Path(folder) / "run",
            seed=seed,
            quiet=True,
            data__text={"tokenizer": "char"},
            data__split={"validation": 0.1, "test": 0.0},
            train__time_limit=f"{seconds:g}s",
        )
        return min(record["validation"]["loss"] for record in run.metrics() if "validation" in record)


def recipe(seconds: float, seed: int) -> float:
    """The last loss of nanoGPT's recipe, its schedule spread over the seconds."""
    text = FILE.read_text(encoding="utf-8")
    number = {letter: n for n, letter in enumerate(sorted(set(text)))}
    tokens = torch.tensor([number[letter] for letter in text])
    train, held = tokens[: int(0.9 * len(tokens))], tokens[int(0.9 * len(tokens)) :]
    torch.manual_seed(seed)
    config = gpt2.Config(width=128, depth=4, heads=4, max_length=CONTEXT, dropout=0.0, bias=False, qkv_bias=False)
    model = CausalLM(config, len(number))
    matrices, others = ([p for p in model.parameters() if (p.ndim >= 2) == kind] for kind in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99), fused=True)
    began, step = time.monotonic(), 0
    while (spent := time.monotonic() - began) < seconds:
        cosine = LEAST_RATE + (RATE - LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * spent / seconds))
        for group in optimizer.param_groups:
            group["lr"] = RATE * step / WARMUP if step < WARMUP else cosine
        begins = torch.randint(len(train) - CONTEXT, (ROWS, 1))
        rows = train[begins + torch.arange(CONTEXT + 1)]
        optimizer.zero_grad()
        loss_of(model, rows).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
    with torch.no_grad():
        rows = held[: (len(held) - 1) // CONTEXT * CONTEXT + 1].unfold(0, CONTEXT + 1, CONTEXT)
        return float(torch.stack([loss_of(model, part) for part in rows.split(256)[:-1]]).mean())


def loss_of(model: CausalLM, rows: torch.Tensor) -> torch.Tensor:
    """Nats per character of rows (B, CONTEXT + 1), each told from those before it."""
    logits = model.scores(model.trunk(rows[:, :-1]))
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


if __name__ == "__main__":
    main()
