"""What the figures of the benchmark of observations say."""

import random

import pytest

from tools.bench_observation import Change, change_figure, error_figure, p95, paired_figure, ratio_figure


def test_p95_is_a_value_that_95_of_100_do_not_exceed() -> None:
    assert p95([float(value) for value in range(1, 101)]) == 95.0
    assert p95([7.0]) == 7.0


@pytest.mark.parametrize(("latency_ms", "is_met"), [(1.5, True), (1.6, False)])
def test_a_card_is_held_against_the_raw_client(latency_ms: float, is_met: bool) -> None:
    figure = ratio_figure("at rest", [Change(100.0, (latency_ms, latency_ms))], [1.0, 1.0])
    assert figure.is_met is is_met
    assert figure.value.startswith(f"{latency_ms:.2f} (")


def test_changes_are_judged_by_their_p95() -> None:
    quick, slow = Change(100.0, (1.0, 1.0)), Change(900.0, (1.0, 1.0))
    assert change_figure("many", [quick] * 95 + [slow] * 5).is_met
    assert not change_figure("many", [quick] * 94 + [slow] * 6).is_met


def test_an_error_is_missed_and_named() -> None:
    assert error_figure("many", []).is_met
    figure = error_figure("many", ["TimeoutError"])
    assert not figure.is_met and figure.value == "1: TimeoutError"


def test_a_favoured_position_is_found() -> None:
    draw = random.Random(0)  # noqa: S311  numbers of a test
    fair = [draw.gauss(0, 0.2) for _ in range(400)]
    assert paired_figure(fair, 1.0).is_met
    assert not paired_figure([value - 0.1 for value in fair], 1.0).is_met
    # By chance: beside 0, but by next to nothing.
    assert paired_figure([value / 100 + 0.01 for value in fair], 1.0).is_met
