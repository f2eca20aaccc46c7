"""The headers by which a client knows server time, instance and cold starts."""

import re
import time

import pytest

from tests.contract.cases import ACCEPTED
from tests.contract.targets import JSON, Answer, Target, predict

REQUESTS = [
    ("POST", "/predict", ACCEPTED[0].body, 200),
    ("POST", "/", ACCEPTED[0].body, 200),
    ("GET", "/", b"", 200),
    ("GET", "/health", b"", 200),
    ("GET", "/model-info", b"", 200),
    ("HEAD", "/health", b"", 200),
    ("POST", "/predict", b"{", 400),
    ("GET", "/nothing", b"", 404),
    ("GET", "/predict", b"", 405),
    ("POST", "/predict", b"{}", 422),
]
IDS = [f"{method}{path}-{status}" for method, path, _, status in REQUESTS]


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS, ids=IDS)
def test_every_answer_carries_timing_and_instance(
    method: str, path: str, body: bytes, status: int, target: Target
) -> None:
    answer = target.ask(method, path, body, JSON)
    assert answer.status == status
    timing = server_timing(answer)
    assert list(timing) == ["parse", "model", "total"]
    assert timing["total"] >= timing["parse"] + timing["model"] - 0.002  # each is rounded to a microsecond
    assert re.fullmatch(r"[0-9a-f]{12}", answer.headers["x-instance-id"])
    assert re.fullmatch(r"\d+", answer.headers["x-instance-age-ms"])
    assert re.fullmatch(r"\d+", answer.headers["x-request-count"])


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS, ids=IDS)
def test_every_server_sends_the_same_headers(
    method: str, path: str, body: bytes, status: int, endpoint: Target, core: Target
) -> None:
    sent = set(endpoint.ask(method, path, body, JSON).headers)
    assert sent == set(core.ask(method, path, body, JSON).headers) | {"content-length", "date"}


def test_refusals_of_the_wrong_size_and_type_carry_them_too(endpoint: Target) -> None:
    for answer, status in (
        (endpoint.ask("POST", "/predict", b"x" * 70_000, JSON), 413),
        (endpoint.ask("POST", "/predict", iter([b"x" * 70_000]), JSON), 413),
        (endpoint.ask("POST", "/predict", b"{}"), 415),
    ):
        assert answer.status == status
        assert list(server_timing(answer)) == ["parse", "model", "total"]
        assert {"x-instance-id", "x-instance-age-ms", "x-request-count"} <= set(answer.headers)


def test_a_preflight_is_refused_where_no_origin_is_named(endpoint: Target) -> None:
    headers = {"origin": "https://example.org", "access-control-request-method": "POST"}
    answer = endpoint.ask("OPTIONS", "/predict", headers=headers)
    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_prediction_takes_time_to_parse_and_to_compute(target: Target) -> None:
    timing = server_timing(predict(target, {"instances": [[5.1, 3.5, 1.4, 0.2]] * 500}))
    assert timing["parse"] > 0
    assert timing["model"] > 0


def test_only_prediction_requests_are_counted(target: Target) -> None:
    before = count_of(target.ask("GET", "/health"))
    for method, path in (("GET", "/"), ("GET", "/model-info"), ("GET", "/predict"), ("GET", "/nothing")):
        assert count_of(target.ask(method, path)) == before
    assert count_of(target.ask("POST", "/predict", ACCEPTED[0].body, JSON)) == before + 1
    assert count_of(target.ask("POST", "/", ACCEPTED[0].body, JSON)) == before + 2
    assert count_of(target.ask("POST", "/predict", b"{", JSON)) == before + 3
    assert count_of(target.ask("POST", "/predict", ACCEPTED[0].body)) == before + 4
    assert count_of(target.ask("GET", "/health")) == before + 4
    assert target.ask("GET", "/model-info").json()["serving"]["requests_served"] == before + 4


def test_an_instance_keeps_its_id_and_ages_as_the_clock_does(target: Target) -> None:
    started = time.monotonic()
    first = target.ask("GET", "/health")
    between = time.monotonic()
    while time.monotonic() - between < 0.05:
        target.ask("GET", "/health")
    last = target.ask("GET", "/health")
    passed_ms = (time.monotonic() - started) * 1000
    assert last.headers["x-instance-id"] == first.headers["x-instance-id"]
    aged_ms = int(last.headers["x-instance-age-ms"]) - int(first.headers["x-instance-age-ms"])
    assert 49 <= aged_ms <= passed_ms + 1  # both are rounded to a millisecond


def test_answers_are_not_cached(target: Target) -> None:
    for method, path, body, _ in REQUESTS:
        assert target.ask(method, path, body, JSON).headers["cache-control"] == "no-store"


def count_of(answer: Answer) -> int:
    return int(answer.headers["x-request-count"])


def server_timing(answer: Answer) -> dict[str, float]:
    """Milliseconds by metric."""
    entries = [entry.split(";dur=") for entry in answer.headers["server-timing"].split(", ")]
    return {name: float(duration) for name, duration in entries}
