"""Prepare: divided rows → codec, model and plan, ready to be trained. Knows nothing of files."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from danlu import models
from danlu.data.augment import augment, suitable_augmentation
from danlu.data.codec import Codec
from danlu.data.loader import Loader
from danlu.data.masking import Masking
from danlu.data.store import Batch, Store
from danlu.data.tally import Tally
from danlu.errors import DanluError
from danlu.events import Progress
from danlu.flow.material import Material
from danlu.models.choose import choose
from danlu.models.family import Family
from danlu.models.pretrained import Pretrained, fine_tuning
from danlu.models.transformer import compile_layers, set_checkpointing
from danlu.recipe import Frozen, Recipe, TrainConfig
from danlu.tasks import Objective
from danlu.tasks.task import Given
from danlu.training.loop import Augment
from danlu.training.machine import compiler_for, device_of, step_flops_per_row
from danlu.training.measure import strengths_on
from danlu.training.optim import memory_notes
from danlu.training.plan import Plan, plan_of
from danlu.words import Note

EVALUATION_SHARE = 0.1  # of a time limit, kept for calibration, test, baseline and report


@dataclass(frozen=True)
class Prepared:
    """A model that is ready to be trained on encoded rows."""

    codec: Codec
    family: str
    config: Frozen
    module: nn.Module
    objective: Objective
    plan: Plan
    train: Store
    validation: Store
    augment: Augment | None
    place: Callable[[int], str]  # of a row
    notes: tuple[Note, ...]

    def to_json(self) -> dict[str, Any]:
        """What `resolved.json` holds: every setting as it became, with reasons."""
        return {
            "model": {"family": self.family, **self.config.model_dump(mode="json")},
            "train": self.plan.model_dump(mode="json"),
            "size": models.size(self.module),
            "notes": [note.to_json() for note in self.notes],
        }


def prepared_for(
    recipe: Recipe, material: Material, began: float, progress: Progress, tokenizer_json: str | None = None
) -> Prepared:
    """Codec, model and plan for the material; `began`: monotonic seconds at which a time limit started to run.

    `tokenizer_json`: of a run that is resumed, as a Unigram tokenizer is another each time that it is trained.
    """
    begin = _pretrained(recipe, progress)
    name, why = (begin.family, []) if begin else _family_name(recipe, material)
    family = models.family_for(name, material.task.modality)
    codec, tally = _codec(material, family, begin, progress, tokenizer_json), Tally()
    codec = codec.reading_by(tokenizer_json) if tokenizer_json else codec
    store = codec.encode(material.train, progress=progress, tally=tally)
    validation = codec.encode(material.validation, tally=tally)
    module, config, trained = _module(recipe, family, codec, store, begin)
    asked = _within_time(recipe.train, began)
    suited = (fine_tuning if begin else family.training)(codec.shapes, len(store))
    plan, planned = _plan(
        recipe.model_copy(update={"train": asked}), material, codec, suited, module, store, validation
    )
    smoothed = asked.model_copy(update={"label_smoothing": plan.label_smoothing})
    augment, how = _augmentation(codec, store, plan, asked.augment)
    about = Note("flow.model", family=name, **models.size(module))
    return Prepared(
        codec=codec,
        family=name,
        config=config,
        module=module,
        objective=material.task.objective(codec.targets, smoothed, _class_counts(codec, store)),
        plan=plan,
        train=store,
        validation=validation,
        augment=augment,
        place=material.whole.origin.place,
        notes=(
            *why,
            *trained,
            *codec.unused,
            *codec.notes,
            *tally.notes(),
            about,
            *how,
            *planned,
            *memory_notes(module, plan),
            *_padding(store, plan),
            *_compiled(module, name, plan, recipe.train.compile),
        ),
    )


def _codec(
    material: Material, family: Family, begin: Pretrained | None, progress: Progress, tokenizer_json: str | None
) -> Codec:
    """How the rows become tensors, as the checkpoint reads them where there is one."""
    data = begin.asked(material.data) if begin else material.data
    tokenizer = begin.tokenizer if begin else None
    given = Given(material.train, material.targets, family, data, tokenizer, progress, tokenizer_json)
    codec = material.task.codec(given)
    codec = begin.adapted(codec) if begin else codec
    codec.require(material.test)
    return codec


def _module(
    recipe: Recipe, family: Family, codec: Codec, store: Store, begin: Pretrained | None
) -> tuple[nn.Module, Frozen, list[Note]]:
    """The model with the weights that it begins with, its config, and what of a checkpoint is trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        fields = begin.fields if begin else family.fields(codec.shapes, len(store))
        module, config = models.build(family.name, fields | recipe.model.fields, codec.shapes)
        trained = [begin.load(module, config, recipe.train.freeze)] if begin else []
        if family.prepare:
            family.prepare(module, store)
        if recipe.train.checkpointing and not set_checkpointing(module):
            raise DanluError("train.no_blocks", family=family.name)
    return module, config, trained


