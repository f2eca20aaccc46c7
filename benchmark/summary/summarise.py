"""The results of a run, computed only from its manifest and samples.

The command line and the dashboard share this summary, so that their figures are equal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.endpoints.fairness import Condition, mismatches
from benchmark.endpoints.sample import Failure
from benchmark.record.plan import ComparePlan, OpenLoopPlan, Plan, ReplayPlan, Stage, StagedPlan
from benchmark.record.run import Run, RunState
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
    in_order,
    latency_ms,
    measured,
    response_ms,
    temperatures,
)
from benchmark.statistics.contrasts import Contrast, corrected
from benchmark.statistics.documents import (
    estimate_document,
    estimates_document,
    finite,
    pairs_document,
    verdict_document,
)
from benchmark.statistics.estimates import (
    Blocks,
    Estimate,
    consecutive_blocks,
    design_effect,
    min_samples,
    paired_median_difference,
    quantile,
    quantile_differences,
    quantiles,
    time_blocks,
    wilson,
)
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.spread import with_spread
from benchmark.statistics.text import listed
from benchmark.statistics.verdict import Attempts, State, Verdict, decide

_MEDIAN = 0.5
_STAGES_NAMED = 5
_WORKERS_NAMED = 6


@dataclass(frozen=True, slots=True)
class Failed:
    """One line of the error ledger."""

    failure: Failure
    count: int
    detail: str | None


@dataclass(frozen=True, slots=True)
class Goodput:
    """The share of measured requests that were answered within a limit; failures were not."""

    limit_ms: float
    share: Estimate


@dataclass(frozen=True, slots=True)
class StageFigures:
    """One endpoint in one stage of a load: the requests that were due in it."""

    stage: Stage
    reached_s: float
    """how much of the stage the run reached; all of it unless the run ended early"""
    attempts: int
    failed: int
    failures_design_effect: float
    rate: float
    """answers per second, including those of the warm-up"""
    response_ms: tuple[Estimate, ...]
    """each of `PERCENTILES`"""
    goodput: Goodput | None

    @property
    def error_rate(self) -> Estimate:
        """The share of measured requests without a usable answer."""
        return wilson(self.failed, self.attempts, self.failures_design_effect)


@dataclass(frozen=True, slots=True)
class Correctness:
    """How many answers under load differ from those to the same input at rest."""

    bodies: int
    """inputs that were asked at rest"""
    unstable: int
    """inputs of these that had two different answers or none at rest, and are not compared"""
    by_instance: tuple[tuple[str | None, int, int], ...]
    """instance (None: unknown), compared answers, and changed ones"""

    @property
    def compared(self) -> int:
        return sum(compared for _, compared, _ in self.by_instance)

    @property
    def changed(self) -> int:
        return sum(changed for _, _, changed in self.by_instance)


@dataclass(frozen=True, slots=True)
class Figures:
    """One endpoint in one run. Latencies are of measured successes from warm or unknown instances; failures, cold
    starts and requests that waited for one are separate.

    Only `censored_ms`, for comparisons and SLOs, includes timeouts, as longer than any answer.
    """

    key: str
    name: str
    warmup: int
    attempts: int
    """measured requests, successes and failures, without the warm-up"""
    ledger: tuple[Failed, ...]
    failures_design_effect: float
    """the factor by which clustered failures, as in an outage, make their share more uncertain"""
    service_ms: tuple[Estimate, ...]
    """each of `PERCENTILES`, from the send to the last byte"""
    response_ms: tuple[Estimate, ...]
    """the same from the scheduled send; empty for a closed loop, which has none"""
    censored_ms: tuple[Estimate, ...]
    """`latency_ms` with timeouts, each infinite"""
    server_ms: tuple[Estimate, ...]
    phases_ms: tuple[tuple[str, float | None, int], ...]
    """name, median and number of requests of each phase"""
    rate: float
    """successes per second"""
    cold_ms: tuple[float, ...]
    """service times of first answers of instances that were started for them, including the warm-up"""
    queued_ms: tuple[float, ...]
    """the same for requests that waited for a start that another request had caused"""
    unknown: int
    """the number of latencies without evidence of a warm instance"""
    instances: int
    goodput: Goodput | None
    """None without a limit in the plan"""
    stages: tuple[StageFigures, ...]
    """empty for a plan without stages"""
    correctness: Correctness | None
    """None if answers were not compared with those at rest"""

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
        """The share of measured requests without one."""
        return wilson(self.failed, self.attempts, self.failures_design_effect)

    @property
    def n(self) -> int:
        """The number of requests behind the latencies."""
        return self.service_ms[0].n

    @property
    def state(self) -> State:
        """The state of the instances behind the latencies."""
        return State.WARM if self.n and not self.unknown else State.UNKNOWN

    @property
    def latency_ms(self) -> tuple[Estimate, ...]:
        """Response time in an open loop, otherwise service time."""
        return self.response_ms or self.service_ms


@dataclass(frozen=True, slots=True)
class Vantage:
    """What one worker sent and saw."""

    name: str
    sent: int
    """requests whose rows came back"""
    lost: int
    """requests of its share without a row: sent or not, nobody knows"""
    limited: bool
    problem: str | None
    """why it was lost, in a clause"""
    latency_ms: tuple[tuple[Estimate, ...], ...]
    """for each endpoint, each of `PERCENTILES` of the latencies as in `Figures.latency_ms`"""


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of a run. `differences` are those of `PERCENTILES` for each of the verdict's pairs, the first
    endpoint minus the second in ms.

    With timeouts they use `Figures.censored_ms`, so they are not differences of the answers' percentiles.
    """

    run: Run
    plan: Plan
    endpoints: tuple[Figures, ...]
    differences: tuple[tuple[Estimate, ...], ...]
    verdict: Verdict | None
    """None if only one endpoint was measured"""
    mismatches: tuple[Condition, ...]
    workers: tuple[Vantage, ...] = ()
    """empty for a run of one process"""

    @property
    def is_open_loop(self) -> bool:
        return self.plan.is_open_loop

    @property
    def winner_key(self) -> str | None:
        """The key of the winner; None without one."""
        if self.verdict is None or self.verdict.winner_position is None:
            return None
        return self.endpoints[self.verdict.winner_position].key


