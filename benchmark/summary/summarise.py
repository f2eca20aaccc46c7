"""What a run says: everything that is shown of it, computed from its manifest and samples alone.

The command line and the dashboard both show this, so that their figures are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.endpoints.fairness import Condition, mismatches
from benchmark.endpoints.sample import Failure
from benchmark.record.plan import ComparePlan, Plan
from benchmark.record.run import Run
from benchmark.record.samples import COLD, FAILURES, PHASES, Floats, Samples, latency_ms, measured, response_ms
from benchmark.statistics.estimates import (
    Blocks,
    Estimate,
    consecutive_blocks,
    paired_median_difference,
    quantile_differences,
    quantiles,
    time_blocks,
    wilson,
)
from benchmark.statistics.verdict import Attempts, Verdict, decide

SHARES = (0.5, 0.95, 0.99)
SHARE_NAMES = ("p50", "p95", "p99")
_TIMEOUT = 1 + FAILURES.index(Failure.TIMEOUT)


@dataclass(frozen=True, slots=True)
class Failed:
    """One line of the error ledger."""

    failure: Failure
    count: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """One endpoint in one run. Latencies are of warm, measured successes; failures and cold starts are beside them."""

    key: str
    name: str
    warmup: int
    attempts: int
    """measured requests, successes and failures, without the warm-up"""
    ledger: tuple[Failed, ...]
    availability: Estimate
    service_ms: tuple[Estimate, ...]
    """p50, p95, p99: from the send to the last byte"""
    response_ms: tuple[Estimate, ...]
    """the same from the scheduled send; empty for a closed loop, which has none"""
    server_ms: tuple[Estimate, ...]
    phases_ms: tuple[tuple[str, float | None, int], ...]
    """median of each phase, and from how many requests"""
    rate: float
    """successes per second"""
    cold_ms: tuple[float, ...]
    instances: int

    @property
    def failed(self) -> int:
        """Measured requests without a usable answer."""
        return sum(line.count for line in self.ledger)

    @property
    def n(self) -> int:
        """How many requests the latencies are from."""
        return self.service_ms[0].n

    @property
    def latency_ms(self) -> tuple[Estimate, ...]:
        """Response time where there is one, else service time."""
        return self.response_ms or self.service_ms


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is shown of a run. `differences` are p50, p95 and p99, the first endpoint's minus the second's."""

    run: Run
    plan: Plan
    endpoints: tuple[Figures, ...]
    differences: tuple[Estimate, ...]
    verdict: Verdict | None
    """None unless two endpoints were measured"""
    mismatches: tuple[Condition, ...]

    @property
    def is_open_loop(self) -> bool:
        return self.plan.is_open_loop

    @property
    def winner_key(self) -> str | None:
        """The key of the endpoint that won."""
        if self.verdict is None or self.verdict.winner is None:
            return None
        # Not by name, as two endpoints may have the same one.
        return self.endpoints[0 if self.verdict.effect.value < 0 else 1].key


