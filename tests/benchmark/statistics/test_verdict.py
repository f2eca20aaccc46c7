"""What may be said of a difference, and in which words."""

from math import inf, nan

import pytest

from benchmark.statistics.estimates import Estimate
from benchmark.statistics.verdict import Attempts, Outcome, State, Verdict, decide, margin

NAMES = ("FastAPI", "Cloud Function")


def plain(effect: Estimate, margin_ms: float = 0.5, **given: object) -> Verdict:
    return decide(effect, NAMES, (10.0, 12.0), margin_ms=margin_ms, margin_pct=0.0, **given)  # type: ignore[arg-type]


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
    assert verdict.winner_position == (None if winner is None else NAMES.index(winner))
    assert (verdict.more_pairs is not None) == (outcome is Outcome.INCONCLUSIVE)


def test_a_winner_has_a_place_where_both_have_one_name() -> None:
    for low_ms, place in ((-2.0, 0), (1.0, 1)):
        effect = Estimate(low_ms + 0.5, low_ms, low_ms + 1, 100)
        verdict = decide(effect, ("Service", "Service"), (10.0, 12.0), margin_ms=0.5, margin_pct=0.0)
        assert (verdict.winner, verdict.winner_position) == ("Service", place)
        assert ": 1.50 ms less in the" in verdict.sentence


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


def test_failures_that_came_together_may_be_chance_where_single_ones_are_not() -> None:
    effect = Estimate(-1.24, -1.39, -1.1, 488)
    for design_effect, chance in ((1.0, False), (10.0, True)):
        attempts = Attempts(500, 12, design_effect), Attempts(500, 0)
        sentence = plain(effect, attempts=attempts).sentence
        assert sentence.startswith("FastAPI failed 12 of 500 requests (2.4%)"), "the counts are the true ones"
        assert ("which may be chance" in sentence) == chance


def test_conditions_stay_beside_the_verdict() -> None:
    assert plain(Estimate(0.0, -0.1, 0.1, 50), conditions=("memory differs",)).conditions == ("memory differs",)


@pytest.mark.parametrize(("sign", "winner"), [(1, "Cloud Function"), (-1, "FastAPI")])
def test_a_difference_whose_size_alone_is_censored_has_a_winner_by_at_least_its_bound(sign: int, winner: str) -> None:
    def at_least(bound_ms: float, value_ms: float) -> Estimate:
        low, high = (bound_ms, None) if sign > 0 else (None, -bound_ms)
        return Estimate(sign * value_ms, low, high, 400)

    beyond = at_least(9950.0, inf)
    verdict = plain(beyond)
    assert (verdict.outcome, verdict.winner) == (Outcome.WINNER, winner)
    assert verdict.sentence == (
        f"{winner} answers faster: at least 9950 ms less in the paired median (95%, n = 400 pairs, warm)."
    )
    known = at_least(8.5, 12.0)
    assert "12.00 ms less in the paired median (95% at least 8.50 ms, n = 400" in plain(known).sentence


def test_a_bound_that_leaves_the_sign_open_is_no_claim() -> None:
    verdict = plain(Estimate(12.0, -3.0, None, 400), attempts=(Attempts(400, 190), Attempts(400, 0)))
    assert (verdict.outcome, verdict.winner) == (Outcome.INCONCLUSIVE, None)
    assert verdict.sentence.startswith("FastAPI failed 190 of 400 requests")
    assert "how long the timeouts would have taken is not known" in verdict.sentence


@pytest.mark.parametrize("effect", [Estimate(-1.0, -1.2, -0.8, 500), Estimate(0.0, -0.1, 0.1, 500)])
def test_where_the_client_was_the_limit_nothing_is_claimed(effect: Estimate) -> None:
    verdict = plain(effect, limited=("it was late", "it was slow"), attempts=(Attempts(500, 9), Attempts(500, 0)))
    assert plain(effect).outcome is not Outcome.INCONCLUSIVE
    assert (verdict.outcome, verdict.winner, verdict.winner_position) == (Outcome.INCONCLUSIVE, None, None)
    assert verdict.more_pairs is None
    assert verdict.reason == "the client was the limit (it was late; it was slow)"
    assert verdict.sentence.startswith("FastAPI failed 9 of 500 requests")
    assert verdict.sentence.endswith(f"Inconclusive: {verdict.reason}, so this run does not say who is faster (warm).")


def test_the_rule_is_beside_the_verdict_with_its_margin() -> None:
    assert "beyond the margin of 0.5 ms" in plain(Estimate(0.0, -0.1, 0.1, 50)).rule
