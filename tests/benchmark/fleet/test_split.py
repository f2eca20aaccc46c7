"""The parts of a load are exactly the load, and each is what it should be."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from benchmark.engine.schedule import arrivals, whole
from benchmark.fleet.split import split
from benchmark.record.plan import ClosedLoopPlan, LoadPlan, OpenLoopPlan, PlanError, ReplayPlan, Stage, StagedPlan

TIMES_S = np.array([0.0, 0.1, 0.1, 0.7, 1.5, 2.0])
PLANS: list[LoadPlan] = [
    OpenLoopPlan(60.0, 10.0),
    OpenLoopPlan(60.0, 10.0, 5.0, seed=3),
    OpenLoopPlan(60.0, 10.0, arrivals="constant"),
    OpenLoopPlan(60.0, 10.0, arrivals="gamma", burstiness=0.25),
    StagedPlan((Stage(2.0, 10.0), Stage(3.0, 90.0))),
    ReplayPlan("log", "0" * 64, len(TIMES_S), 2.0, 2.0),
]


@given(plan=st.sampled_from(PLANS), workers=st.integers(1, 9), endpoints=st.integers(1, 3))
def test_every_send_is_in_exactly_one_part_and_in_its_order(plan: LoadPlan, workers: int, endpoints: int) -> None:
    share = whole(plan, endpoints, TIMES_S)
    parts = split(plan, share, workers)
    assert len(parts) == workers
    assert Counter(send for _, part in parts for send in part.sends) == Counter(share.sends)
    assert all(list(part.sends) == sorted(part.sends, key=lambda send: send[0]) for _, part in parts)
    assert all(own == plan for own, _ in parts)
    assert split(plan, share, workers) == parts  # the same for the same seed


@given(callers=st.integers(1, 20), total=st.integers(1, 300), workers=st.integers(1, 20))
def test_callers_are_divided_and_keep_their_requests(callers: int, total: int, workers: int) -> None:
    plan = ClosedLoopPlan(callers, total, warmup=0)
    share = whole(plan, 2)
    if workers > min(callers, total):
        with pytest.raises(PlanError, match="workers need at least as many callers and requests"):
            split(plan, share, workers)
        return
    parts = split(plan, share, workers)
    own = [part for part, _ in parts]
    assert all(isinstance(part, ClosedLoopPlan) for part in own)
    assert sum(part.concurrency for part in own if isinstance(part, ClosedLoopPlan)) == callers
    assert sorted(number for _, part in parts for number in part.numbers) == list(range(total))
    for part, sent in parts:
        assert isinstance(part, ClosedLoopPlan)
        assert part.total == len(sent.numbers)
        # As many requests for each caller as in one process.
        assert abs(len(sent.numbers) - part.concurrency * total / callers) <= part.concurrency


def test_thinned_poisson_arrivals_are_poisson_at_each_worker() -> None:
    plan = OpenLoopPlan(4000.0, 10.0)
    for _, part in split(plan, whole(plan, 1), 4):
        due_s = np.array([due_ns for due_ns, _, _ in part.sends]) / 1e9
        counts = np.histogram(due_s, bins=500, range=(0, 10))[0]
        dispersion = counts.var(ddof=1) / counts.mean() * 499  # chi-squared with 499 degrees for a Poisson process
        assert chi2.ppf(1e-4, 499) < dispersion < chi2.ppf(1 - 1e-4, 499)
        assert abs(len(due_s) - 10_000) < 5 * 10_000**0.5


def test_constant_arrivals_stay_constant_at_each_worker() -> None:
    plan = OpenLoopPlan(40.0, 5.0, arrivals="constant")
    for _, part in split(plan, whole(plan, 2), 4):
        for position in (0, 1):
            due_ns = [due for due, at, _ in part.sends if at == position]
            assert len(due_ns) == 50
            assert np.allclose(np.diff(due_ns), 1e8, atol=2)


def test_all_copies_of_a_replayed_request_go_to_one_worker() -> None:
    plan = PLANS[-1]
    for _, part in split(plan, whole(plan, 3, TIMES_S), 2):
        assert set(Counter(number for _, _, number in part.sends).values()) <= {3}


def test_one_process_sends_what_it_always_did() -> None:
    plan = OpenLoopPlan(60.0, 10.0)
    assert list(whole(plan, 2).sends) == arrivals(plan, 2)
