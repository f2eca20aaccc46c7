"""Runs taken together: equal endpoints stay equal however often they are measured, and real differences stay found."""

from itertools import combinations
from math import inf, nan, sqrt

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtri

from benchmark.decision.together import Counted, effect, error, latency, share
from benchmark.statistics.estimates import Estimate, paired_median_difference, quantile, wilson

LOOKS = 10


def measured(random: np.random.Generator, spread: float = 0.0) -> Estimate:
    """One run's difference between equal endpoints, with an interval as wide as it should be; `spread` is how much runs
    differ beyond that."""
    value = random.normal(0.0, sqrt(1 + spread**2))
    return Estimate(value, value - 1.96, value + 1.96, 100)


def winners(spread: float, series: int = 1000) -> tuple[int, int]:
    """In how many of `series` somebody wins after any of ten runs, and after the tenth alone."""
    random = np.random.default_rng(11)
    ever = last = 0
    for _ in range(series):
        runs = [measured(random, spread) for _ in range(LOOKS)]
        wins = [effect(runs[:count]).excludes_zero for count in range(1, LOOKS + 1)]
        ever += any(wins)
        last += wins[-1]
    return ever, last


def test_the_errors_of_all_looks_add_up_to_five_percent() -> None:
    assert sum(error(runs) for runs in range(1, 10_000)) == pytest.approx(0.05, abs=1e-4)


def test_repeating_a_run_until_it_wins_wins_in_at_most_five_percent() -> None:
    ever, last = winners(spread=0.0)
    assert last <= ever <= 50
    # What it protects from: a look at each run by itself.
    random = np.random.default_rng(11)
    alone = sum(any(measured(random).excludes_zero for _ in range(LOOKS)) for _ in range(1000))
    assert alone > 350


@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
def test_runs_that_differ_by_more_than_their_intervals_say_name_no_winner_either(spread: float) -> None:
    assert winners(spread)[1] <= 50


def test_equal_endpoints_measured_again_and_again_stay_equal() -> None:
    """The same through the statistics of a run: neighbours correlated by 0.5, four runs, a look after each."""
    random = np.random.default_rng(5)
    ever = 0
    for _ in range(1000):
        runs: list[Estimate] = []
        won = False
        for _ in range(4):
            noise = lfilter([sqrt(0.75)], [1.0, -0.5], random.standard_normal((2, 250)))[:, 50:]
            runs.append(paired_median_difference(50 + noise[0], 50 + noise[1]))
            won |= effect(runs).excludes_zero
        ever += won
    assert ever <= 50


def test_one_run_has_its_own_value_and_a_wider_interval() -> None:
    one = effect([Estimate(-4.0, -6.0, -3.0, 400)])
    assert (one.value, one.n) == (-4.0, 400)
    # 2.2414 standard errors instead of 1.96 of them
    assert one.low == pytest.approx(-4 - 2 * 2.2414 / 1.96, abs=1e-3)
    assert one.high == pytest.approx(-4 + 1 * 2.2414 / 1.96, abs=1e-3)


def test_a_little_difference_between_two_runs_does_not_undo_them() -> None:
    found = effect([Estimate(value, value - 0.5, value + 0.5, 400) for value in (29.0, 30.0)])
    assert found.low is not None and found.low > 25


def test_runs_that_agree_say_more_than_one() -> None:
    runs = [Estimate(value, value - 2, value + 2, 100) for value in (5.0, 5.2, 4.8, 5.1)]
    one, all_ = effect(runs[:1]), effect(runs)
    assert all_.half_width is not None and one.half_width is not None
    assert all_.half_width < one.half_width
    assert all_.n == 400 and all_.value == pytest.approx(5.025)


def test_two_runs_that_contradict_each_other_settle_nothing() -> None:
    found = effect([Estimate(-30.0, -31.0, -29.0, 400), Estimate(30.0, 29.0, 31.0, 400)])
    assert found.low is not None and found.high is not None
    assert found.low < -30 and found.high > 30


def test_a_run_with_timeouts_in_its_interval_is_not_left_out() -> None:
    sound = Estimate(-5.0, -6.0, -4.0, 400)
    assert not effect([sound, Estimate(inf, None, None, 400)]).estimable
    # One with too few samples says nothing, and takes nothing away.
    assert effect([sound, Estimate(nan, None, None, 2)]).estimable


