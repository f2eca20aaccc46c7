"""What samples say and how surely: quantiles, shares and differences, each with its interval.

Requests of one run resemble their neighbours, so what is resampled here is blocks of them, never single requests.
Pure functions over one-dimensional arrays in time order. Where the samples are too few for an interval at all there
is none, instead of a wide guess.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite, log, nan, pi, sin, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv, ndtr, ndtri, stdtrit

CONFIDENCE = 0.95
REPLICATES = 2000
MIN_BLOCKS = 6  # with fewer, the spread between blocks is itself a guess
_MAX_BLOCKS = 500  # more make the interval no better and the resampling slower
_CALIBRATION = (
    1.03  # measured: with neighbours correlated by 0.5, equal endpoints differ in 4.8% of runs instead of 5.4%
)
_CHUNK = 4_000_000  # elements of a replicate's working table at a time: bounds the memory

Values = NDArray[Any]
"""One-dimensional, float32 or float64."""
Blocks = NDArray[Any]
"""For each value the number of its block, a non-negative integer."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure from `n` samples with its interval; without bounds the interval is not estimable."""

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def estimable(self) -> bool:
        return self.low is not None and self.high is not None

    @property
    def half_width(self) -> float | None:
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def min_samples(share: float) -> int:
    """The smallest n for which observations can bound the quantile: 6 for p50, 72 for p95, 368 for p99.

    Below it, the chance that all n lie on one side of the quantile exceeds the error allowed to that side.
    """
    return ceil(log((1 - CONFIDENCE) / 2) / log(max(share, 1 - share)) - 1e-9)


def quantile(values: Values, share: float, blocks: Blocks | None = None) -> Estimate:
    """One quantile; see `quantiles`."""
    return quantiles(values, (share,), blocks)[0]


def quantiles(values: Values, shares: Sequence[float], blocks: Blocks | None = None) -> list[Estimate]:
    """Quantiles as numpy computes them, with distribution-free intervals, in the values' unit.

    The bounds lie between neighbouring order statistics that the binomial chooses (Nyblom 1992, Statistics &
    Probability Letters 14; for the median Hettmansperger and Sheather 1986), so that the coverage is 95% and not
    "at least 95%". With `blocks` the bounds move outward as far as the blocks differ more than independent samples
    would (the design effect of Korn and Graubard 1998). No bounds below `min_samples`; NaN is the value of no samples.
    Infinity is a censored value, which ranks last; bounds that reach it are none.

    Raises ValueError for a NaN among the values: a failure has no latency.
    """
    ordered = np.sort(values)  # once for all shares; float32 stays float32, which sorts twice as fast
    n = len(ordered)
    if n and np.isnan(ordered[-1]):
        raise ValueError("NaN among the values")
    if not n:
        return [Estimate(nan, None, None, 0) for _ in shares]
    sizes = None if blocks is None else np.bincount(blocks)
    estimates = []
    for share in shares:
        estimate = Estimate(_at(ordered, (n - 1) * share + 1), None, None, n)
        if n >= min_samples(share):
            stretch = 1.0
            if blocks is not None and sizes is not None:
                # The rarer side of the quantile is counted: at p99 that is a hundredth of the samples.
                beyond = values > estimate.value if share >= 0.5 else values <= estimate.value
                stretch = sqrt(_design_effect(beyond, min(share, 1 - share), blocks, sizes))
            centre = n * share + 0.5
            low, high = (
                _at(ordered, centre + stretch * (_rank(n, share, tail) - centre))
                for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
            )
            estimate = Estimate(estimate.value, low if isfinite(low) else None, high if isfinite(high) else None, n)
        estimates.append(estimate)
    return estimates


def wilson(successes: int, n: int, design_effect: float = 1.0) -> Estimate:
    """A share with Wilson's score interval (Wilson 1927), which holds near 0 and 1 too.

    With a `design_effect` it is the interval of as many independent samples as the `n` are worth (Korn and Graubard
    1998, Survey Methodology 24).
    """
    if not n:
        return Estimate(nan, None, None, 0)
    z = float(ndtri((1 + CONFIDENCE) / 2))
    share, worth = successes / n, n / design_effect
    centre = (share + z * z / (2 * worth)) / (1 + z * z / worth)
    half = z / (1 + z * z / worth) * sqrt(share * (1 - share) / worth + z * z / (4 * worth * worth))
    # At the ends the bound is exact in theory and off by a rounding in floating point.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(share, low, high, n)


