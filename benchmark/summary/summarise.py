"""What a run says: everything that is shown of it, computed from its manifest and samples alone.

The command line and the dashboard both show this, so that their figures are the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.endpoints.fairness import Condition, mismatches
from benchmark.endpoints.sample import Failure
from benchmark.record.plan import ComparePlan, Plan
from benchmark.record.run import Run
from benchmark.record.samples import (
    COLD,
    FAILURES,
    PHASES,
    QUEUED,
    TIMEOUT,
    UNKNOWN,
    Floats,
    Samples,
    censored_latency_ms,
    latency_ms,
    measured,
    response_ms,
    temperatures,
)
from benchmark.statistics.documents import estimate_document, estimates_document, finite, verdict_document
from benchmark.statistics.estimates import (
    Blocks,
    Estimate,
    consecutive_blocks,
    design_effect,
    paired_median_difference,
    quantile_differences,
    quantiles,
    time_blocks,
    wilson,
)
from benchmark.statistics.verdict import Attempts, State, Verdict, decide

SHARES = (0.5, 0.95, 0.99)
SHARE_NAMES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Failed:
    """One line of the error ledger."""

    failure: Failure
    count: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """One endpoint in one run. Latencies are of measured successes of instances that were warm, or of which nothing
    tells; failures, cold starts and what waited for one are beside them.

    Alone in `censored_ms`, which comparisons and promises are about, a timeout counts: as longer than every answer.
    """

    key: str
    name: str
    warmup: int
    attempts: int
    """measured requests, successes and failures, without the warm-up"""
    ledger: tuple[Failed, ...]
    failures_design_effect: float
    """how many times as uncertain the share of failures is because they come together, as in an outage"""
    service_ms: tuple[Estimate, ...]
    """p50, p95, p99: from the send to the last byte"""
    response_ms: tuple[Estimate, ...]
    """the same from the scheduled send; empty for a closed loop, which has none"""
    censored_ms: tuple[Estimate, ...]
    """`latency_ms` with timeouts, each infinite"""
    server_ms: tuple[Estimate, ...]
    phases_ms: tuple[tuple[str, float | None, int], ...]
    """median of each phase, and from how many requests"""
    rate: float
    """successes per second"""
    cold_ms: tuple[float, ...]
    """service times of the first answers of instances that were started for them, those of the warm-up too"""
    queued_ms: tuple[float, ...]
    """the same of requests that waited for such a start, which another request had caused"""
    unknown: int
    """of how many of the latencies nothing tells whether they are of a warm instance"""
    instances: int

    @property
    def failed(self) -> int:
        """Measured requests without a usable answer."""
        return sum(line.count for line in self.ledger)

    @property
    def availability(self) -> Estimate:
        """The share of measured requests with a usable answer."""
        return wilson(self.attempts - self.failed, self.attempts, self.failures_design_effect)

    @property
    def error_rate(self) -> Estimate:
        """The share of the others."""
        return wilson(self.failed, self.attempts, self.failures_design_effect)

    @property
    def n(self) -> int:
        """How many requests the latencies are from."""
        return self.service_ms[0].n

    @property
    def state(self) -> State:
        """Of the instances that the latencies are of."""
        return State.WARM if self.n and not self.unknown else State.UNKNOWN

    @property
    def latency_ms(self) -> tuple[Estimate, ...]:
        """Response time where there is one, else service time."""
        return self.response_ms or self.service_ms


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is shown of a run. `differences` are p50, p95 and p99, the first endpoint's minus the second's.

    Where there were timeouts they are of `Figures.censored_ms`, and so not between the percentiles of the answers.
    """

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
        if self.verdict is None or self.verdict.winner_position is None:
            return None
        return self.endpoints[self.verdict.winner_position].key


