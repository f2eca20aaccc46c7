"""Templates: any body, any answer, and nothing that a template, an input or an answer can break."""

import json
import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.__main__ import main
from benchmark.endpoints.configured import ConfigurationError, configured_endpoints
from benchmark.endpoints.endpoint import Endpoint, EndpointError
from benchmark.endpoints.protocols import NotEncodable, WrongSchema
from benchmark.endpoints.protocols.template import Template
from inference.card import ModelCard
from inference.model import Model
from inference.service import Service
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import Request, answering, json_reply, serving
from tests.servers import ROOT

SHIPPED = ROOT / "examples" / "templates"


def template(**fields: Any) -> Template:
    return Template(json.dumps(fields))


def sent(body: Any, **values: Any) -> Any:
    return json.loads(template(body=body, value="a").encode(json.dumps(values).encode()))


def test_placeholders_stand_for_values_and_names_of_one_row() -> None:
    assert sent('{"rows": ["${values}"]}', a=1.5, b="x") == {"rows": [[1.5, "x"]]}
    assert sent('{"frame": "${named}", "columns": "${names}"}', a=1, b=None) == {
        "frame": {"a": 1, "b": None},
        "columns": ["a", "b"],
    }
    assert sent('["${b}", "${a}", "b", 1]', a=1, b=2) == [2, 1, "b", 1]
    assert sent({"as a table": ["${a}"]}, a=1) == {"as a table": [1]}


@given(st.dictionaries(st.text(max_size=8), st.text() | st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_no_value_changes_the_structure_of_a_body(values: dict[str, Any]) -> None:
    body = sent('{"input": "${values}", "keep": true}', **values)
    assert body == {"input": list(values.values()), "keep": True}


def test_a_placeholder_for_a_feature_that_the_input_lacks_is_said() -> None:
    with pytest.raises(NotEncodable, match=re.escape("${petal}, but the input has no such feature")):
        sent('["${petal}"]', a=1)


def test_expressions_read_labels_probabilities_and_values(tea: ModelCard, mileage: ModelCard) -> None:
    answer = {"result": [{"name": "black", "shares": {"green": 0.1, "oolong": 0.2, "black": 0.7}}], "at": 1}
    found = template(body='"${named}"', label="result[0].name", probabilities="result[0].shares").read_answer(
        answer, tea
    )
    assert (found.prediction, found.label, found.probabilities) == (2, "black", (0.1, 0.2, 0.7))
    chosen = template(body='"${named}"', value="at").read_answer(answer, tea)
    assert (chosen.prediction, chosen.label, chosen.probabilities) == (1, "oolong", None)
    shares = "result[0].shares.[green, oolong, black]"
    assert template(body='"${named}"', probabilities=shares).read_answer(answer, tea).prediction == 2
    assert template(body='"${named}"', value="at").read_answer(answer, mileage).prediction == 1.0


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"other": 1}, "the expression for value finds nothing"),
        ([1], "the expression for value finds nothing"),
        (None, "the expression for value finds nothing"),
        ({"y": "chai"}, "the prediction is not one of the model's classes"),
        ({"y": 9}, "the prediction is not one of the model's classes"),
        ({"y": {"a": 1}}, "the answer has neither a class nor a probability for each class"),
        ({"y": [0.5, 0.9, 0.9]}, "probabilities are not between 0 and 1 with the sum 1"),
        ({"y": True}, "the prediction is neither a number nor a short text"),
        ({"y": "x" * 9999}, "the prediction is neither a number nor a short text"),
    ],
)
def test_an_answer_in_which_nothing_is_found_is_a_wrong_schema(tea: ModelCard, answer: Any, problem: str) -> None:
    with pytest.raises(WrongSchema, match=problem):
        template(body='"${named}"', value="y").read_answer(answer, tea)


def test_an_expression_that_fails_on_an_answer_is_a_wrong_schema(tea: ModelCard) -> None:
    with pytest.raises(WrongSchema, match="the expression for value fails"):
        template(body='"${named}"', value="sum(y)").read_answer({"y": "text"}, tea)
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    with pytest.raises(WrongSchema, match="the expression for value fails"):
        template(body='"${named}"', value="to_string(y)").read_answer({"y": deep}, tea)
    while isinstance(deep, list):  # freed from outside in: the interpreter would recurse
        deep = deep[0]


BAD = [
    ({}, "has a template without a body"),
    ({"body": "{", "value": "a"}, "body is not JSON"),
    ({"body": "[${values}]", "value": "a"}, "body is not JSON: placeholders need quotes too"),
    ({"body": "[1]", "value": "a"}, "whose body has no placeholder"),
    ({"body": '["${values}"]'}, "reads nothing: it needs label, probabilities or value"),
    ({"body": '["${values}"]', "value": "a[", "label": "b"}, "value is not a JMESPath expression"),
    ({"body": '["${values}"]', "value": 3}, "value is not a text"),
    ({"body": '["${values}"]', "value": "a" * 501}, "value is longer than 500 characters"),
    ({"body": '["${values}"]', "value": "no_such(@)"}, None),
    ({"body": '["${values}", "' + "a" * 20_000 + '"]', "value": "a"}, "body is longer than 20000 characters"),
    ({"body": '["${values}"]', "value": "[@, @][] | [@, @][]"}, "more than one list or object of expressions"),
    ({"body": '["${values}"]', "value": "(" * 240 + "a" + ")" * 240}, None),
    ({"body": '["${values}"]', "value": "!" * 490 + "a"}, None),
    ({"body": '["${values}"]', "values": "a"}, "values, which is unknown"),
    ({"body": "[" * 9000 + '"${values}"' + "]" * 9000, "value": "a"}, "body is not JSON"),
]


