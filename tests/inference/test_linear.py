"""The linear runtime: what it reads, what it refuses, and that it answers as scikit-learn does."""

import json
import re
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler

from inference.card import ModelCard
from inference.linear import MAX_WEIGHTS, load_linear
from inference.model import ArtifactError, load_model, runtimes_of
from tests.benchmark.cards import feature, make_card, mileage_document, tea_document
from tests.inference.damage import change_card, copy_of
from training.card import outputs_of
from training.export import linear_bytes

DATA = {load: load(return_X_y=True) for load in (load_iris, load_breast_cancer, load_diabetes)}
IRIS, CANCER, DIABETES = DATA.values()


def card_for(inputs: Any, classes: int) -> ModelCard:
    """A card with as many features and classes."""
    features = [feature(f"f{number}", f"F{number}", "", 1.0, 2.0, 1.5) for number in range(inputs.shape[1])]
    if classes == 1:
        answers = [{"features": [1.5] * inputs.shape[1], "outputs": [1.0]}]
        return make_card(mileage_document(features=features, presets=[], known_answers=answers))
    answers = [{"features": [1.5] * inputs.shape[1], "outputs": [1.0] + [0.0] * (classes - 1)}]
    names = [f"c{number}" for number in range(classes)]
    return make_card(tea_document(features=features, presets=[], classes=names, known_answers=answers))


@pytest.mark.parametrize(
    ("estimator", "load", "classes"),
    [
        (LogisticRegression(max_iter=5000), load_iris, 3),
        (make_pipeline(StandardScaler(), LogisticRegression()), load_iris, 3),
        (make_pipeline(StandardScaler(with_mean=False), LogisticRegression(max_iter=9999)), load_breast_cancer, 2),
        (make_pipeline(StandardScaler(with_std=False), LogisticRegression(max_iter=9999)), load_breast_cancer, 2),
        (make_pipeline("passthrough", StandardScaler(), StandardScaler(), Ridge()), load_diabetes, 1),
        (LinearRegression(fit_intercept=False), load_diabetes, 1),
        (Lasso(0.1), load_diabetes, 1),
        (ElasticNet(0.1), load_diabetes, 1),
    ],
    ids=lambda value: re.sub(r"\W+", "-", getattr(value, "__name__", str(value))),
)
def test_a_linear_model_answers_as_scikit_learn_does(estimator: Any, load: Any, classes: int) -> None:
    inputs, targets = DATA[load]
    estimator.fit(inputs, targets)
    exported = linear_bytes(estimator)
    assert exported is not None
    rows = np.vstack([inputs, inputs.mean(0) + 50 * (inputs - inputs.mean(0))])  # far from the training rows as well
    outputs = load_linear(exported, card_for(inputs, classes))(rows.tolist())
    assert np.allclose(outputs, outputs_of(estimator, rows), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(3),
        make_pipeline(PolynomialFeatures(), LogisticRegression(max_iter=9999)),
        make_pipeline(MinMaxScaler(), LogisticRegression()),
        type("Own", (LogisticRegression,), {})(max_iter=9999),  # it may answer otherwise
    ],
    ids=lambda value: re.sub(r"\W+", "-", getattr(value, "__name__", str(value))),
)
def test_what_is_not_known_to_be_linear_is_not_exported(estimator: Any) -> None:
    assert linear_bytes(estimator.fit(*IRIS)) is None


GOOD = {"link": "softmax", "weights": [[1.0, 2.0, 3.0]] * 3, "intercepts": [0.0, 1.0, 2.0]}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {**GOOD, "link": "probit"},
        {**GOOD, "link": "identity"},
        {**GOOD, "link": "sigmoid", "weights": [[1.0, 2.0, 3.0]], "intercepts": [0.0]},
        {**GOOD, "weights": [[1.0, 2.0, 3.0]] * 2},
        {**GOOD, "weights": [[1.0, 2.0]] * 3},
        {**GOOD, "weights": "123"},
        {**GOOD, "weights": [[1.0, 2.0, "3"]] * 3},
        {**GOOD, "weights": [[1.0, 2.0, True]] * 3},
        {**GOOD, "intercepts": [0.0, 1.0, inf]},
        {**GOOD, "intercepts": None},
    ],
    ids=str,
)
def test_what_is_not_a_linear_model_of_this_card_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_linear(json.dumps(document).encode(), make_card(tea_document()))


def test_extreme_scores_overflow_nowhere() -> None:
    cancer = card_for(CANCER[0], 2)
    steep = {"link": "sigmoid", "weights": [[1e3] * 30], "intercepts": [0.0]}
    predict = load_linear(json.dumps(steep).encode(), cancer)
    assert predict([[1e6] * 30, [-1e6] * 30]) == [[0.0, 1.0], [1.0, 0.0]]
    steep = {"link": "softmax", "weights": [[1e3] * 3, [0.0] * 3, [-1e3] * 3], "intercepts": [0.0] * 3}
    predict = load_linear(json.dumps(steep).encode(), make_card(tea_document()))
    assert predict([[1e6] * 3, [-1e6] * 3]) == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def test_auto_takes_the_linear_runtime_up_to_its_size(iris_dir: Path) -> None:
    model = load_model(iris_dir)
    assert model.runtime == "linear"
    assert runtimes_of(model.card) == ("linear", "onnx", "sklearn")
    within, beyond = (card_for(np.ones((1, MAX_WEIGHTS // 4)), classes) for classes in (4, 5))
    for card, first in ((within, "linear"), (beyond, "onnx")):
        card = _with_linear(card)
        assert runtimes_of(card)[0] == first
        assert "linear" in runtimes_of(card)  # it is still there for who asks for it


def test_without_coefficients_auto_takes_onnx_and_linear_is_refused(iris_dir: Path, tmp_path: Path) -> None:
    artifact = copy_of(iris_dir, tmp_path / "artifact")
    change_card(artifact, lambda card: card["files"].pop("model.linear.json"))
    assert load_model(artifact).runtime == "onnx"
    with pytest.raises(ArtifactError, match=r"artifact model\.linear\.json: not in the artifact"):
        load_model(artifact, "linear")


def _with_linear(card: ModelCard) -> ModelCard:
    return replace(card, sha256={**card.sha256, "model.linear.json": "0" * 64})
