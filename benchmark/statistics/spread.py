"""Differences between endpoints as several places see them: how far the interval of all requests must reach.

Requests from one place share its network, so those from four places are four looks at a difference, however many
requests there are.
"""

from collections.abc import Sequence
from math import isfinite, sqrt

import numpy as np
from scipy.special import chdtri, ndtri, stdtrit

from benchmark.statistics.estimates import Estimate

_CHANCE = 0.05
"""Places that are alike are taken for different this often."""


def with_spread(pooled: Estimate, effects_ms: Sequence[float], confidence: float) -> Estimate:
    """`pooled`, an estimate from all requests, with an interval that contains what the places say.

    `effects_ms` are the same difference, estimated at each place alone. Their mean has Student's t interval with one
    degree of freedom less than places: a random-effects interval with equal weights, as the shares are equal. It keeps
    its confidence, from 91.7 % on, also where some places are noisier than others (Ibragimov and Mueller 2010, Journal
    of Business & Economic Statistics 28). The result contains both intervals, so it is never narrower than `pooled`.

    `is_spread` says whether the places differ by more than chance (Cochran 1954, Biometrics 10: the Q test), so that
    more samples from them would not make the interval narrower.

    No bounds if a place has no finite difference; `pooled` for a single place.
    """
    k = len(effects_ms)
    if k == 1:
        return pooled
    if k == 0 or pooled.low is None or pooled.high is None or not all(map(isfinite, effects_ms)):
        return Estimate(pooled.value, None, None, pooled.n)
    mean, variance = float(np.mean(effects_ms)), float(np.var(effects_ms, ddof=1))
    half = float(stdtrit(k - 1, (1 + confidence) / 2)) * sqrt(variance / k)
    low, high = min(pooled.low, mean - half), max(pooled.high, mean + half)
    # Each place has one k-th of the samples, so about k times the variance of all together.
    expected = k * ((pooled.high - pooled.low) / 2 / float(ndtri((1 + confidence) / 2))) ** 2
    is_spread = variance * (k - 1) > expected * float(chdtri(k - 1, _CHANCE))
    return Estimate(pooled.value, low, high, pooled.n, is_spread)