@pytest.mark.parametrize(("fields", "problem"), BAD)
def test_a_bad_template_is_refused_in_a_line_or_fails_on_answers_alone(
    tmp_path: Path, tea: ModelCard, fields: dict[str, Any], problem: str | None
) -> None:
    if problem is None:
        try:
            made = template(**fields)
        except ValueError as error:
            assert "\n" not in str(error)
            return
        with suppress(WrongSchema):
            made.read_answer({"a": [1]}, tea)
        return
    with pytest.raises(EndpointError, match=problem):
        Endpoint("a", "A", "http://127.0.0.1:1", protocol="template", template=json.dumps(fields))
    path = tmp_path / "endpoints.toml"
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in fields.items())
    path.write_text(
        f'[[endpoint]]\nname = "A"\nurl = "http://127.0.0.1:1"\nprotocol = "template"\n[endpoint.template]\n{lines}\n'
    )
    with pytest.raises(ConfigurationError, match=problem) as caught:
        configured_endpoints({"ENDPOINTS": str(path)})
    assert "endpoint 1 (A): has a template" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ('template = "nowhere.toml"', r"template .*nowhere\.toml cannot be read \(No such file"),
        ('template = "bad.toml"', r"template .*bad\.toml is not valid TOML"),
        ('template = "binary.toml"', r"template .*binary\.toml is not UTF-8 text"),
        ('template = "large.toml"', r"template .*large\.toml is larger than 64 KiB"),
        ("template = 3", "template must be a table, or the path of a file"),
        ("template = { body = 2024-01-01, value = 'a' }", "template has a value that JSON does not have"),
        ("template = { body = [inf, '${values}'], value = 'a' }", "template has a value that JSON does not have"),
        ("sample = 3", "sample must be a table of feature names and values"),
        ("sample = { a = nan }", "sample must have a number, a text or a truth value for each feature"),
        ("sample = { a = [1] }", "sample must have a number, a text or a truth value for each feature"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_in_a_line(tmp_path: Path, given: str, problem: str) -> None:
    (tmp_path / "bad.toml").write_text("body = ")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large.toml").write_text("#" * 70_000)
    path = tmp_path / "endpoints.toml"
    path.write_text(f'[[endpoint]]\nname = "A"\nurl = "http://127.0.0.1:1"\nprotocol = "template"\n{given}\n')
    with pytest.raises(ConfigurationError, match=problem) as caught:
        configured_endpoints({"ENDPOINTS": str(path)})
    assert "\n" not in str(caught.value)


def test_a_template_of_another_protocol_is_refused() -> None:
    with pytest.raises(EndpointError, match="speaks oip, which has no template"):
        Endpoint("a", "A", "http://127.0.0.1:1", protocol="oip", template="{}")


SERVERS: dict[str, Callable[[Any], list[Any]]] = {
    "sagemaker": lambda document: document,
    "bentoml": lambda document: document["input_data"],
    "litserve": lambda document: [document["input"]],
}
"""Where the servers of the shipped templates look for rows, by their documentation."""


def shipped_answer(name: str, model: Model, request: Request) -> bytes:
    try:
        shares = list(next(iter(model.predict(SERVERS[name](json.loads(request.body))))))
    except (ValueError, KeyError, TypeError):
        return json_reply({"detail": "invalid"}, 400)
    index = shares.index(max(shares))
    return json_reply({"output": index} if name == "litserve" else [index])


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_template_measures_its_server(
    serve: Serve, iris_model: Model, service: Service, iris_dir: Path, tmp_path: Path, path: Path
) -> None:
    assert {"body"} < set(tomllib.loads(path.read_text())) <= {"body", "label", "probabilities", "value"}
    theirs = serve(answering(lambda request: shipped_answer(path.stem, iris_model, request)))
    ours, out = serve(serving(service)), tmp_path / "out.json"
    given = ["--endpoint", f"a={theirs.url}/predict", "--protocol", f"a=template:{path}", "--endpoint", f"b={ours.url}"]
    options = ["--pairs", "4", "--warmup", "0", "--progress", "none", "--results", str(tmp_path), "--json", str(out)]
    assert main(["compare", *given, *options]) == 0
    figures = json.loads(out.read_text())
    assert figures["endpoints"]["a"]["errors"] == {}
    assert figures["endpoints"]["b"]["n"] == 4
    assert [one.get("protocol") for one in figures["manifest"]["endpoints"]] == ["template", None]
    rows = tmp_path / "rows.csv"
    rows.write_text("\n".join((iris_dir / "data.csv").read_text().splitlines()[::15]))
    few = ["--grid", "4", "--random", "4", "--rows", str(rows), "--json", str(out)]
    assert main(["agree", *given, *few]) == 0
    agreed = json.loads(out.read_text())
    assert (agreed["agree"], agreed["disagreements"]) == (True, 0)


def test_there_are_three_shipped_templates() -> None:
    assert [path.stem for path in sorted(SHIPPED.glob("*.toml"))] == ["bentoml", "litserve", "sagemaker"]


def test_a_template_file_that_is_missing_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--endpoint", "a=http://127.0.0.1:1", "--protocol", "a=template:nowhere.toml"]
    assert main(["probe", *given]) == 2
    assert "--protocol a: template nowhere.toml cannot be read (No such file or directory)" in capsys.readouterr().err
