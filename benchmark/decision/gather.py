"""Gather findings from the record: select the runs that are evidence, read each once, and combine them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmark.coldstart.summary import ColdSummary
from benchmark.decision import together
from benchmark.decision.findings import Findings, PassedOver, Repeated, Side, sides_of
from benchmark.decision.reported import configuration_of
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.manifest import RecordedEndpoint
from benchmark.record.plan import PlanError
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Floats, Samples, censored_latency_ms, measured, warm
from benchmark.record.store import Store, StoreError
from benchmark.runs import UnknownKind, kind_of_run
from benchmark.runs.kind import Shows
from benchmark.statistics.contrasts import Contrast
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.verdict import Verdict, decide
from benchmark.summary.summarise import Summary, unit_name

UNREADABLE = (StoreError, PlanError, ValueError, KeyError, IndexError, TypeError)
"""Errors of a run that is damaged, or was recorded by another version."""
_MOST_SERVICES = 200
"""The most service times to simulate a bill with: evenly spaced quantiles of the measured ones."""
_NOT_THE_METHOD = ("seed", "pairs", "warmup", "duration_s", "total", "repeats", "idle_s", "margin_ms", "margin_pct")
"""Plan fields that change only the sample size or the relevant difference, not what is measured."""

Read = Callable[[Run], Samples]
"""The samples of a run. Raises StoreError and ValueError."""


def gather(
    store: Store, endpoints: Sequence[Endpoint | Side] | None = None, run_ids: Sequence[str] = ()
) -> Findings | None:
    """Findings from the finished runs of `endpoints` measured here, or from `run_ids`, imported or not.

    Without endpoints, those of the newest comparison or load are used, preferably with several endpoints. Of each kind,
    the newest sound run counts, with all sound runs of the same plan, addresses, model and revision. None if no run
    names an endpoint. Raises StoreError, also for an unknown ID.
    """
    runs = [store.run(run_id) for run_id in dict.fromkeys(run_ids)] or store.runs(with_imported=False)
    sides = tuple(Side(one.key, one.name, one.url) for one in endpoints) if endpoints else None
    return find(runs, lambda run: load_samples(store, run.id)[0], sides)


def find(runs: Sequence[Run], read: Read, sides: tuple[Side, ...] | None = None) -> Findings | None:
    """The same from `runs`."""
    usable = [
        run
        for run in sorted(runs, key=lambda run: run.started_at_utc, reverse=True)
        if _shows(run) and run.state is RunState.FINISHED and _endpoints(run)
    ]
    looks = _Looks(read)
    if sides is None:
        # A run of one endpoint compares nothing, so it selects the endpoints only if no other run does.
        named = [run for run in usable if len(_endpoints(run)) > 1] or usable
        warm_runs = [run for run in named if _shows(run) is not Shows.COLD_STARTS]
        ranked = [run for run in warm_runs if not looks.unsound(run)] or warm_runs or named
        if not ranked:
            return None
        sides = sides_of(ranked[0])
    mine = [run for run in usable if _is_about(run, sides)]
    passed: list[PassedOver] = []

    def together_of(shows: Shows, idle_sweep: bool = False) -> tuple[Run, ...]:
        used, over = looks.sound([run for run in mine if _shows(run) is shows and _is_idle_sweep(run) is idle_sweep])
        passed.extend(over)
        return used

    comparison = looks.warm(together_of(Shows.COMPARISON))
    load = looks.warm(together_of(Shows.LOAD))
    cold = looks.cold(together_of(Shows.COLD_STARTS))
    idle_sweep = looks.cold(together_of(Shows.COLD_STARTS, idle_sweep=True))
    passed += _stand_ins(usable, sides)
    latencies_ms: tuple[tuple[Floats, ...], ...] = ()
    if base := load or comparison:
        read_ = [looks.look(summary.run) for summary in base.runs]
        sides = tuple(_with_bill(side, position, read_) for position, side in enumerate(sides))
        latencies_ms = tuple(tuple(one.ended_ms[position] for one in read_) for position in range(len(sides)))
    return Findings(sides, comparison, load, cold, idle_sweep, latencies_ms, tuple(passed))


@dataclass(frozen=True, slots=True)
class _Look:
    """A run without its samples: its figures, and the durations of requests and answers by endpoint."""

    summary: Summary | ColdSummary
    ended_ms: tuple[Floats, ...] = ()
    services_ms: tuple[Floats, ...] = ()


@dataclass(frozen=True, slots=True)
class _Looks:
    """Reads and summarises each run once."""

    read: Read
    known: dict[str, _Look] = field(default_factory=dict)

    def look(self, run: Run) -> _Look:
        """Raises the errors in UNREADABLE."""
        if run.id not in self.known:
            samples = self.read(run)
            summary = kind_of_run(run).summarise(run, samples)
            look = _Look(summary)
            if isinstance(summary, Summary):
                positions = range(len(summary.endpoints))
                look = replace(
                    look,
                    ended_ms=tuple(_ended_ms(summary, samples, position) for position in positions),
                    services_ms=tuple(warm(samples, position)["service_ms"] for position in positions),
                )
            self.known[run.id] = look
        return self.known[run.id]

    def unsound(self, run: Run) -> str | None:
        """Why the run is not evidence, as a clause."""
        generator = run.outcome.generator
        if generator.get("limited"):
            reasons = "; ".join(generator.get("reasons", ()))
            return f"its client was the limit{f' ({reasons})' if reasons else ''}"
        try:
            summary = self.look(run).summary
        except UNREADABLE:
            return "it cannot be read"
        if isinstance(summary, Summary):
            silent = [one.name for one in summary.endpoints if not one.n]
        else:
            silent = [one.name for one in summary.endpoints if all(probe.failure for probe in one.probes)]
        return f"{silent[0]} never answered" if silent else None

    def sound(self, runs: Sequence[Run]) -> tuple[tuple[Run, ...], list[PassedOver]]:
        """The newest sound run with all its repetitions, and the unused runs. If none is sound, the newest readable
        run."""
        used: list[Run] = []
        passed: list[PassedOver] = []
        for run in runs:
            if used and _repeats(run) != _repeats(used[0]):
                continue  # an older plan, or an older deployment
            if why := self.unsound(run):
                passed.append(PassedOver(run.id, run.kind, why))
            else:
                used.append(run)
        if not used and (weak := [run for run in runs if self._readable(run)]):
            used = [max(weak, key=self._answered)]  # the first of equal runs, which is the newest
            passed = [one for one in passed if one.run_id != used[0].id]
        return tuple(used), passed

    def warm(self, runs: Sequence[Run]) -> Repeated[Summary] | None:
        found = [one for run in runs if isinstance(one := self.look(run).summary, Summary)]
        return Repeated(tuple(found), self._verdict(found)) if found else None

    def cold(self, runs: Sequence[Run]) -> Repeated[ColdSummary] | None:
        found = [one for run in runs if isinstance(one := self.look(run).summary, ColdSummary)]
        return Repeated(tuple(found), self._verdict(found)) if found else None

    def _verdict(self, runs: Sequence[Summary] | Sequence[ColdSummary]) -> Verdict | None:
        """The combined verdict of all runs, with the newest margins; None for one endpoint."""
        newest, verdicts = runs[0], [run.verdict for run in runs if run.verdict]
        if not verdicts:
            return None
        pairs = [{(one.first, one.second): one for one in verdict.pairs} for verdict in verdicts]
        return decide(
            lambda one, other, confidence: _effect([of[one, other] for of in pairs], confidence),
            newest.run.endpoint_names,
            _medians_ms(newest),
            margin_ms=newest.plan.margin_ms,
            margin_pct=newest.plan.margin_pct,
            metric=verdicts[0].metric,
            unit=_unit(newest),
            state=verdicts[0].state,
            resolution_ms=newest.run.manifest.resolution_ms,
            fair=not any(run.mismatches for run in runs),
            conditions=verdicts[0].conditions,
        )

    def _readable(self, run: Run) -> bool:
        try:
            self.look(run)
        except UNREADABLE:
            return False
        return True

    def _answered(self, run: Run) -> bool:
        summary = self.look(run).summary
        return not isinstance(summary, Summary) or all(one.n for one in summary.endpoints)


def _effect(runs: Sequence[Contrast], confidence: float) -> Estimate:
    """The difference of one pair over all runs.

    If it has no interval (too few samples, or too many timeouts), the newest run's difference counts, provided that
    each run names the same winner.
    """
    found = together.effect([one.effect for one in runs], confidence, [one.confidence for one in runs])
    if found.estimable:
        return found
    if {one.winner for one in runs} == {runs[0].winner} != {None}:
        return runs[0].effect
    return Estimate(found.value, None, None, found.n)


def _medians_ms(summary: Summary | ColdSummary) -> tuple[float, ...]:
    """The base of a relative margin, per endpoint."""
    if isinstance(summary, ColdSummary):
        return tuple(one.cold_ms[0].value for one in summary.endpoints)
    return tuple(one.latency_ms[0].value for one in summary.endpoints)


def _unit(summary: Summary | ColdSummary) -> str:
    if isinstance(summary, ColdSummary):
        return "pairs of cold starts"
    return unit_name(summary.plan, len(summary.endpoints))


def _repeats(run: Run) -> tuple[Any, ...]:
    """The identity of a run's repetitions: method, inputs, targets, and the workers that sent from elsewhere."""
    manifest = run.manifest
    plan = {name: value for name, value in manifest.get("plan", {}).items() if name not in _NOT_THE_METHOD}
    inputs = manifest.get("bodies", {}).get("sha256")
    return plan, manifest.get("facts"), manifest.get("revisions"), inputs, manifest.get("workers")


