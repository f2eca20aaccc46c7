"""The evidence on one endpoint under given needs: its figures, cold starts and bill.

If an idle sweep leaves the share of cold requests open, the bill has a lower and an upper bound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache

import numpy as np

from benchmark.coldstart.summary import ColdFigures, Probe, find_threshold
from benchmark.cost.bill import Cost, CostError, Workload, monthly_cost
from benchmark.cost.prices import Billing, Prices
from benchmark.cost.traffic import Traffic
from benchmark.decision import together
from benchmark.decision.findings import Findings
from benchmark.decision.gaps import cold_share
from benchmark.decision.needs import Needs
from benchmark.endpoints.sample import Failure
from benchmark.record.samples import Floats
from benchmark.statistics.estimates import Estimate, quantile
from benchmark.statistics.percentiles import PERCENTILES


@dataclass(frozen=True, slots=True)
class Bill:
    """A month's bill with the fewest and with the most cold starts that the evidence allows."""

    low: Cost
    high: Cost


class NoBillReason(Enum):
    NOT_MEASURED = auto()
    """no service time was measured"""
    STARTS_TIMED_OUT = auto()
    """at least half of the cold starts timed out, so their billed time is unknown"""
    NOT_OFFERED = auto()
    """the platform or the price list does not cover it"""


@dataclass(frozen=True, slots=True)
class NoBill:
    """Why the bill is unknown. `starts` counts the measured cold starts; `refusal` is the cost model's clause."""

    reason: NoBillReason
    starts: int = 0
    refusal: str = ""


