"""In which order the endpoints take their steps, and when the requests of a step are sent. Pure."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.record.samples import Floats
from benchmark.runs.capacity.plan import HOLD_S, SETTLING_S, CapacityPlan
from benchmark.runs.capacity.search import Search, Try

PRIMER_ERRORS = 0.02
"""The share of errors that shows an overload, where the objective allows less: single errors happen without one."""


def turns(plan: CapacityPlan, searches: Sequence[Search]) -> Iterator[tuple[int, Try]]:
    """The steps, one endpoint after the other, in rounds of random order. After each, `tell` its search the result.

    The endpoints are never loaded at the same time, because they may share a machine, and the client is one.
    """
    random = np.random.default_rng(plan.seed)
    for _ in range(plan.steps):
        for position in random.permutation(len(searches)).tolist():
            if (proposed := searches[position].propose()) is not None:
                yield position, proposed


def measured_s(plan: CapacityPlan, proposed: Try) -> float:
    """How long the step is measured."""
    return max(HOLD_S if proposed.holds else 0.0, plan.measured_s(proposed.rate))


def most_s(plan: CapacityPlan, proposed: Try) -> float:
    """How long the step takes at most, without waiting for answers."""
    return measured_s(plan, proposed) + SETTLING_S + proposed.primer_s


def most_requests(plan: CapacityPlan, proposed: Try) -> int:
    """How many requests the step sends at most."""
    primer = proposed.primer_s * (proposed.primer_rate or 0.0)
    return int(proposed.rate * (measured_s(plan, proposed) + SETTLING_S) * 1.5 + primer) + 1


def pause_s(proposed: Try) -> float:
    """How long to wait after a primer and its last answer: a server that works at this rate is then just ready."""
    return 0.0 if proposed.primer_rate is None else 1 / proposed.rate


def arrival_times_s(rate: float, duration_s: float) -> Floats:
    """When the requests are sent, in s from the start, ascending: evenly spaced.

    Random arrivals also queue, or are refused, below the rate that an endpoint can serve. How far below depends on what
    it has saved, and steps of seconds are too short to show it.
    """
    return np.arange(max(1, round(rate * duration_s))) / rate
