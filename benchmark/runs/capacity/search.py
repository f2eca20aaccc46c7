"""The search for a capacity: which rate to try next, and what the tries so far say. Pure; rates in requests/s.

1. Bracket: from the start rate, times 4 until a step fails.
2. Gallop: tries close to what the endpoint answered while it was overloaded, at growing distances, until one holds
   and one fails (J. L. Bentley and A. C. Yao, An almost optimal algorithm for unbounded searching, 1976).
3. Psi: every further try is at the rate that is expected to say most about the capacity (L. L. Kontsevich and
   C. W. Tyler, Bayesian adaptive estimation of psychometric slope and threshold, Vision Research 39, 1999).

A capacity wanders from step to step, by neighbours on the machine or scaling. A try at rate r fails with the
probability that the capacity in that step is below r: a normal distribution function of log r, with the capacity as its
median and an unknown width. The tries of 2 and 3 begin with a primer, an overload that spends a saved burst: of those
that hold, only they count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, xlogy

from benchmark.record.samples import Floats

GROWTH = 4.0
_FIRST = 0.97
_GALLOP = (0.06, 0.12, 0.25, 0.5, 1.0)
_PRIMER = 2.0
"""A primer is at most this many times the rate after it, and that many times more after one that was too weak."""
_PRIMER_S = 8.0
_LONGEST_PRIMER_S = 32.0
"""Long enough for every rate that has failed to fail again."""
_SLOWEST = 1.0
_BELOW = 0.75
"""Below the rate that the client could not send, by this factor."""
_LAPSE = 0.02
"""The share of steps that hold or fail for another reason than the rate."""
_WIDTHS = np.geomspace(0.003, 0.08, 12)
"""How much the capacity wanders from step to step: standard deviations of its logarithm, equally likely."""
_POINTS = 300
_SPREAD = log(4)
"""The capacity is searched within this factor of the tries."""
_INTERVAL = (0.025, 0.5, 0.975)
_DRAWS = 20_000


class Try(NamedTuple):
    """One step to carry out."""

    rate: float
    primer_rate: float | None
    """the rate of the overload before it; None while there is no bracket"""
    primer_s: float = 0.0
    """the longest that the overload takes: it ends as soon as the endpoint breaks an objective"""
    holds: bool = False
    """whether this is the long step at the cap"""


class Told(NamedTuple):
    """What one step has shown."""

    rate: float
    primed: bool
    held: bool
    answered_rate: float
    """good answers/s while it was sent"""
    limited: bool
    """whether the client was the limit, so that the step says nothing about the endpoint"""
    spent: bool = True
    """whether the primer reached an overload; if not, a burst may have been left"""


@dataclass(frozen=True, slots=True)
class Range:
    """A capacity, or a ratio, with its 95 % interval; None is unbounded or unknown."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def is_known(self) -> bool:
        """Whether there is a figure, or at least a bound."""
        return self.low is not None or self.high is not None


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is known of one capacity: a grid of logarithms of rates, and the probability of each."""

    logs: Floats
    weights: Floats

    @property
    def range(self) -> Range:
        low, value, high = np.exp(np.interp(_INTERVAL, np.cumsum(self.weights), self.logs)).tolist()
        return Range(value, low, high)

    def draws(self, seed: int) -> Floats:
        """Random logarithms of the capacity."""
        random = np.random.default_rng(seed)
        found: Floats = np.interp(random.uniform(size=_DRAWS), np.cumsum(self.weights), self.logs)
        return found


@dataclass(slots=True)
class Search:
    """The search of one endpoint. Call `propose`, carry out the step, and `tell` its result."""

    start_rate: float
    max_rate: float
    told: list[Told] = field(default_factory=list)

    def tell(self, told: Told | None) -> None:
        """Take the result of a step into account; None is a step that says nothing."""
        if told is not None:
            self.told.append(told)

    @property
    def ceiling(self) -> float | None:
        """The lowest rate at which the client was the limit twice; None if there is none."""
        limited = sorted(one.rate for one in self.told if one.limited)
        return limited[1] if len(limited) > 1 else None

    @property
    def failed(self) -> list[float]:
        return [one.rate for one in self.told if not one.held and not one.limited]

    @property
    def held(self) -> list[float]:
        return [one.rate for one in self.told if one.held and not one.limited]

    @property
    def highest_held(self) -> float | None:
        """The highest rate that held, below all that failed."""
        least = min(self.failed, default=float("inf"))
        return max((rate for rate in self.held if rate < least), default=None)

    @property
    def _primed(self) -> list[Told]:
        return [one for one in self.told if one.primed and not one.limited and (one.spent or not one.held)]

    @property
    def _most(self) -> float:
        """No try is above this."""
        return self.max_rate if self.ceiling is None else min(self.max_rate, self.ceiling * _BELOW)

    def propose(self) -> Try | None:
        """The next step; None if nothing more can be learned."""
        if not self.failed:
            return self._above()
        if len(self.failed) > 1 and not any(one.answered_rate for one in self.told):
            return None  # it answers nothing at all
        top = min(self.failed)
        primed = self._primed
        if not primed:
            if top <= _SLOWEST:
                return None
            return self._primed_try(min(self._saturated * _FIRST, top))
        low = [one.rate for one in primed if one.held]
        high = [one.rate for one in primed if not one.held]
        if not low:
            rate = min(self._saturated * _FIRST, min(high) * (1 - min(_gallop(len(high)), 0.5)))
            return self._primed_try(rate) if rate >= _SLOWEST / 2 else None
        if not high:
            return self._primed_try(min(max(low) * (1 + _gallop(len(low))), max(self.failed)))
        return self._primed_try(self._most_telling())

    def _above(self) -> Try | None:
        """The next step of the bracket, while nothing has failed."""
        held = self.held
        if not held:
            return Try(min(self.start_rate, self._most), None)
        if max(held) < self._most * 0.999:
            return Try(min(max(held) * GROWTH, self._most), None)
        at_the_cap = sum(rate >= self._most * 0.999 for rate in held)
        return Try(self._most, None, holds=True) if at_the_cap < 2 and self.ceiling is None else None

    @property
    def _saturated(self) -> float:
        """About how many answers/s there are under overload, from the lowest rate that failed."""
        last = min((one for one in self.told if not one.held and not one.limited), key=lambda one: one.rate)
        return max(last.answered_rate, last.rate / GROWTH)

    def _primed_try(self, rate: float) -> Try:
        rate = min(rate, self._most)
        unspent = sum(not one.spent for one in self.told)
        primer_rate = min(rate * _PRIMER ** (1 + unspent), max(self.failed), self.max_rate)
        return Try(rate, max(primer_rate, rate), min(_PRIMER_S * 2**unspent, _LONGEST_PRIMER_S))

    def _most_telling(self) -> float:
        """The rate whose result is expected to leave the least entropy."""
        logs, joint = _joint(self.told)
        cells, cumulative = np.gradient(logs)[:, None], np.cumsum(joint.sum(axis=1))
        best, least = 0.0, np.inf
        for candidate in np.interp(np.linspace(0.1, 0.9, 9), cumulative, logs):
            failing = _failing(float(candidate), logs)
            chance = float((joint * failing).sum())
            entropy = chance * _entropy(joint * failing, cells) + (1 - chance) * _entropy(joint * (1 - failing), cells)
            if entropy < least:
                best, least = float(candidate), entropy
        return exp(best)

    @property
    def posterior(self) -> Posterior | None:
        """What the steps say about the capacity; None if no step after a primer has held, or no step has failed."""
        if not self.failed or not any(one.held for one in self._primed):
            return None
        logs, joint = _joint(self.told)
        return Posterior(logs, joint.sum(axis=1))


def _gallop(tries: int) -> float:
    return _GALLOP[min(tries, len(_GALLOP)) - 1]


def _joint(told: Sequence[Told]) -> tuple[Floats, Floats]:
    """The grid of logarithms of the capacity, and the joint probabilities of capacity and width."""
    used = [one for one in told if not one.limited and ((one.primed and one.spent) or not one.held)]
    centre = sorted(log(one.rate) for one in used if one.primed)
    logs = np.linspace(centre[0] - _SPREAD, centre[-1] + _SPREAD, _POINTS)
    # Finer where it matters: around the tries.
    logs = np.unique(np.concatenate([logs, np.linspace(centre[0] - 0.2, centre[-1] + 0.2, _POINTS)]))
    joint = np.gradient(logs)[:, None] * np.ones(len(_WIDTHS))
    for one in used:
        failing = _failing(log(one.rate), logs)
        joint = joint * ((1 - failing) if one.held else failing)
        joint /= joint.sum()
    return logs, joint


def _failing(log_rate: float, logs: Floats) -> NDArray[np.float64]:
    """The probability that a step fails, by capacity and width."""
    found: Floats = _LAPSE / 2 + (1 - _LAPSE) * ndtr((log_rate - logs[:, None]) / _WIDTHS)
    return found


def _entropy(joint: Floats, cells: Floats) -> float:
    """The differential entropy of these probabilities on a grid with cells of this size, whatever their sum."""
    shares = joint / joint.sum()
    return float(-xlogy(shares, shares / cells).sum())
