"""The verdict of a comparison on all endpoints: a winner, equivalence, or neither.

`contrasts.py` makes the claims, `verdict_text.py` the sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.statistics import verdict_text
from benchmark.statistics.contrasts import Contrast, EffectOf, Order, Outcome, contrasts, margin, order
from benchmark.statistics.verdict_text import Attempts, State, Terms

__all__ = ["Attempts", "Outcome", "State", "Verdict", "decide", "margin"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on all endpoints. For two, it equals the verdict on the pair."""

    outcome: Outcome
    """a winner if one endpoint is alone in the first group, equivalent if all pairs are"""
    winner: str | None
    winner_position: int | None
    metric: str
    margin_ms: float
    """the smallest of the pairs' margins, which is that of the fastest endpoint"""
    state: State
    reason: str
    """why there is no claim; empty if there is one"""
    conditions: tuple[str, ...]
    sentence: str
    order: Order
    """groups of positions, the fastest first; those that no winner separates are one group"""
    pairs: tuple[Contrast, ...]
    """in the order of `itertools.combinations`"""

    @property
    def rule(self) -> str:
        """The rule for a winner, in a sentence."""
        return verdict_text.rule([pair.margin_ms for pair in self.pairs])

    @property
    def more_pairs(self) -> int | None:
        """About how many more samples would settle all pairs; None if nothing is open or nothing would settle it."""
        more = [pair.more for pair in self.pairs if pair.outcome is Outcome.INCONCLUSIVE]
        known = [count for count in more if count is not None]
        return max(known) if known and len(known) == len(more) else None


def decide(
    effect_of: EffectOf,
    names: Sequence[str],
    medians_ms: Sequence[float],
    *,
    margin_ms: float,
    margin_pct: float,
    metric: str = "paired median",
    unit: str = "pairs",
    state: State = State.WARM,
    attempts: Sequence[Attempts] | None = None,
    resolution_ms: float | None = None,
    fair: bool = True,
    conditions: tuple[str, ...] = (),
    limited: Sequence[str] = (),
) -> Verdict:
    """The verdict on two or more endpoints called `names`, by the differences of `metric` between them.

    `effect_of(first, second, confidence)` gives the difference of two positions; it is asked for each pair at the
    confidence that Holm's procedure needs. `limited` says why the client was the limit, which prevents any claim.
    `conditions` are kept with the verdict. `fair` only changes the sentences.
    """
    found = contrasts(
        effect_of,
        medians_ms,
        margin_ms=margin_ms,
        margin_pct=margin_pct,
        resolution_ms=resolution_ms,
        limited=bool(limited),
    )
    groups = order(found, len(names))
    terms = Terms(names, metric, unit, state, fair, tuple(limited), resolution_ms)
    winner = groups[0][0] if len(groups[0]) == 1 else None
    return Verdict(
        _outcome(found, winner),
        None if winner is None else names[winner],
        winner,
        metric,
        min(one.margin_ms for one in found),
        state,
        verdict_text.reason_of_all(found, groups, terms),
        conditions,
        verdict_text.failures(attempts, names) + verdict_text.of_all(found, groups, terms),
        groups,
        found,
    )


def _outcome(found: Sequence[Contrast], winner: int | None) -> Outcome:
    if winner is not None:
        return Outcome.WINNER
    return Outcome.EQUIVALENT if all(one.outcome is Outcome.EQUIVALENT for one in found) else Outcome.INCONCLUSIVE