def summarise(run: Run, samples: Samples) -> Summary:
    """Everything about `run`, from its raw `samples`. Raises PlanError for a plan that this version cannot read."""
    plan = run.plan
    sides = [measured(samples, position) for position in range(len(run.endpoint_keys))]
    figures = tuple(_figures(run, plan, samples, position, side) for position, side in enumerate(sides))
    unequal = tuple(mismatches([run.manifest["facts"][key] for key in run.endpoint_keys])) if len(figures) > 1 else ()
    verdict, differences = None, tuple[Estimate, ...]()
    if len(figures) == 2:
        effect, differences = _compared(plan, sides[0], sides[1])
        verdict = decide(
            effect,
            (figures[0].name, figures[1].name),
            (figures[0].latency_ms[0].value, figures[1].latency_ms[0].value),
            margin_ms=plan.margin_ms,
            margin_pct=plan.margin_pct,
            metric=metric_name(plan),
            unit="pairs" if isinstance(plan, ComparePlan) else "requests to each",
            state=_state(sides),
            attempts=(
                Attempts(figures[0].attempts, figures[0].failed, figures[0].failures_design_effect),
                Attempts(figures[1].attempts, figures[1].failed, figures[1].failures_design_effect),
            ),
            resolution_ms=run.manifest.get("resolution_ms"),
            fair=not unequal,
            conditions=conditions(run, plan),
            limited=limits(run),
        )
    return Summary(run, plan, figures, differences, verdict, unequal)


def limits(run: Run) -> tuple[str, ...]:
    """Why the figures of a run are its client's as much as the endpoints'; none of a sound run."""
    health = run.outcome.get("generator", {})
    return tuple(health.get("reasons", ())) or ("it did not keep up",) if health.get("limited") else ()


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


def _figures(run: Run, plan: Plan, samples: Samples, position: int, side: Samples) -> Figures:
    """Of the endpoint at `position`; `side` is what `measured` takes of `samples` for it."""
    key = run.endpoint_keys[position]
    mine = samples["endpoint"] == position
    met = temperatures(samples)
    attempted = samples[mine & ~samples["warmup"]]
    answered = side[side["failure"] == 0]
    blocks = _blocks(plan, answered)
    service_ms = tuple(quantiles(answered["service_ms"], SHARES, blocks))
    responded_ms = tuple(quantiles(response_ms(answered), SHARES, blocks)) if plan.is_open_loop else ()
    censored_ms = responded_ms or service_ms
    ended = _without_failures(side)
    if len(ended) > len(answered):
        censored_ms = tuple(quantiles(censored_latency_ms(ended, plan.is_open_loop), SHARES, _blocks(plan, ended)))
    cold, queued = (
        tuple(map(float, samples["service_ms"][mine & (met == state) & (samples["failure"] == 0)]))
        for state in (COLD, QUEUED)
    )
    failures = np.bincount(attempted["failure"], minlength=len(FAILURES) + 1)
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
        warmup=int(np.count_nonzero(mine)) - len(attempted),
        attempts=len(attempted),
        ledger=ledger,
        failures_design_effect=design_effect(attempted["failure"] != 0, _blocks(plan, attempted)),
        service_ms=service_ms,
        response_ms=responded_ms,
        censored_ms=censored_ms,
        server_ms=tuple(quantiles(server[timed], SHARES, blocks[timed])),
        phases_ms=tuple(_phase(name, answered[name]) for name in PHASES),
        rate=_rate(answered),
        cold_ms=cold,
        queued_ms=queued,
        unknown=int(np.count_nonzero(answered["temperature"] == UNKNOWN)),
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


def _blocks(plan: Plan, samples: Samples) -> Blocks:
    """Requests resemble their neighbours: when each was, in the order of pairs, or in time."""
    return (
        consecutive_blocks(len(samples)) if isinstance(plan, ComparePlan) else time_blocks([samples["scheduled_ms"]])[0]
    )


