"""The simulated runs have the truth that was asked for, in the form of real runs."""

from math import inf, nan
from typing import Any

import numpy as np
import pytest

from benchmark.endpoints.sample import Failure, Temperature
from benchmark.record.plan import PlanError
from benchmark.record.samples import FAILURES, ROW, TEMPERATURES, response_ms
from benchmark.synthetic.simulate import Machine, TrueEndpoint, Truth, simulate_closed, simulate_compare, simulate_load

FAST, SLOW = TrueEndpoint(10.0), TrueEndpoint(20.0)
FREEZE = Machine(freezes=((10_000.0, 2000.0),))


def test_a_run_of_pairs_has_the_form_of_a_real_one() -> None:
    samples = simulate_compare(Truth((FAST, SLOW)), 200, 10, 1)
    assert samples.dtype == ROW
    assert len(samples) == 420
    assert samples["warmup"].sum() == 20
    assert np.all(np.bincount(samples["group"]) == 2)
    assert np.all(np.diff(samples["sent_ms"]) > 0)
    assert np.array_equal(samples["scheduled_ms"], samples["sent_ms"])
    ends_ms = samples["sent_ms"] + samples["service_ms"]
    assert np.all(samples["sent_ms"][1:] >= ends_ms[:-1] - 1e-3), "more than one request in flight"
    assert samples["wait_ms"] + samples["receive_ms"] == pytest.approx(samples["service_ms"], rel=1e-5)


def test_either_endpoint_comes_first_in_about_half_of_the_pairs() -> None:
    leaders = simulate_compare(Truth((FAST, SLOW)), 1000, 0, 1)["endpoint"][::2]
    assert 430 < leaders.sum() < 570


def test_one_seed_gives_one_run() -> None:
    truth = Truth((FAST, SLOW))
    pairs, same_pairs, other_pairs = (simulate_compare(truth, 50, 0, seed).tobytes() for seed in (1, 1, 2))
    assert pairs == same_pairs != other_pairs
    load, same_load, other_load = (simulate_load(truth, 50, 2, seed).tobytes() for seed in (1, 1, 2))
    assert load == same_load != other_load


def test_the_latencies_have_the_true_quantiles_and_correlation() -> None:
    endpoint = TrueEndpoint(50.0, 0.3, correlation=0.5, network_ms=7.0)
    latency_ms = simulate_closed(Truth((endpoint,)), 50_000, 1)["service_ms"]
    for share in (0.5, 0.95, 0.99):
        assert np.quantile(latency_ms, share) == pytest.approx(endpoint.quantile_ms(share), rel=0.02)
    logarithm = np.log(latency_ms - 7.0)
    assert np.corrcoef(logarithm[1:], logarithm[:-1])[0, 1] == pytest.approx(0.5, abs=0.02)


def test_drift_slows_with_time() -> None:
    samples = simulate_compare(Truth((FAST, FAST), Machine(drift_per_minute=1.0)), 1000, 0, 1)
    early, late = samples[:200], samples[-200:]
    grown = 1 + (late["sent_ms"].mean() - early["sent_ms"].mean()) / 60_000
    assert late["service_ms"].mean() / early["service_ms"].mean() == pytest.approx(grown, rel=0.1)


def test_a_freeze_shows_in_the_open_loop_and_is_hidden_by_the_closed_one() -> None:
    truth = Truth((FAST,), FREEZE)
    opened = simulate_load(truth, 50, 30, 1)
    closed = simulate_closed(truth, 1500, 1, rate=50)
    assert np.quantile(response_ms(opened), 0.95) > 200
    assert np.quantile(response_ms(opened), 0.99) > 1000
    assert np.quantile(closed["service_ms"], 0.99) < 2 * FAST.quantile_ms(0.99)
    assert (closed["service_ms"] > 1000).sum() == 1


def test_a_late_send_is_in_the_response_time_and_not_in_the_service_time() -> None:
    samples = simulate_load(Truth((FAST,), FREEZE), 50, 30, 1, connections=1)
    assert np.quantile(samples["service_ms"], 0.99) < 2 * FAST.quantile_ms(0.99)
    assert np.quantile(response_ms(samples), 0.95) > 200


def test_arrivals_come_at_the_rate_asked_for() -> None:
    for poisson in (True, False):
        samples = simulate_load(Truth((FAST, SLOW)), 100, 50, 1, poisson=poisson)
        assert np.bincount(samples["endpoint"]) == pytest.approx([5000, 5000], rel=0.05)
        gaps_ms = np.diff(samples[samples["endpoint"] == 0]["scheduled_ms"])
        assert gaps_ms.std() == pytest.approx(10.0 if poisson else 0.0, abs=0.6)


