"""Speed of the loop on a small network: MLP 20 → 64 → 64 → 2, batch 64, AdamW, one thread, beside its peers.

    python benchmarks/small_mlp.py [--rounds 3] [--epochs 2]

Every contestant trains the same network on the same 50,000 rows in a process of its own, in turn, `--rounds` times;
imports and one warm-up epoch are not counted; danlu and fastai look at 1,000 rows after an epoch, the others at none.
Prints rows per second (median) and ratios.
"""

import time

import contest

ROWS, FEATURES, WIDTH, BATCH, RATE = 50_000, 20, 64, 64, 1e-3


def data():
    import torch

    torch.manual_seed(0)
    x = torch.randn(ROWS, FEATURES)
    return x, (x[:, 0] * x[:, 1] > 0).long()


def network():
    from torch import nn

    return nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))


def danlu(epochs):
    import torch

    from danlu import models
    from danlu.data.loader import Loader
    from danlu.data.store import Dense, Shapes, Store
    from danlu.data.targets import Target
    from danlu.recipe import TrainConfig
    from danlu.tasks import TASKS
    from danlu.tasks.supervised import metrics_of
    from danlu.training.loop import Training, fit
    from danlu.training.plan import plan_of

    x, y = data()
    store = Store({"numbers": Dense(x)}, {"y": y}, torch.arange(ROWS))
    asked = TrainConfig(epochs=epochs, batch_size=BATCH, learning_rate=RATE, schedule="constant", warmup=0, threads=1)
    objective = TASKS["tabular-classification"].objective({"y": Target("y", "class", ("a", "b"))}, asked, {})
    model, _ = models.build("mlp", {"width": WIDTH, "depth": 2}, Shapes(numbers=FEATURES, heads={"y": 2}))
    plan, _ = plan_of(
        asked, {}, rows=ROWS, validation_rows=1000, flops_per_row=1,
        metrics=metrics_of(objective.targets), device="cpu", seed=0,
        batches_of=lambda size, tokens: Loader(store, size, tokens, 0).steps_per_epoch,
    )  # fmt: skip
    validation = Store({"numbers": Dense(x[:1000])}, {"y": y[:1000]}, torch.arange(1000))
    for _ in fit(Training(model, objective, plan, Loader(store, BATCH, None, 0), validation)):
        pass
    with torch.no_grad():
        return float((model({"numbers": x})["y"].argmax(1) == y).float().mean())


def plain(epochs):
    """A hand-written loop over indexed tensors with fused AdamW."""
    import torch

    x, y = data()
    net, criterion = network(), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, fused=True)
    for _ in range(epochs):
        for index in torch.randperm(ROWS).split(BATCH):
            optimizer.zero_grad()
            criterion(net(x[index]), y[index]).backward()
            optimizer.step()
    return accuracy(net, x, y)


def lightning(epochs):
    import lightning as L
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = network()

        def training_step(self, batch, _):
            return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=RATE, fused=True)

    x, y = data()
    module = Module()
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = L.Trainer(max_epochs=epochs, accelerator="cpu", **quiet)
    trainer.fit(module, DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True))
    return accuracy(module.net, x, y)


def trainer(epochs):
    import tempfile

    import torch
    from transformers import Trainer, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x, labels):
            logits = self.net(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    x, y = data()
    rows = [{"x": a, "labels": b} for a, b in zip(x, y, strict=True)]
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=epochs, per_device_train_batch_size=BATCH, learning_rate=RATE, report_to=[],
            save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True, lr_scheduler_type="constant",
        )  # fmt: skip
        Trainer(model, arguments, train_dataset=rows).train()
    return accuracy(model.net, x, y)


def skorch(epochs):
    import torch
    from skorch import NeuralNetClassifier

    x, y = data()
    classifier = NeuralNetClassifier(
        network(), criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, optimizer__fused=True, lr=RATE,
        batch_size=BATCH, max_epochs=epochs, train_split=None, iterator_train__shuffle=True, verbose=0,
    )  # fmt: skip
    return accuracy(classifier.fit(x, y).module_, x, y)


def fastai(epochs):
    """Its own Adam, whose decay is AdamW's; without the bar and the table of its notebook."""
    from fastai.basics import CrossEntropyLossFlat, DataLoader, DataLoaders, Learner
    from torch.utils.data import TensorDataset

    x, y = data()
    rows, few = TensorDataset(x, y), TensorDataset(x[:1000], y[:1000])
    batches = DataLoaders(DataLoader(rows, bs=BATCH, shuffle=True), DataLoader(few, bs=BATCH), device="cpu")
    learner = Learner(batches, network(), loss_func=CrossEntropyLossFlat())
    learner.logger = lambda _: None
    learner.fit(epochs, RATE)
    return accuracy(learner.model.eval(), x, y)


def accuracy(net, x, y):
    import torch

    with torch.no_grad():
        return float((net(x).argmax(1) == y).float().mean())


def timed(train):
    """The contestant that warms up with one epoch, then trains `--epochs`."""

    def contestant(asked):
        train(1)
        began = time.perf_counter()
        reached = train(asked.epochs)
        return {"speed": ROWS * asked.epochs / (time.perf_counter() - began), "quality": reached}

    return contestant


CONTESTANTS = {
    "danlu": timed(danlu),
    "plain loop": timed(plain),
    "Lightning": timed(lightning),
    "skorch": timed(skorch),
    "fastai": timed(fastai),
    "transformers Trainer": timed(trainer),
}


def options(parser):
    parser.add_argument("--epochs", type=int, default=2)


if __name__ == "__main__":
    contest.main(
        __doc__, CONTESTANTS, unit="rows/s", quality="accuracy", tolerance=0.02, threads=1, apart={"fastai"},
        options=options,
    )  # fmt: skip
