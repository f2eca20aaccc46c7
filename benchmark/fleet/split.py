"""Split the requests of one load among workers, so that their sum is exactly what one process would send."""

from dataclasses import replace

import numpy as np

from benchmark.engine.schedule import Send, Share
from benchmark.record.plan import ClosedLoopPlan, LoadPlan, OpenPlan, PlanError, ReplayPlan

_STREAM = 0xF1EE7
"""Keeps the choice of workers independent of the arrivals, which the plan's seed also draws."""


def split(plan: LoadPlan, share: Share, workers: int) -> list[tuple[LoadPlan, Share]]:
    """What each of `workers` carries out of the whole `share` of `plan`: every request is in exactly one part.

    Random arrivals are thinned: each goes to a worker chosen at random, which makes a Poisson process of rate r into
    independent ones of rate r / workers (J. F. C. Kingman, Poisson Processes, 1993, ch. 5.1, the colouring theorem).
    Constant arrivals go to the workers in turn. Of a replay, all copies of a request go to one worker. The callers of
    a closed loop are divided, and each keeps its requests.

    Raises PlanError if there are more workers than callers.
    """
    check_workers(plan, workers)
    if isinstance(plan, ClosedLoopPlan):
        return [_callers_of(plan, worker, workers) for worker in range(workers)]
    parts: list[list[Send]] = [[] for _ in range(workers)]
    for send, owner in zip(share.sends, _owners(plan, share, workers), strict=True):
        parts[owner].append(send)
    return [(plan, Share(sends=part)) for part in parts]


def check_workers(plan: LoadPlan, workers: int) -> None:
    """Raises PlanError if some of `workers` would have nothing to do."""
    if isinstance(plan, ClosedLoopPlan) and workers > min(plan.concurrency, plan.total):
        raise PlanError(f"{workers} workers need at least as many callers and requests: raise --concurrency")


def _owners(plan: OpenPlan, share: Share, workers: int) -> list[int]:
    """The worker of each send."""
    random = np.random.default_rng([plan.seed, _STREAM])
    if isinstance(plan, ReplayPlan):
        of_request = random.integers(workers, size=plan.total).tolist()
        return [of_request[number] for _, _, number in share.sends]
    if plan.arrivals == "constant":
        # Shifted by the endpoint, so that the first worker is not the first of every endpoint.
        return [(number + position) % workers for _, position, number in share.sends]
    owners: list[int] = random.integers(workers, size=len(share.sends)).tolist()
    return owners


def _callers_of(plan: ClosedLoopPlan, worker: int, workers: int) -> tuple[LoadPlan, Share]:
    """The callers of one worker, and their requests: in turns among callers, and callers in turns among workers."""
    callers = range(worker, plan.concurrency, workers)
    numbers = [number for number in range(plan.total) if number % plan.concurrency % workers == worker]
    part = replace(plan, concurrency=len(callers), total=len(numbers))
    return part, Share(numbers=numbers)
