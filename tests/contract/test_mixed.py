"""A model with categories and missing values: each server answers as the core does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from deploy.stage_function import stage
from inference.model import load_model
from inference.settings import ServingSettings
from tests.conftest import make_service
from tests.contract.conftest import asked_over_http
from tests.contract.targets import JSON, CoreTarget, Target, predict
from tests.servers import api_program, function_program
from tests.training.tables import houses
from training import selection
from training.__main__ import export
from training.columns import ColumnOptions, TableOptions
from training.table import read_table

OPTIONS = TableOptions(columns={"heating": ColumnOptions(type="category")})
HOUSE = {"Area m2": 100, "rooms": 3, "city": "Oslo", "sea_view": "true", "heating": "2"}
ACCEPTED: dict[str, Any] = {
    "texts": HOUSE,
    "json": {**HOUSE, "sea_view": True, "heating": 2},
    "beyond-ascii": {**HOUSE, "city": "Ås"},
    "no-number": {**HOUSE, "Area m2": None},
    "no-category": {**HOUSE, "city": None},
    "list": {"features": [None, 3, None, False, 1]},
    "instances": {"instances": [HOUSE, {**HOUSE, "city": None}, [100, 3, "Bergen", True, 3]]},
}
REFUSED: dict[str, tuple[Any, str]] = {
    "unknown-category": ({**HOUSE, "city": "Paris"}, "city"),
    "unknown-whole-number": ({**HOUSE, "heating": 4}, "heating"),
    "another-boolean": ({**HOUSE, "sea_view": "yes"}, "sea_view"),
    "null-in-a-complete-number": ({**HOUSE, "rooms": None}, "rooms"),
    "null-in-a-complete-category": ({**HOUSE, "heating": None}, "heating"),
    "number-for-a-text": ({**HOUSE, "city": 3}, "city"),
    "text-for-a-number": ({**HOUSE, "Area m2": "100"}, "Area m2"),
    "missing-field": ({name: value for name, value in HOUSE.items() if name != "city"}, "city"),
    "second-instance": ({"instances": [HOUSE, {**HOUSE, "city": "Paris"}]}, "instances[1].city"),
}


@pytest.fixture(scope="session")
def mixed_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices of houses, by a linear model."""
    directory = tmp_path_factory.mktemp("mixed")
    dataset = read_table(houses(directory / "houses.csv", rows=200), "price", options=OPTIONS)
    (ridge,) = [one for one in selection.candidates(dataset) if one.name == "Ridge"]
    fitted = ridge.estimator.fit(dataset.inputs, dataset.targets)
    scores = {"Ridge": {"rmse": selection.Score(1.0, 0.1)}}
    export(dataset, selection.Selection(ridge, fitted, "rmse", "not compared", scores), directory / "artifact")
    return directory / "artifact"


@pytest.fixture(scope="session")
def mixed_core(mixed_dir: Path) -> Target:
    return CoreTarget(make_service(load_model(mixed_dir)))


@pytest.fixture(scope="session", params=["api", "function"])
def mixed(request: pytest.FixtureRequest, mixed_dir: Path, logs: Path) -> Iterator[Target]:
    """The API and the function, one after the other."""
    if request.param == "api":
        program = api_program(name="mixed-api", MODEL_DIR=str(mixed_dir))
    else:
        staged = mixed_dir.parent / "function"
        stage(staged, ServingSettings.from_env({}, default_model_dir=mixed_dir))
        program = function_program(staged, name="mixed-function")
    with asked_over_http(program, logs) as target:
        yield target


@pytest.mark.parametrize("name", ACCEPTED)
def test_categories_and_missing_values_get_the_answer_of_the_core(name: str, mixed: Target, mixed_core: Target) -> None:
    answer = predict(mixed, ACCEPTED[name])
    assert answer.status == 200
    assert answer.body == predict(mixed_core, ACCEPTED[name]).body


def test_a_missing_value_changes_the_answer(mixed: Target) -> None:
    full, without_city = (predict(mixed, ACCEPTED[name]).json()["prediction"] for name in ("texts", "no-category"))
    assert full != without_city


@pytest.mark.parametrize("name", REFUSED)
def test_a_value_outside_the_card_is_a_422_that_names_its_field(name: str, mixed: Target, mixed_core: Target) -> None:
    document, field = REFUSED[name]
    answer = predict(mixed, document)
    assert answer.status == 422
    assert answer.body == predict(mixed_core, document).body
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]


def test_an_unknown_category_is_answered_with_the_known_ones(mixed: Target) -> None:
    (detail,) = predict(mixed, {**HOUSE, "city": "Paris"}).json()["error"]["details"]
    assert all(city in detail["message"] for city in ("Oslo", "Bergen", "Ås"))
    assert "Paris" not in detail["message"]


def test_both_describe_the_same_model(mixed: Target, mixed_core: Target) -> None:
    served, core = (one.ask("GET", "/model-info").json() for one in (mixed, mixed_core))
    assert {**served, "serving": None} == {**core, "serving": None}
    assert served["feature_names"] == list(HOUSE)


@pytest.mark.parametrize("mixed", ["api"], indirect=True)
def test_the_openapi_document_accepts_and_refuses_what_the_server_does(mixed: Target) -> None:
    document = mixed.ask("GET", "/openapi.json").json()
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema = OAS31Validator({**body, "components": document["components"]})
    for name, accepted in ACCEPTED.items():
        assert schema.is_valid(json.loads(json.dumps(accepted))), name
    for name, (refused, _) in REFUSED.items():
        assert not schema.is_valid(json.loads(json.dumps(refused))), name
    assert mixed.ask("POST", "/predict", json.dumps(HOUSE).encode(), JSON).status == 200