def test_a_share_of_one_run_is_its_own_and_what_runs_differ_widens_that_of_several() -> None:
    assert share([Counted(95, 100, 2.0)]) == wilson(95, 100, 2.0)
    alike, apart = share([Counted(950, 1000)] * 4), share([Counted(hits, 1000) for hits in (1000, 900, 990, 910)])
    assert alike.value == apart.value == 0.95
    assert alike.half_width is not None and apart.half_width is not None
    assert apart.half_width > 3 * alike.half_width
    assert share([]).n == 0


def test_a_quantile_of_several_runs_is_that_of_all_requests_and_covers_the_truth() -> None:
    random = np.random.default_rng(2)
    truth = float(np.exp(0.2 * 1.6449))
    covered = 0
    for _ in range(300):
        runs = [np.exp(0.2 * random.standard_normal(400)) for _ in range(3)]
        found = latency(tuple(runs), 0.95)
        assert found.value == quantile(np.concatenate(runs), 0.95).value and found.n == 1200
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
    assert covered >= 290
    # Where one run of two is slower, that is in the interval.
    slow = latency((runs[0], runs[1] + 1.0), 0.95)
    alike = latency((runs[0], runs[1]), 0.95)
    assert slow.low is not None and alike.half_width is not None
    assert slow.high is None or slow.high - slow.low > 3 * alike.half_width


def test_a_quantile_among_timeouts_has_no_upper_end() -> None:
    runs = tuple(np.where(np.arange(400) % 20 == 3, inf, 50.0 + np.arange(400) % 7) for _ in range(2))
    found = latency(runs, 0.95)
    assert found.low is not None and found.high is None


def test_a_higher_confidence_widens_the_interval_by_its_quantile() -> None:
    higher = 1 - 0.05 / 6
    for runs in ([Estimate(-4.0, -5.0, -3.0, 400)], [Estimate(at, at - 2.0, at + 2.0, 100) for at in (5.0, 6.0, 4.0)]):
        usual, wider = effect(runs), effect(runs, higher)
        assert usual == effect(runs, 0.95) and usual.value == wider.value
        assert usual.half_width is not None and wider.half_width is not None
        quantiles = [ndtri(error(len(runs), confidence) / 2) for confidence in (higher, 0.95)]
        assert wider.half_width / usual.half_width == pytest.approx(quantiles[0] / quantiles[1])


def test_an_interval_that_a_run_gave_at_a_higher_confidence_counts_as_what_it_is() -> None:
    """Three standard errors at 99.73 % say the same as 1.96 of them at 95 %."""
    usual = [Estimate(at, at - 1.95996, at + 1.95996, 100) for at in (5.0, 6.0)]
    wider = [Estimate(at, at - 3.0, at + 3.0, 100) for at in (5.0, 6.0)]
    for count in (1, 2):
        found, expected = effect(wider[:count], measured_at=[0.9973002] * count), effect(usual[:count])
        assert found.low is not None and found.high is not None
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-3)
    # At 99.73 % a median needs ten samples for an interval.
    few = Estimate(5.0, None, None, 8)
    assert effect([usual[0], few], measured_at=[0.95, 0.9973]).estimable
    assert not effect([usual[0], few]).estimable


def test_six_equal_endpoints_measured_again_and_again_name_a_winner_in_at_most_five_percent() -> None:
    """15 pairs at Holm's first step: an interval at 1 - 0.05/15 for each, and a look after each of five runs."""
    random = np.random.default_rng(3)
    pairs = list(combinations(range(6), 2))
    confidence = 1 - 0.05 / len(pairs)
    half = 1.96 * sqrt(2)
    ever = 0
    for _ in range(200):
        middles = random.normal(0.0, 1.0, (5, 6))
        differences = [middles[:, one] - middles[:, other] for one, other in pairs]
        runs = [[Estimate(at, at - half, at + half, 100) for at in of] for of in differences]
        ever += any(effect(of[:count], confidence).excludes_zero for count in range(1, 6) for of in runs)
    assert ever <= 16, "5 % of 200, and two standard errors"
