"""What the differences between endpoints allow to be claimed: of each pair, and from all pairs of their order.

The rule for a winner has two parts that answer two questions: whether there is a difference is a test (the interval
excludes zero, with 5% of false claims), and whether it matters is an estimate (the point lies beyond the margin). The
interval may reach into the margin, so a winner's true difference may be somewhat smaller than the margin. Testing
against the margin itself (the whole interval beyond it) would exclude that, and miss more of the differences that do
matter: `python -m benchmark simulate --runs N` counts both rules on endpoints whose truth is known.

More than two endpoints make several pairs, and each pair is one more chance of a false claim. Holm's procedure (1979,
Scandinavian Journal of Statistics 6) keeps the chance of any false claim at 5% over all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from itertools import combinations
from math import isfinite

from benchmark.statistics.estimates import CONFIDENCE, Estimate, min_samples, more_samples

_MOST = 1_000_000  # more samples than this are no advice

EffectOf = Callable[[int, int, float], Estimate]
"""The difference between two endpoints, by their positions, first minus second in ms, with an interval of this
confidence."""
Order = tuple[tuple[int, ...], ...]
"""Positions in groups, the fastest group first. Endpoints that no chain of winners separates are one group."""


class Outcome(StrEnum):
    WINNER = "winner"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"


class Doubt(Enum):
    """Why nothing is claimed of a pair."""

    CLIENT = auto()
    """the client was the limit"""
    TOO_FEW = auto()
    """fewer samples than any interval needs"""
    NO_INTERVAL = auto()
    """enough samples, but they come in clusters, or time out"""
    TIMEOUTS = auto()
    """how long the timeouts would have taken is not known"""
    RESOLUTION = auto()
    """the effect is smaller than what the measuring machine resolves"""
    MARGIN_BELOW_RESOLUTION = auto()
    """the margin is"""
    MORE_SAMPLES = auto()
    """more samples would settle it"""
    HARDLY = auto()
    """no reasonable number of samples would settle it"""


@dataclass(frozen=True, slots=True)
class Contrast:
    """What is claimed of one pair of endpoints, at positions `first` and `second` among all."""

    first: int
    second: int
    effect: Estimate
    """first minus second in ms"""
    confidence: float
    """of the effect's interval: the level that Holm's procedure asked for"""
    margin_ms: float
    outcome: Outcome
    winner: int | None
    doubt: Doubt | None
    """None where something is claimed"""
    more: int | None
    """about how many more samples would settle it, where that can be said"""


def contrasts(
    effect_of: EffectOf,
    medians_ms: Sequence[float],
    *,
    margin_ms: float,
    margin_pct: float,
    resolution_ms: float | None = None,
    limited: bool = False,
) -> tuple[Contrast, ...]:
    """Every pair of the endpoints with these medians, in the order of `itertools.combinations`.

    A winner needs an interval without zero and an effect beyond the margin; equivalence an interval within the margin.
    Where timeouts leave one end of the interval open, the other is enough for a winner. Both claims are refused below
    `resolution_ms`, by which runs of one server against itself differ on the measuring machine, and where the client
    was the limit (`limited`).
    """
    return tuple(
        _contrast(
            first,
            second,
            effect,
            confidence,
            margin(margin_ms, margin_pct, (medians_ms[first], medians_ms[second])),
            resolution_ms,
            limited,
        )
        for (first, second), (effect, confidence) in holm(effect_of, len(medians_ms)).items()
    )


def holm(effect_of: EffectOf, endpoints: int) -> Mapping[tuple[int, int], tuple[Estimate, float]]:
    """The effect of each pair with the confidence of its interval, so that 5% of runs at most have any false one.

    Step down: of all pairs whose interval at 1 - 0.05/(pairs left) excludes zero the difference is real; then there
    are fewer pairs left, which need less. A pair keeps the interval that settled it, others get the last one.
    """
    pairs = list(combinations(range(endpoints), 2))
    found: dict[tuple[int, int], tuple[Estimate, float]] = {}
    left = pairs
    while left:
        confidence = corrected(len(left))
        found |= {pair: (effect_of(*pair, confidence), confidence) for pair in left}
        unsettled = [pair for pair in left if not found[pair][0].excludes_zero]
        if len(unsettled) == len(left):
            break
        left = unsettled
    return {pair: found[pair] for pair in pairs}


def corrected(claims: int) -> float:
    """The confidence of each of so many intervals that together keep 95% (Bonferroni)."""
    return CONFIDENCE if claims == 1 else 1 - (1 - CONFIDENCE) / claims


def margin(margin_ms: float, margin_pct: float, medians_ms: Sequence[float]) -> float:
    """The difference in ms that matters: `margin_ms`, or `margin_pct` percent of the fastest median if that is more.

    Of the fastest, so that no endpoint widens the margin by being slow. An unknown median (NaN) counts for nothing.
    """
    share_ms = margin_pct / 100 * min(medians_ms)
    return max(margin_ms, share_ms) if all(map(isfinite, medians_ms)) else margin_ms


def order(found: Sequence[Contrast], endpoints: int) -> Order:
    """Groups of positions, the fastest group first.

    A pair without a winner joins two endpoints, and so does a circle of winners (paired medians can be circular: A
    before B, B before C, C before A). Every endpoint of a group has won against every one of the groups after it.
    """
    everyone = range(endpoints)
    not_behind = {(position, position) for position in everyone}
    for one in found:
        pair = one.first, one.second
        not_behind |= {pair, pair[::-1]} if one.winner is None else {pair if one.winner == one.first else pair[::-1]}
    for middle in everyone:  # over any number of steps (Warshall 1962)
        not_behind |= {
            (start, end)
            for start in everyone
            for end in everyone
            if (start, middle) in not_behind and (middle, end) in not_behind
        }
    groups = {
        tuple(other for other in everyone if (one, other) in not_behind and (other, one) in not_behind)
        for one in everyone
    }
    # The faster a group, the more endpoints its members are not behind.
    return tuple(sorted(groups, key=lambda group: -sum((group[0], other) in not_behind for other in everyone)))


def _contrast(
    first: int,
    second: int,
    effect: Estimate,
    confidence: float,
    limit_ms: float,
    resolution_ms: float | None,
    limited: bool,
) -> Contrast:
    def claim(outcome: Outcome, winner: int | None = None) -> Contrast:
        return Contrast(first, second, effect, confidence, limit_ms, outcome, winner, None, None)

    def nothing(doubt: Doubt, more: int | None = None) -> Contrast:
        return Contrast(first, second, effect, confidence, limit_ms, Outcome.INCONCLUSIVE, None, doubt, more)

    size_ms = abs(effect.value)
    if limited:
        return nothing(Doubt.CLIENT)
    if effect.low is None and effect.high is None:
        needed = min_samples(0.5, confidence)
        return nothing(Doubt.TOO_FEW, needed - effect.n) if effect.n < needed else nothing(Doubt.NO_INTERVAL)
    if effect.excludes_zero and size_ms > limit_ms:
        if resolution_ms is not None and size_ms < resolution_ms:
            return nothing(Doubt.RESOLUTION)
        return claim(Outcome.WINNER, first if effect.value < 0 else second)
    if effect.low is None or effect.high is None:
        return nothing(Doubt.TIMEOUTS)
    if -limit_ms < effect.low and effect.high < limit_ms:
        if resolution_ms is not None and limit_ms < resolution_ms:
            return nothing(Doubt.MARGIN_BELOW_RESOLUTION)
        return claim(Outcome.EQUIVALENT)
    more = more_samples(effect, size_ms if size_ms > limit_ms else limit_ms - size_ms)
    return nothing(Doubt.HARDLY) if more is None or more > _MOST else nothing(Doubt.MORE_SAMPLES, more)
