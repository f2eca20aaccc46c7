"""What a server says about itself is read where it can be read, and is unknown otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.evidence import Evidence, read_evidence

headers = st.dictionaries(
    st.sampled_from(["server-timing", "x-instance-id", "x-instance-age-ms", "x-request-count"]), st.text(max_size=40)
)


def test_all_of_it_is_read() -> None:
    assert read_evidence(
        {
            "server-timing": "parse;dur=0.1, total;dur=1.25",
            "x-instance-id": "abc123",
            "x-instance-age-ms": "4711.5",
            "x-request-count": "3",
        }
    ) == Evidence(1.25, "abc123", 4711.5, 3)


def test_an_endpoint_that_says_nothing_is_unknown() -> None:
    assert read_evidence({}) == Evidence(None, None, None, None)


@pytest.mark.parametrize(
    ("header", "server_ms"),
    [
        ("total;dur=2", 2.0),
        ("total; dur = 2.5", 2.5),
        ('total;desc="all of it";dur=3', 3.0),
        ('total;desc="this, that";dur=3', 3.0),
        ('db;desc="x, total;dur=99", total;dur=4', 4.0),
        ('db;desc="a \\" b, total;dur=99";dur=1', None),
        ("subtotal;dur=9", None),
        ("total-2;dur=9", None),
        ("total", None),
        ("total, db;dur=9", None),
        ("total;dur=", None),
        ("total;dur=-1", None),
        ("total;dur=nan", None),
        ("total;dur=inf", None),
        ("total;dur=soon", None),
    ],
)
def test_the_servers_time_is_its_total(header: str, server_ms: float | None) -> None:
    assert read_evidence({"server-timing": header}).server_ms == server_ms


@pytest.mark.parametrize("count", ["", "-1", "1.5", "nan", "inf", "first", "0x1"])
def test_a_count_that_is_no_count_is_unknown(count: str) -> None:
    assert read_evidence({"x-request-count": count}).request_count is None


def test_an_instances_name_is_short_and_printable() -> None:
    assert read_evidence({"x-instance-id": "a" * 100}).instance_id == "a" * 64
    assert read_evidence({"x-instance-id": "a\x1b[31m"}).instance_id is None


@given(headers)
def test_whatever_it_says_does_no_harm(said: dict[str, str]) -> None:
    evidence = read_evidence(said)
    assert evidence.server_ms is None or 0 <= evidence.server_ms < 1e15
    assert evidence.instance_age_ms is None or 0 <= evidence.instance_age_ms < 1e15
    assert evidence.request_count is None or evidence.request_count >= 0
