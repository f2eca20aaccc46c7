"""When and in which order requests are sent: pure, and the same for the same seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.record.plan import ClosedLoopPlan, OpenLoopPlan, OpenPlan, Plan, ReplayPlan, Segment, StagedPlan
from benchmark.record.samples import Floats

Send = tuple[int, int, int]
"""One send of an open loop: due in ns since the start, the endpoint, and the number of its request."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one process sends of a load: all of it, or the part of one of several workers."""

    sends: Sequence[Send] = ()
    """of an open loop, in order"""
    numbers: Sequence[int] = ()
    """of a closed loop: the numbers of the requests to each endpoint, in order"""


def whole(plan: Plan, endpoints: int, times_s: Floats | None = None) -> Share:
    """All of `plan`; `times_s` are the sends of a replay in s since the start, ascending. Empty for a comparison."""
    if isinstance(plan, ClosedLoopPlan):
        return Share(numbers=range(plan.total))
    return Share(sends=_sends(plan, endpoints, times_s)) if isinstance(plan, OpenPlan) else Share()


def _sends(plan: OpenPlan, endpoints: int, times_s: Floats | None) -> list[Send]:
    if not isinstance(plan, ReplayPlan):
        return arrivals(plan, endpoints)
    assert times_s is not None  # a replay is only prepared with its log  # noqa: S101
    return replayed(times_s, endpoints, plan.seed)


def pair_orders(seed: int, endpoints: int, bodies: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """An endless sequence of pairs: the body to send, and the order of the endpoints.

    The order of every pair (AB or BA) is random, so that neither drift nor periodic load favours a side.
    """
    random = np.random.default_rng(seed)
    while True:
        body = int(random.integers(bodies))
        yield body, tuple(int(position) for position in random.permutation(endpoints))


def arrival_times_s(plan: OpenLoopPlan | StagedPlan, seed: int, phase: float = 0.0) -> Floats:
    """The scheduled sends to one endpoint in s since the start, ascending.

    `phase`, from 0 to below 1, shifts constant arrivals within a period: with equal phases, one endpoint would always
    come first and the other find the client busy. Random arrivals ignore it.

    The arrivals are those of a process of rate 1, at the times when the plan expects their counts: the inverse of
    N(t) = a t + (b - a) t^2 / 2T in each segment (for Poisson arrivals E. Cinlar, Introduction to Stochastic Processes,
    1975, ch. 4.7). Their mean number is the plan's, whatever their distribution.
    """
    segments = plan.segments
    ends = np.cumsum([segment.expected for segment in segments])
    counts = _unit_arrivals(plan, float(ends[-1]), seed, phase)
    which = np.minimum(np.searchsorted(ends, counts, side="right"), len(segments) - 1)
    times_s, began_s, before = np.zeros_like(counts), 0.0, 0.0
    for number, segment in enumerate(segments):
        mine = which == number
        times_s[mine] = began_s + _times_of(counts[mine] - before, segment)
        began_s += segment.duration_s
        before = float(ends[number])
    return times_s


def arrivals(plan: OpenLoopPlan | StagedPlan, endpoints: int) -> list[Send]:
    """All sends in order."""
    return sorted(
        (round(due_s * 1e9), position, number)
        for position in range(endpoints)
        for number, due_s in enumerate(arrival_times_s(plan, plan.seed + position, position / endpoints))
    )


def replayed(times_s: Floats, endpoints: int, seed: int) -> list[Send]:
    """Each recorded request to every endpoint at the same time, in the form of `arrivals`.

    The order of the endpoints is random for each request, so that none is always sent to first.
    """
    random = np.random.default_rng(seed)
    orders = random.permuted(np.tile(np.arange(endpoints), (len(times_s), 1)), axis=1).tolist()
    return [
        (round(due_s * 1e9), position, number)
        for number, (due_s, order) in enumerate(zip(times_s.tolist(), orders, strict=True))
        for position in order
    ]


def _unit_arrivals(plan: OpenLoopPlan | StagedPlan, expected: float, seed: int, phase: float) -> Floats:
    """The arrivals before `expected` of a process of rate 1, ascending.

    Gamma arrivals have independent gamma distributed gaps whose shape is the burstiness, as for vLLM's `--burstiness`
    and AIPerf's `--arrival-smoothness`: their coefficient of variation is 1/sqrt(burstiness), and 1 is a Poisson
    process. The first gap is what remains of one that began earlier (the equilibrium renewal process, D. R. Cox,
    Renewal Theory, 1962, ch. 4): otherwise every run would begin with a burst and exceed the rate.
    """
    if plan.arrivals == "constant":
        return phase + np.arange(round(expected), dtype=np.float64)
    random = np.random.default_rng(seed)
    if plan.burstiness is None:
        # Eight standard deviations more than expected; arrivals after the end are cut.
        counts = np.cumsum(random.exponential(size=int(expected + 8 * expected**0.5 + 16)))
        return counts[counts < expected]
    shape = plan.burstiness
    # A long gap is more likely to be the one that is under way, so its length has the shape plus 1.
    first = random.uniform() * random.gamma(shape + 1, 1 / shape)
    many = int(expected + 8 * (expected / shape) ** 0.5 + 16)
    parts = [np.array([first])]
    while parts[-1][-1] < expected:
        parts.append(parts[-1][-1] + np.cumsum(random.gamma(shape, 1 / shape, size=many)))
    counts = np.concatenate(parts)
    return counts[counts < expected]


def _times_of(counts: Floats, segment: Segment) -> Floats:
    """When the mean number of arrivals of a segment reaches `counts`, in s since its start."""
    start = float(segment.start_rate)
    slope = (segment.end_rate - start) / segment.duration_s
    # The form of the quadratic's root that loses no digits if the rates are nearly or exactly equal.
    rates = start + np.sqrt(np.maximum(start * start + 2 * slope * counts, 0))
    return np.divide(2 * counts, rates, out=np.zeros_like(counts), where=rates > 0)
