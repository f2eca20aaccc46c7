"""What a criterion is: it compares two endpoints, says so, and knows which run would settle what is open.

From the comparisons of all pairs follows whom it prefers among any number of endpoints.
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
class Comparison:
    """Two endpoints by one criterion, at positions `first` and `second`: a winner only where the evidence tells them
    apart, equivalent only where it shows that they are alike, and otherwise inconclusive.

    `winner` is a position. `lead` says how far ahead it is, in any unit that all comparisons of the criterion share.
    `detail` holds the figures that the criterion's own sentence needs.
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
    """What one criterion says of the endpoints at the positions `among`."""

    criterion: str
    among: tuple[int, ...]
    comparisons: tuple[Comparison, ...]
    """of all pairs, in the order of `itertools.combinations`"""

    @cached_property
    def leaders(self) -> tuple[int, ...]:
        """The smallest group of endpoints that each win against all others: the first group of their order."""
        won = {(one.winner, one.loser) for one in self.comparisons if one.winner is not None}
        beaten = {one: sum((one, other) in won for other in self.among) for one in self.among}
        lost = {one: sum((other, one) in won for other in self.among) for one in self.among}
        # Whoever wins against all outside the group has won more and lost less than any of these (Copeland 1951).
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
    def wins(self) -> tuple[Comparison, ...]:
        """The comparisons that the preferred endpoint won, the closest first."""
        return tuple(
            sorted((one for one in self.comparisons if one.winner == self.preferred), key=lambda one: one.lead)
        )

    @property
    def open(self) -> tuple[Comparison, ...]:
        """The comparisons among the leaders that nothing settles."""
        return tuple(one for one in self._among_leaders if one.outcome is Outcome.INCONCLUSIVE)

    @property
    def ties(self) -> tuple[Comparison, ...]:
        """The comparisons among the leaders that show them alike."""
        return tuple(one for one in self._among_leaders if one.outcome is Outcome.EQUIVALENT)

    @property
    def is_tie(self) -> bool:
        """Whether the next criterion decides among the leaders."""
        return self.preferred is None and bool(self.ties) and not self.open

    @property
    def is_circle(self) -> bool:
        """Whether each leader wins against another one and loses against a third, as paired medians may."""
        return self.preferred is None and not self.ties and not self.open

    @property
    def _among_leaders(self) -> tuple[Comparison, ...]:
        return tuple(one for one in self.comparisons if {one.first, one.second} <= set(self.leaders))


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that an endpoint can be chosen for. `order` is its place in lists."""

    name: str
    """as command lines and addresses spell it"""
    title: str
    """as it is called within a sentence; with a capital letter, an option of the page"""
    order: int
    compare: Callable[[Evidence, Needs, int, int], Comparison]
    """of two positions, the lower one first"""
    reason: Callable[[Judgement, Sequence[str]], str]
    """a clause that says what was found; the names are those of all endpoints by position"""
    missing: Callable[[Evidence, Needs], Missing]
    """the run that would tell, where it is not known"""
    lacks: Callable[[Evidence], bool] = lambda _: False
    """whether a measurement that it needs is not there at all"""

    def judge(self, evidence: Evidence, needs: Needs, among: Sequence[int]) -> Judgement:
        """Compare all pairs of the endpoints at these positions."""
        pairs = combinations(sorted(among), 2)
        found = tuple(self.compare(evidence, needs, first, second) for first, second in pairs)
        return Judgement(self.name, tuple(sorted(among)), found)
