"""What may be said of a difference, and in which words."""

from collections.abc import Callable
from itertools import combinations
from math import inf, nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmark.statistics.contrasts import corrected, holm
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.verdict import Attempts, Outcome, State, Verdict, decide, margin

NAMES = ("FastAPI", "Cloud Function")


def plain(effect: Estimate, margin_ms: float = 0.5, **given: object) -> Verdict:
    return decide(lambda *_: effect, NAMES, (10.0, 12.0), margin_ms=margin_ms, margin_pct=0.0, **given)  # type: ignore[arg-type]


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
        verdict = decide(
            lambda *_, low_ms=low_ms: Estimate(low_ms + 0.5, low_ms, low_ms + 1, 100),
            ("Service", "Service"),
            (10.0, 12.0),
            margin_ms=0.5,
            margin_pct=0.0,
        )
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
        assert "cannot resolve differences below 1.1 ms" in verdict.sentence


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
    assert "the true duration of the timeouts is unknown" in verdict.sentence


@pytest.mark.parametrize("effect", [Estimate(-1.0, -1.2, -0.8, 500), Estimate(0.0, -0.1, 0.1, 500)])
def test_where_the_client_was_the_limit_nothing_is_claimed(effect: Estimate) -> None:
    verdict = plain(effect, limited=("it was late", "it was slow"), attempts=(Attempts(500, 9), Attempts(500, 0)))
    assert plain(effect).outcome is not Outcome.INCONCLUSIVE
    assert (verdict.outcome, verdict.winner, verdict.winner_position) == (Outcome.INCONCLUSIVE, None, None)
    assert verdict.more_pairs is None
    assert verdict.reason == "the client was the limit (it was late; it was slow)"
    assert verdict.sentence.startswith("FastAPI failed 9 of 500 requests")
    assert verdict.sentence.endswith(
        f"Inconclusive: {verdict.reason}, so this run does not show which endpoint is faster (warm)."
    )


def test_the_rule_is_beside_the_verdict_with_its_margin() -> None:
    assert "beyond the margin of 0.5 ms" in plain(Estimate(0.0, -0.1, 0.1, 50)).rule


# --- More than two endpoints


def normal(standard_error_ms: float, *medians_ms: float) -> Callable[[int, int, float], Estimate]:
    """Differences of endpoints with these medians, each with this standard error."""

    def effect_of(first: int, second: int, confidence: float) -> Estimate:
        value_ms = medians_ms[first] - medians_ms[second]
        half_ms = float(ndtri((1 + confidence) / 2)) * standard_error_ms
        return Estimate(value_ms, value_ms - half_ms, value_ms + half_ms, 500)

    return effect_of


def among(*medians_ms: float, standard_error_ms: float = 0.1, **given: object) -> Verdict:
    names = "ABCDEF"[: len(medians_ms)]
    effect_of = normal(standard_error_ms, *medians_ms)
    return decide(effect_of, names, medians_ms, margin_ms=0.5, margin_pct=0.0, unit="blocks", **given)  # type: ignore[arg-type]


def test_of_two_endpoints_the_pair_says_what_the_verdict_says() -> None:
    for second_ms in (10.0, 12.0, 10.5):
        verdict = among(10.0, second_ms, attempts=(Attempts(500, 9), Attempts(500, 0)))
        (pair,) = verdict.pairs
        assert (pair.first, pair.second, pair.confidence) == (0, 1, 0.95)
        assert (pair.outcome, pair.winner) == (verdict.outcome, verdict.winner_position)
        assert (pair.margin_ms, pair.more) == (verdict.margin_ms, verdict.more_pairs)


def test_holm_asks_the_hardest_pair_for_the_most_and_the_others_for_less() -> None:
    asked = []

    def effect_of(first: int, second: int, confidence: float) -> Estimate:
        asked.append((first, second, round(confidence, 6)))
        return normal(1.0, 0.0, 0.5, 5.0)(first, second, confidence)

    found = holm(effect_of, 3)
    assert list(found) == [(0, 1), (0, 2), (1, 2)]
    third, one = round(1 - 0.05 / 3, 6), 0.95
    assert asked == [(0, 1, third), (0, 2, third), (1, 2, third), (0, 1, one)]
    assert [confidence for _, confidence in found.values()] == pytest.approx([0.95, 1 - 0.05 / 3, 1 - 0.05 / 3])
    assert found[0, 1][0].half_width == pytest.approx(1.96, rel=1e-3), "alone left, it keeps the whole 5%"


