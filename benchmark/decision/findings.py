"""What a decision rests on: the newest finished runs of the same two endpoints, summarised, and what a bill needs."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from benchmark.coldstart import summary as coldstart_summary
from benchmark.coldstart.plan import KIND as COLDSTART
from benchmark.coldstart.summary import ColdSummary
from benchmark.cost.bill import EQUAL, Configuration, CostError, default_concurrency, default_memory_gib
from benchmark.endpoints.endpoint import Endpoint, is_on_this_machine
from benchmark.endpoints.fairness import Condition, Facts
from benchmark.record.plan import ComparePlan, LoadPlan, PlanError
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Floats, Samples, censored_latency_ms, measured, warm
from benchmark.record.store import Store, StoreError
from benchmark.summary.summarise import Summary, summarise

UNREADABLE = (StoreError, PlanError, ValueError, KeyError, IndexError, TypeError)
"""What a run raises that another version recorded, or that is damaged."""
_MOST_SERVICES = 200
"""A bill is simulated with so many service times at most: evenly spaced quantiles of what was measured."""
_LOOK_BACK = 5
"""How many runs are read at most to find one that is sound."""

Read = Callable[[Run], Samples]
"""The samples of a run. Raises StoreError and ValueError."""
_Looked = tuple[Summary, Samples]


@dataclass(frozen=True, slots=True)
class Side:
    """One endpoint: what it is called, where it is, and what its bill is made from."""

    key: str
    name: str
    url: str | None
    services_ms: tuple[float, ...] = ()
    """warm answers, as the client saw them: the network is in them"""
    configuration: Configuration = EQUAL
    assumed: tuple[str, ...] = ()
    """which of vCPU, memory and concurrency the endpoint does not say"""

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, as programs without an address are: a run starts them itself."""
        return self.url is None or is_on_this_machine(self.url)


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The evidence on two endpoints; None where there is no such run."""

    sides: tuple[Side, Side]
    comparison: Summary | None = None
    """the newest of pairs: who is faster"""
    load: Summary | None = None
    """the newest at a rate: how both hold up"""
    cold: ColdSummary | None = None
    """the newest with starts that were made: how long one takes"""
    ladder: ColdSummary | None = None
    """the newest of idle gaps: after which one there is a start"""
    latencies_ms: tuple[Floats, ...] = ()
    """of each endpoint in `measured`: warm answers in time order, and timeouts as infinity"""

    @property
    def keys(self) -> tuple[str, str]:
        return self.sides[0].key, self.sides[1].key

    @property
    def names(self) -> tuple[str, str]:
        return self.sides[0].name, self.sides[1].name

    @property
    def measured(self) -> Summary | None:
        """What objectives are held against: the run at a rate, and only without one the pairs."""
        return self.load or self.comparison

    @property
    def starts(self) -> ColdSummary | None:
        """The run that says how long a cold start takes."""
        return self.cold or self.ladder

    @property
    def runs(self) -> tuple[Summary | ColdSummary, ...]:
        """All of the evidence, each run once."""
        return tuple(run for run in (self.comparison, self.load, self.cold, self.ladder) if run)

    @property
    def mismatches(self) -> tuple[Condition, ...]:
        """What is not known to be equal in any of the runs."""
        return tuple({one.name: one for run in self.runs for one in run.mismatches}.values())


def gather(
    store: Store, endpoints: Sequence[Endpoint | Side] | None = None, run_ids: Sequence[str] = ()
) -> Findings | None:
    """The newest finished runs of `endpoints` that were measured here, or those of `run_ids`, imported or not.

    Without endpoints, of those that the newest comparison or load was about. A run in which an endpoint never answered,
    or whose client was the limit, gives way to the newest that is sound. None where nothing names two endpoints.
    Raises StoreError, also for an id that is not there.
    """
    runs = [store.run(run_id) for run_id in run_ids] or store.runs(with_imported=False)
    sides = tuple(Side(one.key, one.name, one.url) for one in endpoints) if endpoints else None
    return find(runs, lambda run: load_samples(store, run.id)[0], sides)


def find(runs: Sequence[Run], read: Read, sides: tuple[Side, ...] | None = None) -> Findings | None:
    """The same from `runs`, newest first; what cannot be read is passed over."""
    kinds = (ComparePlan.kind, LoadPlan.kind, COLDSTART)  # a self-test is about one endpoint
    look = _looking_once(read)
    usable = [
        run
        for run in runs
        if run.kind in kinds and run.state is RunState.FINISHED and len(run.manifest.get("endpoints", ())) == 2
    ]
    if sides is None:
        best = _best(_summaries(usable, look, ComparePlan.kind, LoadPlan.kind))
        ranked = [best[0].run] if best else usable
        sides = sides_of(ranked[0]) if ranked else None
    if sides is None or len(sides) != 2:
        return None
    mine = [run for run in usable if _is_about(run, sides)]
    comparison = _best(_summaries(mine, look, ComparePlan.kind))
    load = _best(_summaries(mine, look, LoadPlan.kind))
    cold = next(_starts(mine, read, ladder=False), None)
    ladder = next(_starts(mine, read, ladder=True), None)
    measured = load or comparison
    if measured is None:
        return Findings((sides[0], sides[1]), None, None, cold, ladder)
    summary, samples = measured
    first, second = (_with_bill(side, position, summary.run, samples) for position, side in enumerate(sides))
    return Findings(
        (first, second),
        comparison[0] if comparison else None,
        load[0] if load else None,
        cold,
        ladder,
        tuple(_ended_ms(summary, samples, position) for position in (0, 1)),
    )


def configuration_of(facts: Facts) -> tuple[Configuration, tuple[str, ...]]:
    """What an endpoint says that it is given, and the names of what is assumed since it does not say it."""
    said = {
        "vCPU": _quantity(facts.get("vCPU"), {"": 1.0, "m": 0.001}),
        "memory": _quantity(facts.get("memory"), {"Mi": 1 / 1024, "Gi": 1.0, "M": 1e6 / 2**30, "G": 1e9 / 2**30}),
        "concurrency": _quantity(facts.get("concurrency"), {"": 1.0}),
    }
    known = {name: value for name, value in said.items() if value is not None}
    vcpu = known.get("vCPU", EQUAL.vcpu)
    try:
        found = Configuration(
            vcpu,
            known.get("memory", default_memory_gib(vcpu)),
            int(known.get("concurrency", default_concurrency(vcpu))),
        )
    except CostError:  # nothing that the platform offers: a container of this machine, say
        return EQUAL, tuple(said)
    return found, tuple(name for name in said if name not in known)


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
    """Whether it is about the same two, in the same order. Programs that a run spawned have no address of their own."""
    entries = run.manifest["endpoints"]
    spawned = run.kind == COLDSTART and _mode(run) == "spawn"
    return all(
        entry.get("key") == side.key and (spawned or side.url is None or entry.get("url") == side.url)
        for entry, side in zip(entries, sides, strict=True)
    )


def _looking_once(read: Read) -> Callable[[Run], _Looked]:
    """Each run is read and summarised once: the one that names the endpoints is evidence too."""
    known: dict[str, _Looked] = {}

    def look(run: Run) -> _Looked:
        if run.id not in known:
            samples = read(run)
            known[run.id] = summarise(run, samples), samples
        return known[run.id]

    return look


def _summaries(runs: Sequence[Run], look: Callable[[Run], _Looked], *kinds: str) -> Iterator[_Looked]:
    for run in runs:
        if run.kind in kinds:
            try:
                yield look(run)
            except UNREADABLE:
                continue


def _best(found: Iterable[_Looked]) -> _Looked | None:
    """The first that is sound; where none of the first few is, the first of these in which both answered, or the first.

    Sound is a run in which both answered and the client was not the limit.
    """

    def answered(one: _Looked) -> bool:
        return all(side.n for side in one[0].endpoints)

    looked_at: list[_Looked] = []
    for one in islice(found, _LOOK_BACK):
        if answered(one) and not one[0].run.outcome.get("generator", {}).get("limited"):
            return one
        looked_at.append(one)
    return max(looked_at, key=answered, default=None)  # of those that are alike the first, which is the newest


def _starts(runs: Sequence[Run], read: Read, *, ladder: bool) -> Iterator[ColdSummary]:
    for run in runs:
        if run.kind == COLDSTART and (_mode(run) == "ladder") is ladder:
            try:
                yield coldstart_summary.summarise(run, read(run))
            except UNREADABLE:
                continue


def _mode(run: Run) -> str | None:
    """How a run of cold starts gets new instances, without reading it."""
    plan = run.manifest.get("plan")
    return plan.get("mode") if isinstance(plan, Mapping) else None


def _with_bill(side: Side, position: int, run: Run, samples: Samples) -> Side:
    services = warm(samples, position)["service_ms"]
    if len(services) > _MOST_SERVICES:
        services = np.quantile(services, (np.arange(_MOST_SERVICES) + 0.5) / _MOST_SERVICES)
    configuration, assumed = configuration_of(run.manifest["facts"].get(side.key, {}))
    return replace(side, services_ms=tuple(map(float, services)), configuration=configuration, assumed=assumed)
