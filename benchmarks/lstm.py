"""An LSTM that tells kind reviews from unkind ones, beside Keras (on PyTorch, on JAX) and Lightning: rows per second.

    python benchmarks/lstm.py [--rounds 3] [--rows 3200] [--epochs 3]

The sentences of sentence_polarity in 10,000 words, vectors of 128, one LSTM of 128, its last state, two classes; AdamW,
batches of 32. Each contestant treats unequal lengths as its own documentation does: Keras pads all rows to the longest
and masks them, Lightning pads each batch and packs it. The first epoch warms up and is not counted. Quality is the
accuracy on 1,000 sentences.
"""

import argparse
import os
import random
import time
from collections import Counter

import contest
from encode import sentences

BATCH, RATE, WORDS, WIDTH, TESTED = 32, 2e-3, 10_000, 128, 1000


def rows(asked):
    """Train and test: lists of word numbers (1 is unknown, 0 pads) and labels."""
    texts = sentences(None)
    labelled = [(text.split(), int(n < len(texts) // 2)) for n, text in enumerate(texts)]
    random.Random(0).shuffle(labelled)
    train, test = labelled[: asked.rows], labelled[-TESTED:]
    common = Counter(word for words, _ in train for word in words).most_common(WORDS - 2)
    number = {word: n + 2 for n, (word, _) in enumerate(common)}
    return [
        ([[number.get(word, 1) for word in words] for words, _ in part], [y for _, y in part]) for part in (train, test)
    ]


def danlu(asked):
    import numpy as np
    import torch

    from danlu.data.loader import evaluation_batches
    from danlu.data.store import Ragged, Shapes, Store
    from danlu.data.targets import Target

    def stored(texts, labels):
        offsets = torch.from_numpy(np.cumsum([0, *map(len, texts)]))
        tokens = torch.tensor([word for words in texts for word in words], dtype=torch.int32)
        return Store({"tokens": Ragged(tokens, offsets)}, {"y": torch.tensor(labels)}, torch.arange(len(labels)))

    train, test = (stored(*part) for part in rows(asked))
    shapes = Shapes(tokens=WORDS, max_tokens=64, heads={"y": 2})
    settings = {"epochs": asked.epochs, "batch_size": BATCH, "learning_rate": RATE}
    fields = {"width": WIDTH, "token_width": WIDTH, "layers": 1, "bidirectional": False, "pool": "last", "dropout": 0.0}
    targets, warm = {"y": Target("y", "class", ("no", "yes"))}, -(-len(train) // BATCH)
    model, _, speed = contest.loop("text-classification", "lstm", fields, shapes, train, settings, targets, warm)
    right = 0
    with torch.no_grad():
        for _, batch in evaluation_batches(test, 256):
            right += int((model(batch.inputs)["y"].argmax(1) == batch.targets["y"]).sum())
    return {"speed": speed, "quality": right / len(test)}


def lightning(asked):
    import lightning as L
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
    from torch.utils.data import DataLoader

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.vectors = nn.Embedding(WORDS, WIDTH, padding_idx=0)
            self.lstm, self.out = nn.LSTM(WIDTH, WIDTH, batch_first=True), nn.Linear(WIDTH, 2)
            self.began = 0.0

        def forward(self, tokens, length):
            packed = pack_padded_sequence(self.vectors(tokens), length, batch_first=True, enforce_sorted=False)
            return self.out(self.lstm(packed)[1][0][-1])

        def training_step(self, batch, _):
            return nn.functional.cross_entropy(self(*batch[:2]), batch[2])

        def on_train_epoch_start(self):
            if self.current_epoch == 1:
                self.began = time.perf_counter()

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=RATE)

    def collated(examples):
        texts = [torch.tensor(words) for words, _ in examples]
        length = torch.tensor([len(words) for words in texts])
        return pad_sequence(texts, batch_first=True), length, torch.tensor([label for _, label in examples])

    train, test = ([*zip(*part, strict=True)] for part in rows(asked))
    module = Module()
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = L.Trainer(max_epochs=asked.epochs, accelerator="cpu", **dict.fromkeys(quiet, False))
    trainer.fit(module, DataLoader(train, batch_size=BATCH, shuffle=True, collate_fn=collated))
    speed = len(train) * (asked.epochs - 1) / (time.perf_counter() - module.began)
    module.eval()
    with torch.no_grad():
        tokens, length, labels = collated(test)
        right = float((module(tokens, length).argmax(1) == labels).float().mean())
    return {"speed": speed, "quality": right}


def _keras(asked, backend):
    os.environ["KERAS_BACKEND"] = backend
    import keras
    import numpy as np
    from keras import layers

    (train, labels), (test, test_labels) = rows(asked)
    longest = max(map(len, train))
    given, tested = (keras.utils.pad_sequences(part, longest, padding="post") for part in (train, test))
    model = keras.Sequential(
        [keras.Input((longest,)), layers.Embedding(WORDS, WIDTH, mask_zero=True), layers.LSTM(WIDTH), layers.Dense(2)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(RATE), loss, metrics=["accuracy"])
    model.fit(given, np.array(labels), batch_size=BATCH, epochs=1, verbose=0)
    began = time.perf_counter()
    model.fit(given, np.array(labels), batch_size=BATCH, epochs=asked.epochs - 1, verbose=0)
    speed = len(train) * (asked.epochs - 1) / (time.perf_counter() - began)
    return {"speed": speed, "quality": float(model.evaluate(tested, np.array(test_labels), verbose=0)[1])}


def keras_torch(asked):
    return _keras(asked, "torch")


def keras_jax(asked):
    return _keras(asked, "jax")


CONTESTANTS = {"danlu": danlu, "Keras on PyTorch": keras_torch, "Keras on JAX": keras_jax, "Lightning": lightning}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=3200)
    parser.add_argument("--epochs", type=int, default=3)


if __name__ == "__main__":
    contest.main(__doc__, CONTESTANTS, unit="rows/s", quality="accuracy", options=options)
