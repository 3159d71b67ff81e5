"""Choose: the family for `model: auto`, and why. Its size follows from the family's own `fields`."""

import torch

from danlu.data.store import Modality
from danlu.data.targets import Goal
from danlu.words import Note

RESNET_IMAGES = 5_000  # fewer cannot fill its depth


def choose(modality: Modality, rows: int, goal: Goal | None = None) -> tuple[str, Note]:
    """The name of the family that suits `rows` training rows on this machine, and the reason; `goal`: of the task."""
    if modality == "table":
        return "mlp", Note("models.why_mlp", rows=rows)
    if modality == "text":
        return "linear", Note("models.why_linear", rows=rows)
    if modality == "words":
        return "lstm", Note("models.why_lstm")
    if modality == "pairs" and goal == "summary":
        return "pointer", Note("models.why_pointer")
    if modality == "pairs":
        return "pegasus", Note("models.why_pegasus")
    if modality == "masked":
        return "bert", Note("models.why_bert")
    if modality == "passages":
        return "bert", Note("models.why_reader")
    if modality == "stream":
        return "llama", Note("models.why_llama")
    if modality == "sequence":
        return "cnn", Note("models.why_cnn_sequence")
    if torch.cuda.is_available() and rows >= RESNET_IMAGES:
        return "resnet", Note("models.why_resnet", rows=rows)
    return "cnn", Note("models.why_cnn_image", rows=rows)
