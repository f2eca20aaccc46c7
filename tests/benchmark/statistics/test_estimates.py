"""The intervals hold what they promise, which is counted over many runs whose truth is known."""

from collections.abc import Callable
from math import inf, isnan, nan
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.statistics.estimates import (
    Estimate,
    consecutive_blocks,
    design_effect,
    min_samples,
    more_samples,
    paired_median_difference,
    quantile,
    quantile_differences,
    quantiles,
    time_blocks,
    wilson,
)
from benchmark.synthetic.simulate import TrueEndpoint, Truth, simulate_closed

SHARES = (0.5, 0.95, 0.99)
latencies = st.lists(st.floats(min_value=0, max_value=1e5, width=32), min_size=6, max_size=80)


def noise(n: int, seed: int, scale: float = 50.0) -> NDArray[np.float64]:
    return scale * np.random.default_rng(seed).lognormal(0, 0.3, n)


@pytest.mark.parametrize(("share", "n"), [(0.5, 6), (0.95, 72), (0.99, 368)])
def test_an_interval_needs_as_many_samples_as_the_binomial_says(share: float, n: int) -> None:
    assert min_samples(share) == n
    assert quantile(noise(n, 1), share).estimable
    assert not quantile(noise(n - 1, 1), share).estimable
    paired, short = noise(n, 1), noise(n - 1, 1)
    assert quantile_differences(paired, paired + 1, (share,))[0].estimable
    assert not quantile_differences(short, short + 1, (share,))[0].estimable


@pytest.mark.parametrize("confidence", [0.95, 1 - 0.05 / 3, 1 - 0.05 / 15])
def test_more_confidence_needs_more_samples_and_misses_the_truth_less_often(confidence: float) -> None:
    needed = min_samples(0.5, confidence)
    assert 2 * 0.5**needed <= 1 - confidence < 2 * 0.5 ** (needed - 1), "all of them on one side is too unlikely"
    random = np.random.default_rng(3)
    first_ms, second_ms = random.lognormal(0, 0.3, (2, 3000, 60))
    pairs = list(zip(first_ms, second_ms, strict=True))
    found = [paired_median_difference(*pair, confidence=confidence).excludes_zero for pair in pairs]
    assert np.mean(found) <= 1.2 * (1 - confidence) + 2 * np.sqrt((1 - confidence) / 3000)
    known = [quantile(values, 0.5, confidence=confidence) for values in first_ms]
    missed = np.mean([not (one.low or 0) <= 1 <= (one.high or 0) for one in known])
    assert abs(missed - (1 - confidence)) <= 3 * np.sqrt((1 - confidence) / 3000)
    assert quantile(first_ms[0, : needed - 1], 0.5, confidence=confidence).low is None


def test_every_interval_takes_its_confidence() -> None:
    first_ms, second_ms = np.random.default_rng(4).lognormal(0, 0.3, (2, 1000))
    blocks = consecutive_blocks(1000)

    def made(level: float) -> list[Estimate]:
        return [
            quantile(first_ms, 0.95, blocks, confidence=level),
            paired_median_difference(first_ms, second_ms, confidence=level),
            *quantile_differences(first_ms, second_ms, (0.5, 0.95), confidence=level),
            *quantile_differences(first_ms, second_ms, (0.5, 0.95), (blocks, blocks), 0.5, confidence=level),
            wilson(20, 1000, confidence=level),
        ]

    for usual, wide in zip(made(0.95), made(0.99), strict=True):
        assert usual.value == wide.value
        assert usual.half_width is not None and wide.half_width is not None
        assert wide.half_width > usual.half_width


def test_a_difference_needs_enough_samples_of_either_endpoint() -> None:
    first, second = noise(100, 1), noise(100, 2)
    second[:29] = nan
    assert [each.n for each in quantile_differences(first, second, (0.5, 0.95))] == [71, 71]
    assert [each.estimable for each in quantile_differences(first, second, (0.5, 0.95))] == [True, False]
    assert not paired_median_difference(first[:31], second[:31]).estimable


def test_quantiles_are_those_of_numpy() -> None:
    values = noise(1001, 3)
    assert [each.value for each in quantiles(values, SHARES)] == pytest.approx(np.quantile(values, SHARES), rel=1e-12)


