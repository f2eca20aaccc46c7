"""What a process counts, as Prometheus reads it."""

import asyncio
import json
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference.asgi import ServiceApp
from inference.card import DATA_FILE, ModelCard
from inference.contract import TEST_TRAFFIC, TRAFFIC_HEADER, ContractError, too_large
from inference.instance import Instance
from inference.metrics import LATENCY_BUCKETS_S, Metrics
from inference.model import Model
from inference.service import Service
from tests.benchmark.cards import numbers
from tests.conftest import make_app, make_service
from tests.contract.cases import ACCEPTED, VERSICOLOR

Labels = tuple[tuple[str, str], ...]
USER = ("traffic", "user")
TEST = ("traffic", "test")


def samples(metrics: Metrics) -> dict[tuple[str, Labels], float]:
    """Every sample by its name and its labels."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def metrics(iris_card: ModelCard) -> Metrics:
    return Metrics(iris_card, Instance(), "onnx")


def requests(route: str, status: int, traffic: str = "user") -> tuple[str, Labels]:
    return "faceoff_requests_total", (("route", route), ("status", str(status)), ("traffic", traffic))


def test_requests_are_counted_by_route_and_status(metrics: Metrics) -> None:
    for route, status in (("/predict", 200), ("/predict", 200), ("/predict", 422), ("other", 404)):
        metrics.count_request(route, status, 0.001)
    found = samples(metrics)
    assert found[requests("/predict", 200)] == 2
    assert found[requests("/predict", 422)] == found[requests("other", 404)] == 1


def test_the_histogram_is_cumulative_and_holds_each_duration_in_its_bucket(metrics: Metrics) -> None:
    for duration_s in (0.0005, 0.0006, 0.3, 99.0):
        metrics.count_request("/predict", 200, duration_s)
    found = samples(metrics)
    name = "faceoff_request_duration_seconds"
    bounds = (*map(str, LATENCY_BUCKETS_S), "+Inf")
    counts = [found[f"{name}_bucket", (("le", bound), ("route", "/predict"), USER)] for bound in bounds]
    assert counts[:4] == [0, 0, 1, 2]
    assert counts[-2:] == [3, 4]
    assert counts == sorted(counts)
    assert found[f"{name}_count", (("route", "/predict"), USER)] == 4
    assert found[f"{name}_sum", (("route", "/predict"), USER)] == pytest.approx(99.3011)


def test_a_request_that_was_never_complete_has_no_duration(metrics: Metrics) -> None:
    metrics.count_request("other", 408, None)
    found = samples(metrics)
    assert found[requests("other", 408)] == 1
    assert not any(name == "faceoff_request_duration_seconds_count" for name, _ in found)


def test_predictions_are_counted_by_class(metrics: Metrics) -> None:
    rows = [[5.1, 3.5, 1.4, 0.2]] * 3
    metrics.count_predictions(rows, [[0.9, 0.1, 0.0], [0.2, 0.1, 0.7], [0.0, 0.1, 0.9]])
    found = samples(metrics)
    classes = ("setosa", "versicolor", "virginica")
    assert [found["faceoff_predictions_total", (("class", name), USER)] for name in classes] == [1, 0, 2]


def test_a_regressors_predictions_are_counted_together(diabetes_card: ModelCard) -> None:
    metrics = Metrics(diabetes_card, Instance(), "onnx")
    metrics.count_predictions([list(diabetes_card.defaults)] * 2, [[150.0], [-1.0]])
    found = samples(metrics)
    assert found["faceoff_predictions_total", (("class", diabetes_card.target_label), USER)] == 2


def test_values_outside_the_training_range_are_counted_by_feature(metrics: Metrics, iris_card: ModelCard) -> None:
    lows = [feature.training.minimum for feature in numbers(iris_card)]
    highs = [feature.training.maximum for feature in numbers(iris_card)]
    beyond = [highs[0] + 0.1, *lows[1:3], lows[3] - 0.05]
    metrics.count_predictions([lows, highs, beyond, beyond], [[1.0, 0.0, 0.0]] * 4)
    found = samples(metrics)
    counts = [found["faceoff_inputs_out_of_range_total", (("feature", name), USER)] for name in iris_card.feature_names]
    assert counts == [2, 0, 0, 2]


def test_the_model_and_the_process_are_described(metrics: Metrics, iris_card: ModelCard) -> None:
    metrics.in_flight = 3
    found = samples(metrics)
    (info,) = (dict(labels) for name, labels in found if name == "faceoff_model_info")
    assert (info["name"], info["version"], info["runtime"]) == (iris_card.name, iris_card.version, "onnx")
    assert found["faceoff_requests_in_flight", ()] == 3
    assert found["faceoff_instance_age_seconds", ()] > 0
    if sys.platform == "linux":  # where /proc tells it
        assert found["process_resident_memory_bytes", ()] > 1e6


def test_an_answer_is_counted_by_what_it_was(service: Service) -> None:
    service.respond("POST", "/predict", ACCEPTED[0].body, "application/json")
    service.respond("POST", "/", b'{"instances":[%s,%s]}' % ((str(list(VERSICOLOR)).encode(),) * 2), "application/json")
    found = samples(service.metrics)
    classes = ("setosa", "versicolor", "virginica")
    assert [found["faceoff_predictions_total", (("class", name), USER)] for name in classes] == [1, 2, 0]


@pytest.mark.parametrize(
    ("scope", "route", "count"),
    [
        ({}, "other", 0),
        ({"method": "GET", "path": "/health", "headers": []}, "/health", 0),
        ({"method": "POST", "path": "/predict", "headers": []}, "/predict", 1),
        ({"method": "POST", "headers": [(b"a", b"b")]}, "other", 0),
    ],
)
def test_a_request_that_the_server_refuses_is_counted_as_far_as_it_is_known(
    scope: dict[str, object], route: str, count: int, service: Service
) -> None:
    error: ContractError = too_large()
    reply = make_app(service).refuse(error, scope)
    assert reply.status == 413
    assert dict(reply.headers)["x-request-count"] == str(count)
    assert samples(service.metrics)[requests(route, 413)] == 1


# --- Tests apart


async def ask(endpoint: ServiceApp, body: bytes, *headers: tuple[bytes, bytes]) -> int:
    """The status of `POST /predict` with `headers` beside its type."""
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    given = [(b"content-type", b"application/json"), *headers]
    await endpoint({"type": "http", "method": "POST", "path": "/predict", "headers": given}, receive, send)
    return statuses[0]


def test_what_measures_is_counted_apart(service: Service) -> None:
    endpoint = make_app(service)
    marked = (TRAFFIC_HEADER.encode(), TEST_TRAFFIC.encode())
    assert asyncio.run(ask(endpoint, ACCEPTED[0].body)) == 200
    for body, status in ((ACCEPTED[0].body, 200), (ACCEPTED[0].body, 200), (b"{}", 422)):
        assert asyncio.run(ask(endpoint, body, marked)) == status

    found = samples(service.metrics)

    assert found[requests("/predict", 200)] == 1
    assert found[requests("/predict", 200, "test")] == 2
    assert found[requests("/predict", 422, "test")] == 1
    assert requests("/predict", 422) not in found
    for traffic, count in ((USER, 1), (TEST, 2)):
        of_class = {labels: value for (name, labels), value in found.items() if name == "faceoff_predictions_total"}
        assert sum(value for labels, value in of_class.items() if traffic in labels) == count
        binned = {labels: value for (name, labels), value in found.items() if name == "faceoff_inputs_binned_total"}
        assert sum(value for labels, value in binned.items() if traffic in labels) == count * len(service.card.features)
    assert found["faceoff_request_duration_seconds_count", (("route", "/predict"), USER)] == 1
    assert found["faceoff_request_duration_seconds_count", (("route", "/predict"), TEST)] == 3


@pytest.mark.parametrize(
    "value", [b"", b"TEST", b"test ", b"user", b"mine", b'x"} 1\n', b"\xff", b"test,test", b"t" * 9000]
)
def test_no_text_of_a_client_becomes_a_series(value: bytes, service: Service) -> None:
    endpoint = make_app(service)
    assert asyncio.run(ask(endpoint, ACCEPTED[0].body, (TRAFFIC_HEADER.encode(), value))) == 200
    found = samples(service.metrics)
    assert found[requests("/predict", 200)] == 1
    assert {label for _, labels in found for label in labels if label[0] == "traffic"} == {USER}


def test_a_marked_request_that_the_server_refuses_is_counted_as_marked(service: Service) -> None:
    headers = [(TRAFFIC_HEADER.encode(), TEST_TRAFFIC.encode())]
    make_app(service).refuse(too_large(), {"method": "POST", "path": "/predict", "headers": headers})
    assert samples(service.metrics)[requests("/predict", 413, "test")] == 1


# --- Bins


def values(service: Service, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values of these labels -> value, of all samples with this name."""
    text = service.respond("GET", "/metrics").body.decode()
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def predict(service: Service, rows: Sequence[Sequence[float]]) -> None:
    reply = service.respond("POST", "/predict", json.dumps({"instances": rows}).encode(), "application/json")
    assert reply.status == 200


