"""Every task, by its Hugging Face tag where one exists."""

import difflib

from danlu.errors import DanluError
from danlu.tasks.fill_mask import FillMask
from danlu.tasks.question_answering import QuestionAnswering
from danlu.tasks.supervised import Supervised
from danlu.tasks.task import Objective, Task
from danlu.tasks.text_generation import TextGeneration
from danlu.tasks.text_to_text import TextToText
from danlu.tasks.token_classification import TokenClassification

TASKS: dict[str, Task] = {
    "tabular-classification": Supervised("tabular-classification", "table", "classification"),
    "tabular-regression": Supervised("tabular-regression", "table", "regression"),
    "text-classification": Supervised("text-classification", "text", "classification"),
    "text-regression": Supervised("text-regression", "text", "regression"),
    "image-classification": Supervised("image-classification", "image", "classification"),
    "image-regression": Supervised("image-regression", "image", "regression"),
    "sequence-classification": Supervised("sequence-classification", "sequence", "classification"),
    "sequence-regression": Supervised("sequence-regression", "sequence", "regression"),
    "text-generation": TextGeneration(),
    "fill-mask": FillMask(),
    "token-classification": TokenClassification(),
    "question-answering": QuestionAnswering(),
    "translation": TextToText("translation", "translation"),
    "summarization": TextToText("summarization", "summary"),
}

__all__ = [
    "TASKS",
    "Objective",
    "QuestionAnswering",
    "Supervised",
    "Task",
    "TextGeneration",
    "TextToText",
    "TokenClassification",
    "task_named",
]


def task_named(name: str) -> Task:
    """The task of that name; DanluError with the nearest names where there is none."""
    if name == "feature-extraction":
        raise DanluError("embed.train_nothing")
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=5, cutoff=0.4) or list(TASKS)
        raise DanluError("flow.unknown_task", name=name, nearest=", ".join(near))
    return TASKS[name]