def test_no_samples_have_no_quantile() -> None:
    assert isnan(quantile(np.empty(0), 0.5).value)
    assert isnan(paired_median_difference(np.empty(0), np.empty(0)).value)
    assert isnan(quantile_differences(np.full(9, nan), noise(9, 1), (0.5,))[0].value)


def test_a_failure_among_latencies_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        quantile(np.array([1.0, nan, 2.0]), 0.5)


@given(latencies)
def test_an_interval_holds_its_estimate_and_stays_within_the_sample(values: list[float]) -> None:
    estimate = quantile(np.array(values), 0.5)
    assert estimate.low is not None and estimate.high is not None
    assert min(values) <= estimate.low <= estimate.value <= estimate.high <= max(values)


@pytest.mark.parametrize(
    ("n", "correlation", "share"),
    [
        *[(6, 0.0, 0.5), (7, 0.0, 0.5), (100, 0.0, 0.5), (100, 0.0, 0.95), (400, 0.0, 0.99), (500, 0.0, 0.95)],
        *[(500, 0.0, 0.99), (500, 0.5, 0.5), (500, 0.5, 0.95), (2000, 0.5, 0.99)],
    ],
)
def test_intervals_cover_the_true_quantile_in_19_of_20_runs(n: int, correlation: float, share: float) -> None:
    endpoint = TrueEndpoint(correlation=correlation)
    truth_ms = endpoint.quantile_ms(share)
    blocks = consecutive_blocks(n) if correlation else None
    covered = 0
    for latency_ms in endpoint.work_ms(1000 * n, np.random.default_rng(n)).reshape(1000, n):
        estimate = quantile(latency_ms, share, blocks=blocks)
        assert estimate.low is not None and estimate.high is not None
        covered += estimate.low <= truth_ms <= estimate.high
    assert 930 <= covered <= 970


def test_blocks_widen_what_neighbours_in_common_make_less_sure() -> None:
    latency_ms = simulate_closed(Truth((TrueEndpoint(correlation=0.9),)), 500, 1)["service_ms"]
    alone, blocked = quantile(latency_ms, 0.5), quantile(latency_ms, 0.5, blocks=consecutive_blocks(500))
    assert alone.half_width is not None and blocked.half_width is not None
    assert blocked.half_width > 2 * alone.half_width


@pytest.mark.parametrize("n", [1, 6, 11, 36, 100, 500, 10_000, 1_000_000])
def test_blocks_are_neighbours_of_nearly_equal_number(n: int) -> None:
    blocks = consecutive_blocks(n)
    sizes = np.bincount(blocks)
    assert len(blocks) == n
    assert np.all(np.diff(blocks) >= 0)
    assert len(sizes) >= min(6, n)
    assert len(sizes) <= 500
    assert sizes.max() < 2 * sizes.min() + 1


def test_blocks_by_time_hold_what_both_endpoints_did_in_one_500th_of_the_run() -> None:
    times = np.array([1000.0, 1059.0, 1061.0, 26_001.0]), np.array([1001.0, 1500.0, 31_000.0])
    first, second = time_blocks(times)
    assert first.tolist() == [0, 0, 1, 416]
    assert second.tolist() == [0, 8, 499]


@pytest.mark.parametrize("duration_ms", [1.0, 3000.0, 1e7])
def test_blocks_by_time_span_a_run_of_any_length(duration_ms: float) -> None:
    sizes = np.bincount(time_blocks([np.linspace(0, duration_ms, 10_001)])[0])
    assert len(sizes) == 500 and sizes.min() >= 19 and sizes.max() <= 22


def test_what_came_all_at_once_is_one_block() -> None:
    assert [blocks.tolist() for blocks in time_blocks([np.full(2, 7.0), np.empty(0)])] == [[0, 0], []]


