"""What training makes: the same bytes each time, with everything in the card that the rest relies on."""

import csv
import hashlib
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest

from inference.card import parse_card
from tests.benchmark.cards import numbers
from tests.conftest import DATASETS, train
from tests.servers import PYTHON, ROOT, run
from tools.processes import bare_environ
from training.datasets import DATASETS as KNOWN_DATASETS
from training.selection import candidates

Card = dict[str, Any]
FILES = ("data.csv", "model.joblib", "model.json", "model.linear.json", "model.onnx")


@pytest.fixture(params=DATASETS)
def artifact(request: pytest.FixtureRequest, artifacts: Path) -> Path:
    """Every artifact. Read only."""
    return artifacts / str(request.param)


@pytest.fixture
def card(artifact: Path) -> Card:
    document: Card = json.loads((artifact / "model.json").read_text())
    return document


@pytest.mark.slow
def test_training_again_in_another_process_gives_the_same_bytes(artifacts: Path, tmp_path: Path) -> None:
    again = train(tmp_path, hash_seed=2)
    for name in DATASETS:
        assert digests(again / name) == digests(artifacts / name)


def test_training_computes_in_one_thread_however_many_processors_there_are() -> None:
    code = (
        "import training, numpy; from threadpoolctl import threadpool_info\n"
        "print({pool['num_threads'] for pool in threadpool_info()})"
    )
    environment = bare_environ() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([PYTHON, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("{1}", "set()")  # Accelerate, which macOS has, is no pool that can be seen


def digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def test_every_data_set_is_trained_by_these_tests() -> None:
    assert set(DATASETS) <= set(KNOWN_DATASETS)


def test_an_artifact_holds_these_files_and_no_other(artifact: Path) -> None:
    assert sorted(path.name for path in artifact.iterdir()) == sorted(FILES)


def test_the_card_is_one(card: Card) -> None:
    assert parse_card(card).document == card


def test_the_card_names_every_file_with_its_hash_and_size(artifact: Path, card: Card) -> None:
    assert set(card["files"]) == set(FILES) - {"model.json"}
    for name, entry in card["files"].items():
        data = (artifact / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def test_the_score_of_every_candidate_is_recorded(card: Card) -> None:
    competing = {candidate.name for candidate in candidates(KNOWN_DATASETS[card["name"]]())}
    assert len(competing) >= 2
    recorded = card["evaluation"]["candidates"]
    assert set(recorded) == competing
    for metrics in recorded.values():
        assert set(metrics) == set(card["metrics"])
        for score in metrics.values():
            assert set(score) == {"mean", "standard_deviation"}
            assert math.isfinite(score["mean"])
            assert score["standard_deviation"] > 0


def test_the_best_candidate_was_chosen(card: Card) -> None:
    criterion = {"classification": "log_loss", "regression": "rmse"}[card["task"]]
    recorded = card["evaluation"]["candidates"]
    assert card["model_type"] == min(recorded, key=lambda name: recorded[name][criterion]["mean"])
    assert criterion in card["evaluation"]["chosen_by"]
    assert card["metrics"] == recorded[card["model_type"]]


def test_the_scores_are_those_of_a_model_that_has_learnt_something(artifacts: Path) -> None:
    iris, diabetes = (json.loads((artifacts / name / "model.json").read_text())["metrics"] for name in DATASETS)
    assert iris["accuracy"]["mean"] > 0.9
    assert 0 < iris["log_loss"]["mean"] < 0.3
    assert diabetes["r2"]["mean"] > 0.4
    assert 0 < diabetes["mae"]["mean"] < diabetes["rmse"]["mean"] < 77  # the spread of the target itself


def test_every_preset_and_default_is_inside_the_limits_and_on_the_sliders_steps(card: Card) -> None:
    model_card = parse_card(card)
    assert len(model_card.presets) >= 3
    assert len({preset.label for preset in model_card.presets}) == len(model_card.presets)
    for values in (model_card.defaults, *(preset.values for preset in model_card.presets)):
        for value, feature in zip(values, numbers(model_card), strict=True):
            assert feature.limits.contain(value)
            assert feature.training.minimum <= value <= feature.training.maximum
            steps = value / feature.step
            assert steps == pytest.approx(round(steps), abs=1e-6)


def test_a_classifiers_presets_are_one_of_each_class_and_a_close_call(artifacts: Path) -> None:
    card = parse_card(json.loads((artifacts / "iris" / "model.json").read_text()))
    assert [preset.label for preset in card.presets] == ["Setosa", "Versicolor", "Virginica", "Borderline"]
    outputs = [known.outputs for known in card.known_answers]
    assert [output.index(max(output)) for output in outputs[:3]] == [0, 1, 2]
    margins = [sorted(output)[-1] - sorted(output)[-2] for output in outputs]
    assert margins[3] == min(margins) < 0.1


def test_a_known_answer_is_what_the_fitted_estimator_gives(artifact: Path, card: Card) -> None:
    estimator = joblib.load(artifact / "model.joblib")
    method = estimator.predict_proba if card["task"] == "classification" else estimator.predict
    assert len(card["known_answers"]) >= 3
    for known in card["known_answers"]:
        assert np.ravel(method([known["features"]])) == pytest.approx(known["outputs"])


def test_the_onnx_model_is_a_valid_one_with_a_batch_of_any_size(artifact: Path, card: Card) -> None:
    model = onnx.load(artifact / "model.onnx")
    onnx.checker.check_model(model)
    (features,) = model.graph.input
    rows, columns = features.type.tensor_type.shape.dim
    assert (features.name, rows.dim_value, columns.dim_value) == ("features", 0, len(card["features"]))


def test_the_rows_are_the_training_data_in_the_cards_order(artifact: Path, card: Card) -> None:
    dataset = KNOWN_DATASETS[card["name"]]()
    with (artifact / "data.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == [*(feature["name"] for feature in card["features"]), "target"]
    assert len(rows) == card["training_data"]["rows"] == len(dataset.inputs)
    assert np.array_equal(np.array([row[:-1] for row in rows], float), dataset.inputs)
    targets = [row[-1] for row in rows]
    if card["classes"]:
        assert [card["classes"].index(target) for target in targets] == dataset.targets.tolist()
        assert card["training_data"]["class_counts"] == {name: targets.count(name) for name in card["classes"]}
    else:
        assert [float(target) for target in targets] == dataset.targets.tolist()
        assert card["training_data"]["target"]["mean"] == pytest.approx(dataset.targets.mean())


def test_each_features_summary_is_that_of_its_column(artifact: Path, card: Card) -> None:
    columns = np.loadtxt(artifact / "data.csv", delimiter=",", skiprows=1, usecols=range(len(card["features"]))).T
    for feature, column in zip(card["features"], columns, strict=True):
        training = feature["training"]
        assert (training["minimum"], training["maximum"]) == (column.min(), column.max())
        assert training["mean"] == pytest.approx(column.mean())
        assert training["standard_deviation"] == pytest.approx(column.std(ddof=1))
        assert training["quartiles"] == pytest.approx(np.quantile(column, [0.25, 0.5, 0.75]).tolist())
        edges, counts = training["histogram"]["edges"], training["histogram"]["counts"]
        assert sum(counts) == len(column)
        assert (edges[0], edges[-1]) == (column.min(), column.max())
        assert np.histogram(column, edges)[0].tolist() == counts


def test_iris_is_measured_in_centimetres_above_0_and_up_to_30(artifacts: Path) -> None:
    card = json.loads((artifacts / "iris" / "model.json").read_text())
    for feature in card["features"]:
        assert feature["unit"] == "cm"
        assert feature["limits"] == {"exclusive_minimum": 0.0, "maximum": 30.0}


def test_the_card_names_the_libraries_and_nothing_of_the_machine(artifact: Path, card: Card) -> None:
    assert {"python", "scikit-learn", "numpy", "joblib", "skl2onnx"} <= set(card["libraries"])
    text = (artifact / "model.json").read_text()
    assert str(Path.home()) not in text
    assert str(artifact.parent) not in text


def test_training_reports_what_it_chose_and_where_it_is(artifact: Path, card: Card) -> None:
    first, *rest = artifact.with_name(f"{artifact.name}.log").read_text().splitlines()
    assert card["version"] in first
    assert str(artifact) in first
    for name in card["evaluation"]["candidates"]:
        assert any(name in line for line in rest)


def test_a_directory_that_would_be_lost_ends_the_command_with_status_1(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    shortened = (
        "import runpy, sys; from training import selection; selection.REPEATS = 1; selection.SPLITS = 2\n"
        "runpy.run_module('training', run_name='__main__', alter_sys=True)"
    )
    done = run([PYTHON, "-c", shortened, "--output", tmp_path])
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"not trained, {tmp_path} is unchanged: ")
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_unknown_data_set_ends_the_command_with_status_2() -> None:
    done = run([PYTHON, "-m", "training", "--dataset", "penguins"])
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
