"""What the figures of the benchmark of observations say."""

import random
from pathlib import Path
from typing import Any

import pytest

from tools.bench_observation import (
    Busy,
    Change,
    Figure,
    busy_figures,
    change_figure,
    error_figure,
    p95,
    paired_figure,
    ratio_figure,
    serving,
    with_a_run,
)


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


def busy(**changed: Any) -> dict[str, Figure]:
    """The figures by the first two words of their names; those of good measurements, but for what is `changed`."""
    good: dict[str, Any] = {"changes": [Change(300.0, (1.0, 1.0))], "errors": [], "sessions": 50, "before_mb": 100.0}
    good |= {"with_mb": 350.0, "after_mb": 120.0, "alone_ms": [2.0] * 20, "beside_ms": [2.4] * 20}
    found = busy_figures("many", Busy(**good | changed), [Change(100.0, (1.0, 1.0))])
    return {" ".join(figure.name.split()[:2]): figure for figure in found}


def test_sessions_beside_a_run_are_good_up_to_every_limit() -> None:
    assert [figure.is_met for figure in busy().values()] == [True] * 5
    assert busy()["memory a"].value == "5.00 MB"


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("errors, many", {"errors": ["TimeoutError"]}),
        ("p95 from", {"changes": [Change(301.0, (1.0, 1.0))]}),
        ("memory a", {"with_mb": 351.0}),
        ("memory after", {"after_mb": 121.0}),
        ("p95 of", {"beside_ms": [2.5] * 20}),
    ],
)
def test_each_limit_beside_a_run_can_be_missed(name: str, changed: dict[str, Any]) -> None:
    assert [missed for missed, figure in busy(**changed).items() if not figure.is_met] == [name]


@pytest.mark.slow
def test_sessions_compare_while_a_run_of_the_same_dashboard_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path) as stage:
        found = with_a_run(stage, sessions=2, every_s=1.0, seconds=3.0)
    assert not found.errors
    assert len(found.changes) == 2 * 3
    assert all(len(change.cards_ms) == 2 for change in found.changes)
    assert len(found.beside_ms) > 50 and len(found.alone_ms) > 100
