"""A fitted scikit-learn estimator of one's own: loaded as far as it is trusted, and scored on a table of examples."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)

from inference.card import Task
from training.datasets import CategoryInfo, Dataset
from training.errors import TableError
from training.export import category_text
from training.selection import Candidate, Score, Selection

MAX_BYTES = 1024**3
_NAMED_TYPES = 5
_PARTS = 5
_PLAIN_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")
_CRITERION: Mapping[Task, str] = {"classification": "log_loss", "regression": "rmse"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A fitted estimator, and the names of its inputs where it has any, in its order."""

    estimator: Any
    names: tuple[str, ...] | None
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> Task:
        return "classification" if is_classifier(self.estimator) else "regression"

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The classes as text, in the order of the probabilities; None for a regressor."""
        if not is_classifier(self.estimator):
            return None
        values = self.estimator.classes_.tolist()
        whole = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
        return tuple(map(category_text, whole))


def load_estimator(path: Path, *, trust: bool) -> Loaded:
    """The estimator in a joblib or skops file, or in an MLflow model directory (the sklearn flavour).

    A joblib file runs code when it is loaded, so it is not opened without `trust`. A skops file is loaded without, as
    long as it has no types but those that skops knows to be harmless. Raises TableError.
    """
    signature: tuple[str, ...] | None = None
    if path.is_dir():
        path, signature = _mlflow(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TableError(f"{path.name} is larger than {MAX_BYTES // 1024**3} GiB")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator = _skops(path, trust) if path.suffix == ".skops" else _pickled(path, trust)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    notes = {
        f"The estimator was fitted with scikit-learn {one.message.original_sklearn_version}, and this is "
        f"{sklearn.__version__}: its answers may differ from those that you know"
        for one in caught
        if isinstance(one.message, sklearn.exceptions.InconsistentVersionWarning)
    }
    _check(estimator, path.name)
    names = getattr(estimator, "feature_names_in_", None)
    return Loaded(estimator, signature if names is None else tuple(map(str, names)), tuple(notes))


def _pickled(path: Path, trust: bool) -> Any:
    if not trust:
        raise TableError(f"{path.name} runs code when it is loaded: if you trust whoever made it, say --trust")
    import joblib

    try:
        return joblib.load(path)
    except (ImportError, AttributeError) as error:
        raise TableError(f"{path.name} needs what is not installed: {_line(error)}") from error
    except Exception as error:  # whatever a pickle raises
        raise TableError(f"{path.name} is not an estimator that joblib can load: {_line(error)}") from error


def _skops(path: Path, trust: bool) -> Any:
    try:
        from skops import io
    except ImportError:
        raise TableError(f"{path.name} needs skops, which is not installed: run make extras") from None
    try:
        untrusted = sorted(io.get_untrusted_types(file=path))
        if untrusted and not trust:
            more = f" and {len(untrusted) - _NAMED_TYPES} more" if len(untrusted) > _NAMED_TYPES else ""
            raise TableError(
                f"{path.name} has types that may run code: {', '.join(untrusted[:_NAMED_TYPES])}{more}; "
                "if you trust them, say --trust"
            )
        return io.load(path, trusted=untrusted)
    except TableError:
        raise
    except Exception as error:  # whatever a file that is no skops file raises
        raise TableError(f"{path.name} is not an estimator that skops can load: {_line(error)}") from error


def _mlflow(directory: Path) -> tuple[Path, tuple[str, ...] | None]:
    """The file of the estimator, and the names of the signature's columns."""
    where = f"{directory.name}/MLmodel"
    try:
        import yaml
    except ImportError:
        raise TableError(f"{where} needs PyYAML, which is not installed: run make extras") from None
    try:
        document = yaml.safe_load((directory / "MLmodel").read_text(encoding="utf-8"))
        flavour = document["flavors"]["sklearn"]
        file = str(flavour["pickled_model"])
        inputs = json.loads((document.get("signature") or {}).get("inputs") or "null")
        names = None if inputs is None else tuple(str(one["name"]) for one in inputs if "name" in one)
    except OSError as error:
        raise TableError(f"{where} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise TableError(f"{where} is not a model of MLflow's sklearn flavour") from None
    if not _PLAIN_FILE.fullmatch(file):
        raise TableError(f"{where} names a model file outside its directory")
    return directory / file, names or None


def _check(estimator: Any, name: str) -> None:
    if not isinstance(estimator, BaseEstimator):
        raise TableError(f"{name} holds a {type(estimator).__name__}, not a scikit-learn estimator")
    modules = sorted(type(one).__module__ for one in _parts(estimator))
    if foreign := next((module for module in modules if module.split(".")[0] != "sklearn"), None):
        raise TableError(f"{name} uses {foreign}, which the endpoints do not have: scikit-learn's own steps work")
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise TableError(f"{name} is neither a classifier nor a regressor")
    if is_classifier(estimator) and not hasattr(estimator, "predict_proba"):
        raise TableError(f"{name} gives no probabilities (predict_proba), which every answer has")
    if getattr(estimator, "n_features_in_", None) is None:
        raise TableError(f"{name} is not fitted")
    if is_classifier(estimator) and np.ndim(estimator.classes_[0]):
        raise TableError(f"{name} predicts several targets; one works")


def _parts(estimator: Any) -> Iterator[BaseEstimator]:
    yield estimator
    for value in estimator.get_params(deep=True).values():
        if isinstance(value, BaseEstimator):
            yield value


def _is_single_precision(part: BaseEstimator) -> bool:
    """Whether its trees compare single-precision inputs: all of scikit-learn's but those on histograms."""
    module = type(part).__module__
    return module.startswith(("sklearn.tree", "sklearn.ensemble")) and "_hist_gradient_boosting" not in module


def with_estimator(dataset: Dataset, loaded: Loaded) -> Dataset:
    """`dataset`, which was read with the estimator's columns, as the estimator takes it. Raises TableError."""
    width = len(dataset.features)
    wanted = loaded.estimator.n_features_in_
    if width != wanted:
        raise TableError(
            f"the table has {width} columns for an estimator of {wanted}: --drop those that it does not take"
        )
    changed = replace(dataset, notes=(*dataset.notes, *loaded.notes))
    if getattr(loaded.estimator, "feature_names_in_", None) is not None:
        return changed
    if text := next((one.name for one in dataset.features if isinstance(one, CategoryInfo)), None):
        raise TableError(f"the estimator was fitted on numbers alone, but the column {text} is a category")
    return replace(changed, inputs=dataset.inputs.to_numpy(np.float64))


def as_selection(dataset: Dataset, loaded: Loaded) -> Selection:
    """The estimator with its scores on the rows of `dataset`: the mean and standard deviation of five seeded parts.

    Raises TableError where it cannot answer them.
    """
    estimator = loaded.estimator
    try:
        outputs = (estimator.predict_proba if dataset.classes else estimator.predict)(dataset.inputs)
    except Exception as error:  # whatever an estimator raises for a table that it does not take
        raise TableError(f"the estimator does not take the table: {_line(error)}") from error
    expected_shape = (len(dataset.targets), *((len(dataset.classes),) if dataset.classes else ()))
    outputs = np.asarray(outputs, np.float64)
    if outputs.size != np.prod(expected_shape):
        raise TableError(f"the estimator gives outputs of the shape {outputs.shape} for one target")
    outputs = outputs.reshape(expected_shape)
    model = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    name = type(model).__name__
    places = np.array_split(np.random.default_rng(0).permutation(len(dataset.targets)), _PARTS)
    found = [_scores(dataset, outputs[part], dataset.targets[part]) for part in places]
    scores = {
        metric: Score(float(np.mean(values)), float(np.std(values, ddof=1)))
        for metric in found[0]
        if (values := [one[metric] for one in found])
    }
    return Selection(
        chosen=Candidate(name, model, "float" if any(map(_is_single_precision, _parts(estimator))) else "double"),
        fitted=estimator,
        criterion=_CRITERION[dataset.task],
        method=f"the estimator as it was given, scored on {len(dataset.targets)} rows that it may have learnt from",
        scores={name: scores},
    )


def _scores(dataset: Dataset, outputs: Any, targets: Any) -> Mapping[str, float]:
    if not dataset.classes:
        return {
            "rmse": root_mean_squared_error(targets, outputs),
            "mae": mean_absolute_error(targets, outputs),
            "r2": r2_score(targets, outputs),
        }
    predicted = outputs.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is predicted and not among so few rows
        return {
            "log_loss": log_loss(targets, outputs, labels=range(len(dataset.classes))),
            "accuracy": accuracy_score(targets, predicted),
            "balanced_accuracy": balanced_accuracy_score(targets, predicted),
        }


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return "".join(letter for letter in text if letter.isprintable())[:150] or type(error).__name__
