"""The tables to try first: rows to train on, 500 rows that training never saw, and what scikit-learn says of those."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from inference.card import Value
from inference.contract import MAX_BODY_BYTES
from tests.contract.targets import Target, predict
from tests.training.tables import houses
from training import selection
from training.datasets import DATASETS, Dataset
from training.table import read_table

TABLES = (*DATASETS, "line", "houses")
UNSEEN = 500

Row = tuple[Value, ...]


def line(path: Path) -> Dataset:
    """The regression of the first course: one column, the size of a house."""
    rows = [f"{size},{size * 0.2 + 50 + size % 7:.1f}" for size in range(500, 2500, 10)]
    path.write_text("size,price\n" + "\n".join(rows) + "\n")
    return read_table(path, "price")


def table(name: str, directory: Path) -> Dataset:
    """One of TABLES; a file of it may be written to `directory`."""
    if name == "line":
        return line(directory / "line.csv")
    if name == "houses":
        return read_table(houses(directory / "houses.csv", rows=900), "price")
    return DATASETS[name]()


def split(dataset: Dataset) -> tuple[Dataset, list[Row]]:
    """All but a third of the rows to train on, and 500 others: that third, and points between two rows of the table."""
    drawn = np.random.default_rng(3)
    count = len(dataset.targets)
    held_out = np.sort(drawn.permutation(count)[: min(UNSEEN, count // 3)])
    kept = np.setdiff1d(np.arange(count), held_out)
    inputs, targets = dataset.take(kept)
    rows, known = dataset.rows(), set(dataset.rows(kept))
    unseen = [row for row in dataset.rows(held_out) if row not in known]
    while len(unseen) < UNSEEN:
        first, second = drawn.integers(count, size=2)
        row = between(rows[first], rows[second], drawn.random())
        if row not in known:
            unseen.append(row)
    return replace(dataset, inputs=inputs, targets=targets), unseen


def between(first: Row, second: Row, share: float) -> Row:
    """Numbers between those of two rows; the first one's categories, and what it misses or the second does."""
    return tuple(
        round(one + share * (other - one), 3) if isinstance(one, float) and isinstance(other, float) else one
        for one, other in zip(first, second, strict=True)
    )


def check(targets: Sequence[Target], dataset: Dataset, unseen: Sequence[Row], directory: Path) -> None:
    """The answers of the targets are equal byte for byte, and equal to those of the estimator in `directory`."""
    estimator = joblib.load(directory / "model.joblib")
    inputs = dataset.as_inputs(unseen)
    batch = max(1, MAX_BODY_BYTES // 2 // max(len(json.dumps(row)) for row in unseen))
    first, *rest = [answers(target, unseen, batch) for target in targets]
    assert len(first) == len(unseen)
    assert all(found == first for found in rest)
    if dataset.classes:
        expected = estimator.predict_proba(inputs)
        found = np.array([[answer["probabilities"][name] for name in dataset.classes] for answer in first])
        assert [answer["prediction"] for answer in first] == expected.argmax(1).tolist()
    else:
        expected, found = estimator.predict(inputs), np.array([answer["prediction"] for answer in first])
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


def answers(target: Target, rows: Sequence[Row], batch: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for start in range(0, len(rows), batch):
        answer = predict(target, {"instances": rows[start : start + batch]})
        assert answer.status == 200, answer.body
        found += answer.json()["predictions"]
    return found


@contextmanager
def short_cross_validation() -> Iterator[None]:
    """Candidates are compared in a hurry."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(selection, "REPEATS", 1)
        patched.setattr(selection, "SPLITS", 2)
        yield
