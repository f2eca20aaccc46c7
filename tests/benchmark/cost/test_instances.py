"""The simulation of instances, against cases worked out by hand and against a simulation that is simple and slow."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.cost.instances import IDLE_KEPT_S, IN_FLIGHT_AT_MOST, TooManyAtOnceError, fleet, round_up, simulate
from benchmark.cost.traffic import Block

ROUNDING_MS = 100.0
PACKED = math.inf
"""No target of requests in flight: one instance until that is full."""


def slow_simulation(arrivals: list[int], services: list[int], concurrency: int) -> list[list[tuple[int, int]]]:
    """The same as `simulate` for whole numbers, by looking at every request of every instance."""
    instances: list[list[tuple[int, int]]] = []
    for arrival, service in zip(arrivals, services, strict=True):
        for held in instances:
            if sum(end > arrival for _, end in held) < concurrency:
                held.append((arrival, arrival + service))
                break
        else:
            instances.append([(arrival, arrival + service)])
    merged = []
    for held in instances:
        intervals: list[tuple[int, int]] = []
        for start, end in held:
            if intervals and start < intervals[-1][1]:
                intervals[-1] = (intervals[-1][0], max(end, intervals[-1][1]))
            else:
                intervals.append((start, end))
        merged.append(intervals)
    return merged


# --- Which requests share an instance


def test_overlapping_requests_share_one_interval() -> None:
    assert simulate([0, 50, 90], [60, 60, 60], concurrency=80) == [[(0, 150)]]


def test_at_a_concurrency_of_1_overlapping_requests_need_an_instance_each() -> None:
    assert simulate([0, 50, 90], [60, 60, 60], concurrency=1) == [[(0, 60), (90, 150)], [(50, 110)]]


def test_a_request_that_arrives_when_another_ends_is_an_interval_of_its_own() -> None:
    assert simulate([0, 60], [60, 60], concurrency=1) == [[(0, 60), (60, 120)]]


def test_a_full_instance_sends_the_next_request_to_another() -> None:
    assert simulate([0, 0, 0, 10], [30, 10, 5, 40], concurrency=2) == [[(0, 50)], [(0, 5)]]


def test_instances_take_turns_and_the_one_that_is_full_is_passed_over() -> None:
    assert simulate([0, 10, 20, 30], [5, 5, 5, 5], 1, instances=2) == [[(0, 5), (20, 25)], [(10, 15), (30, 35)]]
    # The third request is the first instance's turn, which has one: the second is free again.
    assert simulate([0, 10, 20], [50, 5, 5], 1, instances=2) == [[(0, 50)], [(10, 15), (20, 25)]]
    assert simulate([0, 1, 2], [50, 50, 50], 1, instances=2) == [[(0, 50)], [(1, 51)], [(2, 52)]]


@given(
    requests=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 100)), min_size=1, max_size=60),
    concurrency=st.integers(1, 5),
)
def test_it_agrees_with_a_simple_simulation(requests: list[tuple[int, int]], concurrency: int) -> None:
    arrivals, at = [], 0
    for gap, _ in requests:
        at += gap
        arrivals.append(at)
    services = [service for _, service in requests]
    assert simulate(arrivals, services, concurrency) == slow_simulation(arrivals, services, concurrency)


# --- Rounding


@pytest.mark.parametrize(
    ("duration_ms", "billed_ms"), [(0.001, 100), (99.9, 100), (100, 100), (100.001, 200), (250, 300), (0.1 * 3e3, 300)]
)
def test_an_interval_is_rounded_up_to_100_ms(duration_ms: float, billed_ms: float) -> None:
    assert round_up(duration_ms, ROUNDING_MS) == billed_ms


# --- A period


def test_requests_far_apart_are_billed_100_ms_each() -> None:
    one = fleet([Block(0, 3600, 36)], 3600, (5.0,), 80, PACKED, ROUNDING_MS)
    assert one.billed_ms == (3600,)
    assert one.alive_ms[0] == pytest.approx(3_600_000)


def test_requests_without_a_gap_are_one_interval_for_the_whole_time() -> None:
    # 20 a second of 80 ms: one or two at a time, never none.
    busy = fleet([Block(0, 3600, 72_000)], 3600, (80.0,), 80, PACKED, ROUNDING_MS)
    assert len(busy.billed_ms) == 1
    assert busy.billed_ms[0] == pytest.approx(3_600_000)


def test_an_interval_is_not_billed_past_the_beginning_of_the_next() -> None:
    # 10 ms every 40: of the 100 ms that each is rounded up to there are 40 until the next one.
    busy = fleet([Block(0, 60, 1500)], 3600, (10.0,), 80, PACKED, ROUNDING_MS)
    assert busy.billed_ms == pytest.approx((1499 * 40 + 100,))
    # Every 160 ms: nothing is cut off.
    assert fleet([Block(0, 60, 375)], 3600, (10.0,), 80, PACKED, ROUNDING_MS).billed_ms == (37_500,)
    # 150 ms every 40 ms are without a gap; at one at a time four instances get one every 160 ms, and round up to it.
    assert fleet([Block(0, 60, 1500)], 60, (150.0,), 1, PACKED, ROUNDING_MS).billed_ms == pytest.approx((60_000,) * 4)


@pytest.mark.parametrize("requests", [375, 3750])
def test_where_some_requests_overlap_no_time_is_billed_twice_either(requests: int) -> None:
    # One every 160 ms. Nine of ten take 120, and are billed until the next. The tenth takes 170 and overlaps the next:
    # 280 ms for both, billed as 300 of their 320.
    services = (120.0,) * 9 + (170.0,)
    busy = fleet([Block(0, requests * 0.16, requests)], 3600, services, 80, PACKED, ROUNDING_MS)
    assert busy.billed_ms == pytest.approx((requests * 160 - requests / 10 * 20,), abs=100)


def test_what_is_not_over_when_a_block_ends_is_billed_once() -> None:
    # A request of 90 s in a minute: the next minute's is on the same instance.
    minutes = [Block(0, 60, 1), Block(60, 60, 1)]
    assert fleet(minutes, 120, (90_000.0,), 80, PACKED, ROUNDING_MS).billed_ms == (120_000,)
    assert fleet(minutes, 1200, (90_000.0,), 80, PACKED, ROUNDING_MS).billed_ms == (150_000,)


def test_there_are_as_many_instances_as_have_the_target_in_flight_on_average() -> None:
    # 20 a second of 100 ms are 2 at a time: 0.6 to an instance need 4, which begin one every 200 ms each.
    spread = fleet([Block(0, 60, 1200)], 60, (100.0,), 80, 0.6, ROUNDING_MS)
    assert spread.billed_ms == pytest.approx((30_000,) * 4)
    assert len(fleet([Block(0, 60, 1200)], 60, (100.0,), 80, 48.0, ROUNDING_MS).billed_ms) == 1


def test_a_long_block_costs_what_its_shorter_part_says() -> None:
    # 3000 requests are simulated in part, 1500 are simulated whole.
    services, concurrency = (30.0, 250.0, 70.0), 2
    whole = fleet([Block(0, 75, 1500)], 75, services, concurrency, PACKED, ROUNDING_MS)
    part = fleet([Block(0, 1500, 30_000)], 1500, services, concurrency, PACKED, ROUNDING_MS)
    assert sum(part.billed_ms) == pytest.approx(20 * sum(whole.billed_ms), rel=0.02)


def test_an_instance_lives_15_minutes_longer_than_its_last_request() -> None:
    day_ms = 86_400_000.0
    # Two requests of a second in a day, twelve hours apart.
    apart = fleet([Block(0, 86_400, 2)], 86_400, (1000.0,), 1, PACKED, ROUNDING_MS)
    assert apart.alive_ms[0] == pytest.approx(2 * (1000 + IDLE_KEPT_S * 1000))
    # Every ten minutes: it never ends.
    near = fleet([Block(0, 86_400, 144)], 86_400, (1000.0,), 1, PACKED, ROUNDING_MS)
    assert near.alive_ms[0] == pytest.approx(day_ms)


def test_the_last_minutes_of_a_block_count_only_until_the_next_begins() -> None:
    hour_ms = 3_600_000.0
    # A minute of traffic, then nine of none: the same instance. Then fifty of none: it lives for fifteen of them.
    blocks = [Block(0, 60, 60), Block(600, 60, 60)]
    one = fleet(blocks, 3600, (10.0,), 1, PACKED, ROUNDING_MS)
    assert one.alive_ms[0] == pytest.approx(600_000 + 59_010 + 900_000)
    assert one.alive_ms[0] < hour_ms


def test_more_at_once_than_can_be_served_is_refused() -> None:
    with pytest.raises(TooManyAtOnceError, match="in flight"):
        fleet([Block(0, 1, IN_FLIGHT_AT_MOST + 1)], 1, (1000.0,), 1, PACKED, ROUNDING_MS)


@settings(max_examples=60, deadline=None)
@given(
    requests=st.integers(1, 6000),
    services=st.lists(st.floats(1, 900), min_size=1, max_size=5),
    concurrency=st.integers(1, 20),
    target=st.sampled_from([0.6, 3.0, PACKED]),
)
def test_no_instance_does_more_than_fits_in_the_time(
    requests: int, services: list[float], concurrency: int, target: float
) -> None:
    period_s = 60
    found = fleet([Block(0, period_s, requests)], period_s, tuple(services), concurrency, target, ROUNDING_MS)
    gap_ms = period_s * 1000 / requests
    # Not more instances than if every request took as long as the longest, or than the target asks for.
    at_most = math.ceil(max(services) / gap_ms * max(1, 1 / target) + 1e-6)
    assert 1 <= len(found.billed_ms) <= at_most
    assert all(0 < alive <= period_s * 1000 for alive in found.alive_ms)
    assert all(0 < billed <= period_s * 1000 for billed in found.billed_ms)
