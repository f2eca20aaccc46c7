"""The service without a framework: documents, failures inside, and what the instance counts."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from inference.contract import too_large
from inference.model import Model
from inference.service import Document, Service
from tests.conftest import make_service
from tests.contract.cases import ACCEPTED, named

BODY = ACCEPTED[0].body


def test_a_prediction_is_answered(service: Service) -> None:
    reply = service.respond("POST", "/predict", BODY, "application/json")
    assert reply.status == 200
    assert json.loads(reply.body)["prediction_label"] == "setosa"


def test_a_regressors_prediction_is_answered(diabetes_model: Model) -> None:
    card = diabetes_model.card
    body = json.dumps({"features": card.known_answers[0].features}).encode()
    reply = make_service(diabetes_model).respond("POST", "/", body, "application/json")
    answer = json.loads(reply.body)
    assert answer == {
        "prediction": pytest.approx(card.known_answers[0].outputs[0], rel=1e-5),
        "model_version": card.version,
    }


@pytest.mark.parametrize("failure", [RuntimeError("secret of the library"), MemoryError(), ZeroDivisionError()])
def test_a_failure_inside_is_logged_and_answered_with_a_500_that_tells_nothing(
    failure: Exception, iris_model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(rows: Sequence[Sequence[float]]) -> list[list[float]]:
        raise failure

    service = make_service(replace(iris_model, predict=fail))
    with caplog.at_level(logging.ERROR):
        reply = service.respond("POST", "/predict", BODY, "application/json")
    assert reply.status == 500
    assert json.loads(reply.body) == {
        "error": {
            "code": "internal",
            "message": "The request could not be answered. It is not your input; try again.",
        }
    }
    assert {"server-timing", "x-instance-id", "x-instance-age-ms", "x-request-count"} <= dict(reply.headers).keys()
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is failure


@pytest.mark.parametrize("output", [float("nan"), float("inf")])
def test_an_answer_that_is_no_number_is_a_500_and_not_broken_json(
    output: float, iris_model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    def predict(rows: Sequence[Sequence[float]]) -> list[list[float]]:
        return [[output, 0.0, 0.0]]

    reply = make_service(replace(iris_model, predict=predict)).respond("POST", "/predict", BODY, "application/json")
    assert reply.status == 500
    assert json.loads(reply.body)["error"]["code"] == "internal"


def test_a_service_goes_on_after_a_failure(iris_model: Model, caplog: pytest.LogCaptureFixture) -> None:
    failures = [RuntimeError()]

    def fail_once(rows: Sequence[Sequence[float]]) -> list[list[float]]:
        if failures:
            raise failures.pop()
        return iris_model.predict(rows)

    service = make_service(replace(iris_model, predict=fail_once))
    statuses = [service.respond("POST", "/predict", BODY, "application/json").status for _ in range(2)]
    assert statuses == [500, 200]


def test_a_document_is_added_with_its_type_its_methods_and_its_link(service: Service) -> None:
    made = []

    def make() -> Document:
        made.append(1)
        return Document(b"<p>", "text/html", "public, max-age=1")

    service.add_document("/page", make)
    assert made == []
    reply = service.respond("GET", "/page")
    assert (reply.status, reply.body) == (200, b"<p>")
    assert dict(reply.headers)["content-type"] == "text/html"
    assert dict(reply.headers)["cache-control"] == "public, max-age=1"
    assert dict(service.respond("POST", "/page").headers)["allow"] == "GET, HEAD"
    assert json.loads(service.respond("GET", "/").body)["links"]["page"] == "/page"


def test_only_predictions_have_a_body_worth_reading(service: Service) -> None:
    assert service.accepts_body("POST", "/predict")
    assert service.accepts_body("POST", "/")
    assert not service.accepts_body("GET", "/predict")
    assert not service.accepts_body("PUT", "/predict")
    assert not service.accepts_body("POST", "/health")
    assert not service.accepts_body("post", "/predict")


def test_a_request_refused_before_it_was_complete_gets_the_same_headers(service: Service) -> None:
    reply = service.refuse(too_large())
    assert reply.status == 413
    assert [name for name, _ in reply.headers] == [name for name, _ in service.respond("GET", "/health").headers]


def test_each_reply_has_headers_of_its_own(service: Service) -> None:
    service.respond("GET", "/predict").add("x-added", "1")
    assert "x-added" not in dict(service.respond("GET", "/predict").headers)


def test_model_info_tells_the_deployment_that_the_process_was_told_of(iris_model: Model) -> None:
    service = make_service(iris_model, K_SERVICE="faceoff", DEPLOY_REGION="europe-west1", DEPLOY_CPU="")
    serving = json.loads(service.respond("GET", "/model-info").body)["serving"]
    assert serving["platform"] == {"service": "faceoff", "revision": None, "function_target": None}
    assert serving["deployment"]["region"] == "europe-west1"
    assert serving["deployment"]["cpu"] is None
    assert set(serving["cgroup"]) == {"cpu", "memory_bytes"}
    assert serving["requests_served"] == 0


def test_model_info_is_of_the_moment(service: Service) -> None:
    service.respond("POST", "/predict", json.dumps(named()).encode(), "application/json")
    assert json.loads(service.respond("GET", "/model-info").body)["serving"]["requests_served"] == 1
