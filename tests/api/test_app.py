"""The FastAPI application: what it describes follows the card, whatever the card says."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest

from api.app import Api
from api.docs import docs_page
from api.openapi import describe
from inference.card import ModelCard, content_version, parse_card
from inference.contract import MAX_DETAILS, ContractError, Detail, invalid
from inference.model import Model
from tests.conftest import make_app, make_service
from tests.servers import PYTHON, ROOT

Card = dict[str, Any]


def changed(card: ModelCard, change: Callable[[Card], object]) -> ModelCard:
    """Another card: a copy, edited."""
    document: Card = json.loads(json.dumps(card.document))
    change(document)
    document["version"] = content_version(document)
    return parse_card(document)


def test_a_classifiers_description_is_valid_and_names_its_classes(iris_card: ModelCard) -> None:
    description = describe(iris_card)
    openapi_spec_validator.validate(description)
    schemas = description["components"]["schemas"]
    assert list(schemas["Measurement"]["properties"]) == list(iris_card.feature_names)
    assert schemas["Prediction"]["properties"]["prediction_label"]["enum"] == list(iris_card.classes)
    assert schemas["Measurement"]["properties"]["petal_width"]["exclusiveMinimum"] == 0
    assert schemas["Measurement"]["properties"]["petal_width"]["maximum"] == 30


def test_a_regressors_description_is_valid_and_has_no_classes(diabetes_card: ModelCard) -> None:
    description = describe(diabetes_card)
    openapi_spec_validator.validate(description)
    schemas = description["components"]["schemas"]
    assert set(schemas["Prediction"]["properties"]) == {"prediction", "model_version"}
    assert schemas["Prediction"]["properties"]["prediction"]["type"] == "number"
    assert schemas["Measurement"]["properties"]["sex"]["minimum"] == 1


def test_a_card_without_presets_is_described_by_its_defaults(iris_card: ModelCard) -> None:
    card = changed(iris_card, lambda document: document.update(presets=[]))
    content = describe(card)["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert content["examples"]["features"]["value"] == {"features": list(card.defaults)}


@pytest.mark.parametrize(
    "name", ["x", "class", "json", "schema", "copy", "model_dump", "model_config", "register", "prediction"]
)
def test_a_feature_may_have_any_name_that_a_card_may_give_it(name: str, iris_card: ModelCard) -> None:
    card = changed(iris_card, lambda document: document["features"][0].update(name=name))
    description = describe(card)
    openapi_spec_validator.validate(description)
    assert name in description["components"]["schemas"]["Measurement"]["properties"]


@pytest.mark.parametrize("name", ["not setosa", "1", "_other", "model_config", "json", "naïve", '<b>"'])
def test_a_class_may_have_any_name_that_a_card_may_give_it(name: str, iris_card: ModelCard) -> None:
    card = changed(iris_card, lambda document: document["classes"].__setitem__(0, name))
    description = describe(card)
    openapi_spec_validator.validate(description)
    prediction = description["components"]["schemas"]["Prediction"]["properties"]
    assert list(prediction["probabilities"]["properties"]) == [name, "versicolor", "virginica"]
    assert prediction["prediction_label"]["enum"] == [name, "versicolor", "virginica"]


def test_the_title_on_the_docs_page_is_text_and_no_markup() -> None:
    page = docs_page("</title><script>alert('Iris & more')</script>").body.decode()
    assert "<script>alert" not in page
    assert "Iris &amp; more" in page


def test_the_errors_that_are_described_are_those_of_the_contract(iris_card: ModelCard) -> None:
    error = describe(iris_card)["components"]["schemas"]["Error"]["properties"]["error"]
    real = json.loads(invalid("text", [Detail("body", "text")]).body())["error"]
    assert set(error["properties"]) == set(real)
    assert set(error["required"]) == set(json.loads(ContractError(400, "code", "text").body())["error"])
    assert error["properties"]["details"]["maxItems"] == MAX_DETAILS


def test_fastapis_own_way_to_the_description_gives_the_same(iris_model: Model) -> None:
    app = Api(make_app(make_service(iris_model))).fastapi
    assert app.openapi() == describe(iris_model.card)
    assert (app.title, app.version) == (iris_model.card.title, iris_model.card.version)


FIRST_ANSWERS = """
import asyncio, sys
from pathlib import Path
from api.app import Api
from inference.start import load_app

sent = []

async def receive():
    return {"type": "http.request", "body": b'{"features":[5.1,3.5,1.4,0.2]}'}

async def send(message):
    sent.append(message)

def ask(method, path):
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-type", b"application/json")]}
    asyncio.run(api(scope, receive, send))
    assert sent[-2]["status"] == 200, sent

api = Api(load_app("t", default_model_dir=Path(sys.argv[1]), environ={}))
for method, path in (("POST", "/predict"), ("POST", "/"), ("GET", "/"), ("GET", "/health"), ("GET", "/model-info")):
    ask(method, path)
print("modules", *sys.modules)
ask("GET", "/openapi.json")
print("modules", *sys.modules)
"""


def test_what_only_readers_need_is_not_imported_before_the_first_of_them(iris_dir: Path) -> None:
    command = (str(PYTHON), "-c", FIRST_ANSWERS, str(iris_dir))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = (set(line.split()) for line in done.stdout.splitlines() if line.startswith("modules"))
    late = {"fastapi", "starlette", "pydantic", "api.application", "api.docs", "api.openapi"}
    assert not late & before
    assert late <= after
    assert not {"sklearn", "pandas", "joblib", "fastapi_offline"} & after