def test_wilson_gives_the_published_interval() -> None:
    estimate = wilson(81, 263)  # Newcombe 1998, Statistics in Medicine 17, table I
    assert (estimate.low, estimate.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20).low == 0.0 and wilson(20, 20).high == 1.0
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=5e-5)
    assert isnan(wilson(0, 0).value) and not wilson(0, 0).estimable


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_stays_between_0_and_1_around_the_share(n: int, share: float) -> None:
    estimate = wilson(int(share * n), n)
    assert estimate.low is not None and estimate.high is not None
    assert 0 <= estimate.low <= estimate.value + 1e-12 and estimate.value <= estimate.high + 1e-12 <= 1 + 2e-12


def test_a_design_effect_widens_the_interval_and_leaves_the_share_and_its_n() -> None:
    alone, clustered = wilson(12, 400), wilson(12, 400, 4.0)
    assert (clustered.value, clustered.n) == (alone.value, alone.n) == (0.03, 400)
    worth = wilson(3, 100)
    assert (clustered.low, clustered.high) == pytest.approx((worth.low, worth.high))


def test_failures_that_come_together_have_a_design_effect_and_those_that_do_not_have_none() -> None:
    failed = np.zeros(500, dtype=bool)
    blocks = consecutive_blocks(500)
    assert design_effect(failed, blocks) == design_effect(~failed, blocks) == 1.0
    assert design_effect(failed[:0], blocks[:0]) == 1.0
    failed[::10] = True
    assert design_effect(failed, blocks) == 1.0
    failed[:], failed[100:150] = False, True
    assert design_effect(failed, blocks) > 10


def test_the_share_of_failures_in_bursts_is_covered_by_blocks_where_wilson_alone_misses_it() -> None:
    n, share, length = 2000, 0.05, 10  # two states: failing lasts 10 requests in the mean
    leave = 1 / length
    enter = leave * share / (1 - share)
    blocks = consecutive_blocks(n)
    covered = [0, 0]
    for seed in range(300):
        random = np.random.default_rng(seed)
        spans = np.where(np.arange(n) % 2, random.geometric(leave, n), random.geometric(enter, n))
        failed = np.repeat(np.arange(n) % 2 == 1, spans)[:n]
        for which, effect in enumerate((1.0, design_effect(failed, blocks))):
            estimate = wilson(int(failed.sum()), n, effect)
            assert estimate.low is not None and estimate.high is not None
            covered[which] += estimate.low <= share <= estimate.high
    assert covered[0] < 150
    assert covered[1] > 265


def test_timeouts_are_no_bound_of_a_quantile() -> None:
    values = noise(100, 1)
    values[:4] = inf
    middle, high = quantiles(values, (0.5, 0.95))
    assert middle.estimable
    assert high.value < inf and not high.estimable, "its upper bound is among the timeouts"
    values[:60] = inf
    assert (quantile(values, 0.5).value, quantile(values, 0.5).estimable) == (inf, False)


def test_timeouts_rank_after_every_answer_in_a_difference_too() -> None:
    first, second = noise(400, 1), noise(400, 2) + 20
    slow = first.copy()
    late = np.arange(400) % 10 == 0
    first[late], slow[late] = inf, 1e9
    (middle, high), (as_slow, _) = (
        quantile_differences(one, second, (0.5, 0.95), waited_ms=(slow, second)) for one in (first, slow)
    )
    assert middle == as_slow and middle.excludes_zero
    assert (high.value, high.estimable) == (inf, False)
    (unknown,) = quantile_differences(first, second, (0.5,))  # how long was waited for them, so it may be 0 ms
    assert unknown.value == middle.value and unknown.high == quantile_differences(slow, second, (0.5,))[0].high
    second[:] = inf
    assert [each.value for each in quantile_differences(first, second, (0.5, 0.95))] == pytest.approx(
        [-inf, nan], nan_ok=True
    )


def test_where_only_some_replicates_reach_the_timeouts_the_interval_has_no_end() -> None:
    first, second = noise(400, 1), noise(400, 2)
    first[np.arange(400) % 50 < 24] = inf  # 48 %: the median is an answer, but not in every replicate
    (middle,) = quantile_differences(first, second, (0.5,))
    assert 0 < middle.value < inf and not middle.estimable
    assert not paired_median_difference(first, second).estimable


