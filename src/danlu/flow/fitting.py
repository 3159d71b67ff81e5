"""Fitting: a prepared model into the loop, and out of it as a calibrated predictor."""

from dataclasses import replace

from danlu.data.loader import Loader
from danlu.data.passages import Passages
from danlu.evaluation.calibrate import fit_temperature
from danlu.evaluation.judge import CHANCES
from danlu.evaluation.question_answering import thresholded
from danlu.flow.material import Material
from danlu.flow.prepare import Prepared
from danlu.predictor import Predictor
from danlu.recipe import Recipe
from danlu.training.checkpoint import Checkpoints
from danlu.training.loop import Training
from danlu.training.plan import Plan
from danlu.words import Note


def training_of(prepared: Prepared, plan: Plan, checkpoints: Checkpoints | None) -> Training:
    """What the loop works on."""
    return Training(
        model=prepared.module,
        objective=prepared.objective,
        plan=plan,
        loader=Loader(prepared.train, plan.batch_size, plan.batch_tokens, plan.seed),
        validation=prepared.validation,
        checkpoints=checkpoints,
        augment=prepared.augment,
        place=prepared.place,
    )


def chosen_by_validation(predictor: Predictor, material: Material) -> list[Note]:
    """What was chosen by the validation rows and is told nowhere else."""
    reading = predictor.codec.reading
    if not isinstance(reading, Passages) or reading.threshold is None:
        return []
    return [Note("qa.threshold", threshold=f"{reading.threshold:.3g}", rows=len(material.validation))]


def calibrated_predictor(recipe: Recipe, material: Material, prepared: Prepared) -> Predictor:
    """The predictor of the trained module, its probabilities calibrated on the validation rows."""
    predictor = Predictor(
        task=material.task,
        codec=prepared.codec,
        module=prepared.module.cpu(),
        family=prepared.family,
        temperatures={},
        columns=material.whole.columns,
        data=material.data,
    )
    if recipe.evaluate.calibrate and isinstance(predictor.codec.reading, Passages):
        return replace(predictor, codec=thresholded(predictor.codec, predictor.module, material.validation))
    kinds = {target.kind for target in prepared.codec.targets.values()}
    if not recipe.evaluate.calibrate or not kinds & {*CHANCES} or not len(prepared.validation):
        return predictor
    outputs = predictor.outputs(prepared.validation)
    temperatures = {
        name: fit_temperature(outputs[name].numpy(), prepared.validation.targets[name].numpy(), target.kind)
        for name, target in prepared.codec.targets.items()
        if target.kind in CHANCES
    }
    return predictor.at(temperatures)
