"""What the findings say of one endpoint under stated needs: its figures, its cold starts and its bill.

Where an idle sweep leaves open how many requests meet a cold start, the bill lies between two bounds; both are given.
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
    """A month's bill with the fewest cold starts that the evidence allows, and with the most."""

    low: Cost
    high: Cost


class NoBillReason(Enum):
    NOT_MEASURED = auto()
    """there is no service time"""
    STARTS_TIMED_OUT = auto()
    """half of the cold starts or more, so that the time that one is billed is not known"""
    NOT_OFFERED = auto()
    """by the platform or by the price list"""


@dataclass(frozen=True, slots=True)
class NoBill:
    """Why there is no bill. `starts` counts the measured cold starts; `refusal` is the cost model's clause."""

    reason: NoBillReason
    starts: int = 0
    refusal: str = ""


class Evidence:
    """The findings with what is computed from them, once: a sensitivity analysis asks for the same again and again.

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
        """The share of measured requests with a usable answer, in all runs that SLOs are held against."""
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
        """How long the runs that SLOs are held against waited for an answer."""
        measured = self.findings.measured
        return measured.newest.plan.timeout_s * 1000 if measured else math.inf

    def _latency_ms(self, position: int, share: float) -> Estimate | None:
        """Any quantile of the requests in these runs, timeouts among them; None where there is no such run."""
        measured = self.findings.measured
        if measured is None:
            return None
        shares = list(PERCENTILES.values())
        if len(measured.runs) == 1 and share in shares:  # what the run itself says
            return measured.newest.endpoints[position].censored_ms[shares.index(share)]
        return together.latency(self.findings.latencies_ms[position], share)

    # --- Cold starts

    def _starts_ms(self, position: int) -> tuple[Floats, ...]:
        """How long the cold starts of each run took; a start that timed out is infinite."""
        starts = self.findings.starts
        return tuple(_starts_of(run.endpoints[position].probes) for run in starts.runs) if starts else ()

    def _start_ms(self, position: int) -> Estimate | None:
        """The median cold start, those that timed out ranked after all others; None where there was none."""
        runs = [values for values in self.starts_ms(position) if len(values)]
        if not runs:
            return None
        return quantile(runs[0], 0.5) if len(runs) == 1 else together.latency(runs, 0.5)

    def _starts_beyond(self, position: int, limit_ms: float) -> Estimate:
        """The share of cold starts that take longer; without any start its n is 0."""
        return together.share(
            [
                together.Counted(int(np.count_nonzero(values > limit_ms)), len(values))
                for values in self.starts_ms(position)
            ]
        )

    def turns_cold_s(self, position: int) -> tuple[float, float] | None:
        """Up to which idle gap it was warm, and from which on it is cold; None where no idle sweep tells."""
        sweep = self.findings.idle_sweep
        return _turns_cold_s([run.endpoints[position] for run in sweep.runs]) if sweep else None

    def cold_shares(self, needs: Needs, position: int) -> tuple[float, float] | None:
        """The least and the greatest share of requests that find no instance; None where no idle sweep tells.

        It is about a first instance: further ones that a burst needs are not counted.
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
        """A month's bill, or why there is none. Without an idle sweep it contains no cold start."""
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
    """In an idle sweep only some probes meet a start: a timeout counts where as long a gap has led to one."""
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
