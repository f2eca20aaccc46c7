"""The input of a decision: the endpoints, the runs used as evidence, and the unused runs."""

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
    """One endpoint: its name, its address, and the inputs of its bill."""

    key: str
    name: str
    url: str | None
    services_ms: tuple[float, ...] = ()
    """service times of answers without a cold start, measured at the client, including network"""
    configuration: Configuration = EQUAL
    assumed: tuple[str, ...] = ()
    """the settings (vCPU, memory, concurrency, region) that the endpoint does not report"""


@dataclass(frozen=True, slots=True, eq=False)
class Repeated(Generic[S]):
    """All sound runs of one plan and deployment, newest first, and their combined result."""

    runs: tuple[S, ...]
    verdict: Verdict | None
    """None for one endpoint"""

    @property
    def newest(self) -> S:
        return self.runs[0]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A run that is not used as evidence, with the reason as a clause."""

    run_id: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """The evidence on one or more endpoints; None for a kind without runs."""

    sides: tuple[Side, ...]
    comparison: Repeated[Summary] | None = None
    """runs of interleaved requests, which show the faster endpoint"""
    load: Repeated[Summary] | None = None
    """runs at a rate, which show behaviour under load"""
    cold: Repeated[ColdSummary] | None = None
    """runs that created new instances, which show the duration of a cold start"""
    idle_sweep: Repeated[ColdSummary] | None = None
    """idle sweeps, which show after which gap there is a cold start"""
    latencies_ms: tuple[tuple[Floats, ...], ...] = ()
    """for each endpoint and run in `measured`: latencies without cold starts in time order; timeouts are infinity"""
    passed_over: tuple[PassedOver, ...] = ()
    """runs of the same endpoints that could have been evidence"""

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
        """The runs that SLOs are checked against: those at a rate, or else the comparisons."""
        return self.load or self.comparison

    @property
    def starts(self) -> Repeated[ColdSummary] | None:
        """The runs that show the duration of a cold start."""
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
        """Conditions that are not known to be equal in every run."""
        return tuple({one.name: one for run in self.runs for one in run.mismatches}.values())


def sides_of(run: Run) -> tuple[Side, ...]:
    """The endpoints of a run, as its manifest names them."""
    return tuple(Side(one.key, one.name, one.url) for one in run.manifest.endpoints)