def summarise(run: Run, samples: Samples) -> Summary:
    """Everything about `run`, from its raw `samples`. Raises PlanError for a plan that this version cannot read."""
    plan = run.plan
    samples = in_order(samples)
    sides = [measured(samples, position) for position in range(len(run.endpoint_keys))]
    figures = tuple(_figures(run, plan, samples, position, side) for position, side in enumerate(sides))
    unequal = tuple(mismatches(run.manifest.facts)) if len(figures) > 1 else ()
    workers = tuple(_vantages(run, plan, sides))
    if len(figures) < 2:
        return Summary(run, plan, figures, (), None, unequal, workers)
    comparison = (_Blocks if isinstance(plan, ComparePlan) else _Streams)(plan.is_open_loop, sides)
    verdict = decide(
        comparison.effect,
        [one.name for one in figures],
        [one.latency_ms[0].value for one in figures],
        margin_ms=plan.margin_ms,
        margin_pct=plan.margin_pct,
        metric=metric_name(plan),
        unit=unit_name(plan, len(figures)),
        state=_state(sides),
        attempts=[Attempts(one.attempts, one.failed, one.failures_design_effect) for one in figures],
        resolution_ms=run.manifest.resolution_ms,
        fair=not unequal,
        conditions=conditions(run, plan),
        limited=limits(run),
    )
    confidence = corrected(len(verdict.pairs))
    differences = tuple(tuple(comparison.differences(pair, confidence)) for pair in verdict.pairs)
    return Summary(run, plan, figures, differences, verdict, unequal, workers)


def limits(run: Run) -> tuple[str, ...]:
    """Why the client limited the run, so that its figures are not the endpoints'; none for a sound run."""
    health = run.outcome.generator
    return tuple(health.get("reasons", ())) or ("it did not keep up",) if health.get("limited") else ()


def metric_name(plan: Plan) -> str:
    """The metric of the verdict."""
    if isinstance(plan, ComparePlan):
        return "paired median"
    return "p50 of the response time" if plan.is_open_loop else "p50 of the service time"


def unit_name(plan: Plan, endpoints: int) -> str:
    """The unit that the verdict counts. A block is one request to each endpoint; with two endpoints it is a pair."""
    if isinstance(plan, ComparePlan):
        return "pairs" if endpoints == 2 else "blocks"
    return "requests to each"


