"""The tables to try first, from rows to answers: what is served equals scikit-learn on rows that training never saw."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from deploy.stage_function import stage
from inference.contract import MAX_BODY_BYTES
from inference.model import load_model
from inference.settings import ServingSettings
from tests.conftest import make_service
from tests.contract.conftest import asked_over_http
from tests.contract.targets import CoreTarget, Target, predict
from tests.servers import api_program, function_program
from tests.training.tables import houses
from training import selection
from training.__main__ import train
from training.datasets import DATASETS, Dataset
from training.table import read_table


def line(path: Path) -> Dataset:
    """The regression of the first course: one column, the size of a house."""
    rows = [f"{size},{size * 0.2 + 50 + size % 7:.1f}" for size in range(500, 2500, 10)]
    path.write_text("size,price\n" + "\n".join(rows) + "\n")
    return read_table(path, "price")


def table(name: str, directory: Path) -> Dataset:
    if name == "line":
        return line(directory / "line.csv")
    if name == "houses":
        return read_table(houses(directory / "houses.csv", rows=900), "price")
    return DATASETS[name]()


def split(dataset: Dataset) -> tuple[Dataset, np.ndarray[Any, Any]]:
    """All but 500 rows, or but a third of them, to train on, and the places of the others."""
    count = len(dataset.targets)
    others = np.sort(np.random.default_rng(3).permutation(count)[: min(500, count // 3)])
    kept = np.setdiff1d(np.arange(count), others)
    inputs, targets = dataset.take(kept)
    return replace(dataset, inputs=inputs, targets=targets), others


def answers(target: Target, rows: Sequence[Sequence[Any]], batch: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for start in range(0, len(rows), batch):
        answer = predict(target, {"instances": rows[start : start + batch]})
        assert answer.status == 200, answer.body
        found += answer.json()["predictions"]
    return found


def check(targets: Sequence[Target], dataset: Dataset, others: np.ndarray[Any, Any], directory: Path) -> None:
    """Every target's answers equal scikit-learn's, and each other's, byte for byte."""
    estimator = joblib.load(directory / "model.joblib")
    inputs, _ = dataset.take(others)
    rows = [list(row) for row in dataset.rows(others)]
    batch = max(1, MAX_BODY_BYTES // 2 // max(len(json.dumps(row)) for row in rows))
    first, *rest = [answers(target, rows, batch) for target in targets]
    assert all(found == first for found in rest)
    if dataset.classes:
        expected = estimator.predict_proba(inputs)
        found = np.array([[answer["probabilities"][name] for name in dataset.classes] for answer in first])
        assert [answer["prediction"] for answer in first] == expected.argmax(1).tolist()
    else:
        expected, found = estimator.predict(inputs), np.array([answer["prediction"] for answer in first])
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.fixture(autouse=True)
def _short_cross_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "REPEATS", 1)
    monkeypatch.setattr(selection, "SPLITS", 2)


@pytest.mark.parametrize("name", [*DATASETS, "line", "houses"])
def test_what_is_served_equals_scikit_learn_on_rows_never_seen(name: str, tmp_path: Path) -> None:
    dataset = table(name, tmp_path)
    kept, others = split(dataset)
    train(kept, tmp_path / "made")
    check([CoreTarget(make_service(load_model(tmp_path / "made")))], dataset, others, tmp_path / "made")


def test_the_regression_of_the_first_course_answers_a_bare_list(tmp_path: Path) -> None:
    train(line(tmp_path / "line.csv"), tmp_path / "made")
    target = CoreTarget(make_service(load_model(tmp_path / "made")))
    assert predict(target, {"features": [1000.0]}).json()["prediction"] == pytest.approx(250, abs=5)


@pytest.mark.slow
def test_256_columns_and_20_classes_work(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    values = drawn.normal(size=(400, 256)).round(2)
    header = ",".join([*(f"c{place}" for place in range(256)), "kind"])
    rows = [",".join([*map(str, row), f"k{place % 20}"]) for place, row in enumerate(values)]
    (tmp_path / "wide.csv").write_text("\n".join([header, *rows]) + "\n")
    dataset = read_table(tmp_path / "wide.csv", "kind")
    kept, others = split(dataset)
    train(kept, tmp_path / "made")
    assert len(load_model(tmp_path / "made").card.classes) == 20
    check([CoreTarget(make_service(load_model(tmp_path / "made")))], dataset, others, tmp_path / "made")


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Target]]:
    """The API and the function, serving what the test has trained into `made`."""
    kept, _ = split(table("houses", tmp_path))
    made = tmp_path / "made"
    train(kept, made)
    stage(tmp_path / "function", ServingSettings.from_env({}, default_model_dir=made))
    with (
        asked_over_http(api_program(MODEL_DIR=str(made)), tmp_path) as api,
        asked_over_http(function_program(tmp_path / "function"), tmp_path) as function,
    ):
        yield [api, function]


@pytest.mark.slow
def test_both_endpoints_equal_scikit_learn_on_a_table_with_categories(both: list[Target], tmp_path: Path) -> None:
    dataset = table("houses", tmp_path)
    _, others = split(dataset)
    check(both, dataset, others, tmp_path / "made")
    for document in ({"features": [None, 3, None, True, 2]}, {"features": [1, 2, "Paris", True, 2]}):
        first, second = (predict(target, document) for target in both)
        assert (first.status, first.body) == (second.status, second.body)
        assert first.status == (200 if document["features"][0] is None else 422)
