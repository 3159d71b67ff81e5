"""Estimator: danlu behind scikit-learn's interface, for its pipelines, searches and cross-validation.

It imports scikit-learn, so nothing else imports it.
"""

import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags, Tags, check_consistent_length
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from danlu import api
from danlu.data.kinds import infer_task
from danlu.data.read import examples_of, frame_of
from danlu.recipe import DataConfig

TARGET = "target"
FEWEST_ROWS = 2


def _may_classify(estimator: "Estimator") -> bool:
    """Whether there are classes: by the task where it is given, else by what was fitted."""
    return estimator.task.endswith("classification") if estimator.task else hasattr(estimator, "classes_")


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A classifier or regressor of tables that trains as `danlu.train` does, on the rows that `fit` is given.

    `task`: "tabular-classification" or "tabular-regression"; None is what `danlu train` would take y for. `model`: a
    family, or "auto". `settings`: recipe paths with `__` for the dot, such as {"train__epochs": 5}. `validation`:
    share of the rows by which the best weights are picked. `out`: folder of the run; None keeps none.

    X is a numeric array (NaN is missing), or a pandas or polars DataFrame with columns of any kind. Fitted:
    `predictor_`, `n_features_in_`, `feature_names_in_` (of DataFrames), `classes_` (of classifiers).
    """

    def __init__(
        self,
        task: str | None = None,
        model: str = "auto",
        *,
        settings: dict[str, Any] | None = None,
        validation: float = 0.1,
        time_limit: float | str | None = None,
        out: str | None = None,
        seed: int = 0,
        quiet: bool = True,
    ) -> None:
        self.task = task
        self.model = model
        self.settings = settings
        self.validation = validation
        self.time_limit = time_limit
        self.out = out
        self.seed = seed
        self.quiet = quiet

    def fit(self, X: Any, y: Any) -> Self:
        """Train on X (rows, columns) and y (rows,); raises ValueError where they do not fit each other."""
        rows, y = self._training_rows(X, y)
        task = self.task or _task_of(y)
        classifies = task.endswith("classification")
        target = _free_name(rows)
        answers = self._class_names(y) if classifies else y.astype(np.float64)
        with tempfile.TemporaryDirectory() as scratch:
            run = api.train(
                rows.with_columns(pl.Series(target, answers)),
                target=target,
                task=task,
                model=self.model,
                out=self.out or Path(scratch) / "run",
                time_limit=self.time_limit,
                seed=self.seed,
                quiet=self.quiet,
                **self._asked(X, target, "category" if classifies else "number"),
            )
            self.predictor_ = api.load(run)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Class labels or numbers (rows,)."""
        if self._classifies():
            return self.classes_[self.predict_proba(X).argmax(axis=1)]
        return self._answers(X)["prediction"].to_numpy()

    @available_if(_may_classify)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (rows, classes), in the order of `classes_`."""
        answers = self._answers(X)
        return np.column_stack([answers[f"probability_{name}"].to_numpy() for name in _names(self.classes_)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of a classifier, R² of a regressor."""
        measure = accuracy_score if self._classifies() else r2_score
        return float(measure(y, self.predict(X), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        """What scikit-learn may expect: missing values are welcome, y is needed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        if self.task and self.task.endswith("classification"):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        elif self.task:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def _classifies(self) -> bool:
        check_is_fitted(self, "predictor_")
        return hasattr(self, "classes_")

    def _training_rows(self, X: Any, y: Any) -> tuple[pl.DataFrame, np.ndarray]:
        """Frame and y (rows,), checked; remembers the columns."""
        if hasattr(X, "columns"):  # a DataFrame, whose columns danlu judges itself
            validate_data(self, X, y, skip_check_array=True)
            check_consistent_length(X, y)
        else:
            X, y = validate_data(
                self, X, y, ensure_all_finite="allow-nan", ensure_min_samples=FEWEST_ROWS, y_numeric=False
            )
        return frame_of(X), column_or_1d(y, warn=True)

    def _class_names(self, y: np.ndarray) -> list[str]:
        """y as names of classes; remembers the classes."""
        check_classification_targets(y)
        self.classes_, index = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class only, {self.classes_[0]!r}: there is nothing to tell apart")
        names = _names(self.classes_)
        return [names[i] for i in index]

    def _asked(self, X: Any, target: str, kind: str) -> dict[str, Any]:
        """Recipe settings: all rows train or validate, and nothing is compared."""
        columns = {} if hasattr(X, "columns") else {f"x{i}": "number" for i in range(self.n_features_in_)}
        return {
            "data__columns": columns | {target: kind},
            "data__split__validation": self.validation,
            "data__split__test": 0.0,
            "evaluate__baseline": False,
            "evaluate__bootstrap": 0,
            **(self.settings or {}),
        }

    def _answers(self, X: Any) -> pl.DataFrame:
        check_is_fitted(self, "predictor_")
        if hasattr(X, "columns"):
            validate_data(self, X, skip_check_array=True, reset=False)
        else:
            X = validate_data(self, X, ensure_all_finite="allow-nan", reset=False)
        return self.predictor_.predict(frame_of(X))


def _task_of(y: np.ndarray) -> str:
    """The task that y alone calls for."""
    answers = examples_of(pl.DataFrame({TARGET: y}), DataConfig(target=(TARGET,)))
    regresses = infer_task(answers.columns, [TARGET], answers.frame)[0].endswith("regression")
    return f"tabular-{'regression' if regresses else 'classification'}"


def _names(classes: np.ndarray) -> list[str]:
    """Names of classes in the run. Numbered, so that no label is taken for a missing value."""
    return [f"{i}: {label}" for i, label in enumerate(classes)]


def _free_name(rows: pl.DataFrame) -> str:
    """A name for the target that no column bears."""
    name = TARGET
    while name in rows.columns:
        name += "_"
    return name
