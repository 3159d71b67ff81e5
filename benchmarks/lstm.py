"""An LSTM that tells kind reviews from unkind ones, beside Keras (on PyTorch, on JAX) and Lightning: rows per second.

    python benchmarks/lstm.py [--rounds 3] [--rows 3200] [--epochs 3]

The sentences of sentence_polarity in 10,000 words, vectors of 128, one LSTM of 128, its last state, two classes; AdamW,
batches of 32. Each contestant treats unequal lengths as its own documentation does: Keras pads all rows to the longest
and masks them, Lightning pads each batch and packs it. The first epoch warms up and is not counted. Quality is the
accuracy on 1,000 sentences.
"""

import argparse
import random
from collections import Counter
from functools import partial

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
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
    from torch.utils.data import DataLoader

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.vectors = nn.Embedding(WORDS, WIDTH, padding_idx=0)
            self.lstm, self.out = nn.LSTM(WIDTH, WIDTH, batch_first=True), nn.Linear(WIDTH, 2)

        def forward(self, tokens, length):
            packed = pack_padded_sequence(self.vectors(tokens), length, batch_first=True, enforce_sorted=False)
            return self.out(self.lstm(packed)[1][0][-1])

    def collated(examples):
        texts = [torch.tensor(words) for words, _ in examples]
        length = torch.tensor([len(words) for words in texts])
        return pad_sequence(texts, batch_first=True), length, torch.tensor([label for _, label in examples])

    train, test = ([*zip(*part, strict=True)] for part in rows(asked))
    batches = DataLoader(train, batch_size=BATCH, shuffle=True, collate_fn=collated)
    return contest.in_lightning(Net(), batches, collated(test), rate=RATE, epochs=asked.epochs)


def keras(backend, asked):
    import numpy as np

    parts = rows(asked)
    longest = max(map(len, parts[0][0]))

    def padded(texts):
        found = np.zeros((len(texts), longest), np.int64)
        for row, words in zip(found, texts, strict=True):
            row[: len(words)] = words[:longest]
        return found

    def layers_of(layers):
        vectors = layers.Embedding(WORDS, WIDTH, mask_zero=True)
        return [layers.Input((longest,)), vectors, layers.LSTM(WIDTH), layers.Dense(2)]

    train, test = ((padded(texts), np.array(labels)) for texts, labels in parts)
    return contest.in_keras(backend, layers_of, train, test, rate=RATE, batch=BATCH, epochs=asked.epochs)


CONTESTANTS = {
    "danlu": danlu,
    "Keras on PyTorch": partial(keras, "torch"),
    "Keras on JAX": partial(keras, "jax"),
    "Lightning": lightning,
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=3200)
    parser.add_argument("--epochs", type=int, default=3)


if __name__ == "__main__":
    contest.main(__doc__, CONTESTANTS, unit="rows/s", quality="accuracy", tolerance=0.05, options=options)