def test_a_difference_that_a_single_pair_would_show_is_none_among_six_endpoints() -> None:
    for medians_ms, winner in (((10.0, 12.1), 0), ((10.0, 12.1, 11.0, 11.0, 11.0, 11.0), None)):
        verdict = among(*medians_ms, standard_error_ms=1.0)
        assert verdict.pairs[0].winner == winner
        assert verdict.pairs[0].confidence == pytest.approx(corrected(len(verdict.pairs)))
    assert corrected(15) == pytest.approx(1 - 0.05 / 15)


def test_the_pairs_are_in_the_order_of_combinations_with_positions_among_all() -> None:
    verdict = among(30.0, 10.0, 20.0, 40.0)
    assert [(pair.first, pair.second) for pair in verdict.pairs] == list(combinations(range(4), 2))
    assert [pair.winner for pair in verdict.pairs] == [1, 2, 0, 1, 1, 2]
    assert (verdict.outcome, verdict.winner, verdict.winner_position) == (Outcome.WINNER, "B", 1)
    assert verdict.order == ((1,), (2,), (0,), (3,))


@pytest.mark.parametrize(
    ("medians_ms", "outcome", "order"),
    [
        ((10.0, 10.1, 10.05), Outcome.EQUIVALENT, ((0, 1, 2),)),
        ((10.0, 13.0, 10.1), Outcome.INCONCLUSIVE, ((0, 2), (1,))),
        ((13.0, 10.0, 13.1), Outcome.WINNER, ((1,), (0, 2))),
        ((10.0, 10.4, 10.8), Outcome.INCONCLUSIVE, ((0, 1, 2),)),  # joined by two ties, though A wins against C
        ((10.0,) * 6, Outcome.EQUIVALENT, ((0, 1, 2, 3, 4, 5),)),
    ],
)
def test_endpoints_that_any_tie_joins_are_one_group(
    medians_ms: tuple[float, ...], outcome: Outcome, order: tuple[tuple[int, ...], ...]
) -> None:
    verdict = among(*medians_ms)
    assert (verdict.outcome, verdict.order) == (outcome, order)
    assert (verdict.winner is not None) == (outcome is Outcome.WINNER)


def test_winners_in_a_circle_are_one_group() -> None:
    circle_ms = {(0, 1): -5.0, (1, 2): -5.0, (0, 2): 5.0}

    def effect_of(first: int, second: int, confidence: float) -> Estimate:
        value_ms = circle_ms[first, second]
        return Estimate(value_ms, value_ms - 1, value_ms + 1, 99)

    verdict = decide(effect_of, "ABC", (10.0, 10.0, 10.0), margin_ms=0.5, margin_pct=0.0)
    assert (verdict.outcome, verdict.order) == (Outcome.INCONCLUSIVE, ((0, 1, 2),))
    assert "A answers faster than B, C answers faster than A and B answers faster than C" in verdict.sentence


@pytest.mark.parametrize(
    ("medians_ms", "sentence"),
    [
        (
            (10.0, 13.0, 10.1),
            "A and C are equally fast, both faster than B by at least 2.66 ms in the paired median "
            "(n = 500 blocks, warm).",
        ),
        (
            (10.0, 14.0, 14.1, 14.0),
            "A answers faster than B, C and D: at least 3.74 ms less in the paired median (n = 500 blocks, warm); "
            "B, C and D are equally fast.",
        ),
        (
            (12.0, 10.0, 14.0, 12.05, 14.4, 14.8),
            "B answers faster than A, D, C, E and F: at least 1.71 ms less in the paired median "
            "(n = 500 blocks, warm); then A and D (equally fast), then C, E and F (in no certain order).",
        ),
        (
            (10.0, 11.0, 12.0),
            "A answers faster than B and C: at least 0.76 ms less in the paired median (n = 500 blocks, warm); "
            "then B, then C.",
        ),
        (
            (10.0, 10.1, 10.0),
            "A, B and C are equally fast: no two differ by more than 0.34 ms in the paired median "
            "(n = 500 blocks, warm), within the margin of 0.5 ms.",
        ),
        (
            (10.0, 10.4, 10.8),
            "Inconclusive: A, B and C cannot be put in an order, only that A answers faster than C "
            "(n = 500 blocks, warm); about 2 400 more blocks would settle it.",
        ),
    ],
)
def test_one_sentence_for_any_number(medians_ms: tuple[float, ...], sentence: str) -> None:
    assert among(*medians_ms).sentence == sentence


