"""The one training loop: a generator of records. Knows nothing of files but through Checkpoints, nothing of terminals.

All randomness is a function of (seed, step): the order of the rows, dropout and augmentation of step n are the same
whether the run was interrupted or not.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from danlu.data.loader import Loader, evaluation_batches
from danlu.data.store import Batch, Store
from danlu.errors import DanluError
from danlu.tasks.supervised import LOWER_IS_BETTER, finished
from danlu.tasks.task import Objective
from danlu.training import optim, scaling
from danlu.training.checkpoint import Checkpoints, packed, unpacked
from danlu.training.gradients import Gradients, outputs_of
from danlu.training.machine import place_model
from danlu.training.plan import Plan

CONVERGED = 1e-7  # relative change of the whole loss from one L-BFGS step (20 iterations) to the next
CHECKPOINT_S = 30.0  # where the recipe names no steps: the work that a crash may cost
Augment = Callable[[Batch, torch.Generator], Batch]


@dataclass
class State:
    """The counters of a run; with the weights and the optimizer it is all that a checkpoint holds."""

    step: int = 0
    elapsed_s: float = 0.0
    best: float | None = None
    best_step: int = 0
    stale: int = 0  # validations since the best
    skipped: int = 0  # batches in which every label was masked
    last_loss: float = math.inf
    loss_sum: float = 0.0  # since the last record
    loss_count: float = 0.0
    scale: float = scaling.FIRST  # of the loss, and steps since it was changed: of float16
    clean: int = 0
    stopped: str | None = None  # why the run ended: "done", "converged", "early", "time", "asked"


@dataclass(frozen=True)
class Record:
    """One line of metrics.jsonl. `validation` is there when the validation rows were measured at this step."""

    step: int
    epoch: float
    fraction: float
    loss: float
    learning_rate: float
    elapsed_s: float
    rows_per_s: float
    remaining_s: float
    validation: Mapping[str, float] | None = None
    best: float | None = None
    stopped: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record without what is absent."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass
class Training:
    """What the loop works on, and where it stands. `weights` holds the best weights once a validation has run."""

    model: nn.Module
    objective: Objective
    plan: Plan
    loader: Loader
    validation: Store
    checkpoints: Checkpoints | None = None
    augment: Augment | None = None
    halt: Callable[[], bool] = lambda: False
    place: Callable[[int], str] = str  # of a row, for errors
    state: State = field(default_factory=State)
    weights: dict[str, Tensor] | None = None


def fit(training: Training) -> Iterator[Record]:
    """Train until the plan is done, the time is up, patience ends or `halt()` says so; goes on from a checkpoint.

    Yields a record every `plan.log_every` steps and at every validation. At the end the model holds the weights that
    the run serves. Raises DanluError where the loss is not finite, naming the step and the rows.
    """
    plan, state, model = training.plan, training.state, training.model
    device = torch.device(plan.device)
    place_model(model, plan)
    optimizer = optim.optimizer_of(model, plan)
    _restore(training, optimizer)
    step = _stepper(training, optimizer, device)
    clock = _Clock(state.elapsed_s, state.step)
    saved_at = time.monotonic()
    model.train()
    while not state.stopped:
        fraction = _fraction(state, plan, clock.elapsed_s())
        rate = plan.learning_rate * optim.multiplier(plan, fraction)
        optim.set_learning_rate(optimizer, rate)
        step()
        state.step += 1
        state.elapsed_s = clock.elapsed_s()
        fraction = _fraction(state, plan, state.elapsed_s)
        state.stopped = state.stopped or _ended(state, plan, fraction)
        if not state.stopped and training.halt():
            _save(training, optimizer)  # before a validation that an uninterrupted run would not make here
            state.stopped = "asked"
        scores = None
        if state.stopped or state.step % plan.evaluate_every == 0:
            scores = validate(training, device)
            _remember(training, scores)
            model.train()
        if scores or state.stopped or state.step % plan.log_every == 0:
            yield _record(training, rate, clock, fraction, scores)
        if state.stopped != "asked" and (state.stopped or _checkpoint_due(plan, state.step, saved_at)):
            _save(training, optimizer)
            saved_at = time.monotonic()
    if plan.keep == "best" and training.weights:
        model.load_state_dict(training.weights)
    model.eval()


@torch.no_grad()
def validate(training: Training, device: torch.device) -> dict[str, float]:
    """Metrics over the validation rows; empty where there are none."""
    if not len(training.validation):
        return {}
    training.model.eval()
    sums: dict[str, tuple[float, float]] = {}
    for _, batch in evaluation_batches(training.validation, _evaluation_rows(training)):
        batch = batch.to(device)
        outputs = outputs_of(training.model, batch, training.plan)
        for name, (total, count) in training.objective.score(outputs, batch).items():
            before = sums.get(name, (0.0, 0.0))
            sums[name] = (before[0] + float(total), before[1] + float(count))
    return finished(sums)


def _stepper(training: Training, optimizer: "optim.AnyOptimizer", device: torch.device) -> Callable[[], None]:
    """One optimizer step: gradients of `accumulate` batches, summed first and divided once."""
    model, objective, plan, state = training.model, training.objective, training.plan, training.state
    parameters = [p for p in model.parameters() if p.requires_grad]
    penalty = optim.penalty_of(model, plan.l1, plan.l2)
    decay = optim.decay_weights(optimizer, plan)
    gradients = Gradients(model, objective, plan)
    batches = _endless(training.loader, state.step * plan.accumulate)
    share = _mean_count(training) * plan.accumulate if plan.batch_tokens else None
    seed_of = _seeder(plan.seed, device)
    generator = torch.Generator()
    scale = scaling.Scale(state.scale, state.clean) if plan.precision == "float16" else None

    def step() -> None:
        number = state.step
        seed_of(number)
        these = [next(batches).to(device) for _ in range(plan.accumulate)]
        if training.augment:
            generator.manual_seed(_mixed(plan.seed, number, 1))
            these = [training.augment(batch, generator) for batch in these]
        count = sum(objective.count(batch) for batch in these)
        if count == 0:
            state.skipped += 1
            return
        divisor = share or count

        def closure() -> float:
            optimizer.zero_grad()
            if scale:
                value = sum(gradients.add(batch, divisor / scale.factor) for batch in these) / scale.factor
                scaling.unscale(parameters, scale.factor)
            else:
                value = sum(gradients.add(batch, divisor) for batch in these)
            if penalty:  # part of what a line search compares
                extra = penalty()
                extra.backward()
                value += float(extra.detach())
            norm = optim.clip_gradients(parameters, plan.clip) if plan.clip else 0.0
            if not (math.isfinite(value) and math.isfinite(norm)):
                raise _not_finite(value, number, these, training)
            return value

        try:
            loss = optimizer.step(closure)
        except scaling.OverflowedError:  # before anything was changed
            if scale is None or not scale.overflowed():
                raise _not_finite(math.inf, number, these, training) from None
            state.scale, state.clean = scale.factor, scale.clean
            return
        if scale:
            scale.held()
            state.scale, state.clean = scale.factor, scale.clean
        if decay:
            decay()
        state.loss_sum += loss * divisor
        state.loss_count += count
        if plan.optimizer == "lbfgs" and abs(loss - state.last_loss) <= CONVERGED * abs(loss):
            state.stopped = "converged"
        state.last_loss = loss

    return step


def _mean_count(training: Training) -> float:
    """What a batch of a token budget counts for on average: each is divided by it, so that every row weighs the same.

    Divided by their own counts, the few rows of a batch of long ones would weigh more than the many of a short one.
    """
    loader = training.loader
    return sum(training.objective.count(batch) for batch in loader.batches(0)) / loader.steps_per_epoch


def _endless(loader: Loader, start: int) -> Iterator[Batch]:
    """Batches from number `start` on, epoch after epoch."""
    epoch, position = divmod(start, loader.steps_per_epoch)
    while True:
        yield from loader.batches(epoch, position)
        epoch, position = epoch + 1, 0


def _seeder(seed: int, device: torch.device) -> Callable[[int], None]:
    """step → torch's generators seeded for that step, at a hundredth of the cost of torch.manual_seed."""
    seeded = torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed

    def seed_for(step: int) -> None:
        seeded(_mixed(seed, step, 0))

    return seed_for


