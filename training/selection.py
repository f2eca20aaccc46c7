"""Which estimator: candidates compared by repeated cross-validation on the same splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.card import Task
from training.datasets import Dataset

SEED = 0
SPLITS = 5
REPEATS = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """An unfitted estimator and the precision in which ONNX Runtime reproduces it.

    scikit-learn computes linear models in double precision, and its trees compare single-precision inputs.
    """

    name: str
    estimator: BaseEstimator
    onnx_precision: Literal["float", "double"]


@dataclass(frozen=True, slots=True)
class Score:
    """One metric over all test folds."""

    mean: float
    standard_deviation: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen estimator, fitted on all rows, and every candidate's scores by metric."""

    chosen: Candidate
    fitted: Any
    criterion: str
    method: str
    scores: Mapping[str, Mapping[str, Score]]


# metric name -> (scikit-learn's scorer, sign that makes the reported number the natural one)
_METRICS: Mapping[Task, Mapping[str, tuple[str, int]]] = {
    "classification": {
        "log_loss": ("neg_log_loss", -1),
        "accuracy": ("accuracy", 1),
        "balanced_accuracy": ("balanced_accuracy", 1),
    },
    "regression": {
        "rmse": ("neg_root_mean_squared_error", -1),
        "mae": ("neg_mean_absolute_error", -1),
        "r2": ("r2", 1),
    },
}
# The smallest mean wins. Log loss weighs calibration: the confidences are shown, so they have to mean something.
_CRITERION: Mapping[Task, str] = {"classification": "log_loss", "regression": "rmse"}


def candidates(task: Task) -> tuple[Candidate, ...]:
    """The estimators that compete for `task`."""
    if task == "classification":
        return (
            Candidate(
                "LogisticRegression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), "double"
            ),
            Candidate("RandomForest", RandomForestClassifier(n_estimators=100, random_state=SEED), "float"),
        )
    return (
        Candidate("Ridge", make_pipeline(StandardScaler(), Ridge(alpha=1.0)), "double"),
        Candidate("RandomForest", RandomForestRegressor(n_estimators=100, random_state=SEED), "float"),
    )


def select(dataset: Dataset) -> Selection:
    """Cross-validate every candidate and fit the best on all rows. Deterministic: the splits are seeded."""
    splitter = RepeatedStratifiedKFold if dataset.task == "classification" else RepeatedKFold
    folds = splitter(n_splits=SPLITS, n_repeats=REPEATS, random_state=SEED)
    metrics = _METRICS[dataset.task]
    scores: dict[str, dict[str, Score]] = {}
    for candidate in candidates(dataset.task):
        result = cross_validate(
            candidate.estimator,
            dataset.inputs,
            dataset.targets,
            cv=folds,
            scoring={metric: scorer for metric, (scorer, _) in metrics.items()},
            error_score="raise",
        )
        scores[candidate.name] = {
            metric: Score(
                mean=float(sign * np.mean(result[f"test_{metric}"])),
                standard_deviation=float(np.std(result[f"test_{metric}"], ddof=1)),
            )
            for metric, (_, sign) in metrics.items()
        }
    criterion = _CRITERION[dataset.task]
    chosen = min(candidates(dataset.task), key=lambda candidate: scores[candidate.name][criterion].mean)
    fitted: Any = clone(chosen.estimator)
    fitted.fit(dataset.inputs, dataset.targets)
    return Selection(
        chosen=chosen,
        fitted=fitted,
        criterion=criterion,
        method=f"{SPLITS}-fold cross-validation, repeated {REPEATS} times on the same seeded splits",
        scores=scores,
    )
