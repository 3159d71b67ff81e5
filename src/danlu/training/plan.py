"""The plan of a run: every training setting decided, with the reason for each that was. Knows nothing of tensors."""

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

from danlu.errors import DanluError
from danlu.recipe import EarlyStopping, Frozen, Optimizer, TrainConfig
from danlu.training.speeds import Strengths
from danlu.words import Note

COMPILED_STEPS = 2000  # of a run on a graphics card, from which on they win back the minute that compiling takes
SMALL_STEP = 1e8  # operations up to which a step needs no second thread and no half precision, whatever the machine
FALLBACK: dict[str, Any] = {
    "epochs": 20,
    "batch_size": 64,
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
    "schedule": "cosine",
    "warmup": 0.05,
    "label_smoothing": 0.0,
    "augment": False,
    "early_stopping": False,
    "metric": None,
    "keep": "best",
    "precision": "float32",
}


ONE_THREAD = Strengths(half=None, float32_by="torch", threads=1, flops_per_thread=math.inf)

# What hangs on the optimizer: where the recipe names another than the family's, these stand for the family's values.
BY_OPTIMIZER: dict[str, dict[str, Any]] = {
    "adamw": {"learning_rate": 3e-3},
    "adam": {"learning_rate": 3e-3, "weight_decay": 0.0},
    "rmsprop": {"learning_rate": 1e-3, "weight_decay": 0.0},
    "sgd": {"learning_rate": 0.05, "weight_decay": 0.0},
    "lbfgs": {
        "learning_rate": 1.0, "batch_size": "full", "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0,
    },
    "adafactor": {"learning_rate": 0.01, "weight_decay": 0.0},
    "adamw8bit": {"learning_rate": 3e-3},
    "muon": {"learning_rate": 3e-3},
}  # fmt: skip
AS_ADAMW = ("adamw", "adamw8bit", "muon")  # their steps are as long: one's settings are the other's


# Settings that only some values of another give a meaning to.
BELONGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "momentum": ("optimizer", ("sgd", "rmsprop")),
    "betas": ("optimizer", ("adam", "adamw", "adamw8bit", "muon")),
    "layer_decay": ("optimizer", ("adam", "adamw", "sgd", "rmsprop", "adafactor", "adamw8bit", "muon")),
    "step_size": ("schedule", ("step",)),
    "step_gamma": ("schedule", ("step",)),
}


class Plan(Frozen):
    """Every setting of a run; `steps` is what is planned, `time_limit` seconds may end it before."""

    steps: int
    steps_per_epoch: int
    time_limit: float | None
    batch_size: int | None
    batch_tokens: int | None
    accumulate: int
    optimizer: Optimizer
    learning_rate: float
    momentum: float
    betas: tuple[float, float]
    weight_decay: float
    l1: float
    l2: float
    schedule: Literal["constant", "linear", "cosine", "step"]
    warmup: float  # share of the run
    step_size: float
    step_gamma: float
    clip: float | None
    label_smoothing: float
    augment: bool
    early_stopping: EarlyStopping | None
    metric: str
    keep: Literal["best", "last"]
    evaluate_every: int
    checkpoint_every: int | None
    log_every: int
    precision: Literal["float32", "tf32", "bfloat16", "float16"]
    float32_by: Literal["torch", "onednn"] = "torch"
    checkpointing: bool = False
    compile: bool = False
    threads: int
    device: str
    seed: int
    layer_decay: float | None
    freeze: int | None


