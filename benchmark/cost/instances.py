"""Simulate instances: how many run, which requests share one, how long each is busy, and how long it lives.

Instances are billed, not requests: requests that overlap on one instance share its billed time.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise

from benchmark.cost.traffic import Block

IDLE_KEPT_S = 15 * 60
"""How long an instance is kept after its last request: an upper bound, because the platform may stop it earlier
(https://cloud.google.com/run/docs/about-instance-autoscaling). Relevant where idle time is billed."""

IN_FLIGHT_AT_MOST = 20_000
_SIMULATED_AT_LEAST = 2_000
_DISTINCT_AT_MOST = 200
_STEPS_PER_E = 100
"""If a period has more distinct blocks, their request counts are rounded to steps of 1 %: e**(1 / 100)."""
_SAME_MS = 1e-4
"""Times closer than this are equal: arrivals are products and sums of floating-point numbers."""


class TooManyAtOnceError(ValueError):
    """More requests are in flight at once than any service supports, so nothing is simulated."""


@dataclass(frozen=True, slots=True)
class Use:
    """The activity of one instance in one block; times in ms, `first_ms` and `last_ms` from the block's start.

    `alive_ms` is the time from its first to its last request, less the time it was stopped in between; `billed_to_ms`
    is the end of the last billed interval, rounded up.
    """

    billed_ms: float
    alive_ms: float
    first_ms: float
    last_ms: float
    billed_to_ms: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """The activity of each instance in one period: billed busy time, and time alive, in ms; the busiest first."""

    billed_ms: tuple[float, ...]
    alive_ms: tuple[float, ...]


def round_up(duration_ms: float, rounding_ms: float) -> float:
    """Round up to the next multiple of `rounding_ms`, as every busy interval is billed."""
    return math.ceil((duration_ms - _SAME_MS) / rounding_ms) * rounding_ms


def fleet(
    blocks: Sequence[Block],
    period_s: float,
    services_ms: tuple[float, ...],
    concurrency: int,
    target_in_flight: float,
    rounding_ms: float,
) -> Fleet:
    """The instances that serve one period of `blocks`, which repeats; each request takes one of `services_ms`.

    Each block has enough instances to keep the average requests in flight on each at or below `target_in_flight`. They
    take turns; one with `concurrency` requests is skipped. Raises TooManyAtOnceError.
    """
    keep_ms, period_ms = IDLE_KEPT_S * 1000.0, period_s * 1000.0
    alike = len({block.requests for block in blocks}) <= _DISTINCT_AT_MOST
    uses: list[list[tuple[float, Use]]] = []
    known: dict[tuple[int, float], list[Use]] = {}  # most blocks of a period are equal
    for block in blocks:
        key = (block.requests if alike else _rounded(block.requests), block.duration_s)
        if key not in known:
            known[key] = _block_uses(*key, services_ms, concurrency, target_in_flight, rounding_ms)
        for index, use in enumerate(known[key]):
            if index == len(uses):
                uses.append([])
            uses[index].append((block.start_s * 1000.0, use))
    billed, alive = [], []
    for one in uses:
        around = [*one, (one[0][0] + period_ms, one[0][1])]
        # An interval that continues into the next block gives a gap below 0, because that time is counted twice.
        kept = sum(
            min(later + next_use.first_ms - (start + use.last_ms), keep_ms)
            for (start, use), (later, next_use) in pairwise(around)
        )
        twice = sum(
            max(0.0, start + use.billed_to_ms - (later + next_use.first_ms))
            for (start, use), (later, next_use) in pairwise(around)
        )
        billed.append(min(period_ms, sum(use.billed_ms for _, use in one) - twice))
        alive.append(min(period_ms, sum(use.alive_ms for _, use in one) + kept))
    return Fleet(tuple(billed), tuple(alive))


def _rounded(requests: int) -> int:
    """Round to the nearest step of 1 %; numbers below 100 stay exact."""
    return round(math.exp(round(math.log(requests) * _STEPS_PER_E) / _STEPS_PER_E))


def _block_uses(
    requests: int,
    duration_s: float,
    services_ms: tuple[float, ...],
    concurrency: int,
    target_in_flight: float,
    rounding_ms: float,
) -> list[Use]:
    """The activity of each instance in a block of `requests` in `duration_s`."""
    duration_ms = duration_s * 1000.0
    gap_ms = duration_ms / requests
    in_flight = max(services_ms) / gap_ms
    instances = max(1, math.ceil(sum(services_ms) / len(services_ms) / gap_ms / target_in_flight - 1e-9))
    if max(in_flight, instances) > IN_FLIGHT_AT_MOST:
        raise TooManyAtOnceError(
            f"about {in_flight:,.0f} requests would be in flight at once, on {instances:,} instances or more: "
            f"more than {IN_FLIGHT_AT_MOST:,}"
        )
    if max(services_ms) <= instances * gap_ms + _SAME_MS:
        return _in_turns(requests, gap_ms, services_ms, instances, rounding_ms)
    # Long enough to fill the instances in its first half, and to use every service time in its second.
    enough = math.ceil(max(_SIMULATED_AT_LEAST, 4 * in_flight, 4 * instances, 2 * len(services_ms)))
    count = min(requests, enough)
    arrivals_ms = [number * gap_ms for number in range(count)]
    intervals = [one for one in simulate(arrivals_ms, _mixed(services_ms, count), concurrency, instances) if one]
    if count == requests:
        return [_whole(one, rounding_ms) for one in intervals]
    window = (count // 2 * gap_ms, count * gap_ms)
    found = (_window(one, window, duration_ms, rounding_ms) for one in intervals)
    return [use for use in found if use]


def simulate(
    arrivals_ms: Sequence[float], services_ms: Sequence[float], concurrency: int, instances: int = 1
) -> list[list[tuple[float, float]]]:
    """The busy intervals (start, end) of each instance, in ms; request i arrives at `arrivals_ms[i]`, in order.

    `instances` take turns. If the next one already has `concurrency` requests, the first with fewer takes the request,
    else a new one. A request that arrives when another ends does not overlap it.
    """
    intervals: list[list[tuple[float, float]]] = [[] for _ in range(instances)]
    load = [0] * instances
    busy_since = [0.0] * instances
    with_room = list(range(instances))  # a heap, lowest index first; full instances are removed when found
    ends: list[tuple[float, int]] = []

    def finish(end: float, index: int) -> None:
        if load[index] == concurrency:
            heappush(with_room, index)
        load[index] -= 1
        if not load[index]:
            intervals[index].append((busy_since[index], end))

    for number, (arrival, service) in enumerate(zip(arrivals_ms, services_ms, strict=True)):
        while ends and ends[0][0] <= arrival + _SAME_MS:
            finish(*heappop(ends))
        index = number % instances
        if load[index] == concurrency:
            while with_room and load[with_room[0]] == concurrency:
                heappop(with_room)
            if not with_room:
                with_room.append(len(load))
                intervals.append([])
                load.append(0)
                busy_since.append(0.0)
            index = with_room[0]
        if not load[index]:
            busy_since[index] = arrival
        load[index] += 1
        heappush(ends, (arrival + service, index))
    while ends:
        finish(*heappop(ends))
    return intervals


def _mixed(services_ms: tuple[float, ...], count: int) -> list[float]:
    """`count` service times, each equally often, in a fixed random order."""
    if len(services_ms) == 1:
        return list(services_ms) * count
    order = list(services_ms)
    random.Random(0).shuffle(order)  # noqa: S311  no secret
    return [order[number % len(order)] for number in range(count)]


def _in_turns(
    requests: int, gap_ms: float, services_ms: tuple[float, ...], instances: int, rounding_ms: float
) -> list[Use]:
    """The activity of instances that take turns and never have two requests at the same time."""
    n, every_ms = len(services_ms), instances * gap_ms
    mean_ms = sum(services_ms) / n
    rounded_ms = [round_up(service, rounding_ms) for service in services_ms]
    billed_ms = sum(min(rounded, every_ms) for rounded in rounded_ms) / n
    kept_ms = sum(min(every_ms - service, IDLE_KEPT_S * 1000.0) for service in services_ms) / n
    uses = []
    for index in range(min(instances, requests)):
        before_last = (requests - 1 - index) // instances
        last_ms = index * gap_ms + before_last * every_ms
        uses.append(
            Use(
                billed_ms=before_last * billed_ms + sum(rounded_ms) / n,
                alive_ms=(before_last + 1) * mean_ms + before_last * kept_ms,
                first_ms=index * gap_ms,
                last_ms=last_ms + mean_ms,
                billed_to_ms=last_ms + sum(rounded_ms) / n,
            )
        )
    return uses


def _whole(intervals: Sequence[tuple[float, float]], rounding_ms: float) -> Use:
    """The activity of an instance whose intervals in the block are all known."""
    billed = _billed(intervals, rounding_ms)
    return Use(
        billed_ms=sum(end - start for start, end in billed),
        alive_ms=sum(end - start for start, end in intervals) + _kept_ms(intervals),
        first_ms=intervals[0][0],
        last_ms=intervals[-1][1],
        billed_to_ms=billed[-1][1],
    )


def _window(
    intervals: Sequence[tuple[float, float]], window: tuple[float, float], duration_ms: float, rounding_ms: float
) -> Use | None:
    """The activity of an instance in a block, extrapolated from the simulated window.

    None for an instance that was used only while the instances filled up.
    """
    first, last = window
    inside = _within(intervals, first, last)
    if not inside:
        return None
    busy_ms = sum(end - start for start, end in inside)
    billed_ms = sum(end - start for start, end in _within(_billed(intervals, rounding_ms), first, last))
    around_ms = min(inside[0][0] - first + last - inside[-1][1], IDLE_KEPT_S * 1000.0)
    share = duration_ms / (last - first)
    return Use(
        billed_ms=billed_ms * share,
        alive_ms=(busy_ms + _kept_ms(inside) + around_ms) * share,
        first_ms=0.0,
        last_ms=duration_ms,
        billed_to_ms=duration_ms,
    )


def _billed(intervals: Sequence[tuple[float, float]], rounding_ms: float) -> list[tuple[float, float]]:
    """The intervals as billed: rounded up, but not past the start of the next one."""
    following = [start for start, _ in intervals[1:]] + [math.inf]
    return [
        (start, min(start + round_up(end - start, rounding_ms), next_start))
        for (start, end), next_start in zip(intervals, following, strict=True)
    ]


def _within(intervals: Sequence[tuple[float, float]], first: float, last: float) -> list[tuple[float, float]]:
    """The part of `intervals` between `first` and `last`."""
    return [(max(start, first), min(end, last)) for start, end in intervals if end > first and start < last]


def _kept_ms(intervals: Sequence[tuple[float, float]]) -> float:
    """How long an instance stays alive between its intervals."""
    return sum(min(start - end, IDLE_KEPT_S * 1000.0) for (_, end), (start, _) in pairwise(intervals))