def design_effect(hits: NDArray[np.bool_], blocks: Blocks) -> float:
    """How many times as uncertain the share of `hits` is as that of independent samples, from how they cluster in
    `blocks`; at least 1, and 1 where all or none are hits, which says nothing of clusters."""
    sizes = np.bincount(blocks)
    share = float(np.mean(hits)) if len(hits) else 0.0
    return _design_effect(hits, share, blocks, sizes) if 0 < share < 1 else 1.0


def upper_bound(count: int, n: int) -> float:
    """The exact one-sided 95% upper bound of a share of which `count` of `n` were seen (Clopper and Pearson 1934).

    For none of n it is 1 - 0.05^(1/n), about 3/n: the "rule of three". 1 where n is 0.
    """
    return 1.0 if count >= n else float(betaincinv(count + 1, n - count, CONFIDENCE))


def consecutive_blocks(n: int) -> Blocks:
    """Blocks of about √n neighbours for `n` samples in time order, and never so long that fewer than six remain.

    Long enough for the memory of a machine that is noisy for some tens of requests, many enough to see their spread.
    """
    length = max(1, min(round(sqrt(n)), n // MIN_BLOCKS), ceil(n / _MAX_BLOCKS))
    return np.minimum(np.arange(n) // length, max(n // length, 1) - 1)


def time_blocks(times_ms: Sequence[Values], window_ms: float = 1000.0) -> list[Blocks]:
    """Blocks by time for samples that are not in pairs: one array per endpoint, on one time axis.

    A window is at least `window_ms`, and longer where there would be more than 500; in a run shorter than 20 s it is
    a twentieth of the run.
    """
    known = [times for times in times_ms if len(times)]
    if not known:
        return [np.zeros(0, dtype=np.int64) for _ in times_ms]
    start = min(float(times.min()) for times in known)
    span = max(float(times.max()) for times in known) - start
    window = max(min(window_ms, span / 20), span / _MAX_BLOCKS, 1e-9)
    return [np.minimum((times - start) // window, max(span // window - 1, 0)).astype(np.int64) for times in times_ms]


def paired_median_difference(first_ms: Values, second_ms: Values, seed: int) -> Estimate:
    """The median of first minus second over pairs in time order, in ms.

    A pair with a NaN (a failure) is left out. A timeout is censored, not missing: pass it as infinity, which ranks it
    after every answer; a pair of two timeouts says nothing.

    The interval is the block bootstrap's, and never narrower than the binomial's for independent pairs.
    """
    with np.errstate(invalid="ignore"):
        differences = np.subtract(first_ms, second_ms, dtype=np.float64)
    differences = differences[~np.isnan(differences)]
    estimate = quantile(differences, 0.5)
    if estimate.low is None or estimate.high is None:
        return estimate
    blocks = consecutive_blocks(len(differences))
    count = int(blocks[-1]) + 1
    tail = _tail([differences], len(differences) / count, count, CONFIDENCE)
    (replicates,) = _replicates(differences, blocks, _weights(count, seed), (0.5,))
    low, high = _interval(replicates, tail)
    return _bounded(estimate, min(low, estimate.low), max(high, estimate.high))


def quantile_differences(
    first_ms: Values,
    second_ms: Values,
    shares: Sequence[float],
    seed: int,
    blocks: tuple[Blocks, Blocks] | None = None,
    primary: float | None = None,
) -> list[Estimate]:
    """First minus second of each quantile, in ms, from a bootstrap of blocks that both endpoints share.

    Without `blocks` the arrays are pairs in time order, of one length, with NaN for a failure. With them, as from
    `time_blocks`, they are without failures, of any length, and a block is what both did in one span of time. Either
    way what disturbed both endpoints at once is in both or in neither, and a timeout is infinite: it ranks after every
    answer, and an interval that would reach one is not estimable.

    The metrics are corrected for their number (Bonferroni): together the intervals hold with 95%. The `primary` share,
    if any, was named before the run and keeps its 95% for itself. An interval needs `min_samples` from either endpoint
    and at least six blocks; n is the smaller endpoint's.
    """
    if blocks is None:
        shared = consecutive_blocks(len(first_ms))
        known = ~np.isnan(first_ms), ~np.isnan(second_ms)
        blocks = shared[known[0]], shared[known[1]]
        first_ms, second_ms = first_ms[known[0]], second_ms[known[1]]
    n = min(len(first_ms), len(second_ms))
    if not n:
        return [Estimate(nan, None, None, 0) for _ in shares]
    count = 1 + max(int(blocks[0].max()), int(blocks[1].max()))
    ordered = [np.sort(side) for side in (first_ms, second_ms)]
    values = [[_at(side, (len(side) - 1) * share + 1) for side in ordered] for share in shares]
    estimates = [Estimate(first - second, None, None, n) for first, second in values]
    estimable = [position for position, share in enumerate(shares) if count >= MIN_BLOCKS and n >= min_samples(share)]
    if not estimable:
        return estimates
    weights = _weights(count, seed)
    replicates = (
        _replicates(side, ids, weights, [shares[position] for position in estimable])
        for side, ids in zip((first_ms, second_ms), blocks, strict=True)
    )
    secondary = max(1, sum(share != primary for share in shares))
    for position, first, second in zip(estimable, *replicates, strict=True):
        level = CONFIDENCE if shares[position] == primary else 1 - (1 - CONFIDENCE) / secondary
        with np.errstate(invalid="ignore"):
            differences = first - second
        tail = _tail((first_ms, second_ms), n / count, count, level)
        estimates[position] = _bounded(estimates[position], *_interval(differences, tail))
    return estimates


def more_samples(estimate: Estimate, half_width: float) -> int | None:
    """About how many more samples shrink the interval's half-width to `half_width`, which falls as 1/√n.

    To two digits, since it is an extrapolation; None where there is nothing to extrapolate from, or to.
    """
    if estimate.half_width is None or half_width <= 0:
        return None
    more = estimate.n * ((estimate.half_width / half_width) ** 2 - 1)
    if not isfinite(more):
        return None
    more = max(more, 1.0)
    unit = 10.0 ** max(0, len(str(int(more))) - 2)
    return int(ceil(more / unit) * unit)


def _bounded(estimate: Estimate, low: float, high: float) -> Estimate:
    """With these bounds, or without any where a timeout is among them: how long it would have taken is not known."""
    known = isfinite(estimate.value) and isfinite(low) and isfinite(high)
    return Estimate(estimate.value, low if known else None, high if known else None, estimate.n)


def _at(ordered: Values, rank: float) -> float:
    """The value at a rank counted from 1, interpolated between neighbours, held within the sample."""
    rank = min(max(rank, 1.0), float(len(ordered)))
    below = int(rank)
    value = float(ordered[below - 1])
    # From an infinity, a censored observation, nothing is interpolated: the sum would be no number.
    return value if rank == below or not isfinite(value) else value + (rank - below) * (float(ordered[below]) - value)


def _rank(n: int, share: float, confidence: float) -> float:
    """The rank, between two whole ones, below which the quantile lies with `confidence` (Nyblom's interpolation)."""

    def chance(rank: int) -> float:
        """That the quantile lies below the observation of this rank."""
        return float(bdtr(rank - 1, n, share)) if rank else 0.0

    rank = bisect_right(range(n + 1), confidence, key=chance) - 1
    if not 0 < rank < n:
        return float(min(max(rank, 1), n))  # a rounding at the very n of `min_samples`
    below, above = chance(rank), chance(rank + 1)
    if below >= confidence:
        return float(rank)
    odds = rank * (1 - share) * (above - confidence) / ((n - rank) * share * (confidence - below))
    return rank + 1 / (1 + odds)


def _design_effect(hits: NDArray[np.bool_], share: float, blocks: Blocks, sizes: NDArray[np.int64]) -> float:
    """The variance of a share from the spread of its counts between blocks, over that of independent samples.

    Student's t for so many blocks is in it, as in Korn and Graubard's effective number of samples.
    """
    count = len(sizes)
    if count < 2:
        return 1.0
    excess = np.bincount(blocks[np.flatnonzero(hits)], minlength=count) - share * sizes
    effect = float(excess @ excess) * count / (count - 1) / (len(hits) * share * (1 - share))
    critical = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2) / ndtri((1 + CONFIDENCE) / 2))
    return max(1.0, critical**2 * effect)


def _weights(count: int, seed: int) -> NDArray[np.int64]:
    """How often each block occurs in each replicate; shape (replicates, blocks)."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), REPLICATES)


def _replicates(
    values: Values, blocks: Blocks, weights: NDArray[np.int64], shares: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Each share's quantile in each replicate.

    No replicate is sorted: the values are, once, and a replicate's quantile is where the weights of the sorted values
    add up to its rank. That place is near the sample's own quantile, so only the values around it are added one by
    one; what lies before them is added block by block. A million samples cost seconds instead of an hour.
    """
    order = np.argsort(values)
    ordered, owners = values[order].astype(np.float64), blocks[order]
    count = weights.shape[1]
    totals = weights @ np.bincount(blocks, minlength=count)
    replicates = []
    for share in shares:
        target = np.maximum(totals - 1, 0) * share
        ranks = np.floor(target).astype(np.int64) + 1
        centre = round((len(ordered) - 1) * share)
        off = weights @ np.bincount(owners[:centre], minlength=count) - ranks
        reach = int(1.5 * float(np.abs(off).max())) + 16
        while True:
            start, end = max(0, centre - reach), min(len(ordered), centre + reach)
            before = weights @ np.bincount(owners[:start], minlength=count)
            within = weights @ np.bincount(owners[start:end], minlength=count)
            complete = (start == 0 or bool(np.all(before < ranks))) and (
                end == len(ordered) or bool(np.all(before + within > ranks))
            )
            if complete:
                break
            reach *= 2
        places = np.empty((2, len(weights)), dtype=np.int64)
        step = max(1, _CHUNK // (end - start))
        for row in range(0, len(weights), step):
            chunk = slice(row, row + step)
            added = np.cumsum(weights[chunk, owners[start:end]], axis=1)
            for place, rank in enumerate((ranks, ranks + 1)):
                places[place, chunk] = start + np.sum(added < (rank - before)[chunk, None], axis=1)
        low, high = ordered[np.minimum(places, len(ordered) - 1)]
        part = target - np.floor(target)
        with np.errstate(invalid="ignore"):
            # Nothing is interpolated where there is nothing between: to or from an infinity it would be no number.
            replicates.append(np.where((part == 0) | (low == high), low, low + part * (high - low)))
    return replicates


def _tail(sequences: Sequence[Values], length: float, count: int, confidence: float) -> float:
    """The share of replicates to leave out at either end, smaller than nominal by what few, short blocks miss.

    With few blocks the percentile bootstrap is too narrow as a normal is beside Student's t, and by √(count/(count-1))
    (Hesterberg 2015, The American Statistician 69, "expanded percentile"). Blocks cut the correlation between
    neighbours at their edges; what that hides of the variance is known for a first-order autoregression (the Bartlett
    sum), whose coefficient is the largest that the sequences show about their medians.
    """
    correlation = min(max(0.0, *(_correlation(sequence) for sequence in sequences)), 0.95)
    whole = (1 + correlation) / (1 - correlation)
    lost = 2 * correlation * (1 - correlation**length) / (length * (1 - correlation) ** 2)
    missed = whole / (whole - lost)
    critical = float(stdtrit(count - 1, (1 + confidence) / 2))
    return float(ndtr(-_CALIBRATION * critical * sqrt(missed * count / (count - 1))))


def _correlation(sequence: Values) -> float:
    """Between neighbours, from the signs about the median, which no outlier moves.

    For normal noise it is the sine of π/2 times that of the signs (the arcsine law, Van Vleck 1943).
    """
    n = len(sequence)
    if n < 3:
        return 0.0
    middle = np.median(sequence)
    signs = np.subtract(sequence > middle, sequence < middle, dtype=np.float64)  # of an infinity too
    between = sin(pi / 2 * float(np.mean(signs[1:] * signs[:-1])))
    return between + (1 + 4 * between) / n  # what a short series underestimates (Kendall 1954)


def _interval(replicates: NDArray[np.float64], tail: float) -> tuple[float, float]:
    """What lies between the tails. A replicate that is NaN, both endpoints timed out, may be anything: it widens."""
    last = len(replicates) - 1
    low, high = (
        _at(np.sort(np.where(np.isnan(replicates), extreme, replicates)), share * last + 1)
        for extreme, share in ((-inf, tail), (inf, 1 - tail))
    )
    return low, high
