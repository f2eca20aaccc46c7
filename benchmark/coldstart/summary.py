"""What a run of cold starts says: cold and warm as two populations, how long a start takes and where, and after which
idle gap an endpoint is cold. Computed from the manifest and the samples alone, for the command line and the dashboard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, sqrt
from typing import Any

import numpy as np

from benchmark.coldstart.plan import ColdPlan, from_document, gap_text
from benchmark.endpoints.fairness import Condition, mismatches
from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.run import Run
from benchmark.record.samples import FAILURES, TEMPERATURES, UNKNOWN, Samples, response_ms
from benchmark.statistics.documents import estimate_document, estimates_document, verdict_document
from benchmark.statistics.estimates import Estimate, paired_median_difference, quantiles, wilson
from benchmark.statistics.verdict import Attempts, State, Verdict, decide

SHARES = (0.5, 0.95)
SHARE_NAMES = ("p50", "p95")
SUSPECT_FACTOR = 3.0
SUSPECT_MS = 100.0
"""Without evidence from the server, an answer is suspected to be cold that took this many times, and this much longer
than, the median of those that followed another at once. The published cold starts of both platforms are 300 ms and
more; the factor keeps a slow network's jitter out, the milliseconds that of a fast one."""
_MIN_FOLLOWERS = 3
_STARTS = (Temperature.COLD, Temperature.QUEUED)
_WARM = TEMPERATURES.index(Temperature.WARM)
_MODE_TEXT = {
    "spawn": "programs of this machine, spawned for each sample: from the spawn to the first answer",
    "forced": "new instances forced by a command before each sample, which is not scaling from zero: service time",
    "ladder": "idle gaps in random order, one probe after each: service time",
}


@dataclass(frozen=True, slots=True)
class Split:
    """Where a cold start went, in ms. Of a spawned program it is whole; of an endpoint elsewhere the last part is what
    neither the server accounts for nor the model: platform, network and the request itself."""

    imports_ms: float
    """the interpreter, imports and the framework, until requests can come"""
    model_ms: float
    rest_ms: float