def test_requests_wait_for_an_instance_when_all_are_busy() -> None:
    one, many = (TrueEndpoint(30.0, 0.0, instances=instances) for instances in (1, 50))
    alone = simulate_load(Truth((one,)), 50, 10, 1, poisson=False)["service_ms"]
    assert np.diff(alone) == pytest.approx(10.0, abs=1e-2)  # each waits 10 ms longer than the one before
    assert simulate_load(Truth((many,)), 50, 10, 1)["service_ms"] == pytest.approx(30.0, abs=1e-3)


def test_failures_are_recorded_and_predict_nothing() -> None:
    samples = simulate_compare(Truth((TrueEndpoint(error_share=0.2), FAST)), 500, 0, 1)
    failed = samples[samples["failure"] > 0]
    assert set(failed["endpoint"]) == {0}
    assert 70 < len(failed) < 130
    assert {FAILURES[code - 1] for code in failed["failure"]} == {Failure.SERVER_ERROR}
    assert set(failed["status"]) == {503}
    assert np.all(np.isnan(failed["prediction"]))


def test_a_request_ends_at_the_timeout() -> None:
    samples = simulate_closed(Truth((TrueEndpoint(10.0, timeout_ms=500.0),), FREEZE), 1500, 1)
    stalled = samples[samples["failure"] > 0]
    assert 3 <= len(stalled) <= 4  # one after the other, 500 ms each, until the 2 s are over
    assert {FAILURES[code - 1] for code in stalled["failure"]} == {Failure.TIMEOUT}
    assert set(stalled["service_ms"]) == {500.0}
    assert set(stalled["status"]) == {0}
    assert np.all(np.isnan(stalled["server_ms"]))


def test_an_instance_starts_cold_at_first_and_after_it_idled() -> None:
    endpoint = TrueEndpoint(10.0, cold_ms=800.0, idle_ms=1000.0)
    cold = TEMPERATURES.index(Temperature.COLD)
    steady = simulate_compare(Truth((endpoint, endpoint)), 20, 0, 1)
    assert (steady["temperature"] == cold).sum() == 2
    rare = simulate_compare(Truth((endpoint, endpoint)), 20, 0, 1, pause_ms=2000.0)
    assert np.all(rare["temperature"] == cold)
    assert np.all(rare["service_ms"] > 800)
    assert rare["server_ms"].max() < 100, "a server's own duration does not include its start"
    assert rare[rare["endpoint"] == 0]["instance"].tolist() == list(range(1, 21))


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_comparison_is_made_of_blocks_in_random_order(count: int) -> None:
    samples = simulate_compare(Truth((FAST,) * count), 600, 0, 1)
    blocks = samples["endpoint"].reshape(600, count)
    assert np.array_equal(np.sort(blocks, axis=1), np.tile(np.arange(count), (600, 1))), "one request to each"
    assert np.array_equal(samples["group"], np.repeat(np.arange(600), count))
    first = np.bincount(blocks[:, 0], minlength=count)
    assert first.min() > 600 / count * 0.7, "each is first about as often"


@pytest.mark.parametrize(
    "values",
    [
        {"base_ms": nan},
        {"base_ms": inf},
        {"base_ms": 0.0},
        {"spread": nan},
        {"spread": 1000.0},
        {"spread": -0.1},
        {"correlation": 1.0},
        {"network_ms": -1.0},
        {"error_share": 1.1},
        {"cold_ms": nan},
        {"idle_ms": nan},
        {"instances": 0},
        {"timeout_ms": inf},
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match="a simulated run needs"):
        TrueEndpoint(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"drift_per_minute": nan},
        {"drift_per_minute": -0.5},
        {"freezes": ((nan, 1.0),)},
        {"freezes": ((5.0, -9.0),)},
        {"freezes": ((5.0, inf),)},
        {"freezes": ((5.0, 9.0), (6.0, 1.0))},
    ],
)
def test_a_machine_that_cannot_be_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match="a simulated run needs"):
        Machine(**values)


def test_the_oddest_truth_that_is_allowed_can_be_simulated() -> None:
    odd = TrueEndpoint(3.6e6, 10.0, 0.99, 3.6e6, 1.0, 3.6e6, 0.0, 1, 3.6e6)
    samples = simulate_load(Truth((odd, odd), Machine(100.0, ((0.0, 1e9), (1e9, 1e9)))), 100, 10, 1)
    assert np.isfinite(samples["service_ms"]).all()