def test_swapping_the_endpoints_turns_the_sign() -> None:
    first, second = noise(200, 1), noise(200, 2, 52)
    one, other = paired_median_difference(first, second), paired_median_difference(second, first)
    assert one.low is not None and one.high is not None
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -(other.high or 0), -(other.low or 0)))


def test_pairs_with_a_failure_are_left_out_and_a_timeout_ranks_last() -> None:
    first, second = noise(100, 1), noise(100, 2)
    broken = first.copy()
    broken[7] = nan
    kept = np.arange(100) != 7
    assert paired_median_difference(broken, second) == paired_median_difference(first[kept], second[kept])
    broken[7] = inf
    slow = first.copy()
    slow[7] = 1e9
    assert paired_median_difference(broken, second, (slow, second)) == paired_median_difference(slow, second)


def test_mostly_timeouts_have_no_interval() -> None:
    assert not paired_median_difference(np.full(50, inf), noise(50, 1)).estimable


def test_pairs_cancel_what_both_share() -> None:
    shared = np.cumsum(np.random.default_rng(1).normal(0, 5, 500)) + 500
    estimate = paired_median_difference(shared + noise(500, 2, 1), shared + noise(500, 3, 1) + 1)
    assert estimate.excludes_zero
    assert estimate.value == pytest.approx(-1, abs=0.2)


def test_percentile_differences_of_equal_endpoints_together_exclude_zero_in_one_run_of_20() -> None:
    false, endpoint = 0, TrueEndpoint(correlation=0.5)
    for seed in range(250):
        first, second = (simulate_closed(Truth((endpoint,)), 400, 2 * seed + side)["service_ms"] for side in (0, 1))
        false += any(each.excludes_zero for each in quantile_differences(first, second, SHARES))
    assert false / 250 <= 0.05 + 2 * (0.05 * 0.95 / 250) ** 0.5


def test_metrics_are_corrected_for_their_number_and_the_primary_is_not() -> None:
    first, second = noise(500, 1), noise(500, 2)
    alone = quantile_differences(first, second, (0.5,))[0].half_width
    corrected = quantile_differences(first, second, SHARES)[0].half_width
    primary = quantile_differences(first, second, SHARES, primary=0.5)
    assert alone is not None and corrected is not None
    assert corrected > 1.1 * alone
    assert primary[0].half_width == alone
    one_of_two = quantile_differences(first, second, (0.95, 0.99))
    assert primary[1:] == one_of_two


def test_endpoints_of_a_load_are_compared_by_blocks_of_time_whatever_their_numbers() -> None:
    random = np.random.default_rng(1)
    times = [np.sort(random.uniform(0, 30_000, n)) for n in (1500, 1100)]
    slow = [1 + (time_ms > 15_000) for time_ms in times]  # half of the time everything takes twice as long
    latency_ms = [slowness * noise(len(slowness), seed) for seed, slowness in enumerate(slow)]
    first, second = time_blocks(times)
    difference = quantile_differences(latency_ms[0], latency_ms[1] + 10, SHARES, (first, second), primary=0.5)
    assert [each.n for each in difference] == [1100] * 3
    assert difference[0].low is not None and difference[0].high is not None
    assert difference[0].low < -10 < difference[0].high
    assert difference[0].excludes_zero


def test_more_samples_follow_the_square_root_law() -> None:
    estimate = Estimate(3.0, -1.0, 7.0, 500)
    assert more_samples(estimate, 2.0) == 1500
    assert more_samples(estimate, 3.0) == 390
    assert more_samples(estimate, 8.0) == 1
    assert more_samples(estimate, 0.0) is None
    assert more_samples(Estimate(3.0, None, None, 5), 1.0) is None


def test_a_million_samples_are_summarised_in_the_time_of_five_sorts() -> None:
    values = noise(1_000_000, 1).astype(np.float32)
    blocks = consecutive_blocks(len(values))

    def cpu_s(work: Callable[[], object]) -> float:
        begin = process_time()
        work()
        return process_time() - begin

    sort_s = min(cpu_s(lambda: np.sort(values)) for _ in range(5))
    assert min(cpu_s(lambda: quantiles(values, SHARES, blocks)) for _ in range(5)) <= 5 * sort_s