@dataclass(frozen=True, slots=True)
class Probe:
    """The one request of a step that tells whether an instance was there."""

    step: int
    planned_idle_s: float | None
    idle_s: float | None
    """measured: since the last request of this run to the endpoint"""
    response_ms: float
    """to the last byte, from the spawn or else from the send"""
    state: Temperature
    suspected: bool
    """cold by its latency alone, since the server gives no evidence"""
    told: bool
    """whether anything tells cold from warm: the server's evidence, or answers that are known to be warm"""
    failure: Failure | None
    split: Split | None

    @property
    def is_cold(self) -> bool:
        """Known or suspected to have waited for a start, with an answer.

        Of this run there is one request in flight: one that queued behind somebody else's is a sample of its start too.
        """
        return self.failure is None and (self.state in _STARTS or self.suspected)

    @property
    def is_warm(self) -> bool:
        """An answer of an instance that had answered before."""
        return (
            self.failure is None
            and self.told
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

    Where it is `sharp`, every gap up to `low_s` was warm and every one from `high_s` on cold; else both happened
    between the two, as they do where a platform decides by chance.
    """

    low_s: float
    high_s: float
    sharp: bool

    @property
    def value_s(self) -> float:
        """The middle on a logarithmic scale."""
        return sqrt(self.low_s * self.high_s)


@dataclass(frozen=True, slots=True)
class ColdFigures:
    """One endpoint in a run of cold starts. Estimates are p50 and p95 in ms; failures are in none of them."""

    key: str
    name: str
    probes: tuple[Probe, ...]
    warm_values_ms: tuple[float, ...]
    cold_ms: tuple[Estimate, ...]
    warm_ms: tuple[Estimate, ...]
    split: Split | None
    """medians, each part by itself"""
    split_n: int
    gaps: tuple[GapShare, ...]
    threshold: Threshold | None
    has_evidence: bool
    cold_word: str
    """what its cold starts may be called: suspected, where neither the instance nor a spawn tells"""
    warm_word: str
    """what its warm answers may be called: presumed, where an instance does not say so of itself"""
    suspect_from_ms: float | None
    """from which latency on a cold start is suspected, where there is no evidence"""
    failure_details: Mapping[str, str]

    @property
    def cold_values_ms(self) -> tuple[float, ...]:
        return tuple(probe.response_ms for probe in self.probes if probe.is_cold)

    @property
    def failed(self) -> int:
        return sum(probe.failure is not None for probe in self.probes)

    @property
    def first_on_warm(self) -> int:
        """First requests of an instance that had been started in advance: neither cold nor warm."""
        return sum(probe.failure is None and probe.state is Temperature.FIRST_ON_WARM for probe in self.probes)


@dataclass(frozen=True, slots=True)
class ColdSummary:
    """All that is shown of a run of cold starts. The verdict's effect is the first endpoint's minus the second's."""

    run: Run
    plan: ColdPlan
    endpoints: tuple[ColdFigures, ...]
    verdict: Verdict | None
    mismatches: tuple[Condition, ...]
    conditions: tuple[str, ...]


def summarise(run: Run, samples: Samples) -> ColdSummary:
    """Everything about `run`, from its raw `samples`. Raises PlanError for a run of another kind."""
    plan = from_document(run.manifest["plan"])
    details = run.outcome.get("probes") or run.progress.get("probes") or []
    known = {(entry["step"], entry["endpoint"]): entry for entry in details}
    sides = [_figures(run, plan, samples, position, known) for position in range(len(run.endpoint_keys))]
    unequal = tuple(mismatches(list(run.manifest["facts"].values()))) if len(sides) > 1 else ()
    said = conditions(run, plan, sides)
    verdict = None
    if len(sides) == 2:
        first, second = sides
        others = {probe.step: probe for probe in second.probes}
        pairs = [(probe, others[probe.step]) for probe in first.probes if probe.step in others]
        state = _state(pairs)
        starts = "cold starts" if state is State.COLD else "suspected cold starts"
        verdict = decide(
            _paired_difference(pairs),
            (first.name, second.name),
            (first.cold_ms[0].value, second.cold_ms[0].value),
            margin_ms=plan.margin_ms,
            margin_pct=plan.margin_pct,
            metric=f"median of paired {starts}",
            unit=f"pairs of {starts}",
            state=state,
            attempts=(Attempts(len(first.probes), first.failed), Attempts(len(second.probes), second.failed)),
            fair=not unequal,
            conditions=said,
        )
    return ColdSummary(run, plan, tuple(sides), verdict, unequal, said)


def conditions(run: Run, plan: ColdPlan, sides: Sequence[ColdFigures]) -> tuple[str, ...]:
    """Under which conditions the figures hold, a short clause each."""
    client = run.manifest["client"]
    said = [_MODE_TEXT[plan.mode], "one request in flight, new connections, endpoints in random order"]
    if plan.mode == "spawn":
        said.append(f"page cache {plan.caches}")
        if (poll_ms := run.manifest.get("port_poll_ms")) is not None:
            said.append(f"a port is tried every {poll_ms:g} ms")
    for side in sides:
        if not side.has_evidence and side.probes and plan.mode != "spawn":
            said.append(_suspicion(side))
        if side.first_on_warm:
            said.append(
                f"{side.name}: {side.first_on_warm} of {len(side.probes)} probes met an instance that had been "
                "started in advance; they are neither cold nor warm"
            )
    said.append(f"from {client['host']} ({client['machine']}, {client['cpus']} CPUs)")
    said.append(run.started_text)
    return tuple(said)


def part_names(plan: ColdPlan) -> tuple[str, str, str]:
    """What the parts of a `Split` are called."""
    rest = "first request" if plan.mode == "spawn" else "platform, network and request"
    return "start and imports", "model load", rest


def find_threshold(warm_s: Sequence[float], cold_s: Sequence[float]) -> Threshold | None:
    """Between which idle gaps an endpoint turns cold; None where all probes were cold, or all warm."""
    if not warm_s or not cold_s:
        return None
    longest_warm_s, shortest_cold_s = max(warm_s), min(cold_s)
    sharp = longest_warm_s < shortest_cold_s
    return Threshold(min(longest_warm_s, shortest_cold_s), max(longest_warm_s, shortest_cold_s), sharp)


def threshold_text(side: ColdFigures) -> str:
    """What the ladder says of the time after which an endpoint is cold, in a sentence."""
    found = side.threshold
    tried = [probe.idle_s for probe in side.probes if probe.idle_s is not None and (probe.is_cold or probe.is_warm)]
    if not tried:
        return f"{side.name}: no probe tells yet."
    if found is None:
        if any(probe.is_cold for probe in side.probes):
            return f"{side.name}: {side.cold_word} after every gap from {gap_text(min(tried))} on: try shorter ones."
        return f"{side.name}: still {side.warm_word} after every gap up to {gap_text(max(tried))}: try longer ones."
    if found.sharp:
        between = f"{gap_text(found.low_s)} to {gap_text(found.high_s)}"
        return f"{side.name} turns {side.cold_word} after {between} without a request."
    return (
        f"{side.name} may be {side.cold_word} from {gap_text(found.low_s)} without a request on, "
        f"and was still {side.warm_word} after {gap_text(found.high_s)}."
    )


def _suspicion(side: ColdFigures) -> str:
    if side.suspect_from_ms is None:
        return (
            f"{side.name} says nothing of its instances, and too few of its answers are known to be warm to suspect any"
        )
    return (
        f"{side.name} gives no evidence: suspected cold is what took {side.suspect_from_ms:.3g} ms or more, "
        f"{SUSPECT_FACTOR:g} times and {SUSPECT_MS:g} ms above the median of requests that followed another at once"
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
    # Another instance may have answered a follower: by evidence it is then not warm.
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
    details = run.outcome.get("failure_details") or run.progress.get("failure_details") or {}
    key = run.endpoint_keys[position]
    return ColdFigures(
        key=key,
        name=run.endpoint_names[position],
        probes=probes,
        warm_values_ms=tuple(warm),
        cold_ms=tuple(quantiles(cold, SHARES)),
        warm_ms=tuple(quantiles(np.array(warm), SHARES)),
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
        state = Temperature.COLD  # nobody started it in advance: it is new, whether it says so or not
    told, suspected = state is not Temperature.UNKNOWN, False
    if not told and suspect_from_ms is not None:
        told, suspected = True, taken_ms >= suspect_from_ms
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
        told,
        failure,
        split,
    )


def split_start(startup_ms: Mapping[str, float], response_ms: float, ready_ms: float | None) -> Split | None:
    """Split one cold start of `response_ms` by what its server says of it.

    `ready_ms` is when the port was open, which only who spawned it knows; elsewhere the server's own account has to be
    whole. None where there is too little to go by, or where the parts are more than the whole: then the instance had
    been started before it was asked.
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
        told = [probe for probe in probes if probe.planned_idle_s == gap_s and (probe.is_cold or probe.is_warm)]
        cold = sum(probe.is_cold for probe in told)
        found.append(GapShare(gap_s, cold, wilson(cold, len(told))))
    return tuple(found)


def _paired_difference(pairs: Sequence[tuple[Probe, Probe]]) -> Estimate:
    """The median difference in ms between cold starts of the same step, in time order; those that did not happen, or
    failed, are left out. Of a timeout it is known how long it was waited for, which bounds the difference on one side.
    """
    first_ms, second_ms = (np.array([_censored(pair[side]) for pair in pairs], dtype=np.float64) for side in (0, 1))
    first_waited_ms, second_waited_ms = (
        np.where(np.isinf(values), [pair[side].response_ms for pair in pairs], values)
        for side, values in enumerate((first_ms, second_ms))
    )
    return paired_median_difference(first_ms, second_ms, (first_waited_ms, second_waited_ms))


def _state(pairs: Sequence[tuple[Probe, Probe]]) -> State:
    """Cold where all that is compared is known to be: by evidence, or since the run itself started the program."""
    compared = [probe for pair in pairs if not any(isnan(_censored(one)) for one in pair) for probe in pair]
    return State.COLD if all(probe.state in _STARTS for probe in compared) else State.UNKNOWN


def _censored(probe: Probe) -> float:
    if probe.failure is Failure.TIMEOUT:
        return float("inf")
    return probe.response_ms if probe.is_cold else float("nan")


def to_document(summary: ColdSummary) -> dict[str, Any]:
    """The figures as JSON holds them; the format has a version, and a member is never given another meaning."""
    run, verdict = summary.run, summary.verdict
    return {
        "format_version": 1,
        **run.head,
        "endpoints": {side.key: _side_document(side) for side in summary.endpoints},
        "verdict": verdict_document(verdict, [side.key for side in summary.endpoints])
        | {"effect_ms": estimate_document(verdict.effect)}
        if verdict
        else None,
        "conditions": list(summary.conditions),
        "fairness": [{"name": one.name, "values": list(one.values)} for one in summary.mismatches],
    }


def _side_document(side: ColdFigures) -> dict[str, Any]:
    split, threshold = side.split, side.threshold
    return {
        "probes": len(side.probes),
        "failed": side.failed,
        "first_on_warm": side.first_on_warm,
        "cold_word": side.cold_word,
        "warm_word": side.warm_word,
        "cold_ms": estimates_document(SHARE_NAMES, side.cold_ms),
        "cold_values_ms": list(side.cold_values_ms),
        "warm_ms": estimates_document(SHARE_NAMES, side.warm_ms),
        "split_ms": {"imports": split.imports_ms, "model": split.model_ms, "rest": split.rest_ms, "n": side.split_n}
        if split
        else None,
        "gaps": [{"idle_s": gap.idle_s, "cold": gap.cold, "share": estimate_document(gap.share)} for gap in side.gaps],
        "threshold_s": {"low": threshold.low_s, "high": threshold.high_s, "sharp": threshold.sharp}
        if threshold
        else None,
    }
