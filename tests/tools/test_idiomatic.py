"""The usual FastAPI code, as the server that it is: started, asked, and compared with the API."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmark.endpoints.catalog import fetch
from benchmark.endpoints.endpoint import Endpoint
from inference.card import ModelCard, NumberFeature, content_version, parse_card
from inference.model import KNOWN_ANSWER_TOLERANCE
from tests.servers import PYTHON, ROOT, api_program, refuse, serve
from tools.idiomatic import measurement_model
from tools.processes import Program, Server, bare_environ

JSON = {"content-type": "application/json"}


def program(**variables: str) -> Program:
    return Program("idiomatic", (str(PYTHON), "-m", "tools.idiomatic"), ROOT, {**bare_environ(), **variables})


@pytest.fixture(scope="module", params=["iris", "diabetes"])
def directory(request: pytest.FixtureRequest, artifacts: Path) -> Path:
    """A classifier's artifact, and a regressor's."""
    return artifacts / str(request.param)


@pytest.fixture(scope="module")
def card(directory: Path) -> ModelCard:
    return parse_card(json.loads((directory / "model.json").read_text()))


@pytest.fixture(scope="module")
def server(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(program(MODEL_DIR=str(directory), DEPLOY_REGION="local"), tmp_path_factory.mktemp("logs")) as server:
        yield server


def post(server: Server, body: bytes) -> httpx.Response:
    return httpx.post(f"{server.url}/predict", content=body, headers=JSON, trust_env=False)


def named(card: ModelCard, values: tuple[float, ...]) -> dict[str, Any]:
    return dict(zip(card.feature_names, values, strict=True))


def test_it_answers_every_preset_as_the_api_does(
    server: Server, directory: Path, card: ModelCard, tmp_path: Path
) -> None:
    with serve(api_program(MODEL_DIR=str(directory)), tmp_path) as api:
        for preset in card.presets:
            body = json.dumps(named(card, preset.values)).encode()
            ours, theirs = post(api, body), post(server, body)
            assert ours.status_code == theirs.status_code == 200
            assert theirs.json() == ours.json()


def test_its_known_answers_are_those_of_the_card(server: Server, card: ModelCard) -> None:
    for known in card.known_answers:
        document = post(server, json.dumps(named(card, known.features)).encode()).json()
        outputs = list(document["probabilities"].values()) if card.is_classifier else [document["prediction"]]
        assert outputs == pytest.approx(known.outputs, abs=KNOWN_ANSWER_TOLERANCE, rel=KNOWN_ANSWER_TOLERANCE)


@pytest.mark.parametrize("value", ['"5.1"', "true", "null", "NaN", "1e999", "1" + "0" * 400, "[1]", "-1e9", "1e9"])
def test_a_value_that_the_card_does_not_allow_is_a_422_that_names_it(
    server: Server, card: ModelCard, value: str
) -> None:
    first = card.feature_names[0]
    text = json.dumps({**named(card, card.defaults), first: "@"})
    reply = post(server, text.replace('"@"', value).encode())
    assert reply.status_code == 422
    (detail,) = reply.json()["detail"]
    assert detail.keys() == {"type", "loc", "msg"}
    assert detail["loc"] == ["body", first]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"{}", b'{"features": [5.1, 3.5, 1.4, 0.2]}', b'{"\\ud800": 1}'])
def test_a_body_that_does_not_name_the_features_is_a_422(server: Server, body: bytes) -> None:
    assert post(server, body).status_code == 422


def test_an_unknown_field_is_a_422(server: Server, card: ModelCard) -> None:
    reply = post(server, json.dumps({**named(card, card.defaults), "other": 1.0}).encode())
    assert reply.status_code == 422
    assert [detail["loc"] for detail in reply.json()["detail"]] == [["body", "other"]]


def test_pages_and_commands_read_its_card_and_its_conditions(server: Server, card: ModelCard) -> None:
    with httpx.Client(trust_env=False) as client:
        served = fetch(client, Endpoint("idiomatic", "Idiomatic", server.url))
    assert served.card == card
    assert served.serving["service"] == "idiomatic-fastapi"
    assert served.serving["runtime"] == "linear"
    assert served.serving["deployment"]["region"] == "local"


def test_its_openapi_document_has_the_limits_of_the_card(server: Server, card: ModelCard) -> None:
    schemas = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()["components"]["schemas"]
    properties: Mapping[str, Any] = schemas["Measurement"]["properties"]
    assert list(properties) == list(card.feature_names)
    for feature in card.features:
        assert isinstance(feature, NumberFeature)
        limits = feature.limits
        lower = "exclusiveMinimum" if limits.minimum_is_exclusive else "minimum"
        assert properties[feature.name][lower] == limits.minimum
        assert properties[feature.name]["maximum"] == limits.maximum


@pytest.mark.parametrize("name", ["x", "class", "json", "schema", "copy", "model_dump", "model_config", "feature_1"])
def test_a_feature_may_have_any_name_that_a_card_may_give_it(name: str, iris_card: ModelCard) -> None:
    document = json.loads(json.dumps(iris_card.document))
    document["features"][0]["name"] = name
    document["version"] = content_version(document)
    renamed = parse_card(document)
    measured = measurement_model(renamed).model_validate(named(renamed, (5.1, 3.5, 1.4, 0.2)))
    assert [value for _, value in measured] == [5.1, 3.5, 1.4, 0.2]


def test_without_a_card_it_refuses_to_start_in_one_line(tmp_path: Path) -> None:
    refusal = refuse(program(MODEL_DIR=str(tmp_path)))
    assert refusal.status == 1
    assert not refusal.port_was_open
    (line,) = refusal.stderr.splitlines()
    assert line == f"refusing to start: {tmp_path / 'model.json'}: No such file or directory"


def test_an_artifact_that_is_not_the_cards_is_not_served(iris_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes((iris_dir / "model.json").read_bytes())
    refusal = refuse(program(MODEL_DIR=str(tmp_path)))
    assert refusal.status != 0
    assert not refusal.port_was_open
    assert "ArtifactError" in refusal.stderr
