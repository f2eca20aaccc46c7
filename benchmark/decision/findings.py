"""What a decision rests on: all sound runs of the newest plan of the same two endpoints, and what a bill needs."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np

from benchmark.coldstart import summary as coldstart_summary
from benchmark.coldstart.plan import KIND as COLDSTART
from benchmark.coldstart.summary import ColdSummary
from benchmark.cost.bill import EQUAL, Configuration, CostError, default_concurrency, default_memory_gib
from benchmark.decision import together
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.fairness import Condition, Facts
from benchmark.endpoints.fairness import region as region_of
from benchmark.record.plan import ComparePlan, OpenLoopPlan, PlanError
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Floats, Samples, censored_latency_ms, measured, warm
from benchmark.record.store import Store, StoreError
from benchmark.statistics.verdict import Outcome, Verdict, decide
from benchmark.summary.summarise import Summary, summarise

UNREADABLE = (StoreError, PlanError, ValueError, KeyError, IndexError, TypeError)
"""What a run raises that another version recorded, or that is damaged."""
_MOST_SERVICES = 200
"""A bill is simulated with so many service times at most: evenly spaced quantiles of what was measured."""
_NOT_THE_METHOD = ("seed", "pairs", "warmup", "duration_s", "total", "repeats", "idle_s", "margin_ms", "margin_pct")
"""Fields of a plan that do not change what is measured, only how much of it, and what would matter."""

Read = Callable[[Run], Samples]
"""The samples of a run. Raises StoreError and ValueError."""
S = TypeVar("S", Summary, ColdSummary)


@dataclass(frozen=True, slots=True)
class Side:
    """One endpoint: what it is called, where it is, and what its bill is made from."""

    key: str
    name: str
    url: str | None
    services_ms: tuple[float, ...] = ()
    """answers that waited for no start, as the client saw them: the network is in them"""
    configuration: Configuration = EQUAL
    assumed: tuple[str, ...] = ()
    """which of vCPU, memory, concurrency and region the endpoint does not say"""


@dataclass(frozen=True, slots=True, eq=False)
class Repeated(Generic[S]):
    """All sound runs of one plan and deployment, the newest first, and what they say together."""

    runs: tuple[S, ...]
    verdict: Verdict | None

    @property
    def newest(self) -> S:
        return self.runs[0]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A run that is no evidence, and in a clause why."""

    run_id: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The evidence on two endpoints; None where there is no such run."""

    sides: tuple[Side, Side]
    comparison: Repeated[Summary] | None = None
    """those of pairs: who is faster"""
    load: Repeated[Summary] | None = None
    """those at a rate: how both hold up"""
    cold: Repeated[ColdSummary] | None = None
    """those with starts that were made: how long one takes"""
    ladder: Repeated[ColdSummary] | None = None
    """those of idle gaps: after which one there is a start"""
    latencies_ms: tuple[tuple[Floats, ...], ...] = ()
    """of each endpoint and each run in `measured`: answers that waited for no start in time order, and timeouts as
    infinity"""
    passed_over: tuple[PassedOver, ...] = ()
    """runs of the same endpoints that would have been evidence"""

    @property
    def keys(self) -> tuple[str, str]:
        return self.sides[0].key, self.sides[1].key

    @property
    def names(self) -> tuple[str, str]:
        return self.sides[0].name, self.sides[1].name

    @property
    def measured(self) -> Repeated[Summary] | None:
        """What objectives are held against: the runs at a rate, and only without one the pairs."""
        return self.load or self.comparison

    @property
    def starts(self) -> Repeated[ColdSummary] | None:
        """The runs that say how long a cold start takes."""
        return self.cold or self.ladder

    @property
    def runs(self) -> tuple[Summary | ColdSummary, ...]:
        """All of the evidence, each run once."""
        kinds = (self.comparison, self.load, self.cold, self.ladder)
        return tuple(run for repeated in kinds if repeated for run in repeated.runs)

    @property
    def mismatches(self) -> tuple[Condition, ...]:
        """What is not known to be equal in any of the runs."""
        return tuple({one.name: one for run in self.runs for one in run.mismatches}.values())


def gather(
    store: Store, endpoints: Sequence[Endpoint | Side] | None = None, run_ids: Sequence[str] = ()
) -> Findings | None:
    """What the finished runs of `endpoints` that were measured here say, or those of `run_ids`, imported or not.

    Without endpoints, of those that the newest comparison or load was about. Of each kind it is the newest run that is
    sound, with all others of the same plan, addresses, model and revision that are. None where nothing names two
    endpoints. Raises StoreError, also for an id that is not there.
    """
    runs = [store.run(run_id) for run_id in dict.fromkeys(run_ids)] or store.runs(with_imported=False)
    sides = tuple(Side(one.key, one.name, one.url) for one in endpoints) if endpoints else None
    return find(runs, lambda run: load_samples(store, run.id)[0], sides)


def find(runs: Sequence[Run], read: Read, sides: tuple[Side, ...] | None = None) -> Findings | None:
    """The same from `runs`."""
    kinds = (ComparePlan.kind, OpenLoopPlan.kind, COLDSTART)  # a self-test is about one endpoint
    usable = [
        run
        for run in sorted(runs, key=lambda run: run.started_at_utc, reverse=True)
        if run.kind in kinds and run.state is RunState.FINISHED and len(run.manifest.get("endpoints", ())) == 2
    ]
    looks = _Looks(read)
    if sides is None:
        warm_runs = [run for run in usable if run.kind != COLDSTART]
        ranked = [run for run in warm_runs if not looks.unsound(run)] or warm_runs or usable
        sides = sides_of(ranked[0]) if ranked else None
    if sides is None or len(sides) != 2:
        return None
    mine = [run for run in usable if _is_about(run, sides)]
    passed: list[PassedOver] = []

    def together_of(belongs: Callable[[Run], bool]) -> tuple[Run, ...]:
        used, over = looks.sound([run for run in mine if belongs(run)])
        passed.extend(over)
        return used

    comparison = looks.warm(together_of(lambda run: run.kind == ComparePlan.kind))
    load = looks.warm(together_of(lambda run: run.kind == OpenLoopPlan.kind))
    cold = looks.cold(together_of(lambda run: run.kind == COLDSTART and _mode(run) != "ladder"))
    ladder = looks.cold(together_of(lambda run: run.kind == COLDSTART and _mode(run) == "ladder"))
    passed += _stand_ins(usable, sides)
    first, second = sides
    latencies_ms: tuple[tuple[Floats, ...], ...] = ()
    if base := load or comparison:
        read_ = [looks.look(summary.run) for summary in base.runs]
        first, second = (_with_bill(side, position, read_) for position, side in enumerate(sides))
        latencies_ms = tuple(tuple(one.ended_ms[position] for one in read_) for position in (0, 1))
    return Findings((first, second), comparison, load, cold, ladder, latencies_ms, tuple(passed))


@dataclass(frozen=True, slots=True)
class _Look:
    """What is kept of a run: its figures, and of each endpoint how long requests and answers took."""

    summary: Summary | ColdSummary
    ended_ms: tuple[Floats, ...] = ()
    services_ms: tuple[Floats, ...] = ()


@dataclass(frozen=True, slots=True)
class _Looks:
    """Each run is read and summarised once."""

    read: Read
    known: dict[str, _Look] = field(default_factory=dict)

    def look(self, run: Run) -> _Look:
        """Raises what is in UNREADABLE."""
        if run.id not in self.known:
            samples = self.read(run)
            if run.kind == COLDSTART:
                self.known[run.id] = _Look(coldstart_summary.summarise(run, samples))
            else:
                summary = summarise(run, samples)
                self.known[run.id] = _Look(
                    summary,
                    tuple(_ended_ms(summary, samples, position) for position in (0, 1)),
                    tuple(warm(samples, position)["service_ms"] for position in (0, 1)),
                )
        return self.known[run.id]

    def unsound(self, run: Run) -> str | None:
        """Why the run is no evidence, in a clause."""
        generator = run.outcome.get("generator", {})
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
        return f"{silent[0]} never answered in it" if silent else None

    def sound(self, runs: Sequence[Run]) -> tuple[tuple[Run, ...], list[PassedOver]]:
        """The newest that is sound with all that repeat it, and what was passed over. Where none is sound, the newest
        that can be read."""
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
            used = [max(weak, key=self._answered)]  # of those that are alike the first, which is the newest
            passed = [one for one in passed if one.run_id != used[0].id]
        return tuple(used), passed

    def warm(self, runs: Sequence[Run]) -> Repeated[Summary] | None:
        found = [one for run in runs if isinstance(one := self.look(run).summary, Summary)]
        return Repeated(tuple(found), _verdict(found)) if found else None

    def cold(self, runs: Sequence[Run]) -> Repeated[ColdSummary] | None:
        found = [one for run in runs if isinstance(one := self.look(run).summary, ColdSummary)]
        return Repeated(tuple(found), _verdict(found)) if found else None

    def _readable(self, run: Run) -> bool:
        try:
            self.look(run)
        except UNREADABLE:
            return False
        return True

    def _answered(self, run: Run) -> bool:
        summary = self.look(run).summary
        return not isinstance(summary, Summary) or all(one.n for one in summary.endpoints)


def _verdict(runs: Sequence[Summary] | Sequence[ColdSummary]) -> Verdict | None:
    """What all runs together allow to be said, by the margin of the newest."""
    verdicts = [run.verdict for run in runs if run.verdict]
    if len(verdicts) < len(runs):
        return None
    newest = verdicts[0]
    names = (runs[0].run.endpoint_names[0], runs[0].run.endpoint_names[1])
    effect = together.effect([verdict.pairs[0].effect for verdict in verdicts])
    if not effect.estimable:  # too few samples, or too many timeouts: then all have to say the same by themselves
        if len({(verdict.outcome, verdict.winner_position) for verdict in verdicts}) == 1:
            return newest
        pair = replace(newest.pairs[0], outcome=Outcome.INCONCLUSIVE, winner=None, winner_position=None, effect=effect)
        return replace(newest, outcome=Outcome.INCONCLUSIVE, winner=None, winner_position=None, pairs=(pair,))
    return decide(
        lambda *_: effect,
        names,
        (np.nan, np.nan),  # the margin is in milliseconds already
        margin_ms=newest.margin_ms,
        margin_pct=0.0,
        metric=newest.metric,
        unit=_unit(runs[0]),
        state=newest.state,
        resolution_ms=runs[0].run.manifest.get("resolution_ms"),
        fair=not any(run.mismatches for run in runs),
        conditions=newest.conditions,
    )


def _unit(summary: Summary | ColdSummary) -> str:
    if isinstance(summary, ColdSummary):
        return "pairs of cold starts"
    return "pairs" if isinstance(summary.plan, ComparePlan) else "requests to each"


def _repeats(run: Run) -> tuple[Any, ...]:
    """What two runs have in common where one repeats the other: how it measures, what it sends, and to what."""
    manifest = run.manifest
    plan = {name: value for name, value in manifest.get("plan", {}).items() if name not in _NOT_THE_METHOD}
    return plan, manifest.get("facts"), manifest.get("revisions"), manifest.get("bodies", {}).get("sha256")


def _stand_ins(runs: Sequence[Run], sides: Sequence[Side]) -> Iterator[PassedOver]:
    """The newest run of programs that were started here, under the names of endpoints that are elsewhere."""
    if any(side.url is None for side in sides):
        return
    for run in runs:
        entries = run.manifest["endpoints"]
        if all(entry.get("key") == side.key for entry, side in zip(entries, sides, strict=True)) and all(
            entry.get("url") is None for entry in entries
        ):
            why = "it started programs on this machine: a stand-in for these addresses, which decides nothing"
            yield PassedOver(run.id, run.kind, why)
            return


def configuration_of(facts: Facts) -> tuple[Configuration, tuple[str, ...]]:
    """What an endpoint says that it is given, and the names of what is assumed since it does not say it."""
    said = {
        "vCPU": _quantity(facts.get("vCPU"), {"": 1.0, "m": 0.001}),
        "memory": _quantity(facts.get("memory"), {"Mi": 1 / 1024, "Gi": 1.0, "M": 1e6 / 2**30, "G": 1e9 / 2**30}),
        "concurrency": _quantity(facts.get("concurrency"), {"": 1.0}),
    }
    known = {name: value for name, value in said.items() if value is not None}
    vcpu = known.get("vCPU", EQUAL.vcpu)
    region = region_of(facts)
    assumed = () if region else ("region",)
    try:
        found = Configuration(
            vcpu,
            known.get("memory", default_memory_gib(vcpu)),
            int(known.get("concurrency", default_concurrency(vcpu))),
            region=region,
        )
    except CostError:  # nothing that the platform offers: a container of this machine, say
        return replace(EQUAL, region=region), (*said, *assumed)
    return found, (*(name for name in said if name not in known), *assumed)


def _quantity(text: str | None, units: dict[str, float]) -> float | None:
    """`512Mi`, `0.5 GiB`, `1` or `167m` in the unit that `units` lead to."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*?)B?", text or "")
    factor = units.get(found[2]) if found else None
    return float(found[1]) * factor if found and factor else None