def _mixed(seed: int, step: int, stream: int) -> int:
    """A 64-bit seed that differs for every (seed, step, stream): splitmix64 (Steele et al. 2014)."""
    z = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + stream * 0x94D049BB133111EB) & (2**64 - 1)
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return z ^ (z >> 31)


def _fraction(state: State, plan: Plan, elapsed_s: float) -> float:
    by_time = elapsed_s / plan.time_limit if plan.time_limit else 0.0
    return min(max(state.step / plan.steps, by_time), 1.0)


def _ended(state: State, plan: Plan, fraction: float) -> str | None:
    if state.step >= plan.steps:
        return "done"
    return "time" if fraction >= 1 else None


def _remember(training: Training, scores: Mapping[str, float]) -> None:
    """Keep the weights if they are the best so far, and count how long they have been."""
    state, plan = training.state, training.plan
    value = scores.get(plan.metric)
    if value is None or not math.isfinite(value):
        return
    stopping = plan.early_stopping
    gain = _gain(plan.metric, value, state.best)
    if gain > 0:
        state.best, state.best_step = value, state.step
        training.weights = {k: v.detach().clone() for k, v in training.model.state_dict().items()}
    state.stale = 0 if gain > (stopping.min_delta if stopping else 0.0) else state.stale + 1
    if stopping and state.stale >= stopping.patience:
        state.stopped = state.stopped or "early"