def conditions(run: Run, plan: Plan) -> tuple[str, ...]:
    """The conditions of a run, each as a short clause."""
    if isinstance(plan, ComparePlan):
        what = "pairs" if len(run.endpoint_keys) < 3 else "blocks of one request to each"
        loop = f"closed loop, one request in flight, {what} in random order: service time"
    elif isinstance(plan, OpenLoopPlan):
        ramp = "" if plan.ramp is None else f" from {plan.ramp:g}"
        loop = f"open loop, {arrivals_text(plan)} arrivals at{ramp} {plan.rate:g}/s to each: response time"
    elif isinstance(plan, StagedPlan):
        loop = f"open loop, {arrivals_text(plan)} arrivals in {stages_text(plan)} to each: response time"
    elif isinstance(plan, ReplayPlan):
        loop = f"open loop, a replay of {plan.log} at {plan.speed:g} times its speed to each: response time"
    else:
        loop = f"closed loop, {plan.concurrency} callers to each: service time, which hides stalls"
    return (
        loop,
        f"{plan.connection} connections",
        f"from {_from(run)}",
        run.started_text,
    )


def _from(run: Run) -> str:
    """Where the requests came from: the machine, or the workers that were not lost."""
    names = run.manifest.workers
    if not names:
        return run.manifest.client.text
    lost = {worker.name for worker in run.outcome.workers if worker.problem is not None}
    sound = [name for name in names if name not in lost]
    shown = sound if len(sound) <= _WORKERS_NAMED else [*sound[: _WORKERS_NAMED - 1], "others"]
    named = f" ({listed(shown)})" if shown else ""
    return f"{len(sound)} of {len(names)} workers{named}" if lost else f"{len(names)} workers{named}"


def arrivals_text(plan: OpenLoopPlan | StagedPlan) -> str:
    """The distribution of the arrivals."""
    return plan.arrivals if plan.burstiness is None else f"{plan.arrivals} (burstiness {plan.burstiness:g})"


def stages_text(plan: StagedPlan) -> str:
    """The stages in a few words: `3 stages of 10, 200 and 10/s`."""
    rates = [f"{stage.rate:g}" for stage in plan.stages]
    if len(rates) > _STAGES_NAMED:
        ordered = sorted(stage.rate for stage in plan.stages)
        return f"{len(rates)} stages of {ordered[0]:g} to {ordered[-1]:g}/s"
    return f"{len(rates)} stage{'' if len(rates) == 1 else 's'} of {listed(rates)}/s"


def _figures(run: Run, plan: Plan, samples: Samples, position: int, side: Samples) -> Figures:
    """Of the endpoint at `position`; `side` is what `measured` selects from `samples` for it."""
    key = run.endpoint_keys[position]
    mine = samples["endpoint"] == position
    met = temperatures(samples)
    attempted = samples[mine & ~samples["warmup"]]
    answered = side[side["failure"] == 0]
    blocks = _blocks(plan, answered)
    service_ms = tuple(quantiles(answered["service_ms"], PERCENTILES.values(), blocks))
    responded_ms = tuple(quantiles(response_ms(answered), PERCENTILES.values(), blocks)) if plan.is_open_loop else ()
    censored_ms = responded_ms or service_ms
    ended = _without_failures(side)
    if len(ended) > len(answered):
        censored_ms = tuple(
            quantiles(censored_latency_ms(ended, plan.is_open_loop), PERCENTILES.values(), _blocks(plan, ended))
        )
    cold, queued = (
        tuple(map(float, samples["service_ms"][mine & (met == state) & (samples["failure"] == 0)]))
        for state in (COLD, QUEUED)
    )
    failures = np.bincount(attempted["failure"], minlength=len(FAILURES) + 1)
    details = run.outcome.failure_details.get(key, {})
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
        server_ms=tuple(quantiles(server[timed], PERCENTILES.values(), blocks[timed])),
        phases_ms=tuple(_phase(name, answered[name]) for name in PHASES),
        rate=_rate(answered),
        cold_ms=cold,
        queued_ms=queued,
        unknown=int(np.count_nonzero(answered["temperature"] == UNKNOWN)),
        instances=len(set(np.unique(samples["instance"][mine]).tolist()) - {0}),
        goodput=_goodput(plan, attempted),
        stages=tuple(_stages(run, plan, samples, position, side)) if isinstance(plan, StagedPlan) else (),
        correctness=_correctness(run, key),
    )


