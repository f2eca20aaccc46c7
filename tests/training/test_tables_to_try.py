"""The tables to try first, from rows to answers: what is served equals scikit-learn on rows that training never saw.

The same over HTTP, and on the page, is in `tests/browser/test_tables_to_try.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference.model import load_model
from tests.conftest import make_service
from tests.contract.targets import CoreTarget, predict
from tests.training.tables_to_try import TABLES, UNSEEN, check, line, short_cross_validation, split, table
from training.__main__ import train
from training.table import read_table


@pytest.fixture(autouse=True)
def _in_a_hurry() -> Iterator[None]:
    with short_cross_validation():
        yield


@pytest.mark.parametrize("name", TABLES)
def test_what_is_served_equals_scikit_learn_on_rows_never_seen(name: str, tmp_path: Path) -> None:
    dataset = table(name, tmp_path)
    kept, unseen = split(dataset)
    assert len(unseen) == UNSEEN and not {*kept.rows()} & {*unseen}
    train(kept, tmp_path / "made")
    check([CoreTarget(make_service(load_model(tmp_path / "made")))], dataset, unseen, tmp_path / "made")


def test_the_regression_of_the_first_course_answers_a_bare_list(tmp_path: Path) -> None:
    train(line(tmp_path / "line.csv"), tmp_path / "made")
    target = CoreTarget(make_service(load_model(tmp_path / "made")))
    assert predict(target, {"features": [1000.0]}).json()["prediction"] == pytest.approx(250, abs=5)


def test_a_target_around_0_is_compiled_to_onnx(tmp_path: Path) -> None:
    """Boosted trees in single precision: some of 20 000 predictions are near 0, where few of their digits are right."""
    values = np.random.default_rng(0).normal(size=(1000, 3))
    targets = np.sin(3 * values[:, 0]) * values[:, 1]
    rows = [f"{x:.4f},{y:.4f},{z:.4f},{target:.6f}" for (x, y, z), target in zip(values, targets, strict=True)]
    (tmp_path / "waves.csv").write_text("\n".join(["x,y,z,target", *rows]) + "\n")
    report = train(read_table(tmp_path / "waves.csv", "target"), tmp_path / "made")
    assert load_model(tmp_path / "made").card.model_type == "HistGradientBoosting"
    assert "ONNX against scikit-learn over 20683 rows: same answers" in report


@pytest.mark.slow
def test_256_columns_and_20_classes_work(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    values = drawn.normal(size=(400, 256)).round(2)
    header = ",".join([*(f"c{place}" for place in range(256)), "kind"])
    rows = [",".join([*map(str, row), f"k{place % 20}"]) for place, row in enumerate(values)]
    (tmp_path / "wide.csv").write_text("\n".join([header, *rows]) + "\n")
    dataset = read_table(tmp_path / "wide.csv", "kind")
    kept, unseen = split(dataset)
    train(kept, tmp_path / "made")
    assert len(load_model(tmp_path / "made").card.classes) == 20
    check([CoreTarget(make_service(load_model(tmp_path / "made")))], dataset, unseen, tmp_path / "made")
