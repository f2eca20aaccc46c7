"""Comparisons by what runs measured: an endpoint is better where the verdict of all runs together says so."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.coldstart.summary import ColdSummary
from benchmark.decision.criterion import Comparison, Judgement
from benchmark.decision.findings import Repeated
from benchmark.decision.text import sampled, span_ms
from benchmark.statistics.contrasts import Contrast
from benchmark.statistics.estimates import Estimate, min_samples
from benchmark.statistics.text import listed, number
from benchmark.statistics.verdict import Outcome
from benchmark.summary.summarise import Summary


@dataclass(frozen=True, slots=True)
class Measured:
    """What so many runs say of one pair."""

    pair: Contrast
    metric: str
    runs: int

    @property
    def n(self) -> str:
        return sampled(self.pair.effect.n, self.runs)


@dataclass(frozen=True, slots=True)
class Phrases:
    """How a criterion is said: `it {better} by 3 ms`, `both {same}`; `nothing` where there is no run."""

    better: str
    same: str
    same_of_many: str
    nothing: str


def compare(repeated: Repeated[Summary] | Repeated[ColdSummary] | None, first: int, second: int) -> Comparison:
    """Two endpoints by these runs."""
    verdict = repeated.verdict if repeated else None
    if repeated is None or verdict is None:
        return Comparison(first, second, Outcome.INCONCLUSIVE)
    pair = next(one for one in verdict.pairs if (one.first, one.second) == (first, second))
    found = Measured(pair, verdict.metric, len(repeated.runs))
    return Comparison(first, second, pair.outcome, pair.winner, abs(pair.effect.value), found)


def reason(judgement: Judgement, names: Sequence[str], phrases: Phrases) -> str:
    """What was measured, in a clause. With two endpoints neither is named."""
    named = len(names) > 2
    if judgement.preferred is not None:
        closest = judgement.wins[0]
        found: Measured = closest.detail
        size = _size(found.pair.effect, closest.winner == closest.second)
        return f"it {phrases.better}{than(judgement, names)} by {size} in the {found.metric}, {found.n}"
    if judgement.is_tie:
        pairs = [one.detail for one in judgement.ties if isinstance(one.detail, Measured)]
        margin = number(max(one.pair.margin_ms for one in pairs))
        who = f"{listed(names[one] for one in judgement.leaders)} {phrases.same_of_many}" if named else phrases.same
        return f"{who} (within {margin} ms, {min(pairs, key=lambda one: one.pair.effect.n).n})"
    unsettled = judgement.open[0]
    if unsettled.detail is None:
        return phrases.nothing
    found = unsettled.detail
    effect = found.pair.effect
    who = f"whether {names[unsettled.first]} or {names[unsettled.second]}" if named else "who"
    if effect.low is None or effect.high is None:
        few = effect.n < min_samples(0.5, found.pair.confidence)
        why = f"{found.n} is too few" if few else f"too many of {effect.n} timed out"
        return f"{why} to tell {who} {phrases.better}"
    return f"{who} {phrases.better} is not settled ({span_ms(effect.value, effect.low, effect.high)}, {found.n})"


def than(judgement: Judgement, names: Sequence[str]) -> str:
    """` than B`, or ` than B, the closest of 3,`: whom the preferred endpoint is compared with; of two nobody."""
    if len(names) == 2:
        return ""
    rivals = judgement.wins
    closest = names[rivals[0].loser]
    return f" than {closest}" if len(rivals) == 1 else f" than {closest}, the closest of {len(rivals)},"


def _size(effect: Estimate, second_won: bool) -> str:
    """By how much the winner is ahead; at least, where timeouts leave open by how much more."""
    low, high = (effect.low, effect.high) if second_won else (effect.high, effect.low)
    if low is not None and high is not None:
        return span_ms(abs(effect.value), abs(low), abs(high))
    return "an amount that timeouts leave open" if low is None else f"at least {number(abs(low))} ms"