def _vantages(run: Run, plan: Plan, sides: Sequence[Samples]) -> Iterator[Vantage]:
    """Each worker of the run; `sides` are what `measured` selects for each endpoint."""
    for number, worker in enumerate(run.outcome.workers, 1):
        seen = []
        for side in sides:
            answered = side[(side["worker"] == number) & (side["failure"] == 0)]
            latencies_ms = latency_ms(answered, plan.is_open_loop)
            seen.append(tuple(quantiles(latencies_ms, PERCENTILES.values(), _blocks(plan, answered))))
        yield Vantage(worker.name, worker.sent, worker.lost, worker.limited, worker.problem, tuple(seen))


def _goodput(plan: Plan, attempted: Samples) -> Goodput | None:
    if plan.goodput_ms is None:
        return None
    good = (attempted["failure"] == 0) & (latency_ms(attempted, plan.is_open_loop) <= plan.goodput_ms)
    clusters = design_effect(good, _blocks(plan, attempted))
    return Goodput(plan.goodput_ms, wilson(int(np.count_nonzero(good)), len(good), clusters))


def _stages(run: Run, plan: StagedPlan, samples: Samples, position: int, side: Samples) -> Iterator[StageFigures]:
    """The stages of the endpoint at `position`; `side` as for `_figures`."""
    mine = samples[samples["endpoint"] == position]
    last_s = float(samples["scheduled_ms"].max()) / 1000 if len(samples) else 0.0
    began_s = 0.0
    for stage in plan.stages:
        ended_s = began_s + stage.duration_s
        reached_s = stage.duration_s
        if run.state is not RunState.FINISHED:
            reached_s = min(max(last_s - began_s, 0.0), stage.duration_s)
        sent, measured_side = (
            some[(some["scheduled_ms"] >= began_s * 1000) & (some["scheduled_ms"] < ended_s * 1000)]
            for some in (mine, side)
        )
        attempted, answered = sent[~sent["warmup"]], measured_side[measured_side["failure"] == 0]
        failed = attempted["failure"] != 0
        yield StageFigures(
            stage=stage,
            reached_s=reached_s,
            attempts=len(attempted),
            failed=int(np.count_nonzero(failed)),
            failures_design_effect=design_effect(failed, _blocks(plan, attempted)),
            rate=int(np.count_nonzero(sent["failure"] == 0)) / reached_s if reached_s else 0.0,
            response_ms=tuple(quantiles(response_ms(answered), PERCENTILES.values(), _blocks(plan, answered))),
            goodput=_goodput(plan, attempted),
        )
        began_s = ended_s


def _correctness(run: Run, key: str) -> Correctness | None:
    found = run.outcome.correctness.get(key)
    if found is None:
        return None
    counted = tuple((one["id"], one["compared"], one["changed"]) for one in found["instances"])
    return Correctness(found["bodies"], found["unstable"], counted)


def _phase(name: str, values: Floats) -> tuple[str, float | None, int]:
    known = values[~np.isnan(values)]
    return name.removesuffix("_ms"), float(np.median(known)) if len(known) else None, len(known)


def _rate(answered: Samples) -> float:
    if len(answered) < 2:
        return 0.0
    span_ms = float((answered["sent_ms"] + answered["service_ms"]).max() - answered["scheduled_ms"].min())
    return len(answered) * 1000 / span_ms if span_ms > 0 else 0.0


def _blocks(plan: Plan, samples: Samples) -> Blocks:
    """The time of each request, by block or clock, because requests resemble their neighbours."""
    return (
        consecutive_blocks(len(samples)) if isinstance(plan, ComparePlan) else time_blocks([samples["scheduled_ms"]])[0]
    )


