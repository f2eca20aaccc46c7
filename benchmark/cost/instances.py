"""Instances: which requests share one, how long each is busy and how long it lives, by simulation.

A bill is about instances, not requests: those that overlap on one instance share its time.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise

from benchmark.cost.traffic import Block

IDLE_KEPT_S = 15 * 60
"""How long an instance is kept after its last request, at most, as the platform's documentation says:
https://cloud.google.com/run/docs/about-instance-autoscaling. Matters where an idle instance is paid for."""

IN_FLIGHT_AT_MOST = 20_000
_SIMULATED_AT_LEAST = 2_000
_SAME_MS = 1e-4
"""Times nearer than this are the same: arrivals are products and sums of floating-point numbers."""


class TooManyAtOnceError(ValueError):
    """More requests are in flight at once than any service can be given, so that there is nothing to simulate."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one instance does in one block; times in ms, `first_ms` and `last_ms` from the block's start.

    `alive_ms` is from its first request to its last, less what it was away for in between.
    """

    billed_ms: float
    alive_ms: float
    first_ms: float
    last_ms: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """What each instance does in one period: billed busy time, and time alive, in ms; the busiest come first."""

    billed_ms: tuple[float, ...]
    alive_ms: tuple[float, ...]


def round_up(duration_ms: float, rounding_ms: float) -> float:
    """The next multiple of `rounding_ms`, as every busy interval is billed."""
    return math.ceil((duration_ms - _SAME_MS) / rounding_ms) * rounding_ms


def fleet(
    blocks: Sequence[Block], period_s: float, services_ms: tuple[float, ...], concurrency: int, rounding_ms: float
) -> Fleet:
    """The instances that serve one period of `blocks`, which repeats; each request takes one of `services_ms`.

    A request goes to the first instance that has room. Raises TooManyAtOnceError.
    """
    keep_ms, period_ms = IDLE_KEPT_S * 1000.0, period_s * 1000.0
    uses: list[list[tuple[float, Use]]] = []
    known: dict[tuple[int, float], list[Use]] = {}  # most blocks of a period are alike
    for block in blocks:
        key = (block.requests, block.duration_s)
        if key not in known:
            known[key] = _block_uses(block, services_ms, concurrency, rounding_ms)
        for index, use in enumerate(known[key]):
            if index == len(uses):
                uses.append([])
            uses[index].append((block.start_s * 1000.0, use))
    alive = []
    for one in uses:
        around = [*one, (one[0][0] + period_ms, one[0][1])]
        # An interval that is not over when the next block begins makes a gap below 0: that time is counted twice.
        kept = sum(
            min(later + next_use.first_ms - (start + use.last_ms), keep_ms)
            for (start, use), (later, next_use) in pairwise(around)
        )
        alive.append(min(period_ms, sum(use.alive_ms for _, use in one) + kept))
    return Fleet(tuple(sum(use.billed_ms for _, use in one) for one in uses), tuple(alive))


