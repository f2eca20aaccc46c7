"""What is sent when is chance without favour, and the same for the same seed."""

from itertools import islice
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.engine.schedule import arrival_times_s, pair_orders, replayed
from benchmark.record.plan import Arrivals, OpenLoopPlan, Stage, StagedPlan
from benchmark.record.samples import Floats


def times(seed: int = 0, arrivals: Arrivals = "poisson", **plan: float | None) -> Floats:
    return arrival_times_s(OpenLoopPlan(arrivals=arrivals, warmup=0, **plan), seed)  # type: ignore[arg-type]


def test_one_seed_gives_one_order() -> None:
    one, same, other = (list(islice(pair_orders(seed, 2, 5), 200)) for seed in (1, 1, 2))
    assert one == same != other


def test_either_endpoint_leads_half_of_the_pairs_and_each_body_has_its_share() -> None:
    n = 10_000
    drawn = list(islice(pair_orders(0, 2, 4), n))
    assert sum(order == (0, 1) for _, order in drawn) == pytest.approx(n / 2, abs=4 * sqrt(n / 4))
    assert {order for _, order in drawn} == {(0, 1), (1, 0)}
    assert np.bincount([body for body, _ in drawn]) == pytest.approx(n / 4, abs=4 * sqrt(n * 3 / 16))


def test_an_order_does_not_follow_from_the_one_before_nor_from_the_body() -> None:
    drawn = list(islice(pair_orders(3, 2, 2), 10_000))
    leads = np.array([order[0] for _, order in drawn])
    bodies = np.array([body for body, _ in drawn])
    for first, second in ((leads[1:], leads[:-1]), (leads, bodies)):
        assert abs(np.corrcoef(first, second)[0, 1]) < 4 / sqrt(len(first))


def test_every_order_of_three_endpoints_is_as_likely() -> None:
    orders = [order for _, order in islice(pair_orders(0, 3, 1), 6000)]
    counts = [orders.count(order) for order in sorted(set(orders))]
    assert len(counts) == 6
    assert counts == pytest.approx([1000] * 6, abs=4 * sqrt(6000 * 5 / 36))


def test_one_seed_gives_the_same_arrivals() -> None:
    assert np.array_equal(times(seed=1), times(seed=1))
    assert not np.array_equal(times(seed=1)[:100], times(seed=2)[:100])


def test_poisson_counts_have_the_mean_and_the_variance_of_the_rate() -> None:
    counts = np.array([len(times(seed, rate=20, duration_s=5)) for seed in range(2000)])
    assert counts.mean() == pytest.approx(100, abs=4 * sqrt(100 / 2000))
    assert counts.var() == pytest.approx(100, rel=4 * sqrt(2 / 2000))


def test_poisson_gaps_are_exponential_and_independent() -> None:
    gaps_s = np.diff(times(rate=100, duration_s=200))
    assert gaps_s.mean() == pytest.approx(0.01, rel=0.03)
    assert gaps_s.std() == pytest.approx(0.01, rel=0.05)
    assert np.quantile(gaps_s, 0.5) == pytest.approx(0.01 * np.log(2), rel=0.05)
    assert abs(np.corrcoef(gaps_s[1:], gaps_s[:-1])[0, 1]) < 4 / sqrt(len(gaps_s))


def test_constant_arrivals_are_even_from_the_beginning() -> None:
    sends_s = times(arrivals="constant", rate=25, duration_s=4)
    assert len(sends_s) == 100
    assert sends_s[0] == 0
    assert np.diff(sends_s) == pytest.approx(0.04, abs=1e-12)


def test_a_phase_moves_constant_arrivals_by_a_part_of_a_period() -> None:
    plan = OpenLoopPlan(rate=25, duration_s=4, arrivals="constant", warmup=0)
    assert arrival_times_s(plan, 0, 0.5) - arrival_times_s(plan, 0) == pytest.approx(0.02, abs=1e-12)


@pytest.mark.parametrize("arrivals", ["poisson", "constant"])
@pytest.mark.parametrize(("ramp", "rate"), [(0.0, 200.0), (50.0, 150.0), (200.0, 100.0)])
def test_a_ramp_changes_the_rate_evenly(arrivals: Arrivals, ramp: float, rate: float) -> None:
    sends_s = times(arrivals=arrivals, rate=rate, ramp=ramp, duration_s=100)
    expected = [ramp * t + (rate - ramp) * t * t / 200 for t in (10, 50, 100)]
    found = [np.count_nonzero(sends_s < t) for t in (10, 50, 100)]
    for count, mean in zip(found, expected, strict=True):
        assert count == pytest.approx(mean, abs=1.5 if arrivals == "constant" else 4 * sqrt(mean))