def _gain(metric: str, value: float, best: float | None) -> float:
    if best is None:
        return math.inf
    return best - value if LOWER_IS_BETTER[metric] else value - best


def _record(
    training: Training,
    learning_rate: float,
    clock: "_Clock",
    fraction: float,
    scores: dict[str, float] | None,
) -> Record:
    state, plan = training.state, training.plan
    loss = state.loss_sum / state.loss_count if state.loss_count else float("nan")
    state.loss_sum = state.loss_count = 0.0
    return Record(
        step=state.step,
        epoch=round(state.step / plan.steps_per_epoch, 3),
        fraction=fraction,
        loss=loss,
        learning_rate=learning_rate,
        elapsed_s=round(state.elapsed_s, 3),
        rows_per_s=clock.rate(state) * len(training.loader.store) / plan.steps_per_epoch,
        remaining_s=state.elapsed_s * (1 / fraction - 1),
        validation=scores or None,
        best=state.best,
        stopped=state.stopped,
    )


def _checkpoint_due(plan: Plan, step: int, saved_at: float) -> bool:
    if plan.checkpoint_every:
        return step % plan.checkpoint_every == 0
    return time.monotonic() - saved_at > CHECKPOINT_S


def _save(training: Training, optimizer: "optim.AnyOptimizer") -> None:
    if training.checkpoints is None:
        return
    weights = training.model.state_dict()
    if not all(bool(torch.isfinite(v).all()) for v in weights.values() if v.is_floating_point()):
        return  # the last step broke them; its successor will say so, and the checkpoint before stays the newest
    moments, spec = packed(optimizer.state_dict(), "optimizer")
    tensors = {"model": weights, "optimizer": moments, "best": training.weights or {}}
    training.checkpoints.save(training.state.step, tensors, {"state": asdict(training.state), "optimizer": spec})


def _restore(training: Training, optimizer: "optim.AnyOptimizer") -> None:
    """Weights, optimizer and counters of the newest checkpoint, where there is one."""
    found = training.checkpoints.load() if training.checkpoints else None
    if not found:
        return
    tensors, saved = found
    training.model.load_state_dict(tensors["model"])
    optimizer.load_state_dict(unpacked(tensors["optimizer"], saved["optimizer"]))
    training.weights = tensors["best"] or None
    for name, value in saved["state"].items():
        setattr(training.state, name, value)


def _not_finite(loss: float, step: int, batches: list[Batch], training: Training) -> DanluError:
    rows = ", ".join(training.place(int(row)) for row in torch.cat([batch.rows for batch in batches])[:5])
    steps = training.checkpoints.steps() if training.checkpoints else []
    last = f"step-{steps[-1]}" if steps else "-"
    return DanluError("train.not_finite", loss=str(loss), step=step, rows=rows, last=last)


def _evaluation_rows(training: Training) -> int:
    plan = training.plan
    if training.validation.by_position:  # an output per position: no more of them than a step holds
        return plan.batch_size or _rows_within(training.validation, plan.batch_tokens or 0)
    return max(256, min(4 * (plan.batch_size or 256), 4096))


def _rows_within(store: Store, tokens: int) -> int:
    """Rows, the longest of the store, that make up so many tokens."""
    longest = int(store.lengths.max()) if store.lengths is not None else tokens
    return max(1, tokens // max(longest, 1))


class _Clock:
    """Seconds of training over all sittings, and steps per second of this one."""

    def __init__(self, before_s: float, step: int) -> None:
        self._began = time.monotonic()
        self._before_s = before_s
        self._first_step = step

    def elapsed_s(self) -> float:
        return self._before_s + time.monotonic() - self._began

    def rate(self, state: State) -> float:
        return (state.step - self._first_step) / max(time.monotonic() - self._began, 1e-9)
