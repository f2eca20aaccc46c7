"""What somebody asks of an endpoint: traffic, objectives, and what decides between two that keep them."""

from dataclasses import dataclass
from typing import Literal

from benchmark.cost.prices import Billing
from benchmark.cost.traffic import STEADY, Traffic
from benchmark.decision.words import count

Matter = Literal["latency", "cost", "coldstart"]
MATTERS: tuple[Matter, ...] = ("latency", "cost", "coldstart")
MATTER_NAMES: dict[Matter, str] = {"latency": "latency", "cost": "cost", "coldstart": "cold starts"}
Percentile = Literal["p95", "p99"]


class NeedsError(ValueError):
    """What is asked for makes no sense; the message says why in a clause."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What somebody asks for; an objective that is None is none. `matters` are in their order. Raises NeedsError."""

    requests_per_month: int = 5_000_000
    traffic: Traffic = STEADY
    percentile: Percentile = "p95"
    latency_ms: float | None = None
    availability_pct: float | None = None
    budget_usd: float | None = None
    matters: tuple[Matter, ...] = ("latency", "cost")
    min_instances: int = 0
    billing: Billing = "request"

    def __post_init__(self) -> None:
        _require(1 <= self.requests_per_month <= 10**12, "requests per month must be from 1 to 10^12")
        _require(self.latency_ms is None or 0 < self.latency_ms < 3.6e6, "the latency objective must be above 0 ms")
        _require(
            self.availability_pct is None or 0 < self.availability_pct < 100,
            "the availability must be above 0 and below 100 %: no number of requests shows 100 %",
        )
        _require(self.budget_usd is None or 0 <= self.budget_usd < 1e12, "the budget must be USD 0 or more")
        _require(0 <= self.min_instances <= 1000, "minimum instances must be from 0 to 1000")
        _require(bool(self.matters) and set(self.matters) <= set(MATTERS), f"what matters is {', '.join(MATTERS)}")
        _require(len(set(self.matters)) == len(self.matters), "what matters can be named once only")


def described(needs: Needs) -> tuple[str, str]:
    """What is asked for but objectives, and what is assumed since nobody asks for anything else; may be empty."""
    usual = Needs()
    parts = {
        f"{count(needs.requests_per_month)} requests a month": needs.requests_per_month == usual.requests_per_month,
        f"{needs.traffic.name} traffic": needs.traffic == usual.traffic,
        f"{' before '.join(MATTER_NAMES[matter] for matter in needs.matters)}": needs.matters == usual.matters,
        f"{needs.min_instances} minimum instances": needs.min_instances == usual.min_instances,
        f"{needs.billing}-based billing": needs.billing == usual.billing,
    }
    asked, assumed = ([part for part, is_usual in parts.items() if is_usual is kind] for kind in (False, True))
    return ", ".join(asked), ", ".join(assumed)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise NeedsError(what)
