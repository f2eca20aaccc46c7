"""Readings are kept in bounded memory, thinned without losing a count, and drawn only where somebody read."""

import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest

from benchmark.endpoints.sample import Failure
from benchmark.monitor import history as module
from benchmark.monitor.counts import Bucket, Counts, Snapshot
from benchmark.monitor.history import HOLE_S, History, Reading, Unread, stretches, thinned


def snapshot(taken_s: float, requests: int, instance: str | None = "a", age_s: float | None = None) -> Snapshot:
    return Snapshot(taken_s, Counts({200: requests}), instance, age_s=taken_s if age_s is None else age_s)


def snapshots(readings: Sequence[Reading]) -> list[Snapshot]:
    return [one for one in readings if isinstance(one, Snapshot)]


def counted(readings: Sequence[Reading]) -> int:
    """Requests in all lines and holes together."""
    lines, holes = stretches(snapshots(readings))
    steps = sum(interval.counts.request_count for line in lines for _, interval in line.steps)
    return steps + sum(hole.interval.counts.request_count for hole in holes)


def test_ten_minutes_are_kept_whole_and_a_day_in_bounded_memory_without_losing_a_count() -> None:
    history = History()
    for index in range(13 * 3600 // 2):
        history.add(snapshot(2.0 * index, 3 * index))
    kept = history.readings
    newest_s = kept[-1].taken_s
    assert sum(newest_s - one.taken_s < 600 for one in kept) == 300
    assert len(kept) < 1000
    assert counted(kept) == 3 * (13 * 3600 // 2 - 1)
    older = [one.taken_s for one in kept if 700 < newest_s - one.taken_s < 7000]
    assert max(later - earlier for earlier, later in pairwise(older)) <= 30


def test_what_is_older_than_a_day_goes() -> None:
    history = History()
    for hour in range(30):
        history.add(snapshot(3600.0 * hour, hour))
    assert history.readings[0].taken_s == 5 * 3600


def test_thinning_keeps_both_sides_of_a_restart() -> None:
    readings = [snapshot(second, second, "a") for second in range(10)]
    readings += [snapshot(10 + second, second, "b", age_s=second) for second in range(10)]
    kept = thinned(readings, lambda _: 1000.0)
    assert [(one.taken_s, one.instance_id) for one in kept] == [(0, "a"), (9, "a"), (10, "b"), (19, "b")]


def test_thinning_keeps_both_sides_of_a_reset_that_has_no_name() -> None:
    readings = [Snapshot(second, Counts({200: count})) for second, count in enumerate((5, 6, 7, 1, 2, 3))]
    assert [one.taken_s for one in thinned(readings, lambda _: 1000.0)] == [0, 2, 3, 5]


def test_instances_that_answer_in_turn_are_thinned_each_by_itself() -> None:
    readings = [snapshot(second, 10 * second, "ab"[second % 2], age_s=500.0 + second) for second in range(100)]
    kept = thinned(readings, lambda _: 20.0)
    assert len(kept) < 30
    assert counted(kept) == counted(readings)


def test_failures_are_thinned_by_kind() -> None:
    readings: list[Reading] = [Unread(second, Failure.REFUSED) for second in range(100)]
    kept = thinned([*readings, Unread(100, Failure.TIMEOUT)], lambda _: 1000.0)
    assert [one.taken_s for one in kept] == [0, 99, 100]


def test_a_model_with_many_features_keeps_a_shorter_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_NUMBERS", 10_000)
    monkeypatch.setattr(module, "_THINNED_EVERY_S", 0.0)
    history = History()
    for index in range(50):
        binned = {f"feature {number}": tuple(range(index, index + 10)) for number in range(100)}
        history.add(Snapshot(2.0 * index, Counts(binned=binned), "a"))
    assert [one.taken_s for one in history.readings] == [2.0 * index for index in range(43, 50)]
    monkeypatch.setattr(module, "_MAX_NUMBERS", 1)
    history.add(snapshot(200.0, 1))
    assert len(history.readings) == 1  # the newest is always there


def test_readings_without_traffic_between_them_share_their_counts() -> None:
    def add(history: History, index: int) -> None:
        latency = tuple(Bucket(float(bound), bound + 1.0, 1) for bound in range(15))
        binned = {f"f{number}": tuple(range(1000, 1010)) for number in range(100)}
        history.add(Snapshot(2.0 * index, Counts({200: 5}, latency, binned=binned), "a"))

    history = History()
    add(history, 0)
    tracemalloc.start()
    try:
        for index in range(1, 200):
            add(history, index)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200 * 1000  # each on its own would hold more than 10 kB


# --- What may be drawn


def test_a_restart_begins_a_stretch_and_never_a_negative_rate() -> None:
    lines, holes = stretches([snapshot(0, 50), snapshot(2, 60), snapshot(4, 1, "b", 1.0), snapshot(6, 3, "b", 3.0)])
    found = [[interval.counts.request_count for _, interval in line.steps] for line in lines]
    assert (found, holes) == ([[10], [2]], [])


@pytest.mark.parametrize(
    "after", [snapshot(4, 1, None, 1.0), snapshot(4, 900, None, 1.0)], ids=["fewer", "more than before"]
)
def test_a_restart_is_seen_by_its_counts_or_its_age_where_it_has_no_name(after: Snapshot) -> None:
    lines, _ = stretches([snapshot(0, 50, None), snapshot(2, 60, None), after])
    assert [len(line.steps) for line in lines] == [1, 0]


def test_two_instances_are_two_lines() -> None:
    readings = [
        snapshot(second, (10 if second % 2 else 1) * second, "ab"[second % 2], 500.0 + second) for second in range(8)
    ]
    lines, _ = stretches(readings)
    rates = [{interval.requests_per_s for _, interval in line.steps} for line in lines]
    assert rates == [{1.0}, {10.0}]


def test_time_in_which_nobody_read_is_a_hole_with_its_count_and_no_flat_line() -> None:
    lines, holes = stretches([snapshot(0, 0), snapshot(2, 4), snapshot(2 + 10 * HOLE_S, 1004), snapshot(254, 1006)])
    assert [[interval.counts.request_count for _, interval in line.steps] for line in lines] == [[4], [2]]
    assert [(hole.from_s, hole.to_s, hole.interval.counts.request_count) for hole in holes] == [(2, 252, 1000)]
