"""What the findings say of one endpoint under stated needs: its figures, its cold starts and its bill.

Where a ladder leaves open how many requests meet a cold start, the bill lies between two bounds, and both are given.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from benchmark.coldstart.summary import ColdFigures
from benchmark.cost.bill import Cost, CostError, Workload, monthly_cost
from benchmark.cost.prices import Billing, Prices
from benchmark.cost.traffic import Traffic
from benchmark.decision.findings import Findings
from benchmark.decision.gaps import cold_share
from benchmark.decision.needs import Needs
from benchmark.statistics.estimates import Estimate, consecutive_blocks, quantile
from benchmark.summary.summarise import Figures


@dataclass(frozen=True, slots=True)
class Bill:
    """A month's bill with the fewest cold starts that the evidence allows, and with the most."""

    low: Cost
    high: Cost


class Evidence:
    """The findings with what is computed from them. It is computed once: an answer varies one input again and again."""

    def __init__(self, findings: Findings, prices: Prices) -> None:
        self.findings = findings
        self._prices = prices
        self._bill = lru_cache(maxsize=None)(self._bill_uncached)
        self._shares = lru_cache(maxsize=None)(self._shares_uncached)
        self.warm_latency_ms = lru_cache(maxsize=None)(self._warm_latency_ms)

    def figures(self, position: int) -> Figures | None:
        """Those that objectives are held against."""
        measured = self.findings.measured
        return measured.endpoints[position] if measured else None

    @property
    def timeout_ms(self) -> float:
        """How long the run with these figures waited for an answer."""
        measured = self.findings.measured
        return measured.plan.timeout_s * 1000 if measured else math.inf

    def _warm_latency_ms(self, position: int, share: float) -> Estimate:
        """Any other quantile of the same requests, timeouts among them."""
        values = self.findings.latencies_ms[position]
        return quantile(values, share, blocks=consecutive_blocks(len(values)))

    # --- Cold starts

    def start_ms(self, position: int) -> Estimate | None:
        """The median cold start."""
        run = self.findings.starts
        estimate = run.endpoints[position].cold_ms[0] if run else None
        return estimate if estimate and estimate.n else None

    def turns_cold_s(self, position: int) -> tuple[float, float] | None:
        """Up to which idle gap it was warm, and from which on it is cold; None where no probe of a ladder tells."""
        ladder = self.findings.ladder
        return _turns_cold_s(ladder.endpoints[position]) if ladder else None

    def cold_shares(self, needs: Needs, position: int) -> tuple[float, float] | None:
        """The least and the greatest share of requests that find no instance; None where no ladder tells.

        Of a first instance: further ones that a burst needs are not counted.
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

    def bill(self, needs: Needs, position: int) -> Bill | str:
        """A month's bill; in a clause why there is none, without a service time or where the platform offers no such
        instance. Without a ladder no cold start is in it."""
        shares = self.cold_shares(needs, position) or (0.0, 0.0)
        return self._bill(
            position, needs.requests_per_month, needs.traffic, needs.min_instances, needs.billing, *shares
        )

    def _bill_uncached(
        self, position: int, requests: int, traffic: Traffic, minimum: int, billing: Billing, least: float, most: float
    ) -> Bill | str:
        side = self.findings.sides[position]
        if not side.services_ms:
            return "not measured"
        start = self.start_ms(position)
        try:
            workload = Workload(requests, side.services_ms, traffic, start.value if start else 0.0, least)
            configuration = replace(side.configuration, min_instances=minimum, billing=billing)
            low = monthly_cost(workload, configuration, self._prices)
            if least == most:
                return Bill(low, low)
            return Bill(low, monthly_cost(replace(workload, cold_fraction=most), configuration, self._prices))
        except CostError as error:
            return str(error)


def _turns_cold_s(figures: ColdFigures) -> tuple[float, float] | None:
    told = [probe for probe in figures.probes if probe.idle_s is not None and (probe.is_cold or probe.is_warm)]
    if not told:
        return None
    if figures.threshold:
        return figures.threshold.low_s, figures.threshold.high_s
    gaps_s = [probe.idle_s for probe in told if probe.idle_s is not None]
    return (0.0, min(gaps_s)) if told[0].is_cold else (max(gaps_s), math.inf)
