"""The results of a cold-start run: cold and warm as two populations, how long a start takes and where, and after which
idle gap an endpoint is cold. Computed from the manifest and the samples alone, for the command line and the dashboard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan, sqrt
from typing import Any

import numpy as np

from benchmark.coldstart.plan import ColdPlan, SpawnPlan, from_document, gap_text
from benchmark.endpoints.fairness import Condition, mismatches
from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.run import Run
from benchmark.record.samples import FAILURES, TEMPERATURES, UNKNOWN, Samples, response_ms
from benchmark.statistics.documents import estimate_document, estimates_document, pairs_document, verdict_document
from benchmark.statistics.estimates import Estimate, paired_median_difference, quantiles, wilson
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import span
from benchmark.statistics.verdict import Attempts, State, Verdict, decide

COLD_PERCENTILES = {name: PERCENTILES[name] for name in ("p50", "p95")}
"""There are too few cold starts to bound higher percentiles."""
SUSPECT_FACTOR = 3.0
SUSPECT_MS = 100.0
"""Without evidence from the server, an answer is suspected to be cold if it exceeded the median of back-to-back answers
by this factor and by this many milliseconds. The published cold starts of both platforms are 300 ms
and more; the factor excludes the jitter of a slow network, the milliseconds that of a fast one."""
_MIN_FOLLOWERS = 3
_STARTS = (Temperature.COLD, Temperature.QUEUED)
_WARM = TEMPERATURES.index(Temperature.WARM)
_RUNTIMES = {"onnx": "ONNX Runtime", "sklearn": "scikit-learn"}
_MODE_TEXT = {
    "spawn": "local programs, started for each sample: from process start to first answer",
    "forced": "new instances forced by a command before each sample, not scaling from zero: service time",
    "ladder": "idle gaps in random order, one probe after each: service time",
}


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a cold start in ms. A local program accounts for all of it. For a remote endpoint, the last part is
    the time that the server does not report: platform, network and the request itself."""

    imports_ms: float
    """the interpreter, imports and the framework, until the port is open"""
    model_ms: float
    rest_ms: float


@dataclass(frozen=True, slots=True)
class Probe:
    """The first request of a step, which shows whether an instance was running."""

    step: int
    planned_idle_s: float | None
    idle_s: float | None
    """the measured time since this run's last request to the endpoint"""
    response_ms: float
    """to the last byte, from the spawn or else from the send"""
    state: Temperature
    suspected: bool
    """classified as cold by its latency alone, because the server gives no evidence"""
    is_classified: bool
    """whether it is classified as cold or warm, by the server's evidence or by comparison with warm answers"""
    failure: Failure | None
    split: Split | None

    @property
    def is_cold(self) -> bool:
        """Known or suspected to have waited for a start, with an answer.

        This run has one request in flight, so a request that queued for another client's start is a sample too.
        """
        return self.failure is None and (self.state in _STARTS or self.suspected)

    @property
    def is_warm(self) -> bool:
        """Answered by an instance that had answered before."""
        return (
            self.failure is None
            and self.is_classified
            and not self.suspected
            and self.state in (Temperature.WARM, Temperature.UNKNOWN)
        )


@dataclass(frozen=True, slots=True)
class GapShare:
    """How often an endpoint was cold after one idle gap."""

    idle_s: float
    cold: int
    share: Estimate


@dataclass(frozen=True, slots=True)
class Threshold:
    """The idle gap after which an endpoint is cold, in s.

    If it is `sharp`, every gap up to `low_s` was warm and every gap from `high_s` on was cold. Otherwise both happened
    between the two, as on a platform that decides by chance.
    """

    low_s: float
    high_s: float
    sharp: bool

    @property
    def value_s(self) -> float:
        """The middle on a logarithmic scale, in s."""
        return sqrt(self.low_s * self.high_s)