def test_the_training_rows_fall_into_the_bins_of_the_card(service: Service, iris_dir: Path) -> None:
    lines = (iris_dir / DATA_FILE).read_text().splitlines()[1:]
    for line in lines:
        predict(service, [[float(value) for value in line.split(",")[:4]]])

    binned = values(service, "faceoff_inputs_binned_total", "feature", "bin")

    for feature in service.card.features:
        counts = [binned[feature.name, str(index)] for index in range(10)]
        assert counts == list(feature.bin_counts), feature.name


def test_what_is_outside_of_the_training_range_is_in_the_first_or_the_last_bin(service: Service) -> None:
    predict(service, [[0.1, 30.0, 0.1, 30.0]])
    binned = values(service, "faceoff_inputs_binned_total", "feature", "bin")
    assert {labels for labels, value in binned.items() if value} == {
        ("sepal_length", "0"),
        ("sepal_width", "9"),
        ("petal_length", "0"),
        ("petal_width", "9"),
    }


@pytest.mark.parametrize("rows", [1, 2, 21, 1000])
def test_every_row_of_a_batch_is_binned_and_checked_for_its_range(service: Service, rows: int) -> None:
    predict(service, [[30.0, 3.0, 4.0, 1.0]] * rows)
    assert values(service, "faceoff_inputs_binned_total", "feature", "bin")["sepal_length", "9"] == rows
    assert values(service, "faceoff_inputs_out_of_range_total", "feature")["sepal_length",] == rows


