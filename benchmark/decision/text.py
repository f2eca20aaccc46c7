"""Text for a decision's figures, SLOs and bills: typed findings in, phrases out."""

from math import isfinite

from benchmark.cost.text import usd
from benchmark.decision.evidence import NoBill, NoBillReason
from benchmark.decision.slos import AvailabilityEvidence, Cold, ColdRole, LatencyEvidence, Slo, SloResult
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.text import bounds, number, span


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def figure(estimate: Estimate, factor: float = 1.0, unit: str = "", of: str = "") -> str:
    """An estimate with its interval and n, `81.2 ms (95% 80.9 to 81.7, n = 400)`."""
    if not estimate.n:
        return "not measured"
    n = f"n = {estimate.n}{' ' + of if of else ''}"
    if not isfinite(estimate.value):
        return f"beyond the timeout ({n})"
    write = _in_percent if factor == 100 else number
    value = f"{write(estimate.value * factor)}{unit}"
    if not estimate.estimable:
        return f"{value}, interval not estimable ({n})"
    return f"{value} (95% {bounds(estimate, factor, write=write)}, {n})"


def _in_percent(value: float) -> str:
    """Up to three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def sampled(n: int, runs: int) -> str:
    """`n = 400`, or `n = 1200 in 3 runs`."""
    return f"n = {n}" + (f" in {runs} runs" if runs > 1 else "")


def span_ms(value_ms: float, low_ms: float, high_ms: float) -> str:
    return f"{number(value_ms)} ms (95% {span(low_ms, high_ms)})"


# --- SLOs


def slo_name(slo: Slo) -> str:
    """`p95 of at most 85 ms`"""
    if slo.kind == "latency":
        return f"{slo.percentile} of at most {slo.limit:g} ms"
    if slo.kind == "availability":
        return f"{slo.limit:g} % available"
    return f"at most USD {usd(slo.limit)} a month"


def slo_evidence(result: SloResult) -> str:
    """The evidence for an SLO as text."""
    found = result.evidence
    if isinstance(found, AvailabilityEvidence):
        return figure(found.share, 100, " %", "requests")
    if isinstance(found, LatencyEvidence):
        if found.cold:
            return _with_cold_starts(found.warm, found.cold, result.slo.limit)
        return figure(found.warm, 1, " ms") if found.warm else "not measured"
    if isinstance(found.bill, NoBill):
        return no_bill(found.bill)
    low, high = found.bill.low.net_usd, found.bill.high.net_usd
    said = f"USD {usd(low, high)} after the free tier"
    if low != high and found.cold_shares:
        least, most = map(percent, found.cold_shares)
        said += f", because {least} to {most} of the requests meet a cold start"
    return said


def _with_cold_starts(warm: Estimate | None, cold: Cold, limit_ms: float) -> str:
    starts = f"{figure(cold.beyond, 100, ' %', 'starts')} of these take longer than {limit_ms:g} ms"
    if cold.role is ColdRole.BREAK:
        meets = "all requests meet" if cold.share == 1 else f"{percent(cold.share)} of the requests meet"
        return f"{meets} a cold start, and {starts}"
    said = figure(warm, 1, " ms") if warm else ""
    if cold.role is ColdRole.LEAVE_OPEN:
        also = f", and {starts}" if cold.beyond.n else ""
        return f"{said} measured, but up to {percent(cold.share)} of the requests meet a cold start{also}"
    counted = f"up to {percent(cold.share)} cold starts counted in" + (f": {starts}" if cold.beyond.n else "")
    return ", ".join(filter(None, (said, counted)))


def no_bill(none: NoBill) -> str:
    """Why the bill is unknown, as a clause."""
    if none.reason is NoBillReason.NOT_MEASURED:
        return "not measured"
    if none.reason is NoBillReason.STARTS_TIMED_OUT:
        return f"half of its {none.starts} cold starts timed out, so their billed time is unknown"
    return none.refusal