def _ended_ms(summary: Summary, samples: Samples, position: int) -> Floats:
    ended = censored_latency_ms(measured(samples, position), summary.is_open_loop)
    return ended[~np.isnan(ended)]


def sides_of(run: Run) -> tuple[Side, ...]:
    """The endpoints of a run, as far as its manifest names them."""
    return tuple(Side(entry["key"], entry["name"], entry.get("url")) for entry in run.manifest["endpoints"])


def _is_about(run: Run, sides: Sequence[Side]) -> bool:
    """Whether it is about the same two addresses, in the same order. Programs that a run started have none."""
    entries = run.manifest["endpoints"]
    return all(
        entry.get("key") == side.key and entry.get("url") == side.url
        for entry, side in zip(entries, sides, strict=True)
    )


def _mode(run: Run) -> str | None:
    """How a run of cold starts gets new instances, without reading it."""
    plan = run.manifest.get("plan")
    return plan.get("mode") if isinstance(plan, Mapping) else None


def _with_bill(side: Side, position: int, looks: Sequence[_Look]) -> Side:
    """The side with the service times of all runs, and with what the endpoint said of itself, the same in each."""
    services = np.concatenate([look.services_ms[position] for look in looks])
    if len(services) > _MOST_SERVICES:
        services = np.quantile(services, (np.arange(_MOST_SERVICES) + 0.5) / _MOST_SERVICES)
    configuration, assumed = configuration_of(looks[0].summary.run.manifest["facts"].get(side.key, {}))
    return replace(side, services_ms=tuple(map(float, services)), configuration=configuration, assumed=assumed)