@given(
    st.floats(0.5, 500),
    st.none() | st.floats(0, 500),
    st.floats(0.5, 5),
    st.sampled_from(["poisson", "constant"]),
    st.integers(0, 2**40),
    st.sampled_from([0.0, 0.5]),
)
def test_sends_rise_within_the_duration(
    rate: float, ramp: float | None, duration_s: float, arrivals: Arrivals, seed: int, phase: float
) -> None:
    plan = OpenLoopPlan(rate=rate, ramp=ramp, duration_s=max(duration_s, 4 / rate), arrivals=arrivals, warmup=0)
    sends_s = arrival_times_s(plan, seed, phase)
    assert np.all(np.diff(sends_s) >= 0)
    assert np.all((sends_s >= 0) & (sends_s <= plan.duration_s * (1 + 1e-9)))


def test_a_ramp_of_next_to_nothing_is_the_constant_rate() -> None:
    flat = times(arrivals="constant", rate=50, duration_s=30)
    for ramp in (50.0, 50.0 + 1e-13, 50.0 + 1e-9):
        assert times(arrivals="constant", rate=50, ramp=ramp, duration_s=30) == pytest.approx(flat, abs=1e-8)


@pytest.mark.parametrize("burstiness", [0.1, 0.5, 1.0, 4.0])
def test_gamma_gaps_vary_as_their_burstiness_says_and_keep_the_mean_rate(burstiness: float) -> None:
    gaps_s = np.diff(times(arrivals="gamma", burstiness=burstiness, rate=100, duration_s=1000))
    assert gaps_s.mean() == pytest.approx(0.01, rel=4 / sqrt(burstiness * len(gaps_s)))
    variation = gaps_s.std() / gaps_s.mean()
    assert variation == pytest.approx(1 / sqrt(burstiness), rel=0.05)
    assert abs(np.corrcoef(gaps_s[1:], gaps_s[:-1])[0, 1]) < 4 / sqrt(len(gaps_s))


@pytest.mark.parametrize("burstiness", [0.05, 0.3, 5.0])
def test_short_gamma_loads_have_the_mean_number_of_requests_too(burstiness: float) -> None:
    counts = np.array(
        [len(times(seed, arrivals="gamma", burstiness=burstiness, rate=20, duration_s=2)) for seed in range(2000)]
    )
    assert counts.mean() == pytest.approx(40, abs=4 * counts.std() / sqrt(len(counts)))


@pytest.mark.parametrize(
    ("arrivals", "burstiness", "variance"), [("constant", None, 0.0), ("poisson", None, 1.0), ("gamma", 0.25, 4.0)]
)
def test_each_stage_holds_its_rate(arrivals: Arrivals, burstiness: float | None, variance: float) -> None:
    stages = (Stage(30, 10), Stage(5, 200), Stage(10, 0), Stage(60, 50))
    sends_s = arrival_times_s(StagedPlan(stages, arrivals, burstiness, warmup=0), 3)
    assert np.all(np.diff(sends_s) >= 0)
    ends = np.cumsum([stage.duration_s for stage in stages])
    counts, _ = np.histogram(sends_s, [0, *ends])
    for stage, count in zip(stages, counts, strict=True):
        mean = stage.duration_s * stage.rate
        assert count == pytest.approx(mean, abs=4 * sqrt(variance * mean) + 1e-9)


def test_one_stage_is_a_load_at_that_rate() -> None:
    staged = arrival_times_s(StagedPlan((Stage(30.0, 50.0),), warmup=0), 7)
    assert staged == pytest.approx(times(7, rate=50.0, duration_s=30.0), abs=1e-12)


def test_a_replay_sends_each_request_to_all_endpoints_at_its_time_in_random_order() -> None:
    sends = replayed(np.arange(300) / 10, 2, 5)
    assert sends == replayed(np.arange(300) / 10, 2, 5)
    assert [due_ns for due_ns, _, _ in sends] == [number * 100_000_000 for number in range(300) for _ in (0, 1)]
    assert [{sends[at][1], sends[at + 1][1]} for at in range(0, 600, 2)] == [{0, 1}] * 300
    assert sum(position for _, position, _ in sends[::2]) == pytest.approx(150, abs=4 * sqrt(75))
