"""The answer without its sentence: SLOs first, then criteria among the remaining endpoints.

Nothing is guessed: insufficient measurements are never a reason for a choice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmark.decision import criteria
from benchmark.decision.criterion import Judgement
from benchmark.decision.evidence import Evidence
from benchmark.decision.needs import Needs
from benchmark.decision.slos import Holds, SloResult, results


class Choice(StrEnum):
    """The outcome of a decision."""

    CHOICE = "choice"
    TIE = "tie"
    NONE = "neither"
    """no endpoint keeps every SLO; the value dates from two endpoints"""
    NOT_ENOUGH = "not enough evidence"
    SINGLE = "single"
    """the only endpoint keeps every SLO"""


Label = tuple[Choice, str | None]
"""The outcome, and the key of the chosen endpoint."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`left` has the positions of the endpoints that break no SLO. Judgements are in the order of the criteria, up to
    the first that is not a tie; empty if at most one endpoint is left. `doubted` is the key of an endpoint whose SLOs
    are decisive but unknown."""

    outcome: Choice
    key: str | None
    left: tuple[int, ...]
    slos: tuple[SloResult, ...]
    judgements: tuple[Judgement, ...] = ()
    doubted: str | None = None

    @property
    def label(self) -> Label:
        return self.outcome, self.key

    @property
    def by_elimination(self) -> bool:
        """Whether an endpoint is chosen because all others break an SLO."""
        return self.key is not None and not self.judgements

    def of(self, key: str, holds: Holds) -> tuple[SloResult, ...]:
        """The SLOs of an endpoint with this result: kept, broken or unknown."""
        return tuple(one for one in self.slos if one.key == key and one.holds is holds)


def answer(evidence: Evidence, needs: Needs) -> Answer:
    """Answer from the evidence. Raises UnknownCriterionError."""
    for name in needs.criteria:
        criteria.named(name)
    keys = evidence.findings.keys
    asked = tuple(one for position in evidence.findings.positions for one in results(evidence, needs, position))
    broken, unknown = ({one.key for one in asked if one.holds is holds} for holds in (Holds.BROKEN, Holds.UNKNOWN))
    left = tuple(position for position, key in enumerate(keys) if key not in broken)
    if not left:
        return Answer(Choice.NONE, None, left, asked)
    if len(left) == 1:
        key = keys[left[0]]
        if key in unknown:
            return Answer(Choice.NOT_ENOUGH, None, left, asked, doubted=key)
        if len(keys) == 1:
            return Answer(Choice.SINGLE, None, left, asked)
        return Answer(Choice.CHOICE, key, left, asked)
    found = tuple(judgements(evidence, needs, left))
    last = found[-1]
    if last.preferred is None and not last.is_tie:
        return Answer(Choice.NOT_ENOUGH, None, left, asked, found)
    doubted = next((keys[position] for position in last.leaders if keys[position] in unknown), None)
    if doubted:
        return Answer(Choice.NOT_ENOUGH, None, left, asked, found, doubted)
    if last.preferred is None:
        return Answer(Choice.TIE, None, left, asked, found)
    return Answer(Choice.CHOICE, keys[last.preferred], left, asked, found)


def judgements(evidence: Evidence, needs: Needs, among: Sequence[int]) -> Iterator[Judgement]:
    """Apply the criteria in order, each among the leaders of the one before."""
    for name in needs.criteria:
        found = criteria.named(name).judge(evidence, needs, among)
        yield found
        if not found.is_tie:
            return
        among = found.leaders