@dataclass(frozen=True, slots=True)
class ColdFigures:
    """One endpoint in a cold-start run. Estimates are those of `COLD_PERCENTILES` in ms, without failures."""

    key: str
    name: str
    runtime: str | None
    """what computes its answers, as it reports; None if it does not"""
    probes: tuple[Probe, ...]
    warm_values_ms: tuple[float, ...]
    cold_ms: tuple[Estimate, ...]
    warm_ms: tuple[Estimate, ...]
    split: Split | None
    """the median of each part"""
    split_n: int
    gaps: tuple[GapShare, ...]
    threshold: Threshold | None
    has_evidence: bool
    cold_word: str
    """label of its cold starts: `suspected cold` without evidence from the instance or the process start"""
    warm_word: str
    """label of its warm answers: `presumed warm` without evidence from the instance"""
    suspect_from_ms: float | None
    """without evidence, the latency from which a cold start is suspected"""
    failure_details: Mapping[str, str]

    @property
    def cold_values_ms(self) -> tuple[float, ...]:
        return tuple(probe.response_ms for probe in self.probes if probe.is_cold)

    @property
    def failed(self) -> int:
        return sum(probe.failure is not None for probe in self.probes)

    @property
    def first_on_warm(self) -> int:
        """How many probes reached an instance that had been started in advance: neither cold nor warm."""
        return sum(probe.failure is None and probe.state is Temperature.FIRST_ON_WARM for probe in self.probes)


@dataclass(frozen=True, slots=True)
class ColdSummary:
    """The summary of a cold-start run. The effect of a pair is the first endpoint minus the second."""

    run: Run
    plan: ColdPlan
    endpoints: tuple[ColdFigures, ...]
    verdict: Verdict | None
    mismatches: tuple[Condition, ...]
    conditions: tuple[str, ...]


def summarise(run: Run, samples: Samples) -> ColdSummary:
    """Everything about `run`, from its raw `samples`. Raises PlanError for a run of another kind."""
    plan = from_document(run.manifest.plan)
    details = run.outcome.probes or run.progress.get("probes") or []
    known = {(entry["step"], entry["endpoint"]): entry for entry in details}
    sides = [_figures(run, plan, samples, position, known) for position in range(len(run.endpoint_keys))]
    unequal = tuple(mismatches(run.manifest.facts)) if len(sides) > 1 else ()
    said = conditions(run, plan, sides)
    verdict = _verdict(plan, sides, said, fair=not unequal) if len(sides) > 1 else None
    return ColdSummary(run, plan, tuple(sides), verdict, unequal, said)


def _verdict(plan: ColdPlan, sides: Sequence[ColdFigures], said: tuple[str, ...], *, fair: bool) -> Verdict:
    """The verdict on all endpoints, from their cold starts in the same steps."""
    steps = [{probe.step: probe for probe in side.probes} for side in sides]

    def shared(first: int, second: int) -> list[tuple[Probe, Probe]]:
        return [(probe, steps[second][step]) for step, probe in steps[first].items() if step in steps[second]]

    def effect(first: int, second: int, confidence: float) -> Estimate:
        return _paired_difference(shared(first, second), confidence)

    state = _state([pair for both in combinations(range(len(sides)), 2) for pair in shared(*both)])
    starts = "cold starts" if state is State.COLD else "suspected cold starts"
    return decide(
        effect,
        [side.name for side in sides],
        [side.cold_ms[0].value for side in sides],
        margin_ms=plan.margin_ms,
        margin_pct=plan.margin_pct,
        metric=f"median of paired {starts}",
        unit=f"pairs of {starts}",
        state=state,
        attempts=[Attempts(len(side.probes), side.failed) for side in sides],
        fair=fair,
        conditions=said,
    )


