"""A table with categories and missing values, from the file to the answers: all runtimes give scikit-learn's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.openapi import describe
from inference.card import LINEAR_FILE, ONNX_FILE, CategoryFeature, ModelCard, NumberFeature, Value
from inference.model import Model, load_model
from inference.settings import Runtime
from tests.conftest import make_service
from tests.training.tables import houses
from training import selection
from training.__main__ import export, main
from training.columns import ColumnOptions, TableOptions
from training.datasets import Dataset
from training.selection import Selection, candidates
from training.table import read_table

OPTIONS = TableOptions(columns={"heating": ColumnOptions(type="category"), "city": ColumnOptions(accepts_unknown=True)})


def fitted(dataset: Dataset, name: str) -> Selection:
    """One candidate, fitted on all rows, with scores that are made up."""
    (chosen,) = [one for one in candidates(dataset) if one.name == name]
    model = chosen.estimator.fit(dataset.inputs, dataset.targets)
    return Selection(chosen, model, "rmse", "not compared", {name: {"rmse": selection.Score(1.0, 0.1)}})


@pytest.fixture(scope="module", params=["price", "city", "sea_view"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A regression, and classifications of three classes and of two."""
    target = str(request.param)
    columns = {name: one for name, one in (OPTIONS.columns or {}).items() if name != target}
    path = houses(tmp_path_factory.mktemp("table") / "houses.csv")
    return read_table(path, target, options=TableOptions(columns=columns))


