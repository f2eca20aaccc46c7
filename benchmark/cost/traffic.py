"""Traffic: how the requests of a month are spread over time, cut into blocks in which they arrive evenly spaced."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S
MONTH_S = 30 * DAY_S
"""A month is 30 days, 2 592 000 s."""
_ENOUGH_REQUESTS = 100
_LONGEST_CSV_MINUTES = 31 * 24 * 60


class TrafficError(ValueError):
    """The traffic cannot be used; the message says why and names the line of the file."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time with one rate. Only the ratio to the other segments' rates counts: `weight` has no unit."""

    duration_s: float
    weight: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """A shape of traffic: one period of it, which repeats for ever."""

    name: str
    segments: tuple[Segment, ...]

    @property
    def period_s(self) -> float:
        return sum(segment.duration_s for segment in self.segments)

    def with_enough(self, requests_per_month: int) -> "Traffic":
        """The same traffic with a period of a hundred requests or more, or of about a month where that has fewer.

        A short period with less than a few requests has no whole number of them.
        """
        in_period = requests_per_month * self.period_s / MONTH_S
        times = min(math.ceil(_ENOUGH_REQUESTS / in_period), math.floor(MONTH_S / self.period_s)) if in_period else 1
        return Traffic(self.name, self.segments * max(times, 1))


@dataclass(frozen=True, slots=True)
class Block:
    """`requests` arrivals, evenly spaced over `duration_s` from `start_s` on; the first at its very start."""

    start_s: float
    duration_s: float
    requests: int


STEADY = Traffic("steady", (Segment(MONTH_S, 1),))
"""Evenly spaced, day and night."""
OFFICE = Traffic(
    "office",
    tuple(
        part
        for hours_until_next in (16, 16, 16, 16, 16 + 48)
        for part in (Segment(8 * HOUR_S, 1), Segment(hours_until_next * HOUR_S, 0))
    ),
)
"""Evenly spaced over eight hours on five days of the week, nothing in between."""
BURSTS = Traffic("bursts", (Segment(MINUTE_S, 1), Segment(59 * MINUTE_S, 0)))
"""All in the first minute of every hour, as jobs and schedules do it."""

SHAPES = {traffic.name: traffic for traffic in (STEADY, OFFICE, BURSTS)}


def blocks(traffic: Traffic, requests: float) -> list[Block]:
    """Cut one period with `requests` arrivals into blocks with whole numbers of them; empty ones are left out.

    The numbers are those of the running total, so that a rate below one a block gives an arrival in some of the blocks.
    Where the period has less than one request there is one block with one.
    """
    total = sum(segment.duration_s * segment.weight for segment in traffic.segments)
    expected = max(requests, 1.0)
    result, start_s, before = [], 0.0, 0.0
    for segment in traffic.segments:
        after = before + expected * segment.duration_s * segment.weight / total
        # Half a request ahead: the first arrival is not left to the end of the period.
        count = math.floor(after + 0.5 + 1e-9) - math.floor(before + 0.5 + 1e-9)
        if count:
            result.append(Block(start_s, segment.duration_s, count))
        start_s, before = start_s + segment.duration_s, after
    return result


def read_csv(text: str, name: str) -> Traffic:
    """Requests per minute, a line a minute, in the last column; a first line without a number is a header.

    Raises TrafficError with the number of the line.
    """
    weights: list[float] = []
    for number, line in enumerate(text.lstrip("\N{BYTE ORDER MARK}").splitlines(), start=1):
        if not line.strip():
            continue
        cell = line.split(",")[-1].strip().strip('"')
        try:
            weight = float(cell)
        except ValueError:
            if number == 1:
                continue
            raise TrafficError(f"line {number} has no number of requests in its last column") from None
        if not math.isfinite(weight) or weight < 0:
            raise TrafficError(f"line {number} must be a number of requests, 0 or above")
        weights.append(weight)
        if len(weights) > _LONGEST_CSV_MINUTES:
            raise TrafficError(f"line {number} is beyond 31 days of minutes")
    if not any(weights):
        raise TrafficError("there is no request in it: a line a minute, the number of requests in the last column")
    return Traffic(name, _segments(weights))


def requests_per_month(text: str) -> float:
    """The requests a month of a file for `read_csv` when it repeats. Raises TrafficError."""
    traffic = read_csv(text, "")
    requests = sum(segment.weight * segment.duration_s / MINUTE_S for segment in traffic.segments)
    return requests * MONTH_S / traffic.period_s


def _segments(weights: Sequence[float]) -> tuple[Segment, ...]:
    """Minutes of the same weight, one after the other, are one segment."""
    return tuple(Segment(MINUTE_S * len(list(run)), weight) for weight, run in groupby(weights))