def summarise(run: Run, samples: Samples) -> Summary:
    """Everything about `run`, from its raw `samples`. Raises PlanError for a plan that this version cannot read."""
    plan = run.plan
    open_loop = plan.is_open_loop
    sides = [measured(samples, position) for position in range(len(run.endpoint_keys))]
    answered = [side[side["failure"] == 0] for side in sides]
    # Requests resemble their neighbours, so intervals come from blocks: of pairs, or of what came in the same time.
    blocks = (
        [consecutive_blocks(len(side)) for side in answered]
        if isinstance(plan, ComparePlan)
        else time_blocks([side["scheduled_ms"] for side in answered])
    )
    figures = tuple(
        _figures(run, samples, position, side, blocks[position], open_loop) for position, side in enumerate(answered)
    )
    unequal = tuple(mismatches([run.manifest["facts"][key] for key in run.endpoint_keys])) if len(sides) > 1 else ()
    verdict, differences = None, tuple[Estimate, ...]()
    if len(sides) == 2:
        seed = plan.seed
        if isinstance(plan, ComparePlan):
            first, second = _paired(*sides)
            effect = paired_median_difference(first, second, seed)
            differences = tuple(quantile_differences(_answered(first), _answered(second), SHARES, seed))
        else:
            latencies = [latency_ms(side, open_loop) for side in answered]
            differences = tuple(
                quantile_differences(
                    latencies[0], latencies[1], SHARES, seed, blocks=(blocks[0], blocks[1]), primary=0.5
                )
            )
            effect = differences[0]
        verdict = decide(
            effect,
            (figures[0].name, figures[1].name),
            (figures[0].latency_ms[0].value, figures[1].latency_ms[0].value),
            margin_ms=plan.margin_ms,
            margin_pct=plan.margin_pct,
            metric=metric_name(plan),
            unit="pairs" if isinstance(plan, ComparePlan) else "requests to each",
            attempts=(
                Attempts(figures[0].attempts, figures[0].failed),
                Attempts(figures[1].attempts, figures[1].failed),
            ),
            resolution_ms=run.manifest.get("resolution_ms"),
            fair=not unequal,
            conditions=conditions(run, plan),
        )
    return Summary(run, plan, figures, differences, verdict, unequal)


def metric_name(plan: Plan) -> str:
    """What the verdict is about."""
    if isinstance(plan, ComparePlan):
        return "paired median"
    return "p50 of the response time" if plan.is_open_loop else "p50 of the service time"


def conditions(run: Run, plan: Plan) -> tuple[str, ...]:
    """Under which conditions a run's figures hold, a short clause each."""
    client = run.manifest["client"]
    if isinstance(plan, ComparePlan):
        loop = "closed loop, one request in flight, pairs in random order: service time"
    elif plan.is_open_loop:
        ramp = "" if plan.ramp is None else f" from {plan.ramp:g}"
        loop = f"open loop, {plan.arrivals} arrivals at{ramp} {plan.rate:g}/s to each: response time"
    else:
        loop = f"closed loop, {plan.concurrency} callers to each: service time, which hides stalls"
    return (
        loop,
        f"{plan.connection} connections",
        f"from {client['host']} ({client['machine']}, {client['cpus']} CPUs)",
        run.started_text,
    )


def _figures(run: Run, samples: Samples, position: int, answered: Samples, blocks: Blocks, open_loop: bool) -> Figures:
    key = run.endpoint_keys[position]
    mine = samples["endpoint"] == position
    warmup = int(np.count_nonzero(mine & samples["warmup"]))
    attempts = int(np.count_nonzero(mine)) - warmup
    cold = samples["service_ms"][mine & (samples["temperature"] == COLD) & (samples["failure"] == 0)]
    failures = np.bincount(samples["failure"][mine & ~samples["warmup"]], minlength=len(FAILURES) + 1)
    details = run.outcome.get("failure_details", {}).get(key, {})
    ledger = tuple(
        Failed(failure, int(count), details.get(failure.value))
        for failure, count in zip(FAILURES, failures[1:], strict=True)
        if count
    )
    server = answered["server_ms"]
    timed = ~np.isnan(server)
    return Figures(
        key=key,
        name=run.endpoint_names[position],
        warmup=warmup,
        attempts=attempts,
        ledger=ledger,
        availability=wilson(int(failures[0]), attempts),
        service_ms=tuple(quantiles(answered["service_ms"], SHARES, blocks=blocks)),
        response_ms=tuple(quantiles(response_ms(answered), SHARES, blocks=blocks)) if open_loop else (),
        server_ms=tuple(quantiles(server[timed], SHARES, blocks=blocks[timed])),
        phases_ms=tuple(_phase(name, answered[name]) for name in PHASES),
        rate=_rate(answered),
        cold_ms=tuple(float(value) for value in cold),
        instances=len(set(np.unique(samples["instance"][mine]).tolist()) - {0}),
    )


