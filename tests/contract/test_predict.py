"""One contract, however it is served: the same bytes in give the same bytes out."""

import pytest

from inference.contract import MAX_DETAILS
from tests.contract.cases import (
    ACCEPTED,
    CASES,
    FLOWERS,
    MARKER,
    NAMES,
    SETOSA,
    VERSICOLOR,
    VIRGINICA,
    Case,
    named,
    nested,
)
from tests.contract.targets import JSON, Target, predict


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_body_gets_the_status_and_the_bytes_of_the_core(case: Case, target: Target, core: Target) -> None:
    answer = target.ask("POST", "/predict", case.body, JSON)
    assert answer.status == case.status
    assert answer.body == core.ask("POST", "/predict", case.body, JSON).body
    assert MARKER.encode() not in answer.body
    assert MARKER not in str(answer.headers)


@pytest.mark.parametrize("case", [case for case in CASES if case.status != 200], ids=lambda case: case.name)
def test_a_refusal_is_json_with_the_code_of_its_status(case: Case, target: Target) -> None:
    answer = target.ask("POST", "/predict", case.body, JSON)
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == {400: "malformed_json", 422: "invalid_input"}[case.status]
    assert error["message"]
    assert set(error) <= {"code", "message", "details"}
    assert ("details" in error) == (case.status == 422)
    for detail in error.get("details", []):
        assert set(detail) == {"field", "message"}


@pytest.mark.parametrize("case", ACCEPTED[:8], ids=lambda case: case.name)
def test_a_post_to_the_root_is_a_prediction(case: Case, target: Target) -> None:
    at_root = target.ask("POST", "/", case.body, JSON)
    assert at_root.status == 200
    assert at_root.body == target.ask("POST", "/predict", case.body, JSON).body


@pytest.mark.parametrize("path", ["/predict", "/"])
@pytest.mark.parametrize(
    ("flower", "index", "label"), [(SETOSA, 0, "setosa"), (VERSICOLOR, 1, "versicolor"), (VIRGINICA, 2, "virginica")]
)
def test_the_published_flowers_are_recognised(
    target: Target, path: str, flower: tuple[float, ...], index: int, label: str
) -> None:
    for document in ({"features": flower}, named(flower)):
        answer = predict(target, document, path).json()
        assert type(answer["prediction"]) is int
        assert answer["prediction"] == index
        assert answer["prediction_label"] == label
        assert answer["confidence"] == answer["probabilities"][label] == max(answer["probabilities"].values())
        assert list(answer["probabilities"]) == ["setosa", "versicolor", "virginica"]
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        assert set(answer) == {"prediction", "prediction_label", "confidence", "probabilities", "model_version"}


def test_an_answer_names_the_version_that_model_info_names(target: Target) -> None:
    version = target.ask("GET", "/model-info").json()["model_version"]
    assert isinstance(version, str)
    assert predict(target, named()).json()["model_version"] == version
    assert predict(target, {"instances": [SETOSA]}).json()["model_version"] == version


def test_a_batch_gives_each_instance_its_own_answer_in_order(target: Target) -> None:
    singles = [predict(target, named(flower)).json() for flower in FLOWERS]
    for instances in (
        list(FLOWERS),
        [named(flower) for flower in FLOWERS],
        [{"features": flower} for flower in FLOWERS],
    ):
        answer = predict(target, {"instances": instances}).json()
        assert [single["prediction"] for single in answer["predictions"]] == [0, 1, 2]
        for single, in_batch in zip(singles, answer["predictions"], strict=True):
            assert in_batch["probabilities"] == pytest.approx(single["probabilities"], abs=1e-12)
        assert set(answer) == {"predictions", "model_version"}


def test_a_batch_of_one_is_still_a_batch(target: Target) -> None:
    assert len(predict(target, {"instances": [SETOSA]}).json()["predictions"]) == 1


def test_one_bad_instance_refuses_the_batch_and_is_named_by_its_index(target: Target) -> None:
    answer = predict(target, {"instances": [SETOSA, named(petal_length="long"), VIRGINICA]})
    assert answer.status == 422
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["instances[1].petal_length"]
    answer = predict(target, {"instances": [SETOSA] * 700 + [[5.1, 3.5, 1.4, 31]]})
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["instances[700].features[3]"]


def test_every_wrong_field_is_named(target: Target) -> None:
    details = predict(target, named(sepal_length="5.1", petal_width=-1)).json()["error"]["details"]
    assert [detail["field"] for detail in details] == ["sepal_length", "petal_width"]
    missing = predict(target, {}).json()["error"]["details"]
    assert [detail["field"] for detail in missing] == list(NAMES)
    by_index = predict(target, {"features": [5.1, None, 1.4, True]}).json()["error"]["details"]
    assert [detail["field"] for detail in by_index] == ["features[1]", "features[3]"]


def test_no_more_details_than_the_limit_are_given(target: Target) -> None:
    details = predict(target, {"instances": [{}] * 1000}).json()["error"]["details"]
    assert len(details) == MAX_DETAILS


DEPTHS = (33, 100, 900, 950, 960, 970, 980, 990, 1000, 1100, 5000)  # the parser gives up at about 1000


@pytest.mark.parametrize("depth", DEPTHS)
def test_how_deep_is_too_deep_does_not_depend_on_who_serves(depth: int, target: Target) -> None:
    for body in (nested(depth), b'{"features":' + nested(depth) + b"}"):
        answer = target.ask("POST", "/predict", body, JSON)
        assert (answer.status, answer.json()["error"]["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_duplicate_inside_too_deep_nesting_is_still_too_deep(depth: int, target: Target) -> None:
    body = b"[" * depth + b'{"a":1,"a":2}' + b"]" * depth
    answer = target.ask("POST", "/predict", body, JSON)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json;",
    ],
)
def test_json_in_utf_8_is_accepted_however_it_is_spelled(content_type: str, target: Target) -> None:
    assert target.ask("POST", "/predict", ACCEPTED[0].body, {"Content-Type": content_type}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json; charset=utf-8; version=2"},
        {"Content-Type": f"text/{MARKER}"},
        {**JSON, "Content-Encoding": "gzip"},
        {**JSON, "Content-Encoding": MARKER},
    ],
    ids=str,
)
def test_another_media_type_is_a_415(headers: dict[str, str], target: Target, core: Target) -> None:
    answer = target.ask("POST", "/predict", ACCEPTED[0].body, headers)
    assert answer.status == 415
    assert answer.json()["error"]["code"] == "unsupported_media_type"
    assert answer.body == core.ask("POST", "/predict", ACCEPTED[0].body, headers).body
    assert MARKER.encode() not in answer.body


def test_an_identity_encoding_is_no_encoding(target: Target) -> None:
    assert target.ask("POST", "/predict", ACCEPTED[0].body, {**JSON, "Content-Encoding": "identity"}).status == 200
