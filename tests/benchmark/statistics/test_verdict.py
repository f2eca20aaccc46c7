"""What may be said, and that it is said rightly as often as promised."""

from math import nan

import pytest

from benchmark.record.samples import Samples
from benchmark.statistics.estimates import Estimate, paired_median_difference
from benchmark.statistics.verdict import Attempts, Outcome, State, Verdict, decide, margin
from benchmark.synthetic.simulate import Machine, TrueEndpoint, Truth, simulate_compare

NAMES = ("FastAPI", "Cloud Function")


def judge(samples: Samples, seed: int, margin_pct: float = 0.0) -> Verdict:
    warm = samples[~samples["warmup"]]
    first, second = (warm[warm["endpoint"] == endpoint]["service_ms"] for endpoint in (0, 1))
    effect = paired_median_difference(first, second, seed)
    return decide(effect, NAMES, (50.0, 50.0), margin_ms=0.0, margin_pct=margin_pct)


def plain(effect: Estimate, margin_ms: float = 0.5, **given: object) -> Verdict:
    return decide(effect, NAMES, (10.0, 12.0), margin_ms=margin_ms, margin_pct=0.0, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_equal_endpoints_have_a_winner_in_at_most_one_run_of_20(correlation: float) -> None:
    endpoint = TrueEndpoint(correlation=correlation)
    truth = Truth((endpoint, endpoint), Machine(drift_per_minute=0.2))
    winners = sum(
        judge(simulate_compare(truth, 100 + 100 * (seed % 5), 0, seed), seed).winner is not None for seed in range(1000)
    )
    assert winners / 1000 <= 0.05 + 2 * (0.05 * 0.95 / 1000) ** 0.5


def test_a_drift_that_gives_sequential_blocks_a_winner_gives_pairs_none() -> None:
    truth = Truth((TrueEndpoint(), TrueEndpoint()), Machine(drift_per_minute=0.5))
    runs = range(100)
    naive = [judge(simulate_compare(truth, 300, 0, seed, sequential=True), seed).winner for seed in runs]
    paired = [judge(simulate_compare(truth, 300, 0, seed), seed).winner for seed in runs]
    assert naive.count(NAMES[0]) >= 95
    assert paired.count(None) >= 90


def test_a_true_difference_of_a_fifth_is_found() -> None:
    truth = Truth((TrueEndpoint(50.0, 0.3, 0.5), TrueEndpoint(60.0, 0.3, 0.5)))
    winners = [judge(simulate_compare(truth, 500, 20, seed), seed, margin_pct=5).winner for seed in range(200)]
    assert winners.count(NAMES[0]) >= 190


def test_cold_starts_of_the_warm_up_do_not_reach_the_effect() -> None:
    truth = Truth((TrueEndpoint(cold_ms=900, idle_ms=1e9), TrueEndpoint(cold_ms=900, idle_ms=1e9)))
    samples = simulate_compare(truth, 100, 20, 1)
    verdict = judge(samples, 1)
    assert verdict.effect.n == 100
    assert (verdict.effect.high or 0) < 50


@pytest.mark.parametrize(
    ("low", "value", "high", "outcome", "winner"),
    [
        (-2.0, -1.0, -0.2, Outcome.WINNER, "FastAPI"),
        (0.2, 1.0, 2.0, Outcome.WINNER, "Cloud Function"),
        (-0.4, 0.1, 0.4, Outcome.EQUIVALENT, None),
        (0.1, 0.2, 0.4, Outcome.EQUIVALENT, None),
        (-0.1, 1.0, 2.0, Outcome.INCONCLUSIVE, None),
        (0.1, 0.4, 0.7, Outcome.INCONCLUSIVE, None),
        (-0.5, 0.0, 0.5, Outcome.INCONCLUSIVE, None),
    ],
)
def test_a_claim_needs_both_its_interval_and_the_margin(
    low: float, value: float, high: float, outcome: Outcome, winner: str | None
) -> None:
    verdict = plain(Estimate(value, low, high, 100))
    assert (verdict.outcome, verdict.winner) == (outcome, winner)
    assert (verdict.more_pairs is not None) == (outcome is Outcome.INCONCLUSIVE)


def test_the_margin_is_the_larger_of_both_and_a_share_of_the_faster_median() -> None:
    assert margin(5.0, 5.0, (50.0, 900.0)) == 5.0
    assert margin(5.0, 5.0, (900.0, 200.0)) == 10.0
    assert margin(5.0, 5.0, (nan, 200.0)) == margin(5.0, 5.0, (200.0, nan)) == 5.0


def test_the_sentence_has_the_figures() -> None:
    assert plain(Estimate(-1.24, -1.39, -1.1, 500)).sentence == (
        "FastAPI answers faster: 1.24 ms less in the paired median (95% 1.10 to 1.39 ms, n = 500 pairs, warm)."
    )
    assert plain(Estimate(124.3, 110.2, 139.0, 80), metric="p50", unit="requests", state=State.COLD).sentence == (
        "Cloud Function answers faster: 124 ms less in the p50 (95% 110 to 139 ms, n = 80 requests, cold)."
    )
    assert plain(Estimate(0.03, -0.1, 0.15, 500)).sentence == (
        "FastAPI and Cloud Function are equally fast: FastAPI minus Cloud Function is 0.03 ms in the paired median "
        "(95% -0.10 to 0.15 ms, n = 500 pairs, warm), within the margin of 0.5 ms."
    )
    assert plain(Estimate(3.0, -1.0, 7.0, 500)).sentence == (
        "Inconclusive: FastAPI minus Cloud Function is 3.00 ms in the paired median "
        "(95% -1.00 to 7.00 ms, n = 500 pairs, warm); about 390 more pairs would settle it."
    )


@pytest.mark.parametrize(("low", "value", "high"), [(-2.0, -1.0, -0.6), (-0.1, 0.0, 0.1), (-3.0, 1.0, 5.0)])
def test_unfairness_changes_the_sentence_and_nothing_else(low: float, value: float, high: float) -> None:
    effect = Estimate(value, low, high, 100)
    fair, unfair = plain(effect), plain(effect, fair=False)
    assert "these two deployments differ" in unfair.sentence.lower()
    assert "these two deployments differ" not in fair.sentence.lower()
    assert (fair.outcome, fair.winner, fair.more_pairs) == (unfair.outcome, unfair.winner, unfair.more_pairs)


def test_too_few_answers_are_inconclusive_and_the_sentence_says_so() -> None:
    verdict = plain(Estimate(1.0, None, None, 4))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.more_pairs == 2
    assert "4 pairs with an answer from both are too few" in verdict.sentence
    assert "nan" not in plain(Estimate(nan, None, None, 0)).sentence
    assert "not estimable" in plain(Estimate(1.0, None, None, 900)).sentence


def test_claims_below_what_the_machine_resolves_are_refused() -> None:
    faster, equal = Estimate(-1.0, -1.2, -0.8, 500), Estimate(0.0, -0.1, 0.1, 500)
    assert plain(faster, resolution_ms=0.9).outcome is Outcome.WINNER
    for verdict in (plain(faster, resolution_ms=1.1), plain(equal, resolution_ms=1.1)):
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert verdict.winner is None and verdict.more_pairs is None
        assert "cannot resolve less than 1.1 ms" in verdict.sentence


def test_what_no_number_of_pairs_settles_is_not_promised() -> None:
    verdict = plain(Estimate(0.5, 0.3, 0.7, 500))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.more_pairs is None
    assert "hardly settle" in verdict.sentence


def test_failures_are_said_before_speed() -> None:
    effect = Estimate(-1.24, -1.39, -1.1, 488)
    many = plain(effect, attempts=(Attempts(500, 12), Attempts(500, 0))).sentence
    assert many.startswith("FastAPI failed 12 of 500 requests (2.4%), Cloud Function failed 0 of 500 requests (0%). ")
    few = plain(effect, attempts=(Attempts(500, 0), Attempts(500, 1))).sentence
    assert "which may be chance" in few
    assert "failed" not in plain(effect, attempts=(Attempts(500, 3), Attempts(500, 3))).sentence


def test_conditions_stay_beside_the_verdict() -> None:
    assert plain(Estimate(0.0, -0.1, 0.1, 50), conditions=("memory differs",)).conditions == ("memory differs",)