def _compared(plan: Plan, first: Samples, second: Samples) -> tuple[Estimate, tuple[Estimate, ...]]:
    """The difference that the verdict is about, and those of the percentiles.

    Timeouts rank after every answer, and are known to have taken at least as long as was waited for them.
    """
    if isinstance(plan, ComparePlan):
        _, *whole = np.intersect1d(first["group"], second["group"], assume_unique=True, return_indices=True)
        pairs = [side[at] for side, at in zip((first, second), whole, strict=True)]
        first_ms, second_ms = (censored_latency_ms(side, False) for side in pairs)
        waited_ms = _waited_ms(pairs[0], False), _waited_ms(pairs[1], False)
        effect = paired_median_difference(first_ms, second_ms, waited_ms)
        return effect, tuple(quantile_differences(first_ms, second_ms, SHARES, waited_ms=waited_ms))
    first, second = _without_failures(first), _without_failures(second)
    blocks = time_blocks([first["scheduled_ms"], second["scheduled_ms"]])
    differences = quantile_differences(
        censored_latency_ms(first, plan.is_open_loop),
        censored_latency_ms(second, plan.is_open_loop),
        SHARES,
        blocks=(blocks[0], blocks[1]),
        primary=0.5,
        waited_ms=(_waited_ms(first, plan.is_open_loop), _waited_ms(second, plan.is_open_loop)),
    )
    return differences[0], tuple(differences)


def _waited_ms(samples: Samples, open_loop: bool) -> Floats:
    """How long was waited for an answer, whether it came or not."""
    waited: Floats = latency_ms(samples, open_loop).astype(np.float64)
    return waited


def _state(sides: list[Samples]) -> State:
    """Of the instances behind all that is compared: a timeout that nothing tells of may have been a start."""
    compared = [_without_failures(side)["temperature"] for side in sides]
    known = all(len(found) and not np.any(found == UNKNOWN) for found in compared)
    return State.WARM if known else State.UNKNOWN


def _without_failures(samples: Samples) -> Samples:
    """Answers and timeouts: of these it is known how long they took, or that they took longer than any answer."""
    known: Samples = samples[np.isin(samples["failure"], (0, TIMEOUT))]
    return known


def to_document(summary: Summary) -> dict[str, Any]:
    """The figures as JSON holds them; the format has a version, and a member is never given another meaning.

    `n` counts the answers that the latencies are of: those of warm instances, and those of which nothing tells
    (`unknown`).
    `errors` counts failures by their kind, and is empty where there was none.
    """
    run, verdict = summary.run, summary.verdict
    generator = run.outcome.get("generator", {})
    return {
        "format_version": 1,
        **run.head,
        "endpoints": {
            one.key: {
                "n": one.n,
                "state": one.state.value,
                "unknown": one.unknown,
                "attempts": one.attempts,
                "warmup": one.warmup,
                "errors": {line.failure.value: line.count for line in one.ledger},
                "availability": estimate_document(one.availability),
                "service_ms": estimates_document(SHARE_NAMES, one.service_ms),
                **({"response_ms": estimates_document(SHARE_NAMES, one.response_ms)} if one.response_ms else {}),
                "censored_ms": estimates_document(SHARE_NAMES, one.censored_ms),
                "rate": one.rate,
                "phases_ms": {name: value for name, value, _ in one.phases_ms},
                "server_ms": estimates_document(SHARE_NAMES, one.server_ms),
                "cold_ms": list(one.cold_ms),
                "queued_ms": list(one.queued_ms),
                "instances": one.instances,
            }
            for one in summary.endpoints
        },
        "difference": {
            "metric": verdict.metric,
            "value_ms": finite(verdict.effect.value),
            "low_ms": verdict.effect.low,
            "high_ms": verdict.effect.high,
            "n": verdict.effect.n,
        }
        if verdict
        else None,
        "differences_ms": estimates_document(SHARE_NAMES, summary.differences) if verdict else None,
        "verdict": verdict_document(verdict, run.endpoint_keys)
        | {"more": verdict.more_pairs, "conditions": list(verdict.conditions)}
        if verdict
        else None,
        "fairness": [{"name": one.name, "values": list(one.values)} for one in summary.mismatches],
        "generator": {name: generator.get(name) for name in ("floor_ms", "loop_lag_ms", "late_ms", "cpu", "limited")}
        | {"reasons": list(generator.get("reasons", ()))},
    }
