"""Combine several runs of one plan: each run is a stratum, none is omitted, and their differences widen the interval.

Repeating a run until it wins means looking at the result after each run. All looks together have an error of 5 %: the
k-th look, at k runs, has 5 % / (k (k + 1)), which adds up to 5 % over all k. So an interval here is wider than a
run's own, and remains valid for any number of repetitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from scipy.special import ndtri, stdtrit

from benchmark.record.samples import Floats
from benchmark.statistics.estimates import (
    CONFIDENCE,
    Estimate,
    consecutive_blocks,
    design_effect,
    min_samples,
    quantile,
    wilson,
)

_PRIOR_RUNS = 2
"""Initial degrees of freedom of the spread between runs: with only one, two runs of 29 and 30 ms would settle less than
either. For equal endpoints whose runs differ by three times their own standard errors, one wins after two runs in
15 % of 3000 series (13 % without), after three in 6 % (5 %), and from four in less than 5 %."""
_Z = float(ndtri((1 + CONFIDENCE) / 2))


def error(runs: int, confidence: float = CONFIDENCE) -> float:
    """The two-sided error of the look after this many runs, if all looks together may have 1 - confidence.

    With several pairs, Holm's procedure assigns each a smaller error, so `confidence` is above 95 %.
    """
    return (1 - confidence) / (runs * (runs + 1))


def effect(
    estimates: Sequence[Estimate], confidence: float = CONFIDENCE, measured_at: Sequence[float] | None = None
) -> Estimate:
    """One difference in ms from those of all runs, which count as a random sample of possible runs.

    `measured_at` gives the confidence of each run's own interval, by default 95 %. Runs are weighted by their own
    intervals and by their differences beyond these (DerSimonian and Laird 1986, Controlled Clinical Trials 7). The
    degrees of freedom account for the small number of runs (Satterthwaite 1946, Biometrics Bulletin 2), so two
    contradictory runs settle nothing. A run with too few samples for an interval has no weight. If timeouts leave a
    run without an interval, the result has none, because no run is omitted.
    """
    levels = measured_at or [CONFIDENCE] * len(estimates)
    known = [(one, level) for one, level in zip(estimates, levels, strict=True) if one.n >= min_samples(0.5, level)]
    n = sum(one.n for one in estimates)
    critical = _normal(error(len(estimates), confidence))
    if len(known) <= 1:
        alone, level = known[0] if known else (estimates[0], levels[0])
        return replace_bounds(alone, critical / _normal(1 - level))
    middles = np.array([one.value for one, _ in known])
    deviations = np.array([_half_width(one) / _normal(1 - level) for one, level in known])
    if not np.all(np.isfinite(middles)) or not np.all(np.isfinite(deviations)):
        finite = [one.value for one, _ in known if isfinite(one.value)]
        return Estimate(float(np.median(finite)) if finite else known[0][0].value, None, None, n)
    variances = np.maximum(deviations, 1e-9) ** 2
    weights = 1 / variances
    centre = float(np.average(middles, weights=weights))
    excess = float(weights @ (middles - centre) ** 2) - (len(known) - 1)
    between = max(0.0, excess / (weights.sum() - float(weights @ weights) / weights.sum()))
    together = 1 / (variances + between)
    variance = 1 / float(together.sum())
    spread = max(0.0, 1 - 1 / float(weights.sum()) / variance)
    reach = _critical(len(known), spread, error(len(estimates), confidence)) * sqrt(variance)
    value = float(np.average(middles, weights=together))
    return Estimate(value, value - reach, value + reach, n)


@dataclass(frozen=True, slots=True)
class Counted:
    """The hits in one run, the number of requests, and how strongly hits are clustered."""

    hits: int
    n: int
    design_effect: float = 1.0


def share(runs: Sequence[Counted]) -> Estimate:
    """A share from its counts in each run: one run's own interval, or that of all runs including their differences."""
    hits, n = sum(one.hits for one in runs), sum(one.n for one in runs)
    if not n:
        return wilson(0, 0)
    return wilson(hits, n, _design_effect(runs, hits / n))


def latency(runs: Sequence[Floats], at: float) -> Estimate:
    """A quantile in ms of all runs' values, each in time order, with timeouts as infinity.

    For several runs, the bounds are the quantiles at the bounds of the share (Woodruff 1952, JASA 47).
    """
    if len(runs) == 1:
        return quantile(runs[0], at, blocks=consecutive_blocks(len(runs[0])))
    values = np.sort(np.concatenate(runs))
    middle = quantile(values, at)
    if middle.n < min_samples(at):
        return middle
    beyond = [one > middle.value for one in runs]
    counted = [
        Counted(int(np.count_nonzero(hits)), len(hits), design_effect(hits, consecutive_blocks(len(hits))))
        for hits in beyond
        if len(hits)
    ]
    bounds = wilson(round(at * middle.n), middle.n, _design_effect(counted, 1 - at))
    # The last value is not a bound: values beyond it are unknown.
    ranks = [(bounds.low or 0.0) * middle.n, (bounds.high or 1.0) * middle.n]
    found = [float(values[min(max(round(rank), 1), middle.n) - 1]) for rank in ranks]
    low = found[0] if ranks[0] >= 1 and isfinite(found[0]) else None
    high = found[1] if ranks[1] <= middle.n - 0.5 and isfinite(found[1]) else None
    return Estimate(middle.value, low, high, middle.n)


def replace_bounds(estimate: Estimate, stretch: float) -> Estimate:
    """The estimate with each bound `stretch` times as far away."""
    low, high = (
        None if bound is None or not isfinite(estimate.value) else estimate.value + stretch * (bound - estimate.value)
        for bound in (estimate.low, estimate.high)
    )
    return Estimate(estimate.value, low, high, estimate.n)


def _half_width(estimate: Estimate) -> float:
    if estimate.low is None or estimate.high is None:
        return float("nan")
    return (estimate.high - estimate.low) / 2


def _design_effect(runs: Sequence[Counted], share: float) -> float:
    """How much more uncertain a share is than that of independent requests: within each run, and between runs."""
    effects = [one.design_effect for one in runs]
    if len(runs) == 1:
        return effects[0]
    n = sum(one.n for one in runs)
    chance = share * (1 - share)
    look = (_normal(error(len(runs))) / _Z) ** 2
    if not chance:  # all or none: the runs show no differences
        return max(effects) * look
    within = sum(one.n * one.design_effect for one in runs) / n
    misses = sum((one.hits - share * one.n) ** 2 for one in runs)
    between = misses * len(runs) / (len(runs) - 1) / (n * chance)
    whole = max(within, between)
    critical = _critical(len(runs), 1 - within / whole, error(len(runs)))
    return max(1.0, whole) * (critical / _Z) ** 2


def _critical(runs: int, spread: float, error: float) -> float:
    """Student's t if `spread` of the variance comes from the differences between runs and the rest is well known."""
    if spread <= 0:
        return _normal(error)
    return float(stdtrit((runs - 1 + _PRIOR_RUNS) / spread**2, 1 - error / 2))


def _normal(error: float) -> float:
    return float(ndtri(1 - error / 2))
