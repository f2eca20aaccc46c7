"""Comparisons by measurements: an endpoint is better if the combined verdict of all runs names it."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.coldstart.summary import ColdSummary
from benchmark.decision.criterion import Judgement, PairResult
from benchmark.decision.findings import Repeated
from benchmark.decision.text import sampled, span_ms
from benchmark.statistics.contrasts import Contrast
from benchmark.statistics.estimates import Estimate, min_samples
from benchmark.statistics.text import listed, number
from benchmark.statistics.verdict import Outcome
from benchmark.summary.summarise import Summary


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of several runs for one pair."""

    pair: Contrast
    metric: str
    runs: int

    @property
    def n(self) -> str:
        return sampled(self.pair.effect.n, self.runs)


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases of a criterion: `it {better} by 3 ms`, `both {same}`, and `nothing` without runs."""

    better: str
    same: str
    same_of_many: str
    nothing: str


def compare(repeated: Repeated[Summary] | Repeated[ColdSummary] | None, first: int, second: int) -> PairResult:
    """Compare two endpoints by these runs."""
    verdict = repeated.verdict if repeated else None
    if repeated is None or verdict is None:
        return PairResult(first, second, Outcome.INCONCLUSIVE)
    pair = next(one for one in verdict.pairs if (one.first, one.second) == (first, second))
    found = Measured(pair, verdict.metric, len(repeated.runs))
    return PairResult(first, second, pair.outcome, pair.winner, abs(pair.effect.value), found)


def reason(judgement: Judgement, names: Sequence[str], phrases: Phrases) -> str:
    """The measured result as a clause. With two endpoints, names are omitted."""
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
    who = f"whether {names[unsettled.first]} or {names[unsettled.second]}" if named else "which endpoint"
    if effect.low is None or effect.high is None:
        few = effect.n < min_samples(0.5, found.pair.confidence)
        why = f"{found.n} is too few" if few else f"too many of {effect.n} timed out"
        return f"{why} to tell {who} {phrases.better}"
    return f"{who} {phrases.better} is not settled ({span_ms(effect.value, effect.low, effect.high)}, {found.n})"


def than(judgement: Judgement, names: Sequence[str]) -> str:
    """The baseline of the preferred endpoint: ` than B`, or ` than B, the closest of 3,`; empty for two endpoints."""
    if len(names) == 2:
        return ""
    baselines = judgement.wins
    closest = names[baselines[0].loser]
    return f" than {closest}" if len(baselines) == 1 else f" than {closest}, the closest of {len(baselines)},"


def _size(effect: Estimate, second_won: bool) -> str:
    """How far the winner is ahead; a lower bound if timeouts leave the rest open."""
    low, high = (effect.low, effect.high) if second_won else (effect.high, effect.low)
    if low is not None and high is not None:
        return span_ms(abs(effect.value), abs(low), abs(high))
    return "an amount that is unknown because of timeouts" if low is None else f"at least {number(abs(low))} ms"
