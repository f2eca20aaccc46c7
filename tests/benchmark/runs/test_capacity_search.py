"""Capacity: the search and its intervals, on simulated servers whose capacity is known."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import PlanError
from benchmark.runs.capacity.plan import CapacityPlan, Slo, from_document, read_slo, to_document
from benchmark.runs.capacity.run import check
from benchmark.runs.capacity.search import Search, Told
from benchmark.runs.capacity.simulated import simulate
from benchmark.runs.capacity.step import Bounds, judge
from benchmark.runs.capacity.summary import found_range, is_client_limited, quotient
from benchmark.runs.kind import Order
from benchmark.synthetic.bucket import TokenBucket

PLAN = CapacityPlan((Slo("p95_ms", 200.0), Slo("error_rate", 0.001)))


@pytest.mark.parametrize("queues", [False, True], ids=["refuses", "queues"])
@pytest.mark.parametrize("burst_s", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("rate", [4.0, 80.0])
def test_the_capacity_is_the_sustained_rate_and_not_the_burst(rate: float, burst_s: float, queues: bool) -> None:
    steps, (search,), elapsed_s, _ = simulate(PLAN, [TokenBucket(rate, burst_s, queues)], seed=1)
    found = found_range(search)
    assert found.value is not None and found.low is not None and found.high is not None
    assert found.low <= rate <= found.high
    assert found.value == pytest.approx(rate, rel=0.05)
    assert len(steps) <= PLAN.steps and elapsed_s <= PLAN.limit_s


@pytest.mark.slow
def test_the_intervals_contain_the_truth_as_often_as_they_say() -> None:
    found, ratios = [], []
    for seed in range(300):
        random = np.random.default_rng(seed)
        rates = np.exp(random.uniform(np.log(25), np.log(60), 2)).tolist()
        servers = [TokenBucket(rate, float(random.choice([0, 0.5, 1, 3])), bool(random.integers(2))) for rate in rates]
        steps, searches, elapsed_s, _ = simulate(replace(PLAN, seed=seed), servers, seed, wander=0.03)
        assert len(steps) <= 25
        assert elapsed_s <= 7 * 60
        assert min(step.bounds.planned_s for step in steps) >= 8
        posteriors = [search.posterior for search in searches]
        for posterior, rate in zip(posteriors, rates, strict=True):
            assert posterior is not None
            low, high = posterior.range.low, posterior.range.high
            assert low is not None and high is not None
            found.append(low <= rate <= high)
        first, second = (posterior for posterior in posteriors if posterior is not None)
        ratio = quotient(first.draws(1), second.draws(2))
        assert ratio.low is not None and ratio.high is not None
        ratios.append(ratio.low <= rates[0] / rates[1] <= ratio.high)
    assert len(found) == 600
    assert 0.91 <= np.mean(found) <= 0.98
    assert np.mean(ratios) >= 0.91


def test_no_step_exceeds_the_cap_and_an_endpoint_that_holds_it_has_at_least_that() -> None:
    plan = replace(PLAN, max_rate=60.0)
    steps, (search,), _, _ = simulate(plan, [TokenBucket(500, 1, False)], seed=1)
    assert max(step.bounds.rate for step in steps) == 60
    found = found_range(search)
    assert (found.value, found.low, found.high) == (60, 60, None)
    assert not is_client_limited(search)


def test_a_burst_does_not_hold_the_cap() -> None:
    _, (search,), _, _ = simulate(replace(PLAN, max_rate=100.0), [TokenBucket(80, 5, False)], seed=1)
    found = found_range(search)
    assert found.low is not None and found.high is not None
    assert found.low <= 80 <= found.high < 100


def test_a_primer_never_exceeds_the_cap() -> None:
    steps, _, _, _ = simulate(replace(PLAN, max_rate=90.0), [TokenBucket(80, 0.5, False)], seed=1)
    primers = [step.bounds.primer_rate for step in steps if step.bounds.primer_rate is not None]
    assert primers
    assert max(primers) <= 90


def test_a_client_that_is_the_limit_gives_at_least() -> None:
    search = Search(20, 2000)
    for _ in range(PLAN.steps):
        proposed = search.propose()
        if proposed is None:
            break
        limited = proposed.rate > 300
        search.tell(Told(proposed.rate, proposed.primer_rate is not None, not limited, proposed.rate, limited))
    assert is_client_limited(search)
    found = found_range(search)
    assert found.value is not None
    assert found.value == found.low
    assert found.value <= 300
    assert found.high is None


def test_an_overload_ends_at_once() -> None:
    steps, _, _, _ = simulate(PLAN, [TokenBucket(6, 0, False)], seed=1)
    assert steps[0].bounds.stopped == "error_rate>0.5"
    assert steps[0].n < steps[0].bounds.rate * 2 < steps[1].n


def test_an_endpoint_that_answers_nothing_is_left_alone() -> None:
    search = Search(20, 2000)
    for _ in range(2):
        proposed = search.propose()
        assert proposed is not None
        search.tell(Told(proposed.rate, proposed.primer_rate is not None, False, 0.0, False))
    assert search.propose() is None
    assert found_range(search).value is None


def test_latency_that_grows_is_not_sustained() -> None:
    server = TokenBucket(100, 0, True)
    times_s = np.arange(800) / 101
    samples = server.serve(times_s, 0, 0, np.random.default_rng(1))
    step = judge(samples, Bounds(0, 101, None, 0, 800, 8.0), PLAN)
    assert step.percentiles_ms[1] is not None and step.percentiles_ms[1] < 200
    assert step.broken is not None and "grew" in step.broken
    steady = TokenBucket(100, 0, True).serve(np.arange(800) / 99, 0, 0, np.random.default_rng(1))
    assert judge(steady, Bounds(0, 99, None, 0, 800, 8.0), PLAN).held


def test_cold_starts_are_kept_apart() -> None:
    samples = TokenBucket(100, 1, False).serve(np.arange(400) / 50, 0, 0, np.random.default_rng(1))
    samples["service_ms"][:40] = 3000.0
    bounds = Bounds(0, 50, None, 0, 400, 8.0)
    assert not judge(samples, bounds, PLAN).held
    samples["temperature"][:40] = 0
    step = judge(samples, bounds, PLAN)
    assert (step.held, step.cold, step.n) == (True, 40, 360)


def test_a_late_client_excuses_what_its_lateness_explains() -> None:
    times_s = np.arange(800) / 100
    late = ("sends were 90 ms behind their schedule (p99)",)
    bounds = Bounds(0, 100, None, 0, 800, 8.0, limited=late, late_ms=90.0)
    samples = TokenBucket(50, 0, False).serve(times_s, 0, 0, np.random.default_rng(1))
    samples["status"] = np.where(samples["failure"] != 0, 503, 200)
    assert not judge(samples, bounds, PLAN).is_client_limited
    queued = TokenBucket(50, 0, True).serve(times_s, 0, 0, np.random.default_rng(1))
    queued["status"] = 200
    assert not judge(queued, bounds, PLAN).is_client_limited
    slow = TokenBucket(200, 0, True).serve(times_s, 0, 0, np.random.default_rng(1))
    slow["service_ms"], slow["status"] = 250.0, 200
    assert judge(slow, bounds, PLAN).is_client_limited
    assert not judge(slow, replace(bounds, limited=(), late_ms=0.0), PLAN).is_client_limited


def test_a_plan_survives_the_record() -> None:
    plan = replace(PLAN, usd_per_hour=(1.0, 2.5))
    assert from_document(to_document(plan)) == plan


def test_random_arrivals_are_read_from_earlier_records_and_not_started() -> None:
    plan = from_document({**to_document(PLAN), "arrivals": "poisson"})
    assert plan.arrivals == "poisson"
    order = Order(plan, (Endpoint("api", "API", "http://127.0.0.1:1/predict"),), "ab" * 4)
    with pytest.raises(PlanError, match="constant arrivals"):
        check(order)
    check(replace(order, plan=PLAN))
    with pytest.raises(PlanError):
        from_document({**to_document(PLAN), "arrivals": "gamma"})


def test_a_plan_says_how_many_requests_it_sends_at_most() -> None:
    assert PLAN.most_requests == 200_000
    plan = replace(PLAN, max_rate=100.0)
    assert plan.most_requests == 40_000
    *_, samples = simulate(plan, [TokenBucket(2000, 0, False)] * 2, seed=1)
    assert len(samples) <= plan.most_requests


@pytest.mark.parametrize("text", ["p95_ms>200", "p42_ms<1", "error_rate<", "p95_ms<nan", ""])
def test_a_wrong_objective_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="--slo"):
        read_slo(text)


@pytest.mark.parametrize(
    "wrong",
    [{"slos": ()}, {"max_rate": 0.5}, {"start_rate": 3000.0}, {"steps": 3}, {"step_s": 0.1}],
)
def test_a_wrong_plan_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PlanError):
        replace(PLAN, **wrong)  # type: ignore[arg-type]