def conditions(run: Run, plan: ColdPlan, sides: Sequence[ColdFigures]) -> tuple[str, ...]:
    """The conditions of the measurement, each as a short clause."""
    said = [_MODE_TEXT[plan.mode], "one request in flight, new connections, endpoints in random order"]
    if isinstance(plan, SpawnPlan):
        said.append(f"page cache {plan.caches}")
        if (poll_ms := run.manifest.get("port_poll_ms")) is not None:
            said.append(f"port polled every {poll_ms:g} ms")
    for side in sides:
        if not side.has_evidence and side.probes and plan.mode != "spawn":
            said.append(_suspicion(side))
        if side.first_on_warm:
            said.append(
                f"{side.name}: {side.first_on_warm} of {len(side.probes)} probes reached an instance that had been "
                "started in advance; they are neither cold nor warm"
            )
    said.append(f"from {run.manifest.client.text}")
    said.append(run.started_text)
    return tuple(said)


def part_names(plan: ColdPlan) -> tuple[str, str, str]:
    """The names of the parts of a `Split`."""
    rest = "first request" if plan.mode == "spawn" else "platform, network and request"
    return "start and imports", "model load", rest


def runtime_text(side: ColdFigures) -> str:
    """What computes the answers of an endpoint, most of whose start it can be."""
    return "not reported" if side.runtime is None else _RUNTIMES.get(side.runtime, side.runtime)


def find_threshold(warm_s: Sequence[float], cold_s: Sequence[float]) -> Threshold | None:
    """The idle gaps between which an endpoint turns cold; None if all probes were cold or all were warm."""
    if not warm_s or not cold_s:
        return None
    longest_warm_s, shortest_cold_s = max(warm_s), min(cold_s)
    sharp = longest_warm_s < shortest_cold_s
    return Threshold(min(longest_warm_s, shortest_cold_s), max(longest_warm_s, shortest_cold_s), sharp)


def threshold_text(side: ColdFigures) -> str:
    """The result of an idle sweep for one endpoint, in a sentence."""
    found = side.threshold
    tried = [probe.idle_s for probe in side.probes if probe.idle_s is not None and (probe.is_cold or probe.is_warm)]
    if not tried:
        return f"{side.name}: no probe is classified yet."
    if found is None:
        if any(probe.is_cold for probe in side.probes):
            return f"{side.name}: {side.cold_word} after every gap of {gap_text(min(tried))} or more: try shorter ones."
        return f"{side.name}: still {side.warm_word} after every gap up to {gap_text(max(tried))}: try longer ones."
    if found.sharp:
        between = span(found.low_s, found.high_s, gap_text)
        return f"{side.name} turns {side.cold_word} after {between} without a request."
    return (
        f"{side.name} may be {side.cold_word} after {gap_text(found.low_s)} or more without a request, "
        f"and was still {side.warm_word} after {gap_text(found.high_s)}."
    )


def _suspicion(side: ColdFigures) -> str:
    if side.suspect_from_ms is None:
        return f"{side.name} gives no evidence, and too few answers are classified as warm to suspect cold starts"
    return (
        f"{side.name} gives no evidence: answers of {side.suspect_from_ms:.3g} ms or more are suspected to be cold "
        f"({SUSPECT_FACTOR:g} times and {SUSPECT_MS:g} ms above the median of back-to-back requests)"
    )


