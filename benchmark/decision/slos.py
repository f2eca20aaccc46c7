"""Check SLOs: kept or broken only if the whole interval lies on one side of the limit."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Literal

from benchmark.decision.evidence import Bill, Evidence, NoBill
from benchmark.decision.needs import Needs, Percentile
from benchmark.statistics.estimates import Estimate, min_samples
from benchmark.statistics.percentiles import PERCENTILES

_NO_USD = 1e-9
"""Bills are sums of floating-point numbers."""


class Holds(StrEnum):
    """Whether an endpoint keeps an SLO. Also unknown if the limit lies within the interval."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Slo:
    """One service level objective. `limit` is in ms, in percent of the requests, or in USD a month, by its kind."""

    kind: Literal["latency", "availability", "budget"]
    limit: float
    percentile: Percentile | None = None
    """the percentile of a latency SLO"""


class ColdRole(Enum):
    """The effect of cold starts on a latency SLO."""

    BREAK = auto()
    """cold starts beyond the limit alone break it"""
    LEAVE_OPEN = auto()
    """the share of requests with a cold start is not known precisely enough"""
    COUNTED = auto()
    """a larger share of warm requests must be within the limit, and the latency is at that share"""


@dataclass(frozen=True, slots=True)
class Cold:
    """The cold starts behind a latency: the share of requests that meet one, and of starts beyond the limit."""

    role: ColdRole
    share: float
    beyond: Estimate


@dataclass(frozen=True, slots=True)
class LatencyEvidence:
    """A quantile in ms of requests without cold starts; None if unknown or irrelevant."""

    warm: Estimate | None
    cold: Cold | None = None


@dataclass(frozen=True, slots=True)
class AvailabilityEvidence:
    share: Estimate


@dataclass(frozen=True, slots=True)
class BudgetEvidence:
    """The bill, and bounds of the share of requests that meet a cold start, if known."""

    bill: Bill | NoBill
    cold_shares: tuple[float, float] | None = None


SloEvidence = LatencyEvidence | AvailabilityEvidence | BudgetEvidence


@dataclass(frozen=True, slots=True)
class SloResult:
    """One SLO of the endpoint `key`, with its evidence."""

    slo: Slo
    key: str
    holds: Holds
    evidence: SloEvidence


def slos(needs: Needs) -> Iterator[Slo]:
    """The SLOs that are set."""
    if needs.latency_ms is not None:
        yield Slo("latency", needs.latency_ms, needs.percentile)
    if needs.availability_pct is not None:
        yield Slo("availability", needs.availability_pct)
    if needs.budget_usd is not None:
        yield Slo("budget", needs.budget_usd)


def results(evidence: Evidence, needs: Needs, position: int) -> Iterator[SloResult]:
    """Check each SLO that is set, for one endpoint."""
    for slo in slos(needs):
        yield SloResult(slo, evidence.findings.keys[position], *_CHECKS[slo.kind](evidence, needs, slo.limit, position))


def _availability(evidence: Evidence, _: Needs, limit_pct: float, position: int) -> tuple[Holds, AvailabilityEvidence]:
    share = evidence.availability(position)
    return _at_least(share.low, share.high, limit_pct / 100), AvailabilityEvidence(share)


def _latency(evidence: Evidence, needs: Needs, limit_ms: float, position: int) -> tuple[Holds, LatencyEvidence]:
    share = PERCENTILES[needs.percentile]
    warm = evidence.latency_ms(position, share)
    if warm is None or not warm.n:
        return Holds.UNKNOWN, LatencyEvidence(None)
    if _all_beyond_the_timeout(warm, share) and limit_ms < evidence.timeout_ms:
        return Holds.BROKEN, LatencyEvidence(warm)
    if _at_most(warm.low, warm.high, limit_ms) is Holds.BROKEN:  # cold starts only make it longer
        return Holds.BROKEN, LatencyEvidence(warm)
    least, most = evidence.cold_shares(needs, position) or (0.0, 0.0)
    if most == 0:
        return _at_most(warm.low, warm.high, limit_ms), LatencyEvidence(warm)
    # Only cold starts beyond the limit count.
    beyond = evidence.starts_beyond(position, limit_ms)
    shortest, longest = (beyond.low or 0.0, 1.0 if beyond.high is None else beyond.high) if beyond.n else (0.0, 1.0)
    if least * shortest > 1 - share:
        return Holds.BROKEN, LatencyEvidence(None, Cold(ColdRole.BREAK, least, beyond))
    # For `share` of all requests to keep the limit, the warm ones must make up for the cold ones.
    allowed = [(cold, 1 - share - cold * longest) for cold in (least, most)]
    needed = max((1 - left / (1 - cold) for cold, left in allowed if cold < 1), default=0.0)
    if needed > 1 - 1e-6 or any(left < 0 for _, left in allowed):
        return Holds.UNKNOWN, LatencyEvidence(warm, Cold(ColdRole.LEAVE_OPEN, most, beyond))
    counted = Cold(ColdRole.COUNTED, most, beyond)
    if needed <= 0:  # even the warm ones are irrelevant
        return Holds.KEPT, LatencyEvidence(None, counted)
    rest = evidence.latency_ms(position, needed)
    kept = rest is not None and _at_most(rest.low, rest.high, limit_ms) is Holds.KEPT
    return (Holds.KEPT if kept else Holds.UNKNOWN), LatencyEvidence(rest or warm, counted)


def _all_beyond_the_timeout(estimate: Estimate, share: float) -> bool:
    """Whether even the lower bound is a timeout."""
    return math.isinf(estimate.value) and estimate.low is None and estimate.n >= min_samples(share)


def _budget(evidence: Evidence, needs: Needs, limit_usd: float, position: int) -> tuple[Holds, BudgetEvidence]:
    bill = evidence.bill(needs, position)
    found = BudgetEvidence(bill, evidence.cold_shares(needs, position))
    if isinstance(bill, NoBill):
        return Holds.UNKNOWN, found
    return _at_most(bill.low.net_usd - _NO_USD, bill.high.net_usd - _NO_USD, limit_usd), found


def _at_most(low: float | None, high: float | None, limit: float) -> Holds:
    if low is not None and low > limit:  # even if the other end lies beyond the timeout
        return Holds.BROKEN
    return Holds.KEPT if high is not None and high <= limit else Holds.UNKNOWN


def _at_least(low: float | None, high: float | None, limit: float) -> Holds:
    if low is None or high is None:
        return Holds.UNKNOWN
    return Holds.KEPT if low >= limit else Holds.BROKEN if high < limit else Holds.UNKNOWN


_CHECKS: Mapping[str, Callable[[Evidence, Needs, float, int], tuple[Holds, SloEvidence]]] = {
    "latency": _latency,
    "availability": _availability,
    "budget": _budget,
}
"""Checks by kind of SLO: whether the endpoint at a position keeps a limit."""
