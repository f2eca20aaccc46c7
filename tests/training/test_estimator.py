"""A fitted estimator of one's own: loaded only where it is trusted, served with its own answers."""

import json
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC

from inference.card import LINEAR_FILE, ONNX_FILE
from inference.model import load_model
from tests.conftest import make_service
from tests.training.tables import houses
from training.__main__ import main
from training.errors import TableError
from training.estimator import load_estimator

CATEGORIES = ["city", "sea_view"]


class Own(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator of a class that no endpoint has."""


class Marker:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = houses(tmp_path / "houses.csv")
    pd.read_csv(path).dropna().to_csv(path, index=False)
    return path


def save(path: Path, estimator: Any) -> Path:
    joblib.dump(estimator, path)
    return path


def serve(table: Path, target: str, estimator: Path, *more: str) -> Path:
    made = table.with_name("made")
    arguments = ["--csv", str(table), "--target", target, "--estimator", str(estimator), "--output", str(made), *more]
    assert main(arguments) == 0
    return made


def refused(capsys: pytest.CaptureFixture[str], table: Path, estimator: Path, *more: str, target: str = "price") -> str:
    arguments = ["--csv", str(table), "--target", target, "--estimator", str(estimator), *more]
    assert main([*arguments, "--output", str(table.with_name("made"))]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("not trained: ")
    assert not table.with_name("made").exists()
    return line


def encoded(estimator: Any, encoder: Any = None, remainder: Any = "passthrough") -> Any:
    encoder = encoder or OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(make_column_transformer((encoder, CATEGORIES), remainder=remainder), estimator)


PIPELINES = {
    "linear": (encoded(LinearRegression()), "price", {ONNX_FILE, LINEAR_FILE}),
    "numbers": (make_pipeline(StandardScaler(), LinearRegression()), "price", {ONNX_FILE, LINEAR_FILE}),
    "forest": (encoded(RandomForestClassifier(20, random_state=0)), "heating", {ONNX_FILE}),
    "boosted": (encoded(HistGradientBoostingRegressor(max_iter=20)), "price", {ONNX_FILE}),
    "classifier": (encoded(LogisticRegression(), remainder=StandardScaler()), "heating", {ONNX_FILE, LINEAR_FILE}),
}


@pytest.mark.parametrize("case", PIPELINES)
def test_a_pipeline_fitted_on_a_data_frame_is_served_with_its_answers(case: str, table: Path, tmp_path: Path) -> None:
    estimator, target, exports = PIPELINES[case]
    frame = pd.read_csv(table)
    columns = ["rooms", "Area m2"] if case == "numbers" else [name for name in frame.columns if name != target]
    estimator.fit(frame[columns], frame[target])
    made = serve(table, target, save(tmp_path / "own.joblib", estimator), "--trust")
    model = load_model(made)
    assert model.card.feature_names == tuple(columns)  # in the estimator's order; it does not take the others
    assert exports <= set(model.card.sha256)
    rows = frame[columns].head(50)
    expected = estimator.predict_proba(rows) if model.card.is_classifier else estimator.predict(rows).reshape(-1, 1)
    instances = json.loads(rows.to_json(orient="values"))
    body = json.dumps({"instances": instances}).encode()
    reply = make_service(model).respond("POST", "/predict", body, "application/json")
    answers = json.loads(reply.body)["predictions"]
    found = [list(one["probabilities"].values()) if "probabilities" in one else [one["prediction"]] for one in answers]
    assert np.array(found) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_what_skl2onnx_cannot_convert_is_served_by_scikit_learn_and_the_card_says_so(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(table)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=-5)
    estimator = encoded(KNeighborsRegressor(metric=_distance), encoder)
    estimator.fit(frame.drop(columns="price"), frame["price"])
    made = serve(table, "price", save(tmp_path / "own.joblib", estimator), "--trust")
    model = load_model(made)
    assert model.runtime == "sklearn"
    assert ONNX_FILE not in model.card.sha256
    assert "ONNX" in model.card.without_onnx or "skl2onnx" in model.card.without_onnx
    assert model.card.without_onnx in capsys.readouterr().out


def _distance(one: Any, other: Any) -> float:
    return float(np.abs(one - other).max())


def test_an_estimator_fitted_on_an_array_takes_the_numbers_in_the_tables_order(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table)
    estimator = LinearRegression().fit(frame[["Area m2", "rooms", "heating"]].to_numpy(), frame["price"])
    own = save(tmp_path / "own.joblib", estimator)
    made = serve(table, "price", own, "--trust", "--drop", "city,sea_view")
    model = load_model(made)
    assert model.predict([[100.0, 3.0, 2.0]])[0] == pytest.approx(estimator.predict([[100.0, 3.0, 2.0]]))


def test_a_pickle_is_not_opened_without_trust(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker = tmp_path / "marker"
    hostile = save(tmp_path / "own.joblib", Marker(marker))
    assert "runs code when it is loaded" in refused(capsys, table, hostile)
    assert not marker.exists()


def test_each_mistake_is_one_line(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(table)
    numbers = frame[["Area m2", "rooms"]]
    cases: list[tuple[Any, str]] = [
        ({"not": "an estimator"}, "holds a dict, not a scikit-learn estimator"),
        (LinearRegression(), "is not fitted"),
        (LinearSVC().fit(numbers, frame["city"]), "gives no probabilities"),
        (StandardScaler().fit(numbers), "is neither a classifier nor a regressor"),
        (Own(), "which the endpoints do not have"),
        (LinearRegression().fit(numbers.rename(columns={"rooms": "halls"}), frame["price"]), "no column 'halls'"),
        (LinearRegression().fit(numbers.to_numpy(), frame["price"]), "has 5 columns for an estimator of 2"),
        (LinearRegression().fit(np.ones((5, 5)), np.ones(5)), "the column city is a category"),
        (LogisticRegression().fit(numbers, frame["rooms"] > 3), "which the estimator does not know"),
    ]
    for estimator, reason in cases:
        target = "city" if isinstance(estimator, LogisticRegression) else "price"
        assert reason in refused(capsys, table, save(tmp_path / "own.joblib", estimator), "--trust", target=target)
    (tmp_path / "own.joblib").write_bytes(b"nonsense")
    assert "is not an estimator that joblib can load" in refused(capsys, table, tmp_path / "own.joblib", "--trust")
    assert "cannot be read: No such file" in refused(capsys, table, tmp_path / "none.joblib", "--trust")


def test_a_skops_file_of_scikit_learns_own_steps_needs_no_trust(table: Path, tmp_path: Path) -> None:
    from skops import io

    frame = pd.read_csv(table)
    estimator = make_pipeline(StandardScaler(), LinearRegression()).fit(frame[["rooms", "Area m2"]], frame["price"])
    io.dump(estimator, tmp_path / "own.skops")
    model = load_model(serve(table, "price", tmp_path / "own.skops"))
    expected = estimator.predict(pd.DataFrame({"rooms": [3.0], "Area m2": [100.0]}))
    assert model.predict([[3.0, 100.0]])[0] == pytest.approx(expected)


def test_types_of_a_skops_file_that_may_run_code_are_named_and_need_trust(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from skops import io

    frame = pd.read_csv(table)
    estimator = encoded(KNeighborsRegressor(metric=_distance), OrdinalEncoder())
    io.dump(estimator.fit(frame.drop(columns="price"), frame["price"]), tmp_path / "own.skops")
    line = refused(capsys, table, tmp_path / "own.skops")
    assert "own.skops has types that may run code: " in line
    assert "tests.training.test_estimator._distance; if you trust them, say --trust" in line
    assert load_model(serve(table, "price", tmp_path / "own.skops", "--trust")).runtime == "sklearn"
    (tmp_path / "own.skops").write_bytes(b"nonsense")
    capsys.readouterr()
    with pytest.raises(TableError, match="is not an estimator that skops can load"):
        load_estimator(tmp_path / "own.skops", trust=True)


@pytest.mark.parametrize(("module", "package"), [("skops", "skops"), ("yaml", "PyYAML")])
def test_a_package_that_is_missing_is_one_line(
    module: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "own.skops"
    path.touch() if module == "skops" else path.mkdir()
    with pytest.raises(TableError, match=f"needs {package}, which is not installed: run make extras"):
        load_estimator(path, trust=True)


def mlflow_model(directory: Path, estimator: Any, names: list[str], file: str = "model.pkl") -> Path:
    """A directory as MLflow's `sklearn.save_model` writes it."""
    directory.mkdir()
    joblib.dump(estimator, directory / "model.pkl")
    inputs = json.dumps([{"type": "double", "name": name, "required": True} for name in names])
    (directory / "MLmodel").write_text(
        f"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n  sklearn:\n    pickled_model: {file}\n"
        f"    serialization_format: cloudpickle\nsignature:\n  inputs: '{inputs}'\n"
    )
    return directory


def test_a_model_of_mlflow_is_served_with_the_columns_of_its_signature(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(table)
    estimator = LinearRegression().fit(frame[["rooms", "Area m2"]].to_numpy(), frame["price"])
    directory = mlflow_model(tmp_path / "mlflow", estimator, ["rooms", "Area m2"])
    assert "runs code when it is loaded" in refused(capsys, table, directory)
    model = load_model(serve(table, "price", directory, "--trust"))
    assert model.card.feature_names == ("rooms", "Area m2")
    assert model.predict([[3.0, 100.0]])[0] == pytest.approx(estimator.predict([[3.0, 100.0]]))


def test_a_damaged_model_of_mlflow_is_one_line(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = mlflow_model(tmp_path / "mlflow", LinearRegression(), ["rooms"], "../../etc/passwd")
    assert "names a model file outside its directory" in refused(capsys, table, directory, "--trust")
    for text in ("flavors: {}", "- 1", "a: [", "flavors:\n  sklearn: 3\n", "!!python/object/apply:os.system [ls]"):
        (directory / "MLmodel").write_text(text)
        assert "is not a model of MLflow's sklearn flavour" in refused(capsys, table, directory, "--trust")
    (directory / "MLmodel").unlink()
    assert "cannot be read: No such file" in refused(capsys, table, directory, "--trust")
