"""What the API says of itself: complete, true of its answers, and readable with no internet."""

import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import openapi_spec_validator
import pytest
from openapi_schema_validator import OAS31Validator

from tests.contract.cases import ACCEPTED, INVALID, Case
from tests.contract.targets import JSON, Target

_FIELDS_THAT_FETCH = {"src", "href", "srcset", "action", "data", "poster"}

# What JSON Schema cannot tell: Python reads 1e400 as an infinity and -0.0 as 0, and keeps one of two equal names.
_BEYOND_A_SCHEMA = {"overflow", "negative-overflow", "duplicate-name", "duplicate-in-a-batch"}


@pytest.fixture(scope="module", params=("api", "api-alone"))
def documented(request: pytest.FixtureRequest) -> Target:
    """The API, in this environment and with its own requirements alone."""
    found: Target = request.getfixturevalue(request.param.replace("-", "_"))
    return found


@pytest.fixture(scope="module")
def openapi(documented: Target) -> dict[str, Any]:
    document: dict[str, Any] = documented.ask("GET", "/openapi.json").json()
    return document


class _Fetches(HTMLParser):
    """The addresses that a page fetches, and its inline scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.addresses += [value for name, value in attrs if name in _FIELDS_THAT_FETCH and value]

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


def test_the_docs_page_and_all_that_it_fetches_come_from_the_api(documented: Target) -> None:
    page = documented.ask("GET", "/docs")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    fetches = _Fetches(page.body.decode())
    assert len(fetches.addresses) >= 2
    assert not any("//" in script for script in fetches.scripts)
    for address in fetches.addresses:
        if address.startswith("data:"):
            continue
        assert not urlsplit(address).netloc
        asset = documented.ask("GET", urljoin("/docs", address))
        assert asset.status == 200
        assert len(asset.body) > 10_000
        expected = {".js": "text/javascript", ".css": "text/css"}[address[address.rindex(".") :]]
        assert asset.headers["content-type"].startswith(expected)
        if expected == "text/css":
            assert b"@import" not in asset.body
            fetched = re.findall(rb"url\(\s*[\"']?([^)\"']*)", asset.body)
            assert fetched
            assert all(url.startswith(b"data:") for url in fetched)


def test_the_page_reads_the_description_that_the_api_serves(documented: Target) -> None:
    scripts = "".join(_Fetches(documented.ask("GET", "/docs").body.decode()).scripts)
    (address,) = re.findall(r"url: '([^']+)'", scripts)
    assert documented.ask("GET", urljoin("/docs", address)).json()["openapi"].startswith("3.")


def test_no_other_file_can_be_fetched_through_the_docs(documented: Target) -> None:
    for path in ("/docs/", "/docs/swagger-ui.js", "/docs/../api/app.py", "/docs/%2e%2e/__init__.py"):
        assert documented.ask("GET", path).status == 404


def test_the_description_is_valid_openapi(openapi: dict[str, Any]) -> None:
    openapi_spec_validator.validate(openapi)


def test_every_reference_leads_to_a_component(openapi: dict[str, Any]) -> None:
    references = re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(openapi))
    assert references
    assert set(references) <= set(openapi["components"]["schemas"])


def test_every_route_is_described(openapi: dict[str, Any], documented: Target) -> None:
    described = {(method.upper(), path) for path, methods in openapi["paths"].items() for method in methods}
    assert described == {
        ("POST", "/predict"),
        ("POST", "/"),
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/model-info"),
    }
    operations = [operation["operationId"] for methods in openapi["paths"].values() for operation in methods.values()]
    assert len(set(operations)) == len(operations)
    for method, path in described:
        assert documented.ask(method, path, ACCEPTED[0].body, JSON).status == 200


def test_every_example_is_answered_as_described(openapi: dict[str, Any], documented: Target) -> None:
    for path in ("/predict", "/"):
        operation = openapi["paths"][path]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        assert set(content["examples"]) == {"named", "features", "instances"}
        for example in content["examples"].values():
            assert conforms(example["value"], content["schema"], openapi)
            answer = documented.ask("POST", path, json.dumps(example["value"]).encode(), JSON)
            assert answer.status == 200
            assert conforms(answer.json(), schema_of(operation, 200), openapi)
        shown = operation["responses"]["200"]["content"]["application/json"]["example"]
        assert conforms(shown, schema_of(operation, 200), openapi)


def test_the_described_headers_are_sent(openapi: dict[str, Any], documented: Target) -> None:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            described = operation["responses"]["200"]["headers"]
            answer = documented.ask(method.upper(), path, ACCEPTED[0].body, JSON)
            assert {"Server-Timing", "X-Instance-Id", "X-Instance-Age-Ms", "X-Request-Count"} <= set(described)
            assert {name.lower() for name in described} <= set(answer.headers)


@pytest.mark.parametrize("path", ["/", "/health", "/model-info"])
def test_what_a_get_answers_is_as_described(path: str, openapi: dict[str, Any], documented: Target) -> None:
    operation = openapi["paths"][path]["get"]
    assert conforms(documented.ask("GET", path).json(), schema_of(operation, 200), openapi)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b"x" * 70_000, JSON, 413),
        (b"{}", {}, 415),
        (b"{}", JSON, 422),
        (b'{"features":[1]}', JSON, 422),
    ],
)
def test_refusals_are_as_described(
    body: bytes, headers: dict[str, str], status: int, openapi: dict[str, Any], documented: Target
) -> None:
    answer = documented.ask("POST", "/predict", body, headers)
    assert answer.status == status
    operation = openapi["paths"]["/predict"]["post"]
    assert conforms(answer.json(), schema_of(operation, status), openapi)
    example = operation["responses"][str(status)]["content"]["application/json"]["example"]
    assert conforms(example, schema_of(operation, status), openapi)
    assert example["error"]["code"] == answer.json()["error"]["code"]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_the_described_body_admits_what_is_accepted(case: Case, openapi: dict[str, Any]) -> None:
    assert conforms(json.loads(case.body), request_schema(openapi), openapi)


@pytest.mark.parametrize(
    "case",
    # The items of a list are described without their limits: these differ from place to place.
    [case for case in INVALID if b"features" not in case.body and b"instances" not in case.body],
    ids=lambda case: case.name,
)
def test_the_described_body_does_not_admit_what_is_refused(case: Case, openapi: dict[str, Any]) -> None:
    assert case.name not in _BEYOND_A_SCHEMA
    assert not conforms(json.loads(case.body), request_schema(openapi), openapi)


def schema_of(operation: dict[str, Any], status: int) -> dict[str, Any]:
    schema: dict[str, Any] = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    return schema


def request_schema(openapi: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = openapi["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    return schema


def conforms(document: object, schema: dict[str, Any], openapi: dict[str, Any]) -> bool:
    """Whether the document is what the schema says; components are looked up in the description."""
    return bool(OAS31Validator({**schema, "components": openapi["components"]}).is_valid(document))