@pytest.fixture(scope="module", params=["linear", "RandomForest", "HistGradientBoosting"])
def artifact(request: pytest.FixtureRequest, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of each candidate on each table."""
    name = str(request.param)
    linear = "LogisticRegression" if dataset.classes else "Ridge"
    directory = tmp_path_factory.mktemp("made") / "houses"
    export(dataset, fitted(dataset, linear if name == "linear" else name), directory)
    return directory


def unseen(tmp_path: Path, dataset: Dataset) -> list[tuple[Value, ...]]:
    """500 rows that training had not, as requests have them."""
    drawn = read_table(houses(tmp_path / "unseen.csv", rows=500, seed=1), "price", options=OPTIONS)
    places = [[one.name for one in drawn.features].index(name) for name in names(dataset) if name != "price"]
    rows = drawn.rows()
    prices = iter(drawn.targets.tolist())
    full = [[row[place] for place in places] for row in rows]
    if "price" in names(dataset):
        for row in full:
            row.insert(names(dataset).index("price"), next(prices))
    return [tuple(row) for row in full]


def names(dataset: Dataset) -> list[str]:
    return [one.name for one in dataset.features]


def as_frame(rows: list[tuple[Value, ...]], card: ModelCard) -> Any:
    """What a pandas user would hand to the pipeline, made without this project's own code."""
    frame = pd.DataFrame([list(row) for row in rows], columns=list(card.feature_names), dtype=object)
    for feature in card.features:
        column = frame[feature.name].map(lambda value: np.nan if value is None else value)
        if isinstance(feature, NumberFeature):
            column = column.astype(float)
        elif feature.type != "text":
            read: Callable[[str], object] = int if feature.type == "integer" else (lambda text: text == "true")
            column = column.map(lambda value, read=read: value if value != value else read(value)).astype(object)
        frame[feature.name] = column
    return frame


def test_every_runtime_gives_scikit_learns_answers_on_rows_never_seen(
    artifact: Path, dataset: Dataset, tmp_path: Path
) -> None:
    card = load_model(artifact).card
    rows = unseen(tmp_path, dataset)
    if "city" in names(dataset):
        place = names(dataset).index("city")
        rows += [(*row[:place], "Paris", *row[place + 1 :]) for row in rows[:20]]
    estimator = joblib.load(artifact / "model.joblib")
    inputs = as_frame(rows, card)
    expected = estimator.predict_proba(inputs) if card.is_classifier else estimator.predict(inputs).reshape(-1, 1)
    runtimes: list[Runtime] = ["onnx", "sklearn"]
    if LINEAR_FILE in card.sha256:
        runtimes.append("linear")
    for runtime in runtimes:
        predict = load_model(artifact, runtime).predict
        assert np.array(predict(rows)) == pytest.approx(expected, rel=1e-5, abs=1e-5), runtime
        assert predict(rows[:1]) == pytest.approx(np.array(predict(rows))[:1], rel=1e-5, abs=1e-6)


def test_a_linear_model_has_all_three_runtimes_and_trees_have_two(artifact: Path) -> None:
    card = load_model(artifact).card
    assert card.document["format_version"] == 2
    assert card.without_onnx == ""
    assert ONNX_FILE in card.sha256
    assert (LINEAR_FILE in card.sha256) == (card.model_type in ("Ridge", "LogisticRegression"))


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Prices of houses, by a linear model."""
    dataset = read_table(houses(tmp_path / "houses.csv"), "price", options=OPTIONS)
    export(dataset, fitted(dataset, "Ridge"), tmp_path / "made")
    return load_model(tmp_path / "made")


def ask(model: Model, document: object) -> tuple[int, Any]:
    reply = make_service(model).respond("POST", "/predict", json.dumps(document).encode(), "application/json")
    return reply.status, json.loads(reply.body)


def test_the_card_says_what_each_column_is(model: Model) -> None:
    area, rooms, city, sea_view, heating = model.card.features
    assert isinstance(area, NumberFeature) and isinstance(rooms, NumberFeature)
    assert isinstance(city, CategoryFeature) and isinstance(sea_view, CategoryFeature)
    assert isinstance(heating, CategoryFeature)
    assert (area.accepts_missing, rooms.accepts_missing) == (True, False)
    assert (area.missing, sum(area.training.histogram_counts)) == (37, 363)
    assert set(city.categories) == {"Oslo", "Bergen", "Ås"}
    assert list(city.counts) == sorted(city.counts, reverse=True)
    assert sum(city.bin_counts) == 400
    assert (city.accepts_missing, city.accepts_unknown, heating.accepts_unknown) == (True, True, False)
    assert (sea_view.type, heating.type) == ("boolean", "integer")
    assert model.card.defaults[2:4] == ("Oslo", "false")


GOOD = {"Area m2": 100, "rooms": 3, "city": "Oslo", "sea_view": "true", "heating": "2"}


def test_booleans_and_whole_numbers_may_be_written_as_json_writes_them(model: Model) -> None:
    expected = ask(model, GOOD)
    assert expected[0] == 200
    assert ask(model, {**GOOD, "sea_view": True, "heating": 2}) == expected
    assert ask(model, {**GOOD, "heating": 2.0}) == expected
    assert ask(model, {"features": [100, 3, "Oslo", True, 2]}) == expected
    batch = ask(model, {"instances": [GOOD, [100, 3, "Oslo", True, 2]]})[1]["predictions"]
    assert [one["prediction"] for one in batch] == [expected[1]["prediction"]] * 2


def test_null_is_accepted_where_training_had_missing_values(model: Model) -> None:
    assert ask(model, {**GOOD, "Area m2": None, "city": None})[0] == 200
    for name in ("rooms", "sea_view", "heating"):
        status, answer = ask(model, {**GOOD, name: None})
        assert status == 422
        assert [detail["field"] for detail in answer["error"]["details"]] == [name]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("heating", "4", "must be one of"),
        ("heating", 2.5, "must be one of"),
        ("heating", 1e308, "must be one of"),
        ("heating", 10**400, "must be one of"),
        ("heating", True, "must be one of"),
        ("sea_view", "True", "must be one of false, true"),
        ("sea_view", 1, "must be one of false, true"),
        ("city", 3, "must be a text, such as Oslo, Bergen, Ås, or null"),
        ("city", ["Oslo"], "must be a text"),
        ("city", {"Oslo": 1}, "must be a text"),
        ("city", "", "must be a text"),
        ("city", "x" * 201, "must be a text"),
        ("city", "\ud800", "must be a text"),
        ("city", "a\nb", "must be a text"),
        ("Area m2", "100", "must be a number or null"),
        ("Area m2", 1e16, "must be at least"),
        ("rooms", "3", "must be a number"),
    ],
)
def test_another_value_is_a_422_that_names_the_known_ones(name: str, value: object, message: str, model: Model) -> None:
    status, answer = ask(model, {**GOOD, name: value})
    assert status == 422
    (detail,) = answer["error"]["details"]
    assert detail["field"] == name
    assert detail["message"].startswith(message)


def test_an_unknown_category_is_accepted_where_the_card_says_so(model: Model) -> None:
    assert ask(model, {**GOOD, "city": "Paris"})[0] == 200


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"Area m2": None, "city": None},
        {"rooms": None},
        {"city": "Paris"},
        {"city": ""},
        {"city": 3},
        {"sea_view": True},
        {"sea_view": 1},
        {"sea_view": "True"},
        {"heating": 3},
        {"heating": 3.0},
        {"heating": True},
        {"heating": 4},
        {"heating": None},
    ],
    ids=str,
)
def test_the_documentation_accepts_what_the_endpoint_accepts(change: dict[str, object], model: Model) -> None:
    described = describe(model.card)
    OpenAPIV31SpecValidator(described).validate()
    schema = described["components"]["schemas"]["Measurement"]
    is_valid = Draft202012Validator(schema).is_valid({**GOOD, **change})
    assert is_valid == (ask(model, {**GOOD, **change})[0] == 200)


def test_a_long_list_of_categories_is_named_in_part() -> None:
    names = tuple(f"c{number}" for number in range(256))
    feature = CategoryFeature("f", "F", "c0", names, (1,) * 256)
    assert feature.problem("x") == f"must be one of {', '.join(names[:10])} and 246 more"


def test_requests_are_counted_by_category(model: Model) -> None:
    service = make_service(model)
    bodies = [
        GOOD,
        {**GOOD, "city": None},
        {**GOOD, "city": "Paris"},
        {**GOOD, "Area m2": 5000},
        {**GOOD, "Area m2": None},
    ]
    for body in bodies[:2]:
        service.respond("POST", "/predict", json.dumps(body).encode(), "application/json")
    service.respond("POST", "/predict", json.dumps({"instances": bodies[2:]}).encode(), "application/json")
    text = service.respond("GET", "/metrics").body.decode()
    city, area = model.card.features[2], model.card.features[0]

    def binned(name: str, index: int) -> float:
        label = f'faceoff_inputs_binned_total{{bin="{index}",feature="{name}",traffic="user"}} '
        return float(text.split(label)[1].split("\n")[0])

    assert [binned("city", index) for index in range(len(city.bin_counts))] == [3, 0, 0, 1, 1]
    assert binned("Area m2", len(area.bin_counts) - 1) == 1
    assert 'faceoff_inputs_out_of_range_total{feature="city",traffic="user"} 1.0' in text
    assert 'faceoff_inputs_out_of_range_total{feature="Area m2",traffic="user"} 1.0' in text


def test_two_commands_make_an_artifact_that_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "REPEATS", 1)
    monkeypatch.setattr(selection, "SPLITS", 2)
    path = houses(tmp_path / "houses.csv", rows=120)
    assert main(["--csv", str(path), "--target", "price", "--output", str(tmp_path / "made")]) == 0
    again = tmp_path / "again"
    assert main(["--csv", str(path), "--target", "price", "--output", str(again)]) == 0
    made = {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()}
    assert made == {file.name: file.read_bytes() for file in again.iterdir()}
    model = load_model(tmp_path / "made")
    assert model.card.name == "houses"
    assert ask(model, dict(zip(model.card.feature_names, model.card.defaults, strict=True)))[0] == 200