class _Blocks:
    """Differences between endpoints that were asked in blocks, computed block by block.

    Timeouts rank after every answer, and took at least as long as the client waited.
    """

    def __init__(self, is_open_loop: bool, sides: Sequence[Samples]) -> None:
        self._sides = sides
        self._known: dict[tuple[int, int], tuple[Floats, Floats, tuple[Floats, Floats]]] = {}

    def effect(self, first: int, second: int, confidence: float) -> Estimate:
        """The median of the differences."""
        first_ms, second_ms, waited_ms = self._pairs(first, second)
        return paired_median_difference(first_ms, second_ms, waited_ms, confidence=confidence)

    def differences(self, pair: Contrast, confidence: float) -> Sequence[Estimate]:
        """Of each percentile."""
        first_ms, second_ms, waited_ms = self._pairs(pair.first, pair.second)
        shares = PERCENTILES.values()
        return quantile_differences(first_ms, second_ms, shares, waited_ms=waited_ms, confidence=confidence)

    def _pairs(self, first: int, second: int) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
        """Both latencies in ms of the blocks that have both, and the waiting time of each."""
        if (first, second) not in self._known:
            sides = self._sides[first], self._sides[second]
            _, *whole = np.intersect1d(sides[0]["group"], sides[1]["group"], assume_unique=True, return_indices=True)
            one, other = (side[at] for side, at in zip(sides, whole, strict=True))
            waited_ms = _waited_ms(one, False), _waited_ms(other, False)
            found = censored_latency_ms(one, False), censored_latency_ms(other, False), waited_ms
            self._known[first, second] = found
        return self._known[first, second]


class _Streams:
    """Differences between endpoints whose requests were sent independently, computed by time."""

    def __init__(self, is_open_loop: bool, sides: Sequence[Samples]) -> None:
        ended = [_without_failures(side) for side in sides]
        self._censored_ms = [censored_latency_ms(side, is_open_loop) for side in ended]
        self._by_worker_ms = [
            _by_worker(side["worker"], values) for side, values in zip(ended, self._censored_ms, strict=True)
        ]
        self._waited_ms = [_waited_ms(side, is_open_loop) for side in ended]
        self._times_ms = [side["scheduled_ms"] for side in ended]

    def effect(self, first: int, second: int, confidence: float) -> Estimate:
        """Of the medians: the primary metric, named before the run."""
        return self._differences(first, second, [_MEDIAN], confidence)[0]

    def differences(self, pair: Contrast, confidence: float) -> Sequence[Estimate]:
        """Of each percentile; the median's is the verdict's own."""
        others = [share for share in PERCENTILES.values() if share != _MEDIAN]
        found = iter(self._differences(pair.first, pair.second, others, confidence))
        return [pair.effect if share == _MEDIAN else next(found) for share in PERCENTILES.values()]

    def _differences(self, first: int, second: int, shares: Sequence[float], confidence: float) -> list[Estimate]:
        blocks = time_blocks([self._times_ms[first], self._times_ms[second]])
        pooled = quantile_differences(
            self._censored_ms[first],
            self._censored_ms[second],
            shares,
            blocks=(blocks[0], blocks[1]),
            primary=_MEDIAN,
            waited_ms=(self._waited_ms[first], self._waited_ms[second]),
            confidence=confidence,
        )
        if len(self._by_worker_ms[first].keys() | self._by_worker_ms[second].keys()) < 2:
            return pooled
        secondary = max(1, sum(share != _MEDIAN for share in shares))
        levels = [confidence if share == _MEDIAN else 1 - (1 - confidence) / secondary for share in shares]
        return [
            with_spread(estimate, self._effects_ms(first, second, share), level)
            for estimate, share, level in zip(pooled, shares, levels, strict=True)
        ]

    def _effects_ms(self, first: int, second: int, share: float) -> list[float]:
        """The difference at each worker that has enough requests for this quantile of both endpoints.

        Empty if only one has, which does not show how far the others differ.
        """
        sides, fewest, effects_ms = (self._by_worker_ms[first], self._by_worker_ms[second]), min_samples(share), []
        for worker in sorted(sides[0].keys() & sides[1].keys()):
            mine = [side[worker] for side in sides]
            if min(map(len, mine)) >= fewest:
                values = [quantile(side, share).value for side in mine]
                effects_ms.append(values[0] - values[1])
        return effects_ms if len(effects_ms) > 1 else []


def _by_worker(workers: NDArray[Any], latencies_ms: Floats) -> dict[int, Floats]:
    """The sorted latencies of each worker."""
    order = np.lexsort((latencies_ms, workers))
    numbers, starts = np.unique(workers[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(latencies_ms[order], starts[1:]), strict=False))


def _waited_ms(samples: Samples, open_loop: bool) -> Floats:
    """How long the client waited for each answer, including missing ones."""
    waited: Floats = latency_ms(samples, open_loop).astype(np.float64)
    return waited


