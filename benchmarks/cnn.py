"""A convolutional network on Fashion-MNIST, beside Keras (on PyTorch and on JAX) and Lightning: images per second.

    python benchmarks/cnn.py [--rounds 3] [--images 6400] [--epochs 2]

Three stages of two 3×3 convolutions with batch normalisation, 32, 64 and 128 wide, the mean over the image, ten
classes; AdamW, batches of 128, no augmentation. The first epoch of each contestant warms up and is not counted. Quality
is the accuracy on 2,000 test images. Needs Debian's package dataset-fashion-mnist.
"""

import argparse
import os

import contest

FOLDER, BATCH, RATE, TESTED, WIDTHS = "/usr/share/datasets/fashion-mnist", 128, 1e-3, 2000, (32, 64, 128)


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
    shapes = Shapes(image=(1, 28, 28), image_mean=(73.0,), image_std=(90.0,), heads={"y": 10})
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
    import lightning as L
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            layers, before = [], 1
            for stage, width in enumerate(WIDTHS):
                if stage:
                    layers.append(nn.MaxPool2d(2))
                for _ in range(2):
                    layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                    before = width
            self.net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))
            self.began = 0.0

        def training_step(self, batch, _):
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def on_train_epoch_start(self):
            self.clock(1)

        def clock(self, epoch):
            import time

            if self.current_epoch == epoch:
                self.began = time.perf_counter()

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=RATE)

    import time

    (pixels, labels), (test_pixels, test_labels) = images(asked)
    module = Module()
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = L.Trainer(max_epochs=asked.epochs, accelerator="cpu", **dict.fromkeys(quiet, False))
    given = TensorDataset(_scaled(torch.from_numpy(pixels)), torch.from_numpy(labels))
    trainer.fit(module, DataLoader(given, batch_size=BATCH, shuffle=True))
    speed = len(labels) * (asked.epochs - 1) / (time.perf_counter() - module.began)
    module.eval()
    with torch.no_grad():
        told = module.net(_scaled(torch.from_numpy(test_pixels))).argmax(1)
    return {"speed": speed, "quality": float((told.numpy() == test_labels).mean())}


def _scaled(pixels):
    return (pixels[:, None].float() - 73) / 90


def _keras(asked, backend):
    os.environ["KERAS_BACKEND"] = backend
    import time

    import keras
    from keras import layers

    (pixels, labels), (test_pixels, test_labels) = images(asked)
    given, tested = (((each[..., None].astype("float32") - 73) / 90) for each in (pixels, test_pixels))
    parts = [keras.Input((28, 28, 1))]
    for stage, width in enumerate(WIDTHS):
        if stage:
            parts.append(layers.MaxPooling2D())
        for _ in range(2):
            parts += [
                layers.Conv2D(width, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
            ]  # fmt: skip
    model = keras.Sequential([*parts, layers.GlobalAveragePooling2D(), layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(RATE), loss, metrics=["accuracy"])
    model.fit(given, labels, batch_size=BATCH, epochs=1, verbose=0)
    began = time.perf_counter()
    model.fit(given, labels, batch_size=BATCH, epochs=asked.epochs - 1, verbose=0)
    speed = len(labels) * (asked.epochs - 1) / (time.perf_counter() - began)
    return {"speed": speed, "quality": float(model.evaluate(tested, test_labels, verbose=0)[1])}


def keras_torch(asked):
    return _keras(asked, "torch")


def keras_jax(asked):
    return _keras(asked, "jax")


CONTESTANTS = {"danlu": danlu, "Keras on PyTorch": keras_torch, "Keras on JAX": keras_jax, "Lightning": lightning}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=6400)
    parser.add_argument("--epochs", type=int, default=2)


if __name__ == "__main__":
    contest.main(__doc__, CONTESTANTS, unit="images/s", quality="accuracy", options=options)
