"""Which estimator: candidates compared by repeated cross-validation on the same splits."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from inference.card import Task
from training.datasets import CategoryInfo, Dataset, sampled

SEED = 0
SPLITS = 5
REPEATS = 4
MAX_SELECTION_ROWS = 50_000
"""Candidates are compared on at most so many rows; the chosen one is then fitted on all."""
_ONE_REPEAT_FROM = 5_000
"""Rows from which one repeat is enough: the standard deviation over the folds is small by then."""
_SMALL_LEAVES_UP_TO = 2_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """An unfitted estimator and the precision in which ONNX Runtime reproduces it.

    scikit-learn computes linear models and boosted trees in double precision, and its forests compare single-precision
    inputs.
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


def candidates(dataset: Dataset) -> tuple[Candidate, ...]:
    """The estimators that compete for `dataset`: a linear model, a forest and, for a table, boosted trees."""
    if not dataset.is_table:  # as they have always been, so that their artifacts stay the same bytes
        if dataset.task == "classification":
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
    # Whole leaves make a forest of many rows too large to serve: a leaf a row, in each of a hundred trees.
    count = len(dataset.targets)
    leaf = 1 if count <= _SMALL_LEAVES_UP_TO else 5 if count <= MAX_SELECTION_ROWS else 20
    forest = {"n_estimators": 100, "min_samples_leaf": leaf, "random_state": SEED}
    # Early stopping off: it would set rows aside by chance, and scores of small tables would jump.
    boosted = {"early_stopping": False, "random_state": SEED}
    if dataset.task == "classification":
        linear: tuple[str, Any] = ("LogisticRegression", LogisticRegression(max_iter=1000))
        trees: tuple[Any, Any] = (RandomForestClassifier(**forest), HistGradientBoostingClassifier(**boosted))
    else:
        linear = ("Ridge", Ridge(alpha=1.0))
        trees = (RandomForestRegressor(**forest), HistGradientBoostingRegressor(**boosted))
    return (
        Candidate(linear[0], prepared(dataset, linear[1], scales=True), "double"),
        Candidate("RandomForest", prepared(dataset, trees[0]), "float"),
        Candidate("HistGradientBoosting", prepared(dataset, trees[1], imputes=False), "double"),
    )


def prepared(dataset: Dataset, estimator: Any, *, scales: bool = False, imputes: bool = True) -> Any:
    """`estimator` behind what the table needs: medians for missing numbers, scaling, a column for each category.

    A missing category is a category of its own. An unknown one is none of them: it happens in cross-validation, where
    a rare category may be in the test rows alone.
    """
    names = list(dataset.inputs.columns)
    places = range(len(names))
    categories = [names[place] for place in places if isinstance(dataset.features[place], CategoryInfo)]
    numbers = [name for name in names if name not in categories]
    steps: list[Any] = []
    if imputes and numbers and bool(dataset.inputs[numbers].isna().to_numpy().any()):
        steps.append(SimpleImputer(strategy="median", keep_empty_features=True))
    if scales and numbers:
        steps.append(StandardScaler())
    if not categories:
        return make_pipeline(*steps, estimator)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    parts: list[tuple[str, Any, list[str]]] = [("categories", encoder, categories)]
    if numbers:
        parts.insert(0, ("numbers", make_pipeline(*steps) if steps else "passthrough", numbers))
    return make_pipeline(ColumnTransformer(parts), estimator)


def select(dataset: Dataset, step: Callable[[str], None] = lambda _: None) -> Selection:
    """Cross-validate every candidate and fit the best on all rows. Deterministic: samples and splits are seeded.

    `step` is called with the name of each of `steps_of(dataset)` fits before it.
    """
    classes = dataset.targets if dataset.task == "classification" else None
    count = len(dataset.targets)
    sample = sampled(count, MAX_SELECTION_ROWS, classes)
    inputs, targets = dataset.take(sample) if len(sample) < count else (dataset.inputs, dataset.targets)
    splits, repeats = _folds(dataset)
    splitter = RepeatedStratifiedKFold if dataset.task == "classification" else RepeatedKFold
    folds = splitter(n_splits=splits, n_repeats=repeats, random_state=SEED)
    metrics = _METRICS[dataset.task]
    scorers = {metric: get_scorer(scorer) for metric, (scorer, _) in metrics.items()}
    competing = candidates(dataset)
    scores: dict[str, dict[str, Score]] = {}
    for candidate in competing:
        found: dict[str, list[float]] = {metric: [] for metric in metrics}
        for train, test in folds.split(targets, targets):
            step(candidate.name)
            fitted = _fit(candidate.estimator, _rows(inputs, train), targets[train])
            for metric, scorer in scorers.items():
                found[metric].append(scorer(fitted, _rows(inputs, test), targets[test]))
        scores[candidate.name] = {
            metric: Score(
                mean=float(sign * np.mean(found[metric])), standard_deviation=float(np.std(found[metric], ddof=1))
            )
            for metric, (_, sign) in metrics.items()
        }
    criterion = _CRITERION[dataset.task]
    chosen = min(competing, key=lambda candidate: scores[candidate.name][criterion].mean)
    step(f"{chosen.name} on all rows")
    on = "" if len(sample) == count else f", on {len(sample)} of {count} rows"
    repeated = f", repeated {repeats} times on the same seeded splits" if repeats > 1 else " on the same seeded splits"
    return Selection(
        chosen=chosen,
        fitted=_fit(chosen.estimator, dataset.inputs, dataset.targets),
        criterion=criterion,
        method=f"{splits}-fold cross-validation{repeated}{on}",
        scores=scores,
    )


def steps_of(dataset: Dataset) -> int:
    """How many fits `select` makes."""
    splits, repeats = _folds(dataset)
    return len(candidates(dataset)) * splits * repeats + 1


def _folds(dataset: Dataset) -> tuple[int, int]:
    """Splits and repeats. A class with fewer rows than splits needs fewer, so that each fold has one of its rows."""
    rarest = int(np.bincount(dataset.targets).min()) if dataset.task == "classification" else SPLITS
    return min(SPLITS, rarest), 1 if len(dataset.targets) >= _ONE_REPEAT_FROM else REPEATS


def _rows(inputs: Any, places: Any) -> Any:
    return inputs[places] if isinstance(inputs, np.ndarray) else inputs.iloc[places]


def _fit(estimator: Any, inputs: Any, targets: Any) -> Any:
    """A fitted clone. The trees of a large forest are drawn from 50 000 rows each, on all processors."""
    fitted: Any = clone(estimator)
    model = fitted.steps[-1][1] if hasattr(fitted, "steps") else fitted
    if hasattr(model, "max_samples") and len(targets) > MAX_SELECTION_ROWS:
        model.set_params(max_samples=MAX_SELECTION_ROWS)
    with _quiet(), joblib.parallel_config(n_jobs=_processors(len(targets))):
        return fitted.fit(inputs, targets)


def _processors(rows: int) -> int:
    """For few rows the threads cost more than they gain. How many there are changes no result."""
    return (os.cpu_count() or 1) if rows >= _ONE_REPEAT_FROM else 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice of a solver that stopped at its last iteration: its scores show how good it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
