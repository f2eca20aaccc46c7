"""What a decision rests on: the endpoints, the runs that are evidence on them, and those that are not."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmark.coldstart.summary import ColdSummary
from benchmark.cost.bill import EQUAL, Configuration
from benchmark.endpoints.fairness import Condition
from benchmark.record.run import Run
from benchmark.record.samples import Floats
from benchmark.statistics.verdict import Verdict
from benchmark.summary.summarise import Summary

S = TypeVar("S", Summary, ColdSummary)


@dataclass(frozen=True, slots=True)
class Side:
    """One endpoint: its name, its address, and what its bill is made from."""

    key: str
    name: str
    url: str | None
    services_ms: tuple[float, ...] = ()
    """service times of answers that waited for no start, as the client saw them, network included"""
    configuration: Configuration = EQUAL
    assumed: tuple[str, ...] = ()
    """which of vCPU, memory, concurrency and region the endpoint does not report"""


@dataclass(frozen=True, slots=True, eq=False)
class Repeated(Generic[S]):
    """All sound runs of one plan and deployment, the newest first, and what they say together."""

    runs: tuple[S, ...]
    verdict: Verdict | None
    """None for one endpoint"""

    @property
    def newest(self) -> S:
        return self.runs[0]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A run that is not used as evidence, and why, in a clause."""

    run_id: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The evidence on one endpoint or several; None where there is no such run."""

    sides: tuple[Side, ...]
    comparison: Repeated[Summary] | None = None
    """runs of interleaved requests: which endpoint is faster"""
    load: Repeated[Summary] | None = None
    """runs at a rate: how the endpoints hold up"""
    cold: Repeated[ColdSummary] | None = None
    """runs that made new instances: how long a cold start takes"""
    idle_sweep: Repeated[ColdSummary] | None = None
    """runs of idle gaps: after which gap there is a cold start"""
    latencies_ms: tuple[tuple[Floats, ...], ...] = ()
    """of each endpoint and each run in `measured`: answers that waited for no start in time order, and timeouts as
    infinity"""
    passed_over: tuple[PassedOver, ...] = ()
    """runs of the same endpoints that would have been evidence"""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(side.key for side in self.sides)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(side.name for side in self.sides)

    @property
    def positions(self) -> range:
        return range(len(self.sides))

    @property
    def measured(self) -> Repeated[Summary] | None:
        """The runs that SLOs are held against: those at a rate, or without any the comparisons."""
        return self.load or self.comparison

    @property
    def starts(self) -> Repeated[ColdSummary] | None:
        """The runs that show how long a cold start takes."""
        return self.cold or self.idle_sweep

    @property
    def repeated(self) -> tuple[Repeated[Summary] | Repeated[ColdSummary], ...]:
        """All of the evidence, by the kind of run."""
        kinds = (self.comparison, self.load, self.cold, self.idle_sweep)
        return tuple(one for one in kinds if one)

    @property
    def runs(self) -> tuple[Summary | ColdSummary, ...]:
        """All of the evidence, each run once."""
        return tuple(run for repeated in self.repeated for run in repeated.runs)

    @property
    def mismatches(self) -> tuple[Condition, ...]:
        """Conditions that are not known to be equal in each of the runs."""
        return tuple({one.name: one for run in self.runs for one in run.mismatches}.values())


def sides_of(run: Run) -> tuple[Side, ...]:
    """The endpoints of a run, as its manifest names them."""
    return tuple(Side(one.key, one.name, one.url) for one in run.manifest.endpoints)
