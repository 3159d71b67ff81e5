"""A convolutional network on Fashion-MNIST, beside Keras (on PyTorch and on JAX) and Lightning: images per second.

    python benchmarks/cnn.py [--rounds 3] [--images 6400] [--epochs 2]

Three stages of two 3×3 convolutions with batch normalisation, 32, 64 and 128 wide, the mean over the image, ten
classes; AdamW, batches of 128, no augmentation. The first epoch of each contestant warms up and is not counted. Quality
is the accuracy on 2,000 test images. Needs Debian's package dataset-fashion-mnist.
"""

import argparse
from functools import partial

import contest

FOLDER, BATCH, RATE, TESTED, WIDTHS = "/usr/share/datasets/fashion-mnist", 128, 1e-3, 2000, (32, 64, 128)
MEAN, DEVIATION = 73.0, 90.0  # of the pixels, about


def images(asked):
    """Train and test: images (N, 28, 28) uint8 and labels (N,) int64."""
    import gzip
    from pathlib import Path

    import numpy as np

    def read(name, offset):
        return np.frombuffer(gzip.decompress((Path(FOLDER) / f"{name}.gz").read_bytes()), np.uint8, offset=offset)

    parts = []
    for part, count in (("train", asked.images), ("t10k", TESTED)):
        pixels = read(f"{part}-images-idx3-ubyte", 16).reshape(-1, 28, 28)[:count]
        parts.append((pixels.copy(), read(f"{part}-labels-idx1-ubyte", 8)[:count].astype("int64")))
    return parts


def danlu(asked):
    import torch

    from danlu.data.store import Dense, Shapes, Store
    from danlu.data.targets import Target

    (pixels, labels), (test_pixels, test_labels) = images(asked)
    store = Store(
        {"image": Dense(torch.from_numpy(pixels)[:, None])}, {"y": torch.from_numpy(labels)}, torch.arange(len(labels))
    )
    shapes = Shapes(image=(1, 28, 28), image_mean=(MEAN,), image_std=(DEVIATION,), heads={"y": 10})
    settings = {
        "epochs": asked.epochs, "batch_size": BATCH, "learning_rate": RATE, "precision": "bfloat16", "augment": False,
    }  # fmt: skip
    targets = {"y": Target("y", "class", tuple("0123456789"))}
    fields = {"width": WIDTHS[0], "depth": len(WIDTHS), "dropout": 0.0}
    warm = -(-len(labels) // BATCH)
    model, _, speed = contest.loop("image-classification", "cnn", fields, shapes, store, settings, targets, warm)
    with torch.no_grad():
        told = model({"image": torch.from_numpy(test_pixels)[:, None]})["y"].argmax(1)
    return {"speed": speed, "quality": float((told.numpy() == test_labels).mean())}


def lightning(asked):
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    train, test = ((torch.from_numpy(scaled(pixels))[:, None], torch.from_numpy(y)) for pixels, y in images(asked))
    layers, before = [], 1
    for stage, width in enumerate(WIDTHS):
        if stage:
            layers.append(nn.MaxPool2d(2))
        for _ in range(2):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))
    batches = DataLoader(TensorDataset(*train), batch_size=BATCH, shuffle=True)
    return contest.in_lightning(net, batches, test, rate=RATE, epochs=asked.epochs)


def keras(backend, asked):
    def layers_of(layers):
        found = []
        for stage, width in enumerate(WIDTHS):
            if stage:
                found.append(layers.MaxPooling2D())
            for _ in range(2):
                convolution = layers.Conv2D(width, 3, padding="same", use_bias=False)
                norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)  # torch's: with 0.99 its means lag
                found += [convolution, norm, layers.ReLU()]
        return [layers.Input((28, 28, 1)), *found, layers.GlobalAveragePooling2D(), layers.Dense(10)]

    train, test = ((scaled(pixels)[..., None], y) for pixels, y in images(asked))
    return contest.in_keras(backend, layers_of, train, test, rate=RATE, batch=BATCH, epochs=asked.epochs)


def scaled(pixels):
    return (pixels.astype("float32") - MEAN) / DEVIATION


CONTESTANTS = {
    "danlu": danlu,
    "Keras on PyTorch": partial(keras, "torch"),
    "Keras on JAX": partial(keras, "jax"),
    "Lightning": lightning,
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=6400)
    parser.add_argument("--epochs", type=int, default=2)


if __name__ == "__main__":
    contest.main(__doc__, CONTESTANTS, unit="images/s", quality="accuracy", tolerance=0.05, options=options)