def _plan(
    recipe: Recipe,
    material: Material,
    codec: Codec,
    suited: Mapping[str, Any],
    module: nn.Module,
    store: Store,
    validation: Store,
) -> tuple[Plan, list[Note]]:
    """Every training setting, and what was derived."""
    device = device_of(recipe.train.device)
    with torch.random.fork_rng(devices=[]):
        flops = step_flops_per_row(module, store)
    return plan_of(
        recipe.train,
        suited,
        rows=len(store),
        validation_rows=len(validation),
        batches_of=lambda size, tokens: Loader(store, size, tokens, recipe.seed).steps_per_epoch,
        flops_per_row=flops,
        metrics=material.task.metrics(codec.targets),
        device=device,
        seed=recipe.seed,
        strengths=lambda: strengths_on(device),
    )


def _compiled(module: nn.Module, family: str, plan: Plan, asked: bool | None) -> list[Note]:
    """Layers that torch compiles, where the plan says so and a compiler is there; DanluError for none if `asked`."""
    if not plan.compile:
        return []
    missing = compiler_for(plan.device)
    if missing:
        return [Note("train.not_compiled", compiler=missing)]
    if compile_layers(module):
        return [Note("train.compiled")]
    if asked:
        raise DanluError("train.nothing_to_compile", family=family)
    return []


def _padding(store: Store, plan: Plan) -> list[Note]:
    """How much of the batches is padding; nothing where all rows are equally long."""
    if store.lengths is None:
        return []
    share = Loader(store, plan.batch_size, plan.batch_tokens, plan.seed).padding_share()
    return [Note("train.padding", share=f"{share:.1%}")]


def _pretrained(recipe: Recipe, progress: Progress) -> Pretrained | None:
    """The checkpoint that the recipe names; DanluError where it names none and asks for what only one can have."""
    if recipe.model.pretrained:
        return Pretrained.open(recipe.model.pretrained, recipe.model.family, progress)
    for name in ("layer_decay", "freeze"):
        if getattr(recipe.train, name) is not None:
            raise DanluError("train.only_pretrained", setting=name)
    return None


def _family_name(recipe: Recipe, material: Material) -> tuple[str, list[Note]]:
    if recipe.model.family != "auto":
        return recipe.model.family, []
    name, why = choose(material.task.modality, len(material.train), material.task.goal)
    return name, [why]


def _class_counts(codec: Codec, store: Store) -> dict[str, Tensor]:
    """Training rows per class, by target."""
    return {
        name: torch.bincount(store.targets[name], minlength=target.size)
        for name, target in codec.targets.items()
        if target.kind == "class"
    }


def _within_time(asked: TrainConfig, began: float) -> TrainConfig:
    """The training settings with what is left of the time limit, evaluation set aside."""
    if asked.time_limit is None:
        return asked
    spent = time.monotonic() - began
    left = asked.time_limit * (1 - EVALUATION_SHARE) - spent
    if left <= 0:
        raise DanluError("flow.no_time", limit=f"{asked.time_limit:.3g}", spent=f"{spent:.3g}")
    return asked.model_copy(update={"time_limit": left})


def _augmentation(codec: Codec, store: Store, plan: Plan, asked: bool | None) -> tuple[Augment | None, list[Note]]:
    """The change of a batch's images that suits the training images; None where there are none, or none is wanted.

    Of texts with hidden tokens, others are hidden in each batch. Raises DanluError where it was `asked` for and there
    are no images.
    """
    if asked and "image" not in store.feeds:
        raise DanluError("train.no_images")
    if isinstance(codec.reading, Masking):
        return codec.reading.redrawn, []
    if not plan.augment or "image" not in store.feeds:
        return None, []
    name, target = next(iter(codec.targets.items()))
    labels = store.targets[name] if target.kind == "class" else None
    policy, why = suitable_augmentation(store.feeds["image"], labels, target.classes)

    def changed(batch: Batch, rng: torch.Generator) -> Batch:
        return replace(batch, inputs=batch.inputs | {"image": augment(batch.inputs["image"], rng, policy)})

    return changed, [why]