def _stand_ins(runs: Sequence[Run], sides: Sequence[Side]) -> Iterator[PassedOver]:
    """The newest run of local programs that stand in for remote endpoints of the same names."""
    if any(side.url is None for side in sides):
        return
    keys = [side.key for side in sides]
    for run in runs:
        if [one.key for one in _endpoints(run)] == keys and all(one.url is None for one in _endpoints(run)):
            why = "it measured local programs with the same names, not these addresses"
            yield PassedOver(run.id, run.kind, why)
            return


def _is_about(run: Run, sides: Sequence[Side]) -> bool:
    """Whether it is about the same addresses, in the same order. Programs that a run started have none."""
    return [(one.key, one.url) for one in _endpoints(run)] == [(side.key, side.url) for side in sides]


def _endpoints(run: Run) -> tuple[RecordedEndpoint, ...]:
    """The endpoints of a run; none where its manifest is damaged."""
    try:
        return run.manifest.endpoints
    except UNREADABLE:
        return ()


def _shows(run: Run) -> Shows | None:
    """What a run is evidence of: nothing where it is about the client, or of a kind of a later version."""
    try:
        return kind_of_run(run).shows
    except UnknownKind:
        return None


def _is_idle_sweep(run: Run) -> bool:
    """Whether a run of cold starts waits for idle gaps, without reading its samples."""
    plan = run.manifest.plan
    return isinstance(plan, Mapping) and bool(plan.get("idle_s"))


def _ended_ms(summary: Summary, samples: Samples, position: int) -> Floats:
    ended = censored_latency_ms(measured(samples, position), summary.is_open_loop)
    return ended[~np.isnan(ended)]


def _with_bill(side: Side, position: int, looks: Sequence[_Look]) -> Side:
    """The side with the service times of all runs, and the deployment that the endpoint reported in each of them."""
    services = np.concatenate([look.services_ms[position] for look in looks])
    if len(services) > _MOST_SERVICES:
        services = np.quantile(services, (np.arange(_MOST_SERVICES) + 0.5) / _MOST_SERVICES)
    configuration, assumed = configuration_of(looks[0].summary.run.manifest.facts[position])
    return replace(side, services_ms=tuple(map(float, services)), configuration=configuration, assumed=assumed)