def test_a_batch_is_counted_as_its_rows_one_by_one(iris_model: Model, iris_dir: Path) -> None:
    lines = (iris_dir / DATA_FILE).read_text().splitlines()[1:]
    rows = [[float(value) for value in line.split(",")[:4]] for line in lines] + [[0.1, 30.0, 0.1, 30.0]] * 7
    together, apart = make_service(iris_model), make_service(iris_model)
    predict(together, rows)
    for row in rows:
        predict(apart, [row])
    for name, labels in (
        ("faceoff_inputs_binned_total", ("feature", "bin")),
        ("faceoff_inputs_out_of_range_total", ("feature",)),
        ("faceoff_predictions_total", ("class",)),
    ):
        assert values(together, name, *labels) == values(apart, name, *labels)


def test_durations_are_counted_by_route(service: Service) -> None:
    service.metrics.count_request("/predict", 200, 0.0002)
    service.metrics.count_request("/predict", 200, 0.002)
    service.metrics.count_request("/metrics", 200, 9.0)

    buckets = values(service, "faceoff_request_duration_seconds_bucket", "route", "le")

    assert buckets["/predict", "0.0001"] == 0
    assert buckets["/predict", "0.00025"] == 1
    assert buckets["/predict", "0.0025"] == buckets["/predict", "+Inf"] == 2
    assert buckets["/metrics", "5.0"] == 0
    assert buckets["/metrics", "+Inf"] == 1
    assert values(service, "faceoff_request_duration_seconds_sum", "route")["/predict",] == pytest.approx(0.0022)


def test_a_regressor_is_binned_too(diabetes_model: Model) -> None:
    service = make_service(diabetes_model)
    predict(service, [service.card.defaults])
    binned = values(service, "faceoff_inputs_binned_total", "feature", "bin")
    for name in service.card.feature_names:
        assert sum(value for labels, value in binned.items() if labels[0] == name) == 1
