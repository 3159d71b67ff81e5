"""Every task, by its Hugging Face tag where one exists."""

from danlu.tasks.supervised import Objective, Supervised

TASKS: dict[str, Supervised] = {
    "tabular-classification": Supervised("tabular-classification", "table", "classification"),
    "tabular-regression": Supervised("tabular-regression", "table", "regression"),
    "text-classification": Supervised("text-classification", "text", "classification"),
    "text-regression": Supervised("text-regression", "text", "regression"),
    "image-classification": Supervised("image-classification", "image", "classification"),
    "image-regression": Supervised("image-regression", "image", "regression"),
    "sequence-classification": Supervised("sequence-classification", "sequence", "classification"),
    "sequence-regression": Supervised("sequence-regression", "sequence", "regression"),
}

__all__ = ["TASKS", "Objective", "Supervised"]