def _block_uses(block: Block, services_ms: tuple[float, ...], concurrency: int, rounding_ms: float) -> list[Use]:
    """What each instance does in a block."""
    requests, duration_ms = block.requests, block.duration_s * 1000.0
    gap_ms = duration_ms / requests
    mean_billed_ms = sum(round_up(service, rounding_ms) for service in services_ms) / len(services_ms)
    if max(services_ms) <= gap_ms + _SAME_MS:
        return [_alone(requests, gap_ms, services_ms, mean_billed_ms)]
    in_flight = max(services_ms) / gap_ms
    if in_flight > IN_FLIGHT_AT_MOST:
        raise TooManyAtOnceError(
            f"about {in_flight:,.0f} requests would be in flight at once, more than {IN_FLIGHT_AT_MOST:,}"
        )
    # Long enough to have filled the instances in its first half, and to see every service time in its second.
    enough = math.ceil(max(_SIMULATED_AT_LEAST, 4 * in_flight, 2 * len(services_ms)))
    count = min(requests, enough)
    intervals = simulate([number * gap_ms for number in range(count)], _mixed(services_ms, count), concurrency)
    if count == requests:
        uses = [_whole(one, rounding_ms) for one in intervals]
    else:
        window = (count // 2 * gap_ms, count * gap_ms)
        found = (_window(one, window, duration_ms, rounding_ms) for one in intervals)
        uses = [use for use in found if use]
    if concurrency == 1:  # each request is billed on its own, so the mean is known and need not be sampled
        exact = requests * mean_billed_ms / sum(use.billed_ms for use in uses)
        uses = [Use(use.billed_ms * exact, use.alive_ms, use.first_ms, use.last_ms) for use in uses]
    return uses


def simulate(
    arrivals_ms: Sequence[float], services_ms: Sequence[float], concurrency: int
) -> list[list[tuple[float, float]]]:
    """The busy intervals (start, end) of each instance, in ms; request i arrives at `arrivals_ms[i]`, in order.

    A request goes to the first instance with fewer than `concurrency` requests, else to a new one. One that arrives
    when another ends does not overlap it.
    """
    intervals: list[list[tuple[float, float]]] = []
    load: list[int] = []
    busy_since: list[float] = []
    with_room: list[int] = []  # a heap: the first instance comes first
    ends: list[tuple[float, int]] = []

    def finish(end: float, index: int) -> None:
        if load[index] == concurrency:
            heappush(with_room, index)
        load[index] -= 1
        if not load[index]:
            intervals[index].append((busy_since[index], end))

    for arrival, service in zip(arrivals_ms, services_ms, strict=True):
        while ends and ends[0][0] <= arrival + _SAME_MS:
            finish(*heappop(ends))
        if not with_room:
            with_room.append(len(load))
            intervals.append([])
            load.append(0)
            busy_since.append(0.0)
        index = with_room[0]
        if not load[index]:
            busy_since[index] = arrival
        load[index] += 1
        if load[index] == concurrency:
            heappop(with_room)
        heappush(ends, (arrival + service, index))
    while ends:
        finish(*heappop(ends))
    return intervals


def _mixed(services_ms: tuple[float, ...], count: int) -> list[float]:
    """`count` service times: each as often as any other, in an order that is random but always the same."""
    if len(services_ms) == 1:
        return list(services_ms) * count
    order = list(services_ms)
    random.Random(0).shuffle(order)  # noqa: S311  no secret
    return [order[number % len(order)] for number in range(count)]


def _alone(requests: int, gap_ms: float, services_ms: tuple[float, ...], mean_billed_ms: float) -> Use:
    """One instance for requests that never overlap."""
    n = len(services_ms)
    mean_ms = sum(services_ms) / n
    kept_ms = sum(min(gap_ms - service, IDLE_KEPT_S * 1000.0) for service in services_ms) / n
    return Use(
        billed_ms=requests * mean_billed_ms,
        alive_ms=requests * mean_ms + (requests - 1) * kept_ms,
        first_ms=0.0,
        last_ms=(requests - 1) * gap_ms + mean_ms,
    )


def _whole(intervals: Sequence[tuple[float, float]], rounding_ms: float) -> Use:
    """The use of an instance whose intervals in the block are all known."""
    return Use(
        billed_ms=sum(round_up(end - start, rounding_ms) for start, end in intervals),
        alive_ms=sum(end - start for start, end in intervals) + _kept_ms(intervals),
        first_ms=intervals[0][0],
        last_ms=intervals[-1][1],
    )


def _window(
    intervals: Sequence[tuple[float, float]], window: tuple[float, float], duration_ms: float, rounding_ms: float
) -> Use | None:
    """The use of an instance in a block that is as busy all the time as in the window of it that was simulated.

    None for one that was needed only while the instances filled up. An interval is rounded up where it
    ends, so that one across the window's edge is rounded once at most.
    """
    first, last = window
    inside = [(max(start, first), min(end, last)) for start, end in intervals if end > first and start < last]
    if not inside:
        return None
    busy_ms = sum(end - start for start, end in inside)
    rounded_ms = sum(
        round_up(end - start, rounding_ms) - (end - start) for start, end in intervals if first < end <= last
    )
    around_ms = min(inside[0][0] - first + last - inside[-1][1], IDLE_KEPT_S * 1000.0)
    share = duration_ms / (last - first)
    return Use(
        billed_ms=(busy_ms + rounded_ms) * share,
        alive_ms=(busy_ms + _kept_ms(inside) + around_ms) * share,
        first_ms=0.0,
        last_ms=duration_ms,
    )


def _kept_ms(intervals: Sequence[tuple[float, float]]) -> float:
    """How long an instance lives on between its intervals."""
    return sum(min(start - end, IDLE_KEPT_S * 1000.0) for (_, end), (start, _) in pairwise(intervals))
