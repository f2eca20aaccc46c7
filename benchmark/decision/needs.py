"""The user's needs: traffic, SLOs, and the criteria that decide between endpoints that keep them."""

from dataclasses import dataclass
from typing import Literal

from benchmark.cost.prices import Billing
from benchmark.cost.traffic import STEADY, Traffic

Percentile = Literal["p95", "p99"]


class NeedsError(ValueError):
    """The needs are impossible or contradictory; the message says why in a clause."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Traffic, SLOs (None if not set) and the names of the criteria, most important first.

    Raises NeedsError. The criteria are registered in `benchmark.decision.criteria`.
    """

    requests_per_month: int = 5_000_000
    traffic: Traffic = STEADY
    percentile: Percentile = "p95"
    latency_ms: float | None = None
    availability_pct: float | None = None
    budget_usd: float | None = None
    criteria: tuple[str, ...] = ("latency", "cost")
    min_instances: int = 0
    billing: Billing = "request"

    def __post_init__(self) -> None:
        _require(1 <= self.requests_per_month <= 10**12, "requests per month must be from 1 to 10^12")
        _require(self.latency_ms is None or 0 < self.latency_ms < 3.6e6, "the latency objective must be above 0 ms")
        _require(
            self.availability_pct is None or 0 < self.availability_pct < 100,
            "the availability must be above 0 and below 100 %: no number of requests can prove 100 %",
        )
        _require(self.budget_usd is None or 0 <= self.budget_usd < 1e12, "the budget must be USD 0 or more")
        _require(0 <= self.min_instances <= 1000, "minimum instances must be from 0 to 1000")
        _require(bool(self.criteria), "at least one criterion is needed")
        _require(len(set(self.criteria)) == len(self.criteria), "each criterion can be named only once")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise NeedsError(what)
