"""The summary of a capacity run: from its samples to capacities, their ratio, their cost, and the curve over rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.cost.bill import EQUAL
from benchmark.cost.prices import PriceError, load_prices
from benchmark.endpoints.fairness import region
from benchmark.record.run import Run
from benchmark.record.samples import Floats, Samples
from benchmark.runs.capacity.plan import CapacityPlan, from_document
from benchmark.runs.capacity.search import Posterior, Range, Search
from benchmark.runs.capacity.step import Step, judge_all, read_bounds
from benchmark.statistics.percentiles import PERCENTILES

_HOUR_S = 3600
_NEAR = 0.5
"""Instances are counted from this share of the capacity on: below, fewer may be enough."""
_MOST_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Price:
    """What an endpoint costs while it answers."""

    usd_per_hour: float
    usd_per_request: float = 0.0
    source: str = "given"

    def requests_per_usd(self, rate: float) -> float:
        """The requests for a dollar at this rate per second."""
        requests = rate * _HOUR_S
        return requests / (self.usd_per_hour + requests * self.usd_per_request)


@dataclass(frozen=True, slots=True)
class Capacity:
    """One endpoint: its capacity in requests/s, with its 95 % interval."""

    key: str
    name: str
    range: Range
    client_limited: bool
    """whether the client, and not the endpoint, was the limit: the capacity is at least this"""
    capped: bool
    """whether it held the maximum rate: the capacity is at least this"""
    instances: int
    """that answered near the capacity; 0 if they are not known"""
    price: Price | None
    posterior: Posterior | None
    steps: tuple[Step, ...]

    @property
    def at_least(self) -> bool:
        return self.range.value is not None and self.range.high is None

    @property
    def requests_per_usd(self) -> Range | None:
        """The requests for a dollar at the capacity; None without a price."""
        if self.price is None:
            return None
        price, found = self.price, self.range
        value, low, high = (
            None if rate is None else price.requests_per_usd(rate) for rate in (found.value, found.low, found.high)
        )
        return Range(value, low, high)


@dataclass(frozen=True, slots=True)
class CapacitySummary:
    """Everything that is shown of a run."""

    run: Run
    plan: CapacityPlan
    endpoints: tuple[Capacity, ...]
    ratio: Range | None
    """of the first over the second; None with one endpoint"""
    ratio_per_usd: Range | None

    @property
    def steps(self) -> list[Step]:
        """In the order of the run."""
        return sorted((step for one in self.endpoints for step in one.steps), key=lambda step: step.bounds.first)

    @property
    def limits(self) -> tuple[str, ...]:
        """Why the client was the limit of an endpoint."""
        limited = (one for one in self.endpoints if one.client_limited)
        return tuple(dict.fromkeys(reason for one in limited for step in one.steps for reason in _reasons(step)))


def summarise(run: Run, samples: Samples) -> CapacitySummary:
    """Raises PlanError for a run of another kind, and KeyError, TypeError or ValueError for a damaged one."""
    plan = from_document(run.manifest.plan)
    recorded = run.outcome.get("steps", run.progress.get("steps", ()))
    if len(recorded) > _MOST_STEPS:
        raise ValueError(f"more than {_MOST_STEPS} steps")
    bounds = list(map(read_bounds, recorded))
    endpoints = []
    for position, endpoint in enumerate(run.manifest.endpoints):
        mine = samples[samples["endpoint"] == position]
        steps = judge_all(mine, [one for one in bounds if one.position == position], plan)
        prices = plan.usd_per_hour
        given = Price(prices[position]) if len(prices) == len(run.manifest.endpoints) else None
        endpoints.append(_capacity(endpoint.key, endpoint.name, plan, steps, mine, given, run.manifest.facts[position]))
    return CapacitySummary(
        run,
        plan,
        tuple(endpoints),
        _ratio(endpoints[0], endpoints[1]) if len(endpoints) > 1 else None,
        _ratio_per_usd(endpoints[0], endpoints[1]) if len(endpoints) > 1 else None,
    )


def _reasons(step: Step) -> tuple[str, ...]:
    return step.bounds.limited if step.is_client_limited else ()


def _capacity(
    key: str,
    name: str,
    plan: CapacityPlan,
    steps: Sequence[Step],
    samples: Samples,
    given: Price | None,
    facts: Mapping[str, str | None],
) -> Capacity:
    search = Search(plan.start_rate, plan.max_rate)
    for step in steps:
        search.tell(step.told)
    found = found_range(search)
    near = [step for step in steps if found.value is not None and step.bounds.rate >= _NEAR * found.value]
    instances = _instances(samples, near)
    return Capacity(
        key,
        name,
        found,
        is_client_limited(search),
        not search.failed and bool(search.held) and max(search.held) >= plan.max_rate * 0.999,
        instances,
        given or _modelled_price(instances, facts),
        search.posterior,
        tuple(steps),
    )


def found_range(search: Search) -> Range:
    """The capacity that a search has found. Without both a held and a failed step after a primer, a bound."""
    if (posterior := search.posterior) is not None:
        return Range(*_capped(posterior.range, search.max_rate))
    held = search.highest_held
    if held is None:
        return Range(None, None, min(search.failed, default=None))
    failed = min((rate for rate in search.failed if rate > held), default=None)
    return Range(held if failed is None else None, held, failed)


def _capped(found: Range, max_rate: float) -> tuple[float | None, float | None, float | None]:
    """Nothing above the maximum rate was tried."""
    return found.value, found.low, found.high if found.high is None or found.high <= max_rate * 1.5 else None


def is_client_limited(search: Search) -> bool:
    """Whether the client was the limit before the endpoint was."""
    return not search.failed and any(one.limited for one in search.told)


def _instances(samples: Samples, near: Sequence[Step]) -> int:
    seen: set[int] = set()
    for step in near:
        mine = (samples["group"] >= step.bounds.first) & (samples["group"] < step.bounds.last)
        seen |= set(np.unique(samples["instance"][mine]).tolist())
    return len(seen - {0})


def _modelled_price(instances: int, facts: Mapping[str, str | None]) -> Price | None:
    """Busy instances of the size that this project deploys, by the newest price list; None without prices there."""
    try:
        tariff = load_prices().tier(region(facts)).request
    except PriceError:
        return None
    hour_usd = _HOUR_S * (EQUAL.vcpu * tariff.active.vcpu_second_usd + EQUAL.memory_gib * tariff.active.gib_second_usd)
    size = f"{EQUAL.vcpu:g} vCPU and {EQUAL.memory_gib:g} GiB"
    source = f"{max(instances, 1)} busy instance{'s' if instances > 1 else ''} of {size}, before the free tier"
    return Price(max(instances, 1) * hour_usd, tariff.million_requests_usd / 1e6, source)


def _ratio(first: Capacity, second: Capacity) -> Range:
    if first.posterior is not None and second.posterior is not None:
        return quotient(first.posterior.draws(1), second.posterior.draws(2))
    return _of_bounds(first.range, second.range)


def _ratio_per_usd(first: Capacity, second: Capacity) -> Range | None:
    if first.price is None or second.price is None:
        return None
    if first.posterior is not None and second.posterior is not None:
        pairs = ((first.price, first.posterior.draws(1)), (second.price, second.posterior.draws(2)))
        mine, other = (
            np.log(np.exp(logs) * _HOUR_S / (price.usd_per_hour + np.exp(logs) * _HOUR_S * price.usd_per_request))
            for price, logs in pairs
        )
        return quotient(mine, other)
    one, two = first.requests_per_usd, second.requests_per_usd
    return _of_bounds(one, two) if one and two else None


def quotient(first_logs: Floats, second_logs: Floats) -> Range:
    """The ratio of two independent figures with its 95 % interval, from random logarithms of each."""
    low, value, high = np.exp(np.quantile(first_logs - second_logs, (0.025, 0.5, 0.975))).tolist()
    return Range(value, low, high)


def _of_bounds(first: Range, second: Range) -> Range:
    """The ratio of two capacities of which one is only a bound: what is certain."""
    low = None if first.low is None or second.high is None else first.low / second.high
    high = None if first.high is None or second.low is None else first.high / second.low
    return Range(None, low, high)


def to_document(summary: CapacitySummary) -> dict[str, Any]:
    """The figures as JSON; the format is versioned, and the meaning of a member never changes."""
    keys = [one.key for one in summary.endpoints]
    return {
        "format_version": 1,
        **summary.run.head,
        "slos": [slo.text for slo in summary.plan.slos],
        "capacity": {one.key: _capacity_document(one) for one in summary.endpoints},
        "ratio": _range_document(summary.ratio),
        "ratio_per_usd": _range_document(summary.ratio_per_usd),
        "steps": [_step_document(step, keys) for step in summary.steps],
        "conditions": list(conditions(summary)),
    }


def _range_document(found: Range | None) -> dict[str, float | None] | None:
    return None if found is None else {"value": found.value, "low": found.low, "high": found.high}


def _capacity_document(one: Capacity) -> dict[str, Any]:
    price = one.price
    return {
        "value": one.range.value,
        "low": one.range.low,
        "high": one.range.high,
        "client_limited": one.client_limited,
        "capped": one.capped,
        "instances": one.instances or None,
        "price": price
        and {
            "usd_per_hour": price.usd_per_hour,
            "usd_per_request": price.usd_per_request,
            "source": price.source,
        },
        "requests_per_usd": _range_document(one.requests_per_usd),
    }


def _step_document(step: Step, keys: Sequence[str]) -> dict[str, Any]:
    bounds = step.bounds
    return {
        "endpoint": keys[bounds.position],
        "rate": bounds.rate,
        "primer_rate": bounds.primer_rate,
        "duration_s": bounds.planned_s,
        "n": step.n,
        "errors": step.errors,
        "cold": step.cold,
        "latency_ms": dict(zip(PERCENTILES, step.percentiles_ms, strict=True)),
        "goodput": step.goodput,
        "held": step.held,
        "reason": step.broken,
        "client_limited": step.is_client_limited,
    }


def conditions(summary: CapacitySummary) -> tuple[str, ...]:
    """The conditions of a run, each as a short clause."""
    run, plan = summary.run, summary.plan
    early = run.outcome.get("early")
    return (
        f"{len(summary.steps)} steps in turns, open loop, {plan.arrivals} arrivals: response time",
        f"at most {plan.max_rate:g} requests/s and {plan.max_requests} requests",
        *((f"ended by {early}",) if early else ()),
        f"{plan.connection} connections",
        f"from {run.manifest.client.text}",
        run.started_text,
    )
