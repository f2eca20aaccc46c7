"""Claims from the differences between endpoints: the outcome of each pair, and the order of all endpoints.

The rule for a winner has two parts. A test decides whether there is a difference (the interval excludes zero, with 5%
of false claims), and an estimate decides whether it is relevant (the point lies beyond the margin). The interval may
reach into the margin, so a winner's true difference may be somewhat smaller than the margin. Testing against the
margin itself (the whole interval beyond it) would exclude that, but miss more relevant differences:
`python -m benchmark simulate --runs N` counts both rules on endpoints whose truth is known.

With more than two endpoints there are several pairs, each with a chance of a false claim. Holm's procedure (1979,
Scandinavian Journal of Statistics 6) keeps the chance of any false claim at 5%.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from itertools import combinations
from math import isfinite

from benchmark.statistics.estimates import CONFIDENCE, Estimate, min_samples, more_samples

_MOST = 1_000_000  # proposing more samples than this is not useful

EffectOf = Callable[[int, int, float], Estimate]
"""Returns the difference of two endpoints, by position, first minus second in ms, with an interval at this
confidence."""
Order = tuple[tuple[int, ...], ...]
"""Positions in groups, fastest first. Endpoints that no chain of winners separates are one group."""


class Outcome(StrEnum):
    WINNER = "winner"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"


class Doubt(Enum):
    """Why a pair has no claim."""

    CLIENT = auto()
    """the client was the limit"""
    TOO_FEW = auto()
    """fewer samples than any interval needs"""
    NO_INTERVAL = auto()
    """enough samples, but with clusters or timeouts"""
    TIMEOUTS = auto()
    """the true duration of the timeouts is unknown"""
    RESOLUTION = auto()
    """the effect is below the resolution of the measuring machine"""
    MARGIN_BELOW_RESOLUTION = auto()
    """the margin is below the resolution"""
    MORE_SAMPLES = auto()
    """more samples would settle it"""
    SPREAD = auto()
    """several workers see different differences"""
    HARDLY = auto()
    """no reasonable number of samples would settle it"""


@dataclass(frozen=True, slots=True)
class Contrast:
    """The claim about one pair of endpoints, at positions `first` and `second`."""

    first: int
    second: int
    effect: Estimate
    """first minus second in ms"""
    confidence: float
    """confidence of the effect's interval, as Holm's procedure requires"""
    margin_ms: float
    outcome: Outcome
    winner: int | None
    doubt: Doubt | None
    """None if there is a claim"""
    more: int | None
    """about how many more samples would settle it, if known"""


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

    A winner needs an interval without zero and an effect beyond the margin; equivalence needs an interval within the
    margin. If timeouts leave one end of the interval open, the other end is enough for a winner. There are no claims
    below `resolution_ms`, the difference between runs of one server against itself on the measuring machine, or if the
    client was the limit (`limited`).
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
    """The effect of each pair with the confidence of its interval, so that at most 5% of runs have any false claim.

    Step down: pairs whose interval at 1 - 0.05/(remaining pairs) excludes zero are different; the fewer remaining pairs
    then need less confidence. A pair keeps the interval that settled it; others get the last one.
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
    """The confidence of each of several intervals that together keep 95% (Bonferroni)."""
    return CONFIDENCE if claims == 1 else 1 - (1 - CONFIDENCE) / claims


def margin(margin_ms: float, margin_pct: float, medians_ms: Sequence[float]) -> float:
    """The minimum relevant difference in ms: `margin_ms`, or `margin_pct` percent of the fastest median if larger.

    The fastest median is the base, so that a slow endpoint does not widen the margin. NaN medians are ignored.
    """
    share_ms = margin_pct / 100 * min(medians_ms)
    return max(margin_ms, share_ms) if all(map(isfinite, medians_ms)) else margin_ms


def order(found: Sequence[Contrast], endpoints: int) -> Order:
    """Groups of positions, the fastest group first.

    A pair without a winner joins two endpoints, and so does a circle of winners (paired medians can be circular: A
    before B, B before C, C before A). Every endpoint of a group has won against all endpoints of later groups.
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
    # Members of faster groups are behind fewer endpoints.
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
    if effect.is_spread:
        return nothing(Doubt.SPREAD)
    more = more_samples(effect, size_ms if size_ms > limit_ms else limit_ms - size_ms)
    return nothing(Doubt.HARDLY) if more is None or more > _MOST else nothing(Doubt.MORE_SAMPLES, more)
