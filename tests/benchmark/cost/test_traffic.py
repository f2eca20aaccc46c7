"""Shapes of traffic: how a month's requests are spread, and files of requests per minute."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cost.traffic import (
    BURSTS,
    DAY_S,
    HOUR_S,
    MONTH_S,
    OFFICE,
    SHAPES,
    STEADY,
    Block,
    Traffic,
    TrafficError,
    blocks,
    read_csv,
    requests_per_month,
)


def test_steady_traffic_is_one_block_of_a_month() -> None:
    assert blocks(STEADY, 1000) == [Block(0, MONTH_S, 1000)]


def test_office_hours_are_eight_on_five_days_of_a_week() -> None:
    found = blocks(OFFICE, 4000)
    assert OFFICE.period_s == 7 * DAY_S
    assert [block.start_s for block in found] == [day * DAY_S for day in range(5)]
    assert {(block.duration_s, block.requests) for block in found} == {(8 * HOUR_S, 800)}


def test_bursts_are_a_minute_of_every_hour() -> None:
    assert BURSTS.period_s == HOUR_S
    assert blocks(BURSTS, 1000) == [Block(0, 60, 1000)]


def test_a_period_is_repeated_until_it_has_enough_requests_or_is_a_month() -> None:
    assert BURSTS.with_enough(72_000).period_s == HOUR_S
    assert BURSTS.with_enough(7_200).period_s == 10 * HOUR_S
    assert BURSTS.with_enough(0).period_s == HOUR_S
    assert BURSTS.with_enough(1).period_s == STEADY.with_enough(1).period_s == MONTH_S
    assert OFFICE.with_enough(1).period_s == 4 * 7 * DAY_S


def test_fewer_requests_than_blocks_are_spread_over_some_of_them() -> None:
    found = blocks(Traffic("a month of bursts", BURSTS.segments * 720), 180)
    assert len(found) == 180
    assert {block.requests for block in found} == {1}
    assert {later.start_s - earlier.start_s for earlier, later in pairwise(found)} == {4 * HOUR_S}


@pytest.mark.parametrize("traffic", SHAPES.values(), ids=SHAPES)
def test_less_than_one_request_a_period_is_one_block_with_one(traffic: Traffic) -> None:
    assert [block.requests for block in blocks(traffic, 0.2)] == [1]


@given(requests=st.integers(1, 10**9), shape=st.sampled_from(sorted(SHAPES)))
def test_no_request_is_lost_or_invented(requests: int, shape: str) -> None:
    found = blocks(SHAPES[shape], requests)
    assert sum(block.requests for block in found) == requests
    assert all(0 <= block.start_s < SHAPES[shape].period_s for block in found)


def test_a_file_gives_the_minutes_of_its_last_column() -> None:
    traffic = read_csv("minute,requests\n2026-01-01T00:00,60\n2026-01-01T00:01,60\n2026-01-01T00:02,0\n", "day.csv")
    assert traffic.name == "day.csv"
    assert traffic.period_s == 180
    assert blocks(traffic, 120) == [Block(0, 120, 120)]
    assert requests_per_month("60\n60\n0\n") == pytest.approx(120 * MONTH_S / 180)


@pytest.mark.parametrize("text", ["\ufeffrequests\n5\n", "5", '"5"\r\n', "\n5\n\n"])
def test_files_are_read_as_spreadsheets_write_them(text: str) -> None:
    assert blocks(read_csv(text, "x"), 5) == [Block(0, 60, 5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no requests"),
        ("requests\n", "contains no requests"),
        ("0\n0\n", "contains no requests"),
        ("5\nfive\n", "line 2 has no number"),
        ("5\n-1\n", "line 2 must be a number of requests"),
        ("5\nnan\n", "line 2 must be a number of requests"),
        ("requests\n5\ninf\n", "line 3 must be a number of requests"),
        ("1\n" * (31 * 24 * 60 + 1), "line 44641 is beyond 31 days"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_the_line(text: str, message: str) -> None:
    with pytest.raises(TrafficError, match=message):
        read_csv(text, "x")
