"""Whether an endpoint keeps what is asked of it: kept or broken only where the whole interval says so."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from benchmark.decision.evidence import Evidence
from benchmark.decision.needs import Needs
from benchmark.decision.words import figure, percent, usd
from benchmark.statistics.estimates import Estimate, min_samples
from benchmark.statistics.percentiles import PERCENTILES

_NO_USD = 1e-9
"""Bills are sums of floating-point numbers."""


class Holds(StrEnum):
    """Whether an endpoint keeps an objective. Unknown, too, where the limit lies within the interval."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective of the endpoint `key`, and the figure that tells."""

    kind: Literal["latency", "availability", "budget"]
    name: str
    key: str
    holds: Holds
    found: str


def objectives(evidence: Evidence, needs: Needs, position: int) -> Iterator[Objective]:
    """Each that is asked for, of one endpoint."""
    key = evidence.findings.keys[position]
    if needs.latency_ms is not None:
        name = f"{needs.percentile} of at most {needs.latency_ms:g} ms"
        yield Objective("latency", name, key, *_latency(evidence, needs, needs.latency_ms, position))
    if needs.availability_pct is not None:
        name = f"{needs.availability_pct:g} % available"
        estimate = evidence.availability(position)
        holds = _at_least(estimate.low, estimate.high, needs.availability_pct / 100)
        yield Objective("availability", name, key, holds, figure(estimate, 100, " %", "requests"))
    if needs.budget_usd is not None:
        name = f"at most USD {needs.budget_usd:,.2f} a month"
        yield Objective("budget", name, key, *_budget(evidence, needs, needs.budget_usd, position))


def _latency(evidence: Evidence, needs: Needs, limit_ms: float, position: int) -> tuple[Holds, str]:
    share = PERCENTILES[needs.percentile]
    warm = evidence.latency_ms(position, share)
    if warm is None or not warm.n:
        return Holds.UNKNOWN, "not measured"
    if _all_beyond_the_timeout(warm, share) and limit_ms < evidence.timeout_ms:
        return Holds.BROKEN, figure(warm, 1, " ms")
    if _at_most(warm.low, warm.high, limit_ms) is Holds.BROKEN:  # with cold starts it only gets longer
        return Holds.BROKEN, figure(warm, 1, " ms")
    least, most = evidence.cold_shares(needs, position) or (0.0, 0.0)
    if most == 0:
        return _at_most(warm.low, warm.high, limit_ms), figure(warm, 1, " ms")
    # Not every cold start is too long: what counts are those beyond the limit.
    beyond = evidence.starts_beyond(position, limit_ms)
    shortest, longest = (beyond.low or 0.0, 1.0 if beyond.high is None else beyond.high) if beyond.n else (0.0, 1.0)
    if least * shortest > 1 - share:
        meets = "all requests meet" if least == 1 else f"{percent(least)} of the requests meet"
        return Holds.BROKEN, f"{meets} a cold start, and {_starts(beyond, limit_ms)}"
    # So that `share` of all requests keep it, more of the warm ones have to, by what the cold ones use up.
    allowed = [(cold, 1 - share - cold * longest) for cold in (least, most)]
    needed = max((1 - left / (1 - cold) for cold, left in allowed if cold < 1), default=0.0)
    if needed > 1 - 1e-6 or any(left < 0 for _, left in allowed):
        starts = f", and {_starts(beyond, limit_ms)}" if beyond.n else ""
        return (
            Holds.UNKNOWN,
            f"{figure(warm, 1, ' ms')} measured, but up to {percent(most)} of the requests meet a cold start{starts}",
        )
    counted = f"up to {percent(most)} cold starts counted in" + (f": {_starts(beyond, limit_ms)}" if beyond.n else "")
    if needed <= 0:  # not even the warm ones matter
        return Holds.KEPT, counted
    rest = evidence.latency_ms(position, needed)
    kept = rest is not None and _at_most(rest.low, rest.high, limit_ms) is Holds.KEPT
    return (Holds.KEPT if kept else Holds.UNKNOWN), f"{figure(rest or warm, 1, ' ms')}, {counted}"


def _starts(beyond: Estimate, limit_ms: float) -> str:
    """How many of the starts are too long, with the interval of that share."""
    return f"{figure(beyond, 100, ' %', 'starts')} of these take longer than {limit_ms:g} ms"


def _all_beyond_the_timeout(estimate: Estimate, share: float) -> bool:
    """Whether even its lower bound is a timeout."""
    return math.isinf(estimate.value) and estimate.low is None and estimate.n >= min_samples(share)


def _budget(evidence: Evidence, needs: Needs, limit_usd: float, position: int) -> tuple[Holds, str]:
    bill = evidence.bill(needs, position)
    if isinstance(bill, str):
        return Holds.UNKNOWN, bill
    low, high = bill.low.net_usd, bill.high.net_usd
    found = f"USD {usd(low, high)} after the free tier"
    if low != high and (shares := evidence.cold_shares(needs, position)):
        found += f", as {percent(shares[0])} to {percent(shares[1])} of the requests meet a cold start"
    return _at_most(low - _NO_USD, high - _NO_USD, limit_usd), found


def _at_most(low: float | None, high: float | None, limit: float) -> Holds:
    if low is not None and low > limit:  # also where the other end lies beyond the timeout
        return Holds.BROKEN
    return Holds.KEPT if high is not None and high <= limit else Holds.UNKNOWN


def _at_least(low: float | None, high: float | None, limit: float) -> Holds:
    if low is None or high is None:
        return Holds.UNKNOWN
    return Holds.KEPT if low >= limit else Holds.BROKEN if high < limit else Holds.UNKNOWN