class Evidence:
    """The findings with cached figures, because a sensitivity analysis uses them repeatedly.

    Endpoints are given by their position in `findings.sides`.
    """

    def __init__(self, findings: Findings, prices: Prices) -> None:
        self.findings = findings
        self._prices = prices
        self._bill = lru_cache(maxsize=None)(self._bill_uncached)
        self._shares = lru_cache(maxsize=None)(self._shares_uncached)
        self.latency_ms = lru_cache(maxsize=None)(self._latency_ms)
        self.start_ms = lru_cache(maxsize=None)(self._start_ms)
        self.starts_ms = lru_cache(maxsize=None)(self._starts_ms)
        self.starts_beyond = lru_cache(maxsize=None)(self._starts_beyond)

    def availability(self, position: int) -> Estimate:
        """The share of measured requests with a usable answer, in all runs that SLOs are checked against."""
        measured = self.findings.measured
        sides = [run.endpoints[position] for run in measured.runs] if measured else []
        return together.share(
            [
                together.Counted(side.attempts - side.failed, side.attempts, side.failures_design_effect)
                for side in sides
            ]
        )

    @property
    def timeout_ms(self) -> float:
        """The timeout of the runs that SLOs are checked against."""
        measured = self.findings.measured
        return measured.newest.plan.timeout_s * 1000 if measured else math.inf

    def _latency_ms(self, position: int, share: float) -> Estimate | None:
        """A quantile of the requests in these runs, including timeouts; None without such runs."""
        measured = self.findings.measured
        if measured is None:
            return None
        shares = list(PERCENTILES.values())
        if len(measured.runs) == 1 and share in shares:  # the run's own estimate
            return measured.newest.endpoints[position].censored_ms[shares.index(share)]
        return together.latency(self.findings.latencies_ms[position], share)

    # --- Cold starts

    def _starts_ms(self, position: int) -> tuple[Floats, ...]:
        """The durations of the cold starts in each run; a start that timed out is infinite."""
        starts = self.findings.starts
        return tuple(_starts_of(run.endpoints[position].probes) for run in starts.runs) if starts else ()

    def _start_ms(self, position: int) -> Estimate | None:
        """The median cold start, with timeouts ranked last; None without cold starts."""
        runs = [values for values in self.starts_ms(position) if len(values)]
        if not runs:
            return None
        return quantile(runs[0], 0.5) if len(runs) == 1 else together.latency(runs, 0.5)

    def _starts_beyond(self, position: int, limit_ms: float) -> Estimate:
        """The share of cold starts that take longer; n is 0 without cold starts."""
        return together.share(
            [
                together.Counted(int(np.count_nonzero(values > limit_ms)), len(values))
                for values in self.starts_ms(position)
            ]
        )

    def turns_cold_s(self, position: int) -> tuple[float, float] | None:
        """The longest warm and the shortest cold idle gap; None without an idle sweep that shows them."""
        sweep = self.findings.idle_sweep
        return _turns_cold_s([run.endpoints[position] for run in sweep.runs]) if sweep else None

    def cold_shares(self, needs: Needs, position: int) -> tuple[float, float] | None:
        """Bounds of the share of requests that find no instance; None without an idle sweep that shows them.

        Only first instances count; additional instances for bursts are not included.
        """
        if needs.min_instances:
            return 0.0, 0.0
        return self._shares(needs.traffic, needs.requests_per_month, position)

    def _shares_uncached(self, traffic: Traffic, requests: int, position: int) -> tuple[float, float] | None:
        known = self.turns_cold_s(position)
        if known is None:
            return None
        warm_up_to_s, cold_from_s = known
        return cold_share(traffic, requests, cold_from_s), cold_share(traffic, requests, warm_up_to_s)

    # --- Cost

    def bill(self, needs: Needs, position: int) -> Bill | NoBill:
        """A month's bill, or why it is unknown. Without an idle sweep it contains no cold starts."""
        shares = self.cold_shares(needs, position) or (0.0, 0.0)
        return self._bill(
            position, needs.requests_per_month, needs.traffic, needs.min_instances, needs.billing, *shares
        )

    def _bill_uncached(
        self, position: int, requests: int, traffic: Traffic, minimum: int, billing: Billing, least: float, most: float
    ) -> Bill | NoBill:
        side = self.findings.sides[position]
        if not side.services_ms:
            return NoBill(NoBillReason.NOT_MEASURED)
        start = self.start_ms(position) if most else None
        if start and math.isinf(start.value):
            return NoBill(NoBillReason.STARTS_TIMED_OUT, starts=start.n)
        try:
            workload = Workload(requests, side.services_ms, traffic, start.value if start else 0.0, least)
            configuration = replace(side.configuration, min_instances=minimum, billing=billing)
            low = monthly_cost(workload, configuration, self._prices)
            if least == most:
                return Bill(low, low)
            return Bill(low, monthly_cost(replace(workload, cold_fraction=most), configuration, self._prices))
        except CostError as error:
            return NoBill(NoBillReason.NOT_OFFERED, refusal=str(error))


def _starts_of(probes: Sequence[Probe]) -> Floats:
    """In an idle sweep, a timeout counts as a cold start only if an equally long gap has led to one."""
    cold_from_s = min((probe.idle_s or 0.0 for probe in probes if probe.is_cold), default=math.inf)
    found = [
        probe.response_ms if probe.is_cold else math.inf
        for probe in probes
        if probe.is_cold or (probe.failure is Failure.TIMEOUT and (probe.idle_s is None or probe.idle_s >= cold_from_s))
    ]
    return np.array(found, dtype=np.float64)


def _turns_cold_s(runs: Sequence[ColdFigures]) -> tuple[float, float] | None:
    gaps_s = [(probe, probe.idle_s) for run in runs for probe in run.probes if probe.idle_s is not None]
    warm_s = [gap_s for probe, gap_s in gaps_s if probe.is_warm]
    cold_s = [gap_s for probe, gap_s in gaps_s if probe.is_cold]
    if threshold := find_threshold(warm_s, cold_s):
        return threshold.low_s, threshold.high_s
    if cold_s:
        return 0.0, min(cold_s)
    return (max(warm_s), math.inf) if warm_s else None
