"""The plan of a capacity run: the objectives, the cap, and how long the search may take."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil, isfinite, log
from typing import Any, Literal, NamedTuple

from benchmark.record.plan import (
    ABORT_METRICS,
    MAX_RATE,
    AbortRule,
    Connection,
    PlanError,
    Terms,
    read_fields,
)
from benchmark.statistics.percentiles import PERCENTILES

KIND = "capacity"
MAX_SLOS = 10
LONGEST_STEP_S = 30.0
"""A slow endpoint gets longer steps, up to this, so that each step has enough requests."""
SETTLING_S = 0.5
"""After each change of rate, requests of this long are warm-up."""
HOLD_S = 30.0
"""How long an endpoint must hold the cap before it is believed to be above it: a burst ends sooner."""
_CONFIDENCE = 0.99
_SLO = re.compile(r"(?P<metric>[a-z0-9._]+)\s*<=?\s*(?P<limit>[0-9]+(\.[0-9]+)?([eE]-?[0-9]+)?)")


class Slo(NamedTuple):
    """An objective: the metric must not exceed the limit."""

    metric: str
    """`error_rate`, or a percentile such as `p95_ms`"""
    limit: float

    @property
    def text(self) -> str:
        """The objective as it is written on the command line."""
        return f"{self.metric}<{self.limit:g}"

    @property
    def share(self) -> float | None:
        """The share of requests that must be within the limit; None for an error rate."""
        return PERCENTILES.get(self.metric.removesuffix("_ms"))


def read_slo(text: str) -> Slo:
    """Parse `METRIC<LIMIT`, such as `p95_ms<200` or `error_rate<0.001`. Raises PlanError."""
    found = _SLO.fullmatch(text.strip())
    if not found or found["metric"] not in ABORT_METRICS:
        raise PlanError(
            f"--slo {text[:80]}: must be like p95_ms<200 or error_rate<0.001, of {', '.join(ABORT_METRICS)}"
        )
    return Slo(found["metric"], float(found["limit"]))


@dataclass(frozen=True, slots=True)
class CapacityPlan(Terms):
    """Search the highest rate at which each endpoint keeps all objectives. The endpoints take turns."""

    slos: tuple[Slo, ...]
    max_rate: float = MAX_RATE
    """requests/s that no step exceeds"""
    start_rate: float = 20.0
    """requests/s of the first step"""
    steps: int = 12
    """steps of each endpoint, at most"""
    step_s: float = 8.0
    """the measured part of a step, at least"""
    limit_s: float = 400.0
    """no step starts that could end later than this"""
    max_requests: int = 200_000
    """no step starts that could exceed this many requests in all"""
    abort: tuple[AbortRule, ...] = (AbortRule("error_rate", 0.5),)
    """limits that end a step at once"""
    abort_window_s: float = 1.0
    arrivals: Literal["constant", "poisson"] = "constant"
    """poisson only in earlier records"""
    connection: Connection = "reused"
    usd_per_hour: tuple[float, ...] = ()
    """what each endpoint costs, in the order of the endpoints; empty: one instance of the cost model"""

    kind = KIND
    subject = "a capacity run needs"
    is_open_loop = True

    def __post_init__(self) -> None:
        self.require(1 <= len(self.slos) <= MAX_SLOS, f"from 1 to {MAX_SLOS} objectives, such as p95_ms<200")
        for slo in self.slos:
            self.require(slo.metric in ABORT_METRICS, f"objectives of {', '.join(ABORT_METRICS)}")
            self.require(isfinite(slo.limit) and slo.limit > 0, "objectives with a limit above 0")
            self.require(slo.metric != "error_rate" or slo.limit < 1, "an error_rate below 1")
            over = slo.share is not None and slo.limit > self.timeout_s * 1000
            self.require(not over, "latency objectives within the timeout")
        self.require(isfinite(self.max_rate) and self.max_rate >= 1, "a maximum rate of at least 1 request/s")
        self.require(0.1 <= self.start_rate <= self.max_rate, "a start rate from 0.1 requests/s to the maximum rate")
        self.require(4 <= self.steps <= 100, "from 4 to 100 steps")
        self.require(0.5 <= self.step_s <= LONGEST_STEP_S, f"steps from 0.5 to {LONGEST_STEP_S:g} s")
        self.require(0 < self.limit_s <= 86_400, "a time limit of at most a day")
        self.require(self.max_requests >= 1, "at least 1 request")
        for rule in self.abort:
            self.require(rule.metric in ABORT_METRICS, f"limits to abort on, of {', '.join(ABORT_METRICS)}")
            self.require(isfinite(rule.limit) and rule.limit >= 0, "a limit of 0 or more to abort on")
        self.require(1 <= self.abort_window_s <= 3600, "an abort window from 1 to 3600 s")
        self.require(self.connection in ("reused", "new"), "connections that are reused or new")
        self.require(all(isfinite(usd) and usd > 0 for usd in self.usd_per_hour), "costs above 0 USD an hour")
        self.check_terms()

    @property
    def most_requests(self) -> int:
        """The most requests that a run sends in all: no step exceeds the maximum rate."""
        return min(self.max_requests, ceil(self.max_rate * self.limit_s))

    @property
    def fewest(self) -> int:
        """The fewest requests that can show each percentile with a confidence of 99 %.

        Early stopping of MLPerf's LoadGen, without requests beyond the limit: n >= ln(1 - confidence) / ln(share)
        (https://github.com/mlcommons/inference/blob/master/loadgen/early_stopping.cc).
        """
        shares = [slo.share for slo in self.slos if slo.share is not None]
        return max((ceil(log(1 - _CONFIDENCE) / log(share)) for share in shares), default=1)

    def measured_s(self, rate: float) -> float:
        """How long a step at this rate is measured: longer at low rates, for enough requests."""
        return min(max(self.step_s, self.fewest / rate), max(self.step_s, LONGEST_STEP_S))


def to_document(plan: CapacityPlan) -> dict[str, Any]:
    """`plan` as JSON holds it."""
    return {"kind": plan.kind, **asdict(plan)}


def from_document(document: Any) -> CapacityPlan:
    """The inverse of `to_document`. Raises PlanError."""
    if not isinstance(document, Mapping) or document.get("kind") != KIND:
        raise PlanError("this run has no plan of a capacity run")
    return read_fields(CapacityPlan, document)