def _state(sides: list[Samples]) -> State:
    """The state of the instances behind all compared requests. A timeout without evidence may have been a start."""
    compared = [_without_failures(side)["temperature"] for side in sides]
    known = all(len(found) and not np.any(found == UNKNOWN) for found in compared)
    return State.WARM if known else State.UNKNOWN


def _without_failures(samples: Samples) -> Samples:
    """Answers, with known durations, and timeouts, which took longer than any answer."""
    known: Samples = samples[np.isin(samples["failure"], (0, TIMEOUT))]
    return known


def to_document(summary: Summary) -> dict[str, Any]:
    """The figures as JSON; the format is versioned, and the meaning of a member never changes.

    `n` counts the answers behind the latencies: those from warm instances, and those without evidence (`unknown`).
    `errors` counts failures by kind, and is empty without failures. `difference` and `differences_ms` are of
    exactly two endpoints; `pairs` has every pair of any number.
    """
    run, verdict = summary.run, summary.verdict
    generator = run.outcome.generator
    only = verdict.pairs[0] if verdict and len(verdict.pairs) == 1 else None
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
                "service_ms": estimates_document(PERCENTILES, one.service_ms),
                **({"response_ms": estimates_document(PERCENTILES, one.response_ms)} if one.response_ms else {}),
                "censored_ms": estimates_document(PERCENTILES, one.censored_ms),
                "rate": one.rate,
                "phases_ms": {name: value for name, value, _ in one.phases_ms},
                "server_ms": estimates_document(PERCENTILES, one.server_ms),
                "cold_ms": list(one.cold_ms),
                "queued_ms": list(one.queued_ms),
                "instances": one.instances,
                **({"goodput": _goodput_document(one.goodput)} if one.goodput else {}),
                **({"stages": list(map(_stage_document, one.stages))} if one.stages else {}),
                **({"correctness": _correctness_document(one.correctness)} if one.correctness else {}),
            }
            for one in summary.endpoints
        },
        "difference": {
            "metric": verdict.metric,
            "value_ms": finite(only.effect.value),
            "low_ms": only.effect.low,
            "high_ms": only.effect.high,
            "n": only.effect.n,
        }
        if verdict and only
        else None,
        "differences_ms": estimates_document(PERCENTILES, summary.differences[0]) if only else None,
        "pairs": [
            pair | {"differences_ms": estimates_document(PERCENTILES, differences)}
            for pair, differences in zip(pairs_document(verdict, run.endpoint_keys), summary.differences, strict=True)
        ]
        if verdict
        else [],
        "verdict": verdict_document(verdict, run.endpoint_keys)
        | {"more": verdict.more_pairs, "conditions": list(verdict.conditions)}
        if verdict
        else None,
        "fairness": [{"name": one.name, "values": list(one.values)} for one in summary.mismatches],
        "generator": {name: generator.get(name) for name in ("floor_ms", "loop_lag_ms", "late_ms", "cpu", "limited")}
        | {"reasons": list(generator.get("reasons", ()))},
        **({"workers": [_worker_document(summary, one) for one in summary.workers]} if summary.workers else {}),
    }


def _worker_document(summary: Summary, one: Vantage) -> dict[str, Any]:
    return {
        "name": one.name,
        "sent": one.sent,
        "lost": one.lost,
        "limited": one.limited,
        "problem": one.problem,
        "latency_ms": {
            side.key: estimates_document(PERCENTILES, found)
            for side, found in zip(summary.endpoints, one.latency_ms, strict=True)
        },
    }


def _goodput_document(found: Goodput) -> dict[str, Any]:
    return {"limit_ms": found.limit_ms, **estimate_document(found.share)}


def _stage_document(one: StageFigures) -> dict[str, Any]:
    return {
        "duration_s": one.stage.duration_s,
        "planned_rate": one.stage.rate,
        "reached_s": one.reached_s,
        "attempts": one.attempts,
        "failed": one.failed,
        "error_rate": estimate_document(one.error_rate),
        "rate": one.rate,
        "response_ms": estimates_document(PERCENTILES, one.response_ms),
        **({"goodput": _goodput_document(one.goodput)} if one.goodput else {}),
    }


def _correctness_document(found: Correctness) -> dict[str, Any]:
    return {
        "bodies": found.bodies,
        "unstable": found.unstable,
        "compared": found.compared,
        "changed": found.changed,
        "instances": [
            {"id": instance, "compared": compared, "changed": changed}
            for instance, compared, changed in found.by_instance
        ],
    }