@pytest.mark.parametrize(
    ("medians_ms", "lead"),
    [
        ((10.0, 13.0, 10.1), "These deployments differ: A and C are equally fast, both faster than B"),
        ((10.0, 10.1, 10.0), "These deployments differ by less than the margin: A, B and C are equally fast"),
        ((10.0, 10.4, 10.8), "Inconclusive whether these deployments differ: A, B and C cannot be put in an order"),
    ],
)
def test_unequal_conditions_are_said_first_of_any_number(medians_ms: tuple[float, ...], lead: str) -> None:
    fair, unfair = among(*medians_ms), among(*medians_ms, fair=False)
    assert unfair.sentence.startswith(lead)
    assert (fair.order, fair.outcome, fair.reason) == (unfair.order, unfair.outcome, unfair.reason)


def test_failures_and_the_clients_limit_come_first_of_any_number() -> None:
    attempts = Attempts(500, 12), Attempts(500, 0), Attempts(500, 0)
    failed = among(10.0, 13.0, 10.1, attempts=attempts)
    assert failed.sentence.startswith("A failed 12 of 500 requests (2.4%), B failed 0 of 500 requests (0%), C failed 0")
    assert "which may be chance" in among(10.0, 13.0, 10.1, attempts=(Attempts(500, 1), *attempts[1:])).sentence
    limited = among(10.0, 13.0, 10.1, limited=("it was late",))
    assert (limited.outcome, limited.order, limited.more_pairs) == (Outcome.INCONCLUSIVE, ((0, 1, 2),), None)
    assert all(pair.outcome is Outcome.INCONCLUSIVE for pair in limited.pairs)
    assert limited.sentence == (
        "Inconclusive: the client was the limit (it was late), so this run does not show which endpoint is faster "
        "(warm)."
    )


@pytest.mark.parametrize("endpoints", [2, 3, 4, 6])
def test_equal_endpoints_have_any_winner_in_at_most_5_of_100_runs_and_in_many_more_without_holm(endpoints: int) -> None:
    random, runs = np.random.default_rng(endpoints), 4000
    pairs = list(combinations(range(endpoints), 2))

    def any_winner(medians_ms: NDArray[np.float64], confidence: float | None = None) -> bool:
        effect_of = normal(sqrt(2), *medians_ms)
        if confidence:
            return any(effect_of(*pair, confidence).excludes_zero for pair in pairs)
        return any(effect.excludes_zero for effect, _ in holm(effect_of, endpoints).values())

    medians_ms = random.standard_normal((runs, endpoints))
    share = np.mean([any_winner(one) for one in medians_ms])
    assert 0.02 < share <= 0.05 + 2 * sqrt(0.05 * 0.95 / runs)
    if endpoints > 2:
        assert np.mean([any_winner(one, 0.95) for one in medians_ms]) > 0.1


def test_each_kind_of_doubt_is_said_once_by_the_pair_that_needs_most() -> None:
    counts = {(0, 1): 4, (0, 2): 5, (1, 2): 3}
    verdict = decide(
        lambda first, second, _: Estimate(1.0, None, None, counts[first, second]),
        "ABC",
        (10.0, 11.0, 12.0),
        margin_ms=0.5,
        margin_pct=0.0,
        unit="blocks",
    )
    assert verdict.reason == "3 blocks with an answer from both are too few, at least 7 are needed"
    assert verdict.sentence.endswith(f"(n = 3 to 5 blocks, warm); {verdict.reason}.")
    assert verdict.more_pairs == 4


def test_margins_that_differ_by_pair_are_said_as_a_span() -> None:
    verdict = decide(normal(0.1, 50.0, 50.0, 100.0), "ABC", (50.0, 50.0, 100.0), margin_ms=1.0, margin_pct=5.0)
    assert [pair.margin_ms for pair in verdict.pairs] == [2.5, 2.5, 2.5]
    verdict = decide(normal(0.1, 50.0, 80.0, 100.0), "ABC", (50.0, 80.0, 100.0), margin_ms=1.0, margin_pct=5.0)
    assert [pair.margin_ms for pair in verdict.pairs] == [2.5, 2.5, 4.0]
    assert verdict.margin_ms == 2.5
    assert "beyond the margin of 2.5 ms to 4 ms, by pair" in verdict.rule and "3 pairs at 5% (Holm)" in verdict.rule