def _figures(
    run: Run, plan: ColdPlan, samples: Samples, position: int, known: Mapping[tuple[int, int], Mapping[str, Any]]
) -> ColdFigures:
    mine = samples[(samples["endpoint"] == position) & ~samples["warmup"]]
    _, first = np.unique(mine["group"], return_index=True)
    leads = np.zeros(len(mine), dtype=bool)
    leads[first] = True
    followers = mine[~leads]
    followers = followers[followers["failure"] == 0]
    # Another instance may have answered a follow-up request, which is then not warm.
    followers = followers[np.isin(followers["temperature"], (_WARM, UNKNOWN))]
    warm_values = followers["service_ms"]
    answered = mine[mine["failure"] == 0]
    has_evidence = not len(answered) or bool(np.any(answered["temperature"] != UNKNOWN))
    suspect_from_ms = None
    if not has_evidence and len(warm_values) >= _MIN_FOLLOWERS:
        median_ms = float(np.median(warm_values))
        suspect_from_ms = max(SUSPECT_FACTOR * median_ms, median_ms + SUSPECT_MS)
    probes = tuple(
        _probe(row, plan, known.get((int(row["group"]), position), {}), suspect_from_ms) for row in mine[leads]
    )
    cold = np.array([probe.response_ms for probe in probes if probe.is_cold])
    warm = [*warm_values.tolist(), *(probe.response_ms for probe in probes if probe.is_warm)]
    presumed = [probe for probe in probes if probe.is_warm and probe.state is Temperature.UNKNOWN]
    splits = [probe.split for probe in probes if probe.split]
    details = run.outcome.failure_details or run.progress.get("failure_details") or {}
    key = run.endpoint_keys[position]
    return ColdFigures(
        key=key,
        name=run.endpoint_names[position],
        runtime=run.manifest.facts[position].get("runtime"),
        probes=probes,
        warm_values_ms=tuple(warm),
        cold_ms=tuple(quantiles(cold, COLD_PERCENTILES.values())),
        warm_ms=tuple(quantiles(np.array(warm), COLD_PERCENTILES.values())),
        split=_median_split(splits),
        split_n=len(splits),
        gaps=_gaps(plan, probes),
        threshold=find_threshold(
            [probe.idle_s for probe in probes if probe.is_warm and probe.idle_s is not None],
            [probe.idle_s for probe in probes if probe.is_cold and probe.idle_s is not None],
        ),
        has_evidence=has_evidence,
        cold_word="cold" if has_evidence or plan.mode == "spawn" else "suspected cold",
        warm_word="presumed warm" if presumed or np.any(followers["temperature"] == UNKNOWN) else "warm",
        suspect_from_ms=suspect_from_ms,
        failure_details=details.get(key, {}),
    )


def _probe(row: Any, plan: ColdPlan, detail: Mapping[str, Any], suspect_from_ms: float | None) -> Probe:
    state = TEMPERATURES[row["temperature"]]
    taken_ms = float(response_ms(row))
    failure = FAILURES[row["failure"] - 1] if row["failure"] else None
    if plan.mode == "spawn" and state in (Temperature.FIRST_ON_WARM, Temperature.UNKNOWN):
        state = Temperature.COLD  # the run has just started it, so it is cold without further evidence
    is_classified, suspected = state is not Temperature.UNKNOWN, False
    if not is_classified and suspect_from_ms is not None:
        is_classified, suspected = True, taken_ms >= suspect_from_ms
    suspected = suspected and failure is None
    split = None
    if failure is None and (state in _STARTS or suspected):
        ready_ms = float(row["sent_ms"] - row["scheduled_ms"]) if plan.mode == "spawn" else None
        split = split_start(detail.get("startup_ms") or {}, taken_ms, ready_ms)
    return Probe(
        int(row["group"]),
        detail.get("planned_idle_s"),
        detail.get("idle_s"),
        taken_ms,
        state,
        suspected,
        is_classified,
        failure,
        split,
    )


def split_start(startup_ms: Mapping[str, float], response_ms: float, ready_ms: float | None) -> Split | None:
    """Split one cold start of `response_ms` by what its server reports.

    `ready_ms` is when the port opened, which is known only for local programs; a remote server's report must be
    complete. None if parts are unknown, or if the parts exceed the whole because the instance was already started
    before the request.
    """
    model_ms = startup_ms.get("model")
    if model_ms is None:
        return None
    if ready_ms is None:
        phases = [startup_ms.get(phase) for phase in ("imports", "runtime", "server")]
        others = [phase_ms for phase_ms in phases if phase_ms is not None]
        if len(others) < len(phases):
            return None
        ready_ms = sum(others) + model_ms
    if model_ms > ready_ms or ready_ms > response_ms:
        return None
    return Split(ready_ms - model_ms, model_ms, response_ms - ready_ms)


