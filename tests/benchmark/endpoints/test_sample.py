"""What a record says about itself, from durations alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.sample import Sample, Temperature

milliseconds = st.floats(min_value=0, max_value=1e9)


def sample(
    latency_ms: float = 40.0,
    server_ms: float | None = None,
    request_count: int | None = None,
    instance_age_ms: float | None = None,
) -> Sample:
    return Sample(
        "api",
        "2026-01-01T00:00:00.000+00:00",
        latency_ms,
        server_ms=server_ms,
        request_count=request_count,
        instance_age_ms=instance_age_ms,
    )


@pytest.mark.parametrize(
    ("request_count", "instance_age_ms", "temperature"),
    [
        (1, 39.0, Temperature.COLD),
        (1, 40.0, Temperature.COLD),
        (1, 40.1, Temperature.FIRST_ON_WARM),
        (1, 90_000.0, Temperature.FIRST_ON_WARM),
        (2, 10.0, Temperature.QUEUED),
        (500, 40.0, Temperature.QUEUED),
        (2, 40.1, Temperature.WARM),
        (500, 90_000.0, Temperature.WARM),
        (None, 10.0, Temperature.UNKNOWN),
        (1, None, Temperature.UNKNOWN),
        (2, None, Temperature.UNKNOWN),
        (None, None, Temperature.UNKNOWN),
    ],
)
def test_an_instance_no_older_than_the_wait_was_started_in_it_and_its_first_request_is_the_cold_start(
    request_count: int | None, instance_age_ms: float | None, temperature: Temperature
) -> None:
    assert sample(40.0, None, request_count, instance_age_ms).temperature is temperature


def test_the_rest_is_what_the_server_does_not_account_for() -> None:
    assert sample(40.0, server_ms=2.5).rest_ms == 37.5


def test_without_the_servers_time_the_rest_is_unknown() -> None:
    assert sample(40.0).rest_ms is None


@given(milliseconds, milliseconds)
def test_the_rest_is_never_negative(latency_ms: float, server_ms: float) -> None:
    rest_ms = sample(latency_ms, server_ms).rest_ms
    assert rest_ms is not None
    assert 0 <= rest_ms <= latency_ms
