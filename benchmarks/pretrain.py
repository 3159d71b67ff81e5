"""Pretraining a GPT of 12 million weights, beside the transformers Trainer: tokens per second of the loop.

    python benchmarks/pretrain.py [--rounds 3] [--steps 30]

6 layers of width 384, 6 heads, 256 tokens in view, 16 rows a step, 4,096 tokens in the vocabulary; AdamW, no dropout.
All train on the same rows of tinyshakespeare in byte-pair tokens, from weights drawn alike, for `--steps` steps behind
a few that warm up. The matrix product's own speed, of the shapes of a layer, is measured in the same process as danlu's
steps, and says what share of the processor's peak they reach.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import contest

FILE = Path(__file__).parents[2] / "shared" / "data" / "lm-en" / "tinyshakespeare.txt"
WIDTH, DEPTH, HEADS, CONTEXT, ROWS, TOKENS, RATE, WARM = 384, 6, 6, 256, 16, 4096, 1e-3, 4


def corpus():
    """(N, CONTEXT + 1) int64: rows of tokens."""
    import torch

    from danlu.data.corpus import trained_tokenizer

    text = FILE.read_text(encoding="utf-8")
    tokens = torch.tensor(trained_tokenizer("bpe", [text], TOKENS).encode(text).ids)
    return tokens.unfold(0, CONTEXT + 1, CONTEXT).clone()


def weights(tokens):
    """Of a layer's matrices and the scores', by which a token is multiplied."""
    return DEPTH * 12 * WIDTH**2 + tokens * WIDTH


def danlu(asked):
    import torch

    from danlu.data.store import Dense, Shapes, Store

    rows = corpus()
    store = Store({"tokens": Dense(rows[:, :-1])}, {"tokens": rows[:, 1:]}, torch.arange(len(rows)))
    fields = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "dropout": 0.0}
    shapes = Shapes(tokens=TOKENS, max_tokens=CONTEXT)
    settings = {
        "steps": WARM + asked.steps, "batch_size": ROWS, "learning_rate": RATE, "precision": "bfloat16",
        "betas": (0.9, 0.999), "clip": 1.0,
    }  # fmt: skip
    _, losses, rows_per_s = contest.loop("text-generation", "gpt2", fields, shapes, store, settings, {}, WARM)
    speed = rows_per_s * CONTEXT
    share = 6 * weights(TOKENS) * speed / peak()
    print(f"    {share:.0%} of the peak of matrix products", file=sys.stderr)
    return {"speed": speed, "quality": sum(losses[-5:]) / 5}


def peak():
    """Floating-point operations per second of bfloat16 products of the layers' shapes."""
    import torch

    a, b = torch.randn(ROWS * CONTEXT, WIDTH).bfloat16(), torch.randn(4 * WIDTH, WIDTH).bfloat16()
    once = min(contest.seconds(lambda: torch.nn.functional.linear(a, b)) for _ in range(30))
    return 2 * ROWS * CONTEXT * WIDTH * 4 * WIDTH / once


def _trainer(asked, **flags):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

    config = GPT2Config(
        vocab_size=TOKENS, n_positions=CONTEXT, n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    rows = corpus()
    examples = [{"input_ids": row[:-1], "labels": row[:-1]} for row in rows]  # the model shifts by itself

    class Clock(TrainerCallback):
        began, losses = 0.0, []

        def on_step_end(self, args, state, control, **_):
            if state.global_step == WARM:
                self.began = time.perf_counter()

        def on_log(self, args, state, control, logs=None, **_):
            if logs and "loss" in logs:
                self.losses.append(logs["loss"])

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=WARM + asked.steps, per_device_train_batch_size=ROWS, learning_rate=RATE, report_to=[],
            save_strategy="no", logging_steps=1, disable_tqdm=True, use_cpu=True, lr_scheduler_type="constant",
            weight_decay=0.01, **flags,
        )  # fmt: skip
        Trainer(GPT2LMHeadModel(config), arguments, train_dataset=examples, callbacks=[clock]).train()
    speed = asked.steps * ROWS * CONTEXT / (time.perf_counter() - clock.began)
    return {"speed": speed, "quality": sum(clock.losses[-5:]) / 5}


def trainer(asked):
    return _trainer(asked)


def trainer_bf16(asked):
    return _trainer(asked, bf16=True)


CONTESTANTS = {"danlu": danlu, "Trainer": trainer, "Trainer, bf16": trainer_bf16}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=30)


if __name__ == "__main__":
    contest.main(__doc__, CONTESTANTS, unit="tokens/s", quality="loss", options=options)
