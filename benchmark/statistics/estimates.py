"""Estimates from samples: quantiles, shares and differences, each with its interval.

Requests of one run resemble their neighbours, so n of them count as fewer independent samples. The effective number
follows from slow common movements: the weights of a dozen slow cosines over the run, each about one independent view of
what the samples have in common (`_waves`). No noise model is fitted.
Pure functions over one-dimensional arrays in time order. If there are too few samples or clusters for an interval,
there is none, instead of a wide guess.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite, isnan, log, nan, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, ndtri, pdtrc, stdtrit

CONFIDENCE = 0.95
_MOST_WAVES, _FEWEST_WAVES = 12, 4
_BLOCKS = 500  # along a run: the shortest wave is 40 of them long
_NEIGHBOURS = 5  # the number of following requests in which clusters are detected
_ANGLES = np.linspace(0, 2 * pi, 128, endpoint=False)

Values = NDArray[Any]
"""One-dimensional, float32 or float64."""
Blocks = NDArray[Any]
"""The time of each value, as the index of one of 500 equal parts of the run."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure from `n` samples with its interval; without bounds the interval is not estimable.

    With only one bound, the other end is open: it lies among timeouts, whose true duration is unknown.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    is_spread: bool = False
    """whether the interval is as wide as several places differ, which more samples do not change"""

    @property
    def estimable(self) -> bool:
        return self.low is not None and self.high is not None

    @property
    def half_width(self) -> float | None:
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign is certain; the bound on the side of zero is enough."""
        return (self.low is not None and self.low > 0) or (self.high is not None and self.high < 0)


def min_samples(share: float, confidence: float = CONFIDENCE) -> int:
    """The smallest n for which observations can bound the quantile: at 95% 6 for p50, 72 for p95, 368 for p99.

    Below it, the chance that all n lie on one side of the quantile exceeds the error allowed to that side.
    """
    return ceil(log((1 - confidence) / 2) / log(max(share, 1 - share)) - 1e-9)


def quantile(values: Values, share: float, blocks: Blocks | None = None, *, confidence: float = CONFIDENCE) -> Estimate:
    """One quantile; see `quantiles`."""
    return quantiles(values, (share,), blocks, confidence=confidence)[0]


def quantiles(
    values: Values, shares: Iterable[float], blocks: Blocks | None = None, *, confidence: float = CONFIDENCE
) -> list[Estimate]:
    """Quantiles as numpy computes them, with distribution-free intervals, in the values' unit.

    The bounds lie between neighbouring order statistics that the binomial chooses (Nyblom 1992, Statistics &
    Probability Letters 14; for the median Hettmansperger and Sheather 1986), so that the coverage is `confidence`
    and not "at least" that. With `blocks` the bounds move outward by the design effect (Woodruff 1952, Korn and
    Graubard 1998).
    No bounds below `min_samples` effective samples (`_effectively_too_few`); without samples the value is NaN.
    Infinity is a censored value, which ranks last; bounds that reach it are omitted.

    Raises ValueError for a NaN among the values: a failure has no latency.
    """
    ordered = np.sort(values)  # once for all shares; float32 stays float32, which sorts twice as fast
    n = len(ordered)
    if n and np.isnan(ordered[-1]):
        raise ValueError("NaN among the values")
    if not n:
        return [Estimate(nan, None, None, 0) for _ in shares]
    estimates = []
    for share in shares:
        estimate = Estimate(_at(ordered, (n - 1) * share + 1), None, None, n)
        if n >= min_samples(share, confidence):
            centre, *ends = _rank_interval(n, share, confidence)
            waves = None if blocks is None else _waves(_beyond(values, estimate.value), blocks)
            if not _effectively_too_few(values, ordered, share, waves, confidence):
                stretch = sqrt(_design_effect(waves, confidence))
                estimate = _bounded(estimate, *(_at(ordered, centre + stretch * (end - centre)) for end in ends))
        estimates.append(estimate)
    return estimates


def wilson(successes: int, n: int, design_effect: float = 1.0, *, confidence: float = CONFIDENCE) -> Estimate:
    """A share with Wilson's score interval (Wilson 1927), which holds near 0 and 1 too.

    With a `design_effect`, the interval is that of the effective number of independent samples (Korn and Graubard 1998,
    Survey Methodology 24).
    """
    if not n:
        return Estimate(nan, None, None, 0)
    z = float(ndtri((1 + confidence) / 2))
    share, effective = successes / n, n / design_effect
    centre = (share + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective) * sqrt(share * (1 - share) / effective + z * z / (4 * effective * effective))
    # At the ends the bound is exact in theory and off by a rounding in floating point.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(share, low, high, n)


def design_effect(hits: NDArray[np.bool_], blocks: Blocks) -> float:
    """How many times more uncertain the share of `hits` is than with independent samples, because of clusters in time;
    at least 1, and 1 if all or none are hits, which shows no clusters."""
    return max(1.0, _design_effect(_waves(hits, blocks), CONFIDENCE))


def upper_bound(count: int, n: int) -> float:
    """The exact one-sided 95% upper bound of a share with `count` hits in `n` (Clopper and Pearson 1934).

    For none of n it is 1 - 0.05^(1/n), about 3/n: the "rule of three". 1 where n is 0.
    """
    return 1.0 if count >= n else float(betaincinv(count + 1, n - count, CONFIDENCE))


def consecutive_blocks(n: int) -> Blocks:
    """The times of `n` samples in time order, if only their order counts."""
    return np.arange(n) * min(n, _BLOCKS) // max(n, 1)


def time_blocks(times_ms: Sequence[Values]) -> list[Blocks]:
    """The times of samples that are not in pairs: one array per endpoint, on one time axis."""
    known = [times for times in times_ms if len(times)]
    if not known:
        return [np.zeros(0, dtype=np.int64) for _ in times_ms]
    start = min(float(times.min()) for times in known)
    window = max((max(float(times.max()) for times in known) - start) / _BLOCKS, 1e-9)
    return [np.minimum((times - start) // window, _BLOCKS - 1).astype(np.int64) for times in times_ms]


def paired_median_difference(
    first_ms: Values,
    second_ms: Values,
    waited_ms: tuple[Values, Values] | None = None,
    *,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """The median of first minus second over pairs in time order, in ms.

    A pair with a NaN (a failure) is left out. A timeout is censored, not missing: pass it as infinity, which ranks it
    after every answer; a pair of two timeouts says nothing. `waited_ms` are the same latencies with each infinity
    replaced by the time waited: they give a minimum for an unknown difference, so that an interval that reaches the
    timeouts keeps the bound on the other side.
    """
    least_ms, most_ms = (_subtracted(first, second) for first, second in _extremes(first_ms, second_ms, waited_ms))
    differences_ms = _subtracted(first_ms, second_ms)
    known = ~np.isnan(differences_ms)
    blocks = consecutive_blocks(int(np.count_nonzero(known)))
    most = quantile(most_ms[known], 0.5, blocks, confidence=confidence)
    if np.array_equal(least_ms, most_ms, equal_nan=True):
        return most
    least = quantile(least_ms[known], 0.5, blocks, confidence=confidence)
    return Estimate(quantile(differences_ms[known], 0.5).value, least.low, most.high, most.n)


def quantile_differences(
    first_ms: Values,
    second_ms: Values,
    shares: Iterable[float],
    blocks: tuple[Blocks, Blocks] | None = None,
    primary: float | None = None,
    waited_ms: tuple[Values, Values] | None = None,
    *,
    confidence: float = CONFIDENCE,
) -> list[Estimate]:
    """First minus second of each quantile, in ms.

    Without `blocks` the arrays are pairs in time order, of one length, with NaN for a failure. With `blocks`, as from
    `time_blocks`, they are without failures and of any length. Either way, disturbances of both endpoints at once are
    in both or in neither. A timeout is infinite: it ranks after every answer, and an interval that would reach one is
    open on that side; `waited_ms` as for `paired_median_difference`.

    The ranks of both quantiles lie in an ellipse, by their design effects and by what both endpoints have in common;
    the interval is from the least to the greatest difference of what has these ranks (as in MOVER, Zou and Donner
    2008, Statistics in Medicine 27, which takes the quantiles for linear in their ranks).

    The metrics are corrected for their number (Bonferroni): together the intervals hold with `confidence`. The
    `primary` share, if any, was named before the run and keeps that confidence for itself. An interval needs
    `min_samples` effective samples from either endpoint (`_effectively_too_few`); n is the smaller endpoint's.
    """
    shares = tuple(shares)
    extremes = _extremes(first_ms, second_ms, waited_ms)
    if blocks is None:
        shared = consecutive_blocks(len(first_ms))
        known = ~np.isnan(first_ms), ~np.isnan(second_ms)
        blocks = shared[known[0]], shared[known[1]]
        first_ms, second_ms = first_ms[known[0]], second_ms[known[1]]
        extremes = [(first[known[0]], second[known[1]]) for first, second in extremes]
    sides = first_ms, second_ms
    n = min(len(first_ms), len(second_ms))
    if not n:
        return [Estimate(nan, None, None, 0) for _ in shares]
    secondary = max(1, sum(share != primary for share in shares))
    ordered = [np.sort(side) for side in sides]
    least, most = ([np.sort(side) for side in pair] for pair in extremes)
    count, number = 1 + max(int(ids.max()) for ids in blocks), _number_of_waves(n)
    estimates = []
    for share in shares:
        quantiles_ms = [_at(side, (len(side) - 1) * share + 1) for side in ordered]
        estimate = Estimate(quantiles_ms[0] - quantiles_ms[1], None, None, n)
        if n >= min_samples(share, confidence):
            level = confidence if share == primary else 1 - (1 - confidence) / secondary
            waves = [
                _waves(_beyond(side, value), ids, count, number)
                for side, value, ids in zip(sides, quantiles_ms, blocks, strict=True)
            ]
            if not any(_effectively_too_few(sides[at], ordered[at], share, waves[at], confidence) for at in (0, 1)):
                ranks = [
                    _ranks(len(side), share, level, steps)
                    for side, steps in zip(sides, _stretch(number, level) * _ellipse(waves), strict=True)
                ]
                lows, highs = (_subtracted(*map(_each_at, pair, ranks)) for pair in (least, most))
                low, high = float(np.min(_or(lows, -inf))), float(np.max(_or(highs, inf)))
                estimate = _bounded(estimate, low, high)
        estimates.append(estimate)
    return estimates


def more_samples(estimate: Estimate, half_width: float) -> int | None:
    """About how many more samples shrink the interval's half-width to `half_width`, which falls as 1/√n.

    Rounded to two digits, because it is an extrapolation; None if it cannot be extrapolated.
    """
    if estimate.half_width is None or half_width <= 0:
        return None
    more = estimate.n * ((estimate.half_width / half_width) ** 2 - 1)
    if not isfinite(more):
        return None
    more = max(more, 1.0)
    unit = 10.0 ** max(0, len(str(int(more))) - 2)
    return int(ceil(more / unit) * unit)


def _extremes(
    first_ms: Values, second_ms: Values, waited_ms: tuple[Values, Values] | None
) -> list[tuple[Values, Values]]:
    """The latencies of both with the smallest and with the largest difference."""
    if waited_ms is None:
        waited_ms = np.where(np.isinf(first_ms), 0.0, first_ms), np.where(np.isinf(second_ms), 0.0, second_ms)
    return [(waited_ms[0], second_ms), (first_ms, waited_ms[1])]


def _subtracted(first: Values, second: Values) -> Values:
    """First minus second; of two infinities it is NaN."""
    with np.errstate(invalid="ignore"):
        return np.subtract(first, second, dtype=np.float64)


def _or(values: Values, otherwise: float) -> Values:
    return np.where(np.isnan(values), otherwise, values)


def _bounded(estimate: Estimate, low: float, high: float) -> Estimate:
    """An estimate with these bounds, without those that are timeouts, whose true duration is unknown."""
    unknown = isnan(estimate.value)
    return Estimate(
        estimate.value,
        low if isfinite(low) and not unknown else None,
        high if isfinite(high) and not unknown else None,
        estimate.n,
    )


def _at(ordered: Values, rank: float) -> float:
    """The value at a rank counted from 1, interpolated between neighbours, held within the sample."""
    return float(_each_at(ordered, np.array([rank]))[0])


def _each_at(ordered: Values, ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = np.clip(ranks, 1, len(ordered))
    below = ranks.astype(np.int64)
    part = ranks - below
    values = ordered[below - 1].astype(np.float64)
    # Nothing is interpolated from infinity, a censored observation: the sum would be NaN.
    between = np.flatnonzero((part > 0) & np.isfinite(values))
    values[between] += part[between] * (ordered[below[between]].astype(np.float64) - values[between])
    return values


def _rank(n: int, share: float, confidence: float) -> float:
    """The rank, between two whole ones, below which the quantile lies with `confidence` (Nyblom's interpolation)."""

    def chance(rank: int) -> float:
        """That the quantile lies below the observation of this rank."""
        return float(bdtr(rank - 1, n, share)) if rank else 0.0

    rank = bisect_right(range(n + 1), confidence, key=chance) - 1
    if not 0 < rank < n:
        return float(min(max(rank, 1), n))  # a rounding error at n = `min_samples`
    below, above = chance(rank), chance(rank + 1)
    if below >= confidence:
        return float(rank)
    odds = rank * (1 - share) * (above - confidence) / ((n - rank) * share * (confidence - below))
    return rank + 1 / (1 + odds)


def _rank_interval(n: int, share: float, confidence: float) -> tuple[float, float, float]:
    """The middle and the two ends of the ranks among which the quantile of independent samples lies."""
    tail = (1 - confidence) / 2
    return n * share + 0.5, _rank(n, share, tail), _rank(n, share, 1 - tail)


def _ranks(n: int, share: float, confidence: float, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ranks that lie so many `steps` above the quantile's, one being as far as an end of its interval."""
    centre, low, high = _rank_interval(n, share, confidence)
    return centre + steps * np.where(steps < 0, centre - low, high - centre)


def _beyond(values: Values, quantile_value: float) -> NDArray[np.bool_]:
    """Which lie above the quantile; where none does, as among timeouts and equal values, which are not below it."""
    above: NDArray[np.bool_] = values > quantile_value
    if not above.any():
        above = values >= quantile_value
    return above


def _effectively_too_few(
    values: Values, ordered: Values, share: float, waves: NDArray[np.float64] | None, confidence: float
) -> bool:
    """Whether the effective number of independent samples is too small to bound the quantile.

    A design effect from a dozen waves may be wrong by half. To accept independent samples that just suffice, clusters
    must be detectable as well.
    """
    few = len(values) / _mean_square(waves) < min_samples(share, confidence)
    return few and _come_in_clusters(values, ordered, share)


def _come_in_clusters(values: Values, ordered: Values, share: float) -> bool:
    """Whether more of the values around a quantile are near each other in time than chance allows (at 5%).

    Counted are pairs of values at most `_NEIGHBOURS` apart, which are about Poisson among independent samples where
    they are rare, and less uncertain than that where they are not. Taken is twice the tail that lies beyond the
    quantile, up to half of all: the few beyond it say too little.
    """
    tail = min(0.5, 2 * min(share, 1 - share))
    n = len(values)
    hits = _beyond(values, _at(ordered, (n - 1) * (tail if share < 0.5 else 1 - tail) + 1))
    if share < 0.5:
        hits = ~hits
    count = int(np.count_nonzero(hits))
    lags = range(1, min(_NEIGHBOURS, n - 1) + 1)
    near = sum(int(np.count_nonzero(hits[lag:] & hits[:-lag])) for lag in lags)
    expected = sum(n - lag for lag in lags) * count * (count - 1) / (n * (n - 1))
    return near > 0 and bool(pdtrc(near - 1, expected) < 1 - CONFIDENCE)


def _mean_square(waves: NDArray[np.float64] | None) -> float:
    """The variance of a share of hits over that of independent samples; 1 if it is unknown."""
    return 1.0 if waves is None else float(np.mean(waves**2))


def _design_effect(waves: NDArray[np.float64] | None, confidence: float) -> float:
    """The same with Student's t for so many waves in it, as in Korn and Graubard's effective number of samples."""
    return 1.0 if waves is None else _stretch(len(waves), confidence) ** 2 * _mean_square(waves)


def _number_of_waves(n: int) -> int:
    """The number of slow cosines: more are surer, but less slow.

    0.4 n^(2/3) of them give tests of about the right size and the best power where the memory is that of an
    autoregression of up to 0.7 (Lazarus, Lewis, Stock and Watson 2018, Journal of Business & Economic Statistics 36).
    A number that stays fixed, however many samples there are, allows any memory that is short beside the shortest
    wave, such as bursts and neighbours (Mueller 2007, Journal of Econometrics 141): hence never more than 12. By
    Student's t that makes intervals 11% wider than if the variance were known.
    """
    return min(_MOST_WAVES, max(_FEWEST_WAVES, round(0.4 * float(n ** (2 / 3)))))


def _stretch(waves: int, confidence: float) -> float:
    """How much wider Student's t is than the normal, whose interval the binomial's ranks are."""
    upper = (1 + confidence) / 2
    return float(stdtrit(waves, upper) / ndtri(upper))


def _waves(
    hits: NDArray[np.bool_], blocks: Blocks, count: int | None = None, number: int | None = None
) -> NDArray[np.float64] | None:
    """How much the share of hits goes with each of so many slow cosines over the run, in units of what independent
    samples would do; None where all or none are hits. The run has `count` blocks: by default as many as are in use.

    Their mean square estimates how many times the variance is that of independent samples (the equal-weighted cosine
    estimate of the spectrum at zero: Phillips 2005, Econometric Theory 21), with chi-squared's freedom of their number.
    """
    share = np.count_nonzero(hits) / max(len(hits), 1)
    if not 0 < share < 1:
        return None
    count, number = count or int(blocks.max()) + 1, number or _number_of_waves(len(hits))
    # Neighbours are mostly in one block, so summing over each stretch is the fastest way to count.
    starts = np.append(0, np.flatnonzero(blocks[1:] != blocks[:-1]) + 1)
    expected = share * np.diff(starts, append=len(hits))
    found = np.add.reduceat(hits.view(np.int8), starts, dtype=np.int64)
    excess = np.bincount(blocks[starts], found - expected, minlength=count)
    cosines = sqrt(2) * np.cos(pi * np.outer(np.arange(1, number + 1), (np.arange(count) + 0.5) / count))
    waves: NDArray[np.float64] = cosines @ excess / sqrt(len(hits) * share * (1 - share))
    return waves


def _ellipse(waves: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64]:
    """Around what the ranks of both endpoints' quantiles may be: shape (2, angles), in steps of `_ranks`.

    Wide if the samples of an endpoint are clustered, and slanted if both endpoints move together.
    """
    effects = [_mean_square(mine) for mine in waves]
    common = 0.0 if waves[0] is None or waves[1] is None else float(np.mean(waves[0] * waves[1]))
    along = common / sqrt(effects[0]) if effects[0] else 0.0
    across = sqrt(max(0.0, effects[1] - along**2))
    return np.array([sqrt(effects[0]) * np.cos(_ANGLES), along * np.cos(_ANGLES) + across * np.sin(_ANGLES)])
