"""Pretraining a GPT of 12 million weights, beside a plain loop and the transformers Trainer: tokens per second.

    python benchmarks/pretrain.py [--rounds 3] [--steps 30]

6 layers of width 384, 6 heads, 256 tokens in view, 16 rows a step, 4,096 tokens in the vocabulary; AdamW, no dropout.
All train on the same rows of tinyshakespeare in byte-pair tokens, from weights drawn alike, for `--steps` steps behind
a few that warm up. The plain loop is written the way nanoGPT's is: a model of some fifty lines, bfloat16 by autocast,
fused AdamW, all scores at once; with `torch.compile`, for which a C++ compiler must be at hand, and without. The
product's own speed in bfloat16, of the shapes of a layer, is measured in the same process as the steps, and says what
share of the processor's peak they reach.
"""

import argparse
import math
import shutil
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
    return found(rows_per_s * CONTEXT, losses)


def found(speed, losses):
    """Of so many tokens per second and the loss of each step."""
    return {"speed": speed, "quality": sum(losses[-5:]) / 5, "share": 6 * weights(TOKENS) * speed / peak()}


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
    return found(asked.steps * ROWS * CONTEXT / (time.perf_counter() - clock.began), clock.losses)


def trainer(asked):
    return _trainer(asked)


def trainer_bf16(asked):
    return _trainer(asked, bf16=True)


def plain(asked):
    return _plain(asked, plain_model())


def plain_compiled(asked):
    import torch

    return _plain(asked, torch.compile(plain_model()))


def _plain(asked, model):
    """A loop as one writes it by hand: batches drawn, autocast, backward, clipped, fused AdamW."""
    import torch

    matrices, others = ([p for p in model.parameters() if (p.ndim >= 2) == kind] for kind in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, fused=True)
    rows, losses, began = corpus(), [], 0.0
    order = torch.cat([torch.randperm(len(rows)) for _ in range(-(-(WARM + asked.steps) * ROWS // len(rows)))])
    for step, drawn in enumerate(order.split(ROWS)[: WARM + asked.steps]):
        if step == WARM:
            began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(rows[drawn, :-1], rows[drawn, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return found(asked.steps * ROWS * CONTEXT / (time.perf_counter() - began), losses)


def plain_model():
    """tokens (B, T), targets (B, T) → loss; GPT-2's shape, each block written out, the scores' matrix tied."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.before_attention, self.before_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.attended = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x):
            split = self.qkv(self.before_attention(x)).unflatten(2, (3, HEADS, WIDTH // HEADS))
            q, k, v = split.permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.attended(seen.transpose(1, 2).flatten(2))
            return x + self.down(F.gelu(self.up(self.before_mlp(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(TOKENS, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            self.blocks, self.norm = nn.ModuleList(Block() for _ in range(DEPTH)), nn.LayerNorm(WIDTH)
            for name, parameter in self.named_parameters():
                if name.endswith("bias"):
                    nn.init.zeros_(parameter)
                elif parameter.ndim == 2:
                    into_stream = "attended" in name or "down" in name
                    nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * DEPTH) if into_stream else 0.02)

        def forward(self, tokens, targets):
            x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
            for block in self.blocks:
                x = block(x)
            scores = F.linear(self.norm(x), self.tokens.weight)
            return F.cross_entropy(scores.flatten(0, 1), targets.flatten())

    torch.manual_seed(0)
    return Model()


CONTESTANTS = {
    "danlu": danlu,
    "nanoGPT's loop": plain,
    "nanoGPT's loop, compiled": plain_compiled,
    "Trainer": trainer,
    "Trainer, bf16": trainer_bf16,
}
if not shutil.which("c++"):
    del CONTESTANTS["nanoGPT's loop, compiled"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=30)


if __name__ == "__main__":
    contest.main(
        __doc__,
        CONTESTANTS,
        unit="tokens/s",
        quality="loss",
        tolerance=0.2,
        limit="of the products' peak",
        options=options,
    )
