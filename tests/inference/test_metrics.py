"""What the process counts, read back from the text that it gives."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference.card import DATA_FILE
from inference.metrics import BINNED_ROWS_A_REQUEST
from inference.model import Model
from inference.service import Service
from tests.conftest import make_service


def samples(service: Service, name: str, *labels: str) -> dict[tuple[str, ...], float]:
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

    binned = samples(service, "faceoff_inputs_binned_total", "feature", "bin")

    for feature in service.card.features:
        counts = [binned[feature.name, str(index)] for index in range(10)]
        assert counts == list(feature.training.histogram_counts), feature.name


def test_what_is_outside_of_the_training_range_is_in_the_first_or_the_last_bin(service: Service) -> None:
    predict(service, [[0.1, 30.0, 0.1, 30.0]])
    binned = samples(service, "faceoff_inputs_binned_total", "feature", "bin")
    assert {labels for labels, value in binned.items() if value} == {
        ("sepal_length", "0"),
        ("sepal_width", "9"),
        ("petal_length", "0"),
        ("petal_width", "9"),
    }


@pytest.mark.parametrize("rows", [1, 19, 20, 21, 40, 41, 1000])
def test_of_a_batch_evenly_spaced_rows_are_binned_and_all_are_checked_for_their_range(
    service: Service, rows: int
) -> None:
    predict(service, [[30.0, 3.0, 4.0, 1.0]] * rows)
    binned = samples(service, "faceoff_inputs_binned_total", "feature", "bin")
    assert 0 < binned["sepal_length", "9"] <= BINNED_ROWS_A_REQUEST
    if rows <= BINNED_ROWS_A_REQUEST:
        assert binned["sepal_length", "9"] == rows
    assert samples(service, "faceoff_inputs_out_of_range_total", "feature")["sepal_length",] == rows


def test_durations_are_counted_by_route(service: Service) -> None:
    service.metrics.count_request("/predict", 200, 0.0002)
    service.metrics.count_request("/predict", 200, 0.002)
    service.metrics.count_request("/metrics", 200, 9.0)

    buckets = samples(service, "faceoff_request_duration_seconds_bucket", "route", "le")

    assert buckets["/predict", "0.0001"] == 0
    assert buckets["/predict", "0.00025"] == 1
    assert buckets["/predict", "0.0025"] == buckets["/predict", "+Inf"] == 2
    assert buckets["/metrics", "5.0"] == 0
    assert buckets["/metrics", "+Inf"] == 1
    assert samples(service, "faceoff_request_duration_seconds_sum", "route")["/predict",] == pytest.approx(0.0022)


def test_a_regressor_is_binned_too(diabetes_model: Model) -> None:
    service = make_service(diabetes_model)
    predict(service, [service.card.defaults])
    binned = samples(service, "faceoff_inputs_binned_total", "feature", "bin")
    for name in service.card.feature_names:
        assert sum(value for labels, value in binned.items() if labels[0] == name) == 1