def _median_split(splits: Sequence[Split]) -> Split | None:
    if not splits:
        return None
    parts = np.array([(split.imports_ms, split.model_ms, split.rest_ms) for split in splits])
    return Split(*(float(value) for value in np.median(parts, axis=0)))


def _gaps(plan: ColdPlan, probes: Sequence[Probe]) -> tuple[GapShare, ...]:
    found = []
    for gap_s in sorted(plan.idle_s):
        classified = [probe for probe in probes if probe.planned_idle_s == gap_s and (probe.is_cold or probe.is_warm)]
        cold = sum(probe.is_cold for probe in classified)
        found.append(GapShare(gap_s, cold, wilson(cold, len(classified))))
    return tuple(found)


def _paired_difference(pairs: Sequence[tuple[Probe, Probe]], confidence: float) -> Estimate:
    """The median difference in ms between cold starts of the same step, in time order, without failed or missing ones.
    A timeout took at least as long as the client waited, which bounds the difference on one side.
    """
    first_ms, second_ms = (np.array([_censored(pair[side]) for pair in pairs], dtype=np.float64) for side in (0, 1))
    first_waited_ms, second_waited_ms = (
        np.where(np.isinf(values), [pair[side].response_ms for pair in pairs], values)
        for side, values in enumerate((first_ms, second_ms))
    )
    return paired_median_difference(first_ms, second_ms, (first_waited_ms, second_waited_ms), confidence=confidence)


def _state(pairs: Sequence[tuple[Probe, Probe]]) -> State:
    """Cold if all compared answers are known to be cold, by evidence or because the run started the program."""
    compared = [probe for pair in pairs if not any(isnan(_censored(one)) for one in pair) for probe in pair]
    return State.COLD if all(probe.state in _STARTS for probe in compared) else State.UNKNOWN


def _censored(probe: Probe) -> float:
    if probe.failure is Failure.TIMEOUT:
        return float("inf")
    return probe.response_ms if probe.is_cold else float("nan")


def to_document(summary: ColdSummary) -> dict[str, Any]:
    """The figures as JSON; the format is versioned, and the meaning of a member never changes."""
    run, verdict = summary.run, summary.verdict
    keys = [side.key for side in summary.endpoints]
    return {
        "format_version": 1,
        **run.head,
        "endpoints": {side.key: _side_document(side) for side in summary.endpoints},
        "verdict": verdict_document(verdict, keys)
        | {"effect_ms": estimate_document(verdict.pairs[0].effect) if len(verdict.pairs) == 1 else None}
        if verdict
        else None,
        "pairs": pairs_document(verdict, keys) if verdict else [],
        "conditions": list(summary.conditions),
        "fairness": [{"name": one.name, "values": list(one.values)} for one in summary.mismatches],
    }


def _side_document(side: ColdFigures) -> dict[str, Any]:
    split, threshold = side.split, side.threshold
    return {
        "runtime": side.runtime,
        "probes": len(side.probes),
        "failed": side.failed,
        "first_on_warm": side.first_on_warm,
        "cold_word": side.cold_word,
        "warm_word": side.warm_word,
        "cold_ms": estimates_document(COLD_PERCENTILES, side.cold_ms),
        "cold_values_ms": list(side.cold_values_ms),
        "warm_ms": estimates_document(COLD_PERCENTILES, side.warm_ms),
        "split_ms": {"imports": split.imports_ms, "model": split.model_ms, "rest": split.rest_ms, "n": side.split_n}
        if split
        else None,
        "gaps": [{"idle_s": gap.idle_s, "cold": gap.cold, "share": estimate_document(gap.share)} for gap in side.gaps],
        "threshold_s": {"low": threshold.low_s, "high": threshold.high_s, "sharp": threshold.sharp}
        if threshold
        else None,
    }
