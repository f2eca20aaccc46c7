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
from benchmark.summary.summarise import SHARE_NAMES, SHARES

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
        figures = evidence.figures(position)
        estimate = figures.availability if figures else Estimate(math.nan, None, None, 0)
        holds = _at_least(estimate.low, estimate.high, needs.availability_pct / 100)
        yield Objective("availability", name, key, holds, figure(estimate, 100, " %", "requests"))
    if needs.budget_usd is not None:
        name = f"at most USD {needs.budget_usd:,.2f} a month"
        yield Objective("budget", name, key, *_budget(evidence, needs, needs.budget_usd, position))


def _latency(evidence: Evidence, needs: Needs, limit_ms: float, position: int) -> tuple[Holds, str]:
    figures = evidence.figures(position)
    if figures is None or not figures.n:
        return Holds.UNKNOWN, "not measured"
    share = SHARES[SHARE_NAMES.index(needs.percentile)]
    least, most = evidence.cold_shares(needs, position) or (0.0, 0.0)
    warm = figures.censored_ms[SHARE_NAMES.index(needs.percentile)]
    if _all_beyond_the_timeout(warm, share) and limit_ms < evidence.timeout_ms:
        return Holds.BROKEN, figure(warm, 1, " ms")
    cold = evidence.start_ms(position)
    if least >= 1 - share and cold and cold.low is not None and cold.low > limit_ms:
        return Holds.BROKEN, f"{percent(least)} of the requests meet a cold start, {figure(cold, 1, ' ms')}"
    if most == 0:
        return _at_most(warm.low, warm.high, limit_ms), figure(warm, 1, " ms")
    if _at_most(warm.low, warm.high, limit_ms) is Holds.BROKEN:  # with cold starts it only gets longer
        return Holds.BROKEN, figure(warm, 1, " ms")
    needed = share / (1 - most) if most < 1 else 1.0
    if needed > 1 - 1e-6:
        return (
            Holds.UNKNOWN,
            f"{figure(warm, 1, ' ms')} warm, but up to {percent(most)} of the requests meet a cold start",
        )
    # So that `share` of all requests keep it, more of the warm ones have to: the cold ones do not.
    rest = evidence.warm_latency_ms(position, needed)
    said = f"{figure(rest, 1, ' ms')}, up to {percent(most)} cold starts counted in"
    return (Holds.KEPT if _at_most(rest.low, rest.high, limit_ms) is Holds.KEPT else Holds.UNKNOWN), said


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
