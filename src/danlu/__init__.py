"""danlu: from a data file to a trained, honestly measured, explained and running model."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from danlu.api import embed, evaluate, export, load, predict, read, train
    from danlu.errors import DanluError
    from danlu.estimator import Estimator
    from danlu.predictor import Predictor
    from danlu.recipe import Recipe
    from danlu.run import Run

__version__ = "0.1.0"
__all__ = [
    "DanluError",
    "Estimator",
    "Predictor",
    "Recipe",
    "Run",
    "embed",
    "evaluate",
    "export",
    "load",
    "predict",
    "read",
    "train",
]

_HOME = {
    "DanluError": "danlu.errors",
    "Estimator": "danlu.estimator",
    "Predictor": "danlu.predictor",
    "Recipe": "danlu.recipe",
    "Run": "danlu.run",
    "embed": "danlu.api",
    "evaluate": "danlu.api",
    "export": "danlu.api",
    "load": "danlu.api",
    "predict": "danlu.api",
    "read": "danlu.api",
    "train": "danlu.api",
}


def __getattr__(name: str) -> Any:
    """Names are imported at first use, so that `import danlu` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'danlu' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