def _phase(name: str, values: Floats) -> tuple[str, float | None, int]:
    known = values[~np.isnan(values)]
    return name.removesuffix("_ms"), float(np.median(known)) if len(known) else None, len(known)


def _rate(answered: Samples) -> float:
    if len(answered) < 2:
        return 0.0
    span_ms = float((answered["sent_ms"] + answered["service_ms"]).max() - answered["scheduled_ms"].min())
    return len(answered) * 1000 / span_ms if span_ms > 0 else 0.0


def _paired(first: Samples, second: Samples) -> tuple[Floats, Floats]:
    """Service times of whole pairs in time order: infinite for a timeout, NaN for another failure."""
    _, at_first, at_second = np.intersect1d(first["group"], second["group"], assume_unique=True, return_indices=True)
    return _censored(first[at_first]), _censored(second[at_second])


def _censored(samples: Samples) -> Floats:
    values: Floats = samples["service_ms"].astype(np.float64)
    values[samples["failure"] != 0] = np.nan
    values[samples["failure"] == _TIMEOUT] = np.inf
    return values


def _answered(values: Floats) -> Floats:
    return np.where(np.isinf(values), np.nan, values)


def to_document(summary: Summary) -> dict[str, Any]:
    """The figures as JSON holds them; the format has a version, and a member is never given another meaning."""
    run, verdict = summary.run, summary.verdict
    latency = "response_ms" if summary.is_open_loop else "service_ms"
    effect = verdict.effect if verdict else None
    generator = run.outcome.get("generator", {})
    return {
        "format_version": 1,
        "kind": run.kind,
        "id": run.id,
        "name": run.name,
        "state": run.state.value,
        "started_at_utc": run.started_at_utc,
        "manifest": dict(run.manifest),
        "endpoints": {
            one.key: {
                "n": one.n,
                "attempts": one.attempts,
                "warmup": one.warmup,
                "errors": {line.failure.value: line.count for line in one.ledger},
                "availability": _interval(one.availability),
                "service_ms": _quantiles(one.service_ms),
                **({latency: _quantiles(one.response_ms)} if one.response_ms else {}),
                "rate": one.rate,
                "phases_ms": {name: value for name, value, _ in one.phases_ms},
                "server_ms": _quantiles(one.server_ms),
                "cold_ms": list(one.cold_ms),
                "instances": one.instances,
            }
            for one in summary.endpoints
        },
        "difference": {
            "metric": verdict.metric,
            "value_ms": _finite(verdict.effect.value),
            "low_ms": verdict.effect.low,
            "high_ms": verdict.effect.high,
            "n": verdict.effect.n,
        }
        if verdict and effect
        else None,
        "differences_ms": _quantiles(summary.differences) if summary.differences else None,
        "verdict": {
            "outcome": verdict.outcome.value,
            "winner": summary.winner_key,
            "sentence": verdict.sentence,
            "margin_ms": verdict.margin_ms,
            "state": verdict.state.value,
            "more": verdict.more_pairs,
            "conditions": list(verdict.conditions),
        }
        if verdict
        else None,
        "fairness": [{"name": one.name, "values": list(one.values)} for one in summary.mismatches],
        "generator": {name: generator.get(name) for name in ("floor_ms", "loop_lag_ms", "late_ms", "cpu", "limited")}
        | {"reasons": list(generator.get("reasons", ()))},
    }


def _quantiles(estimates: Sequence[Estimate]) -> dict[str, Any]:
    return {name: _interval(estimate) for name, estimate in zip(SHARE_NAMES, estimates, strict=True)}


def _interval(estimate: Estimate) -> dict[str, Any]:
    return {"value": _finite(estimate.value), "low": estimate.low, "high": estimate.high, "n": estimate.n}


def _finite(value: float) -> float | None:
    """JSON knows neither NaN nor infinity: no value."""
    return value if np.isfinite(value) else None
