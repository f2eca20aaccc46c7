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
    """The traffic file is invalid; the message says why and names the line."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A period of time with a constant rate. `weight` is relative to other segments and has no unit."""

    duration_s: float
    weight: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """A shape of traffic: one period, which repeats."""

    name: str
    segments: tuple[Segment, ...]

    @property
    def period_s(self) -> float:
        return sum(segment.duration_s for segment in self.segments)

    def with_enough(self, requests_per_month: int) -> "Traffic":
        """The same traffic with a period of at least a hundred requests, or of about a month if a month has fewer.

        A short period may otherwise have only a fraction of a request.
        """
        in_period = requests_per_month * self.period_s / MONTH_S
        times = min(math.ceil(_ENOUGH_REQUESTS / in_period), math.floor(MONTH_S / self.period_s)) if in_period else 1
        return Traffic(self.name, self.segments * max(times, 1))


@dataclass(frozen=True, slots=True)
class Block:
    """`requests` arrivals, evenly spaced over `duration_s`; the first at `start_s`."""

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
"""Evenly spaced over eight hours on five days of the week, with no other requests."""
BURSTS = Traffic("bursts", (Segment(MINUTE_S, 1), Segment(59 * MINUTE_S, 0)))
"""All in the first minute of every hour, as from scheduled jobs."""

SHAPES = {traffic.name: traffic for traffic in (STEADY, OFFICE, BURSTS)}


def blocks(traffic: Traffic, requests: float) -> list[Block]:
    """Split one period with `requests` arrivals into blocks with whole numbers of requests, without empty blocks.

    The running total is rounded, so that a rate below one per block gives a request in some of the blocks. A period
    with less than one request gives one block with one request.
    """
    total = sum(segment.duration_s * segment.weight for segment in traffic.segments)
    expected = max(requests, 1.0)
    result, start_s, before = [], 0.0, 0.0
    for segment in traffic.segments:
        after = before + expected * segment.duration_s * segment.weight / total
        # Half a request ahead, so that the first arrival is not at the end of the period.
        count = math.floor(after + 0.5 + 1e-9) - math.floor(before + 0.5 + 1e-9)
        if count:
            result.append(Block(start_s, segment.duration_s, count))
        start_s, before = start_s + segment.duration_s, after
    return result


def read_csv(text: str, name: str) -> Traffic:
    """Read requests per minute: one line per minute, the number in the last column, with an optional header.

    Raises TrafficError with the line number.
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
            raise TrafficError(f"line {number} must be a number of requests, 0 or more")
        weights.append(weight)
        if len(weights) > _LONGEST_CSV_MINUTES:
            raise TrafficError(f"line {number} is beyond 31 days of minutes")
    if not any(weights):
        raise TrafficError(
            "contains no requests: it needs a line for each minute, with the number of requests in the last column"
        )
    return Traffic(name, _segments(weights))


def requests_per_month(text: str) -> float:
    """The requests a month when the file for `read_csv` repeats. Raises TrafficError."""
    traffic = read_csv(text, "")
    requests = sum(segment.weight * segment.duration_s / MINUTE_S for segment in traffic.segments)
    return requests * MONTH_S / traffic.period_s


def _segments(weights: Sequence[float]) -> tuple[Segment, ...]:
    """Merge consecutive minutes with the same weight into one segment."""
    return tuple(Segment(MINUTE_S * len(list(run)), weight) for weight, run in groupby(weights))
