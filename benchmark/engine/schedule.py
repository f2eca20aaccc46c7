"""When and in which order requests are sent: pure, and the same for the same seed."""

from collections.abc import Iterator

import numpy as np

from benchmark.record.plan import OpenLoopPlan
from benchmark.record.samples import Floats


def pair_orders(seed: int, endpoints: int, bodies: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """An endless sequence of pairs: the body to send, and the order of the endpoints.

    The order of every pair (AB or BA) is random, so that neither drift nor periodic load favours a side.
    """
    random = np.random.default_rng(seed)
    while True:
        body = int(random.integers(bodies))
        yield body, tuple(int(position) for position in random.permutation(endpoints))


def arrival_times_s(plan: OpenLoopPlan, seed: int, phase: float = 0.0) -> Floats:
    """The scheduled sends to one endpoint in s since the start, ascending.

    `phase`, from 0 to below 1, shifts constant arrivals within a period: with equal phases, one endpoint would always
    come first and the other find the client busy. Poisson arrivals ignore it.

    A Poisson process has independent arrivals, as from many users; its times for a rate that rises evenly come from
    a process of rate 1 by inverting the expected count N(t) = a t + (b - a) t^2 / 2T (E. Cinlar, Introduction to
    Stochastic Processes, 1975, ch. 4.7).
    """
    start, end = float(plan.start_rate), float(plan.rate)
    expected = (start + end) / 2 * plan.duration_s
    if plan.arrivals == "constant":
        counts = phase + np.arange(round(expected), dtype=np.float64)
    else:
        random = np.random.default_rng(seed)
        # Eight standard deviations more than expected; arrivals after the end are cut.
        steps = random.exponential(size=int(expected + 8 * expected**0.5 + 16))
        counts = np.cumsum(steps)
        counts = counts[counts < expected]
    slope = (end - start) / plan.duration_s
    # The form of the quadratic's root that loses no digits if the rates are nearly or exactly equal.
    rates = start + np.sqrt(np.maximum(start * start + 2 * slope * counts, 0))
    return np.divide(2 * counts, rates, out=np.zeros_like(counts), where=rates > 0)
