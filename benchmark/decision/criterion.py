"""The interface of a criterion: compare two endpoints, explain the result, and propose a run if it is open.

The comparisons of all pairs give the preferred endpoints among any number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from benchmark.decision.evidence import Evidence
from benchmark.decision.measurement import Missing
from benchmark.decision.needs import Needs
from benchmark.statistics.verdict import Outcome


@dataclass(frozen=True, slots=True)
class PairResult:
    """The comparison of endpoints `first` and `second` by one criterion: a winner only if the evidence separates them,
    equivalent only if it shows that they are alike, and otherwise inconclusive.

    `winner` is a position. `lead` is how far ahead it is, in a unit that all comparisons of the criterion share.
    `detail` holds the figures for the criterion's sentence.
    """

    first: int
    second: int
    outcome: Outcome
    winner: int | None = None
    lead: float = 0.0
    detail: Any = None

    @property
    def loser(self) -> int:
        return self.second if self.winner == self.first else self.first


@dataclass(frozen=True)
class Judgement:
    """The judgement of one criterion on the endpoints at the positions `among`."""

    criterion: str
    among: tuple[int, ...]
    comparisons: tuple[PairResult, ...]
    """comparisons of all pairs, in the order of `itertools.combinations`"""

    @cached_property
    def leaders(self) -> tuple[int, ...]:
        """The smallest group of endpoints that each win against all others: the first group of their order."""
        won = {(one.winner, one.loser) for one in self.comparisons if one.winner is not None}
        beaten = {one: sum((one, other) in won for other in self.among) for one in self.among}
        lost = {one: sum((other, one) in won for other in self.among) for one in self.among}
        # A member of the group has more wins and fewer losses than any endpoint outside it (Copeland 1951).
        ranked = sorted(self.among, key=lambda one: lost[one] - beaten[one])
        for size in range(1, len(ranked)):
            if all((one, other) in won for one in ranked[:size] for other in ranked[size:]):
                return tuple(sorted(ranked[:size]))
        return self.among

    @property
    def preferred(self) -> int | None:
        """The endpoint that leads alone."""
        return self.leaders[0] if len(self.leaders) == 1 else None

    @property
    def wins(self) -> tuple[PairResult, ...]:
        """The comparisons that the preferred endpoint won, the closest first."""
        return tuple(
            sorted((one for one in self.comparisons if one.winner == self.preferred), key=lambda one: one.lead)
        )

    @property
    def open(self) -> tuple[PairResult, ...]:
        """The inconclusive comparisons among the leaders."""
        return tuple(one for one in self._among_leaders if one.outcome is Outcome.INCONCLUSIVE)

    @property
    def ties(self) -> tuple[PairResult, ...]:
        """The comparisons that show leaders to be equivalent."""
        return tuple(one for one in self._among_leaders if one.outcome is Outcome.EQUIVALENT)

    @property
    def is_tie(self) -> bool:
        """Whether the next criterion decides among the leaders."""
        return self.preferred is None and bool(self.ties) and not self.open

    @property
    def is_circle(self) -> bool:
        """Whether the leaders beat each other in a circle, which paired medians can do."""
        return self.preferred is None and not self.ties and not self.open

    @property
    def _among_leaders(self) -> tuple[PairResult, ...]:
        return tuple(one for one in self.comparisons if {one.first, one.second} <= set(self.leaders))


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion for choosing an endpoint. `order` is its place in lists."""

    name: str
    """the name on command lines and in addresses"""
    title: str
    """the name within a sentence; capitalised as an option of the page"""
    order: int
    compare: Callable[[Evidence, Needs, int, int], PairResult]
    """compares two positions, the lower one first"""
    reason: Callable[[Judgement, Sequence[str]], str]
    """the result as a clause; the names are those of all endpoints by position"""
    missing: Callable[[Evidence, Needs], Missing]
    """the run that would settle an open result"""
    lacks: Callable[[Evidence], bool] = lambda _: False
    """whether a required measurement is missing completely"""

    def judge(self, evidence: Evidence, needs: Needs, among: Sequence[int]) -> Judgement:
        """Compare all pairs of the endpoints at these positions."""
        pairs = combinations(sorted(among), 2)
        found = tuple(self.compare(evidence, needs, first, second) for first, second in pairs)
        return Judgement(self.name, tuple(sorted(among)), found)