def plan_of(
    asked: TrainConfig,
    suited: Mapping[str, Any],
    *,
    rows: int,
    validation_rows: int,
    batches_of: Callable[[int | None, int | None], int],
    flops_per_row: float,
    metrics: tuple[str, ...],
    device: str,
    seed: int,
    strengths: Callable[[], Strengths] = lambda: ONE_THREAD,
) -> tuple[Plan, list[Note]]:
    """The plan for `rows` training rows, and notes on what was derived.

    `asked` wins over `suited` (what the family recommends), which wins over the fallback.
    `batches_of(batch_size, batch_tokens)`: batches in an epoch. `flops_per_row`: of a step, forward and backward.
    `strengths()`: what pays on the device, asked where a step is long enough for it to matter.
    Raises DanluError for settings that exclude each other, or that would change nothing.
    """
    _refuse_contradictions(asked)
    if asked.precision == "tf32" and not device.startswith("cuda"):
        raise DanluError("train.tf32_on_cuda", device=device)
    chosen = asked.model_dump() | FALLBACK | _suited(suited, asked.optimizer) | _given(asked)
    _refuse_idle(asked, chosen, metrics, validation_rows)
    batch_size = rows if chosen["batch_size"] == "full" else min(chosen["batch_size"], rows)
    batches = batches_of(None if asked.batch_tokens else batch_size, asked.batch_tokens)
    per_epoch = max(1, math.ceil(batches / asked.accumulate))
    steps = asked.steps or chosen["epochs"] * per_epoch
    step_flops = flops_per_row * rows / batches
    here = strengths() if step_flops > SMALL_STEP else ONE_THREAD
    precision = _precision(asked.precision, chosen["precision"], here, step_flops)
    derived = {
        "steps": steps,
        "steps_per_epoch": per_epoch,
        "batch_size": None if asked.batch_tokens else batch_size,
        "warmup": chosen["warmup"] if chosen["warmup"] < 1 else min(chosen["warmup"] / steps, 1.0),
        "early_stopping": chosen["early_stopping"] or None,
        "metric": _metric(chosen["metric"], metrics, validation_rows),
        "evaluate_every": asked.evaluate_every or _evaluate_every(steps, per_epoch, validation_rows, rows),
        "log_every": max(1, min(per_epoch, steps // 200)),
        "precision": precision,
        "float32_by": here.float32_by if precision == "float32" else "torch",
        "compile": device.startswith("cuda") and steps >= COMPILED_STEPS if asked.compile is None else asked.compile,
        "threads": asked.threads or threads_for(step_flops, here),
        "device": device,
        "seed": seed,
    }
    plan = Plan.model_validate({name: (chosen | derived)[name] for name in Plan.model_fields})
    if plan.optimizer == "lbfgs" and (plan.batch_size != rows or plan.accumulate != 1):
        raise DanluError("train.lbfgs_batch", batch_size=str(plan.batch_size), rows=rows)
    if plan.optimizer == "lbfgs" and plan.precision == "float16":
        raise DanluError("train.lbfgs_float16")
    return plan, _notes(plan, validation_rows > 0, here.why)


def threads_for(step_flops: float, here: Strengths) -> int:
    """Threads that a step of so many floating-point operations can use: one below the cost of waking a second."""
    return max(1, min(here.threads, allowed_threads(), int(step_flops // here.flops_per_thread)))


def allowed_threads() -> int:
    """The most threads: one per core, and not more than OMP_NUM_THREADS where it is set."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores(), int(allowed))) if allowed.isdigit() else cores()


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _suited(suited: Mapping[str, Any], optimizer: str | None) -> dict[str, Any]:
    """The family's values; without those that hang on its optimizer where the recipe names another."""
    own = suited.get("optimizer")
    if optimizer in (None, own) or (optimizer in AS_ADAMW and own in AS_ADAMW):
        return dict(suited)
    hanging = {"learning_rate", "schedule", "warmup", "momentum", "weight_decay"}
    if "lbfgs" in (optimizer, own):  # of all rows at once
        hanging.add("batch_size")
    return {k: v for k, v in suited.items() if k not in hanging} | BY_OPTIMIZER[optimizer]


def _given(asked: TrainConfig) -> dict[str, Any]:
    """What the recipe sets; "auto" and null set nothing."""
    set_by_user = asked.model_dump(exclude_unset=True)
    return {k: v for k, v in set_by_user.items() if v is not None and not (k == "precision" and v == "auto")}


def _precision(asked: str, suited: str, here: Strengths, step_flops: float) -> str:
    """What is asked for, or a half precision where it suits the family, pays on this device, and steps are long."""
    if asked != "auto":
        return asked
    if here.half and suited != "float32" and step_flops > here.flops_per_thread:
        return here.half
    return "float32"


def _metric(wanted: str | None, metrics: tuple[str, ...], validation_rows: int) -> str:
    """F1 of entities, exact matches of answers; accuracy where there are rows enough to tell it finely; else the loss.

    DanluError for an unknown one.
    """
    fine = "accuracy" in metrics and validation_rows >= 1000
    best = next((name for name in ("f1", "exact_match") if name in metrics and validation_rows), None)
    metric = wanted or best or ("accuracy" if fine else "loss")
    if metric not in metrics:
        raise DanluError("train.unknown_metric", metric=metric, valid=", ".join(metrics))
    return metric


def _refuse_contradictions(asked: TrainConfig) -> None:
    for one, other in (("epochs", "steps"), ("batch_size", "batch_tokens")):
        if getattr(asked, one) is not None and getattr(asked, other) is not None:
            raise DanluError("train.either_or", one=one, other=other)


def _refuse_idle(asked: TrainConfig, chosen: Mapping[str, Any], metrics: tuple[str, ...], validation_rows: int) -> None:
    """A setting is honoured or refused: DanluError for one that the run has no use for."""
    given = {name for name in asked.model_fields_set if getattr(asked, name) != TrainConfig.model_fields[name].default}
    for name, (other, values) in BELONGS.items():
        if name in given and chosen[other] not in values:
            raise DanluError("train.idle", setting=name, other=other, chosen=chosen[other], fitting=", ".join(values))
    for name in ("class_weights", "label_smoothing"):
        if getattr(asked, name) and "accuracy" not in metrics:
            raise DanluError("train.only_classes", setting=name)
    for name in ("early_stopping", "metric"):
        if getattr(asked, name) and not validation_rows:
            raise DanluError("train.no_validation", setting=name)
    if asked.threads and asked.threads > cores():
        raise DanluError("train.too_many_threads", threads=asked.threads, cores=cores())


def _evaluate_every(steps: int, per_epoch: int, validation_rows: int, rows: int) -> int:
    """Steps between validations: an epoch, more often where that is long, less often where epochs are tiny."""
    cost_in_steps = max(1.0, per_epoch * validation_rows / max(rows, 1) / 3)  # a forward pass is a third of a step
    rarely = math.ceil(cost_in_steps / 0.1)  # validation takes at most a tenth of the time …
    if per_epoch >= 1000:
        return max(1, min(per_epoch // 4, steps // 20), min(rarely, per_epoch))
    whole = max(1, round(min(rarely, steps / 20) / per_epoch))  # … unless that leaves fewer than 20 validations
    return min(steps, whole * per_epoch)


def _notes(plan: Plan, validated: bool, why: Note | None) -> list[Note]:
    epochs = plan.steps / plan.steps_per_epoch
    limit = Note("train.plan_limit", seconds=round(plan.time_limit)) if plan.time_limit else Note("train.plan_no_limit")
    size = plan.batch_size or plan.batch_tokens
    unit = Note("train.rows" if plan.batch_size else "train.tokens")
    return [
        Note(
            "train.plan",
            steps=plan.steps,
            epochs=round(epochs, 1),
            size=size,
            unit=unit,
            optimizer=plan.optimizer,
            learning_rate=f"{plan.learning_rate:.3g}",
            schedule=plan.schedule,
            limit=limit,
        ),
        Note(
            "train.machine" if plan.keep == "best" and validated else "train.machine_last",
            device=plan.device,
            threads=plan.threads,
            precision=plan.precision,
            metric=plan.metric,
        ),
        *([why] if why else []),
    ]
