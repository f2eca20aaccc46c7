"""What samples say and how surely: quantiles, shares and differences, each with its interval.

Requests of one run resemble their neighbours, so what is resampled here is blocks of them, never single requests.
Pure functions over one-dimensional arrays in time order. Where the samples are too few for an interval at all there
is none, instead of a wide guess.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite, log, nan, pi, sin, sqrt
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


def min_samples(share: float, confidence: float = CONFIDENCE) -> int:
    """The smallest n for which observations can bound the quantile: 6 for p50, 72 for p95, 368 for p99.

    Below it, the chance that all n lie on one side of the quantile exceeds the error allowed to that side.
    """
    return ceil(log((1 - confidence) / 2) / log(max(share, 1 - share)) - 1e-9)


def quantile(values: Values, share: float, confidence: float = CONFIDENCE, blocks: Blocks | None = None) -> Estimate:
    """One quantile; see `quantiles`."""
    return quantiles(values, (share,), confidence, blocks)[0]


def quantiles(
    values: Values, shares: Sequence[float], confidence: float = CONFIDENCE, blocks: Blocks | None = None
) -> list[Estimate]:
    """Quantiles as numpy computes them, with distribution-free intervals, in the values' unit.

    The bounds lie between neighbouring order statistics that the binomial chooses (Nyblom 1992, Statistics &
    Probability Letters 14; for the median Hettmansperger and Sheather 1986), so that the coverage is 95% and not
    "at least 95%". With `blocks` the bounds move outward as far as the blocks differ more than independent samples
    would (the design effect of Korn and Graubard 1998). No bounds below `min_samples`; NaN is the value of no samples.

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
        value = _at(ordered, (n - 1) * share + 1)
        low, high = None, None
        if n >= min_samples(share, confidence):
            stretch = 1.0
            if blocks is not None and sizes is not None and len(sizes) > 1:
                stretch = _stretch(values, blocks, sizes, value, share, confidence)
            centre = n * share + 0.5
            low, high = (
                _at(ordered, centre + stretch * (_rank(n, share, tail) - centre))
                for tail in ((1 - confidence) / 2, (1 + confidence) / 2)
            )
            if not (isfinite(low) and isfinite(high)):
                low, high = None, None
        estimates.append(Estimate(value, low, high, n))
    return estimates


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """A share with Wilson's score interval (Wilson 1927), which holds near 0 and 1 too."""
    if not n:
        return Estimate(nan, None, None, 0)
    z = float(ndtri((1 + confidence) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the bound is exact in theory and off by a rounding in floating point.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(share, low, high, n)


def upper_bound(count: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The exact one-sided upper bound of a share of which `count` of `n` were seen (Clopper and Pearson 1934).

    For none of n it is 1 - (1 - confidence)^(1/n), about 3/n at 95%: the "rule of three". 1 where n is 0.
    """
    return 1.0 if count >= n else float(betaincinv(count + 1, n - count, confidence))


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


def paired_median_difference(
    first_ms: Values, second_ms: Values, seed: int, confidence: float = CONFIDENCE
) -> Estimate:
    """The median of first minus second over pairs in time order, in ms.

    A pair with a NaN (a failure) is left out. A timeout is censored, not missing: pass it as infinity, which ranks it
    after every answer; a pair of two timeouts says nothing.

    The interval is the block bootstrap's, and never narrower than the binomial's for independent pairs.
    """
    with np.errstate(invalid="ignore"):
        differences = np.subtract(first_ms, second_ms, dtype=np.float64)
    differences = differences[~np.isnan(differences)]
    estimate = quantile(differences, 0.5, confidence)
    if estimate.low is None or estimate.high is None:
        return estimate
    blocks = consecutive_blocks(len(differences))
    count = int(blocks[-1]) + 1
    tail = _tail([differences], len(differences) / count, count, confidence)
    (replicates,) = _replicates(differences, blocks, _weights(count, seed), (0.5,))
    low, high = _interval(replicates, tail)
    low, high = min(low, estimate.low), max(high, estimate.high)
    return Estimate(estimate.value, low, high, estimate.n) if isfinite(low) and isfinite(high) else _open(estimate)


def quantile_differences(
    first_ms: Values,
    second_ms: Values,
    shares: Sequence[float],
    seed: int,
    blocks: tuple[Blocks, Blocks] | None = None,
    primary: float | None = None,
    confidence: float = CONFIDENCE,
) -> list[Estimate]:
    """First minus second of each quantile, in ms, from a bootstrap of blocks that both endpoints share.

    Without `blocks` the arrays are pairs in time order, of one length, with NaN for a failure. With them, as from
    `time_blocks`, they are successes alone, of any length, and a block is what both did in one span of time. Either way
    what disturbed both endpoints at once is in both or in neither.

    The metrics are corrected for their number (Bonferroni): together the intervals hold with `confidence`. The
    `primary` share, if any, was named before the run and keeps its 95% for itself. An interval needs `min_samples`
    at 95% from either endpoint and at least six blocks; n is the smaller endpoint's.
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
    weights = _weights(count, seed)
    sides = [
        _replicates(values, ids, weights, shares) for values, ids in zip((first_ms, second_ms), blocks, strict=True)
    ]
    values = [np.quantile(side, shares) for side in (first_ms, second_ms)]
    secondary = max(1, sum(share != primary for share in shares))
    estimates = []
    for position, share in enumerate(shares):
        estimate = Estimate(float(values[0][position] - values[1][position]), None, None, n)
        if n >= min_samples(share, confidence) and count >= MIN_BLOCKS:
            level = confidence if share == primary else 1 - (1 - confidence) / secondary
            tail = _tail((first_ms, second_ms), n / count, count, level)
            low, high = _interval(sides[0][position] - sides[1][position], tail)
            estimate = Estimate(estimate.value, low, high, n)
        estimates.append(estimate)
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


def _open(estimate: Estimate) -> Estimate:
    return Estimate(estimate.value, None, None, estimate.n)


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


def _stretch(
    values: Values, blocks: Blocks, sizes: NDArray[np.int64], value: float, share: float, confidence: float
) -> float:
    """How much further out the bounds lie than for independent samples, from the spread of counts between blocks."""
    count = len(sizes)
    # The rarer side of the quantile is counted: at p99 that is a hundredth of the samples.
    beyond = values > value if share >= 0.5 else values <= value
    rare = min(share, 1 - share)
    excess = np.bincount(blocks[np.flatnonzero(beyond)], minlength=count) - rare * sizes
    effect = float(excess @ excess) * count / (count - 1) / (len(values) * share * (1 - share))
    critical = float(stdtrit(count - 1, (1 + confidence) / 2) / ndtri((1 + confidence) / 2))
    return max(1.0, critical * sqrt(effect))


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
        with np.errstate(invalid="ignore"):
            # Between equal neighbours nothing is interpolated: infinity minus infinity would be no number.
            replicates.append(np.where(low == high, low, low + (target - np.floor(target)) * (high - low)))
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
    signs = np.sign(sequence - np.median(sequence))
    between = sin(pi / 2 * float(np.mean(signs[1:] * signs[:-1])))
    return between + (1 + 4 * between) / n  # what a short series underestimates (Kendall 1954)


def _interval(replicates: NDArray[np.float64], tail: float) -> tuple[float, float]:
    low, high = np.quantile(replicates, (tail, 1 - tail), method="linear")
    return float(low), float(high)
