"""Drift is called where it is, and not where chance explains it or where there is too little to say."""

import math
from typing import Any

import numpy as np
import pytest

from benchmark.monitor.drift import ENOUGH, DriftLevel, chance, drift, merged, psi
from inference.card import ModelCard
from tests.benchmark.cards import feature, make_card, tea_document

EDGES = [3.0, 3.4, 3.8, 4.2, 4.6, 5.0, 5.4, 5.8, 6.2, 6.6, 7.0]
TRAINING = [15, 15, 15, 15, 15, 15, 15, 15, 15, 15]


def card(counts: list[int], **changes: Any) -> ModelCard:
    summary = feature("leaf_length", "Leaf length", "cm", 3.0, 7.0, 5.0)["training"]
    summary["histogram"] = {"edges": EDGES, "counts": counts}
    return make_card(
        tea_document(
            features=[
                feature("leaf_length", "Leaf length", "cm", 3.0, 7.0, 5.0, training=summary),
                *tea_document()["features"][1:],
            ],
            **changes,
        )
    )


def verdict(training: list[int], seen: list[int]) -> DriftLevel:
    return drift(card(training), {"leaf_length": seen})[0].level


def test_the_index_is_the_sum_by_hand() -> None:
    # Shares 0.5, 0.3, 0.2 in training and 0.4, 0.3, 0.3 now: 0.1 ln(5/4) + 0 + 0.1 ln(3/2).
    by_hand = 0.1 * math.log(1.25) + 0.1 * math.log(1.5)
    assert psi([50, 30, 20], [40, 30, 30]) == pytest.approx(by_hand)
    assert psi([50, 30, 20], [500, 300, 200]) == 0


def test_an_empty_bin_counts_as_half_a_value() -> None:
    by_hand = (1 - 0.5) * math.log(1 / 0.5) + (0.005 - 0.5) * math.log(0.005 / 0.5)
    assert psi([50, 50], [100, 0]) == pytest.approx(by_hand)
    assert math.isfinite(psi([50, 50], [0, 1]))


def test_inputs_like_the_training_data_have_not_drifted() -> None:
    found = drift(card(TRAINING), {"leaf_length": [20] * 10})[0]
    assert (found.level, found.psi, found.count) == (DriftLevel.CHANCE, 0, 200)
    assert found.chance is not None and found.chance > 0.1


def test_inputs_far_from_the_training_data_have_drifted() -> None:
    assert verdict(TRAINING, [0, 0, 0, 0, 0, 0, 0, 0, 0, 200]) is DriftLevel.LARGE


def test_how_much_is_called_what() -> None:
    # With a thousand training rows and inputs each, chance alone gives less than 0.06.
    training = [100] * 10
    small, some = [80, 120] * 5, [65, 135] * 5
    assert 0.03 < psi(training, small) < 0.1 < psi(training, some) < 0.25
    assert verdict([10000] * 10, [8000, 12000] * 5) is DriftLevel.SMALL
    assert verdict(training, some) is DriftLevel.MODERATE


def test_below_a_hundred_values_nothing_is_said() -> None:
    found = drift(card(TRAINING), {"leaf_length": [0] * 9 + [ENOUGH - 1]})[0]
    assert (found.level, found.psi, found.count) == (DriftLevel.TOO_FEW, None, 99)
    assert drift(card(TRAINING), {"leaf_length": [0] * 9 + [ENOUGH]})[0].psi is not None


def test_so_many_values_are_enough_for_five_in_the_least_bin() -> None:
    counts = [5, 95]
    assert merged(counts) == [range(1), range(1, 2)]
    assert merged([4, 96]) == [range(2)]
    assert ENOUGH * counts[0] / sum(counts) == 5


def test_a_feature_whose_training_values_are_alike_cannot_drift() -> None:
    assert verdict([150, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0] * 9 + [500]) is DriftLevel.ONE_BIN


def test_an_endpoint_that_counts_otherwise_is_not_read() -> None:
    assert verdict(TRAINING, [50, 50, 50]) is DriftLevel.UNREADABLE
    assert drift(card(TRAINING), {"other": [1]})[0].level is DriftLevel.UNREADABLE
    assert drift(card(TRAINING), {})[0].level is DriftLevel.TOO_FEW


def test_rare_neighbours_are_joined_until_each_group_has_its_share() -> None:
    assert merged([100, 1, 1, 98]) == [range(1), range(1, 4)]
    assert merged([98, 100, 1, 1]) == [range(1), range(1, 4)]
    assert merged([235, 0, 0, 207]) == [range(1), range(1, 4)]
    assert merged(TRAINING) == [range(index, index + 1) for index in range(10)]
    assert merged([0, 0]) == []


@pytest.mark.parametrize("seen", [100, 1000])
def test_chance_stays_below_its_limit_as_often_as_it_says(seen: int) -> None:
    generator = np.random.default_rng(0)
    limit = chance(150, seen, 10, 0.05)
    tries = 2000
    above = 0
    for _ in range(tries):
        training = generator.multinomial(150, [0.1] * 10).tolist()
        now = generator.multinomial(seen, [0.1] * 10).tolist()
        above += psi(training, now) > limit
    # 0.05 in the limit of many values; with these few the index is a little above its chi-squared.
    assert 0.02 < above / tries < 0.1
