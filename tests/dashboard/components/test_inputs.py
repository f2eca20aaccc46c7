"""Sliders from a card: every value that the page sets is one that the slider and the endpoint allow."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dashboard.components.inputs import Slider, outside_training, slider
from inference.card import ModelCard, NumberFeature
from tests.benchmark.cards import feature, make_card, mileage_document, numbers, tea_document

STEPS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0)


def card_of(
    limits: dict[str, float], low: float, high: float, default: float, step: float, presets: list[float]
) -> ModelCard:
    """A card with one feature, trained from `low` to `high`."""
    return make_card(
        mileage_document(
            features=[feature("weight", "Weight", "kg", low, high, default, step=step, limits=limits)],
            presets=[{"label": f"Preset {value}", "values": [value]} for value in presets],
            known_answers=[{"features": [default], "outputs": [1.0]}],
        )
    )


def bounds_of(card: ModelCard) -> tuple[NumberFeature, Slider]:
    return numbers(card)[0], slider(numbers(card)[0], card, 0)


@st.composite
def cards_on_the_grid(draw: st.DrawFn) -> ModelCard:
    """Limits anywhere; default and presets are multiples of the step, as training writes them."""
    step = draw(st.sampled_from(STEPS))
    on_grid = st.integers(-10_000, 10_000).map(lambda count: round(count * step, 6))
    default, *presets = draw(st.lists(on_grid, min_size=1, max_size=4))
    low, high = sorted(draw(st.lists(st.floats(-10_000 * step, 10_000 * step), min_size=2, max_size=2)))
    lower = draw(st.sampled_from(["minimum", "exclusive_minimum"]))
    room_below, room_above = draw(st.tuples(st.floats(0, 100 * step), st.floats(0, 100 * step)))
    minimum = min(low, default, *presets) - room_below
    maximum = max(high, default, *presets) + room_above
    # A limit within a rounding of a value would test floating point, not the slider.
    values = (low, high, default, *presets)
    assume(lower == "minimum" or min(values) - minimum > step * 1e-6)
    assume(maximum - minimum >= 2 * step)
    return card_of({lower: minimum, "maximum": maximum}, low, high, default, step, presets)


@given(cards_on_the_grid())
def test_a_slider_holds_every_value_that_the_page_sets_inside_the_hard_limits(card: ModelCard) -> None:
    entry, bounds = bounds_of(card)
    assert bounds.minimum < bounds.maximum
    tolerance = entry.step * 1e-6
    for value in (entry.default, *(preset.values[0] for preset in card.presets)):
        assert bounds.minimum - tolerance <= value <= bounds.maximum + tolerance
    for end in (bounds.minimum, bounds.maximum):
        assert entry.limits.minimum - tolerance <= end <= entry.limits.maximum + tolerance
        steps = end / entry.step
        assert math.isclose(steps, round(steps), abs_tol=1e-4)
    if entry.limits.minimum_is_exclusive:
        assert bounds.minimum > entry.limits.minimum


@given(cards_on_the_grid())
def test_a_slider_reaches_over_the_training_range_where_the_limits_and_the_grid_allow(card: ModelCard) -> None:
    entry, bounds = bounds_of(card)
    assert bounds.minimum <= max(entry.training.minimum, entry.limits.minimum + entry.step) + entry.step * 1e-6
    assert bounds.maximum >= min(entry.training.maximum, entry.limits.maximum - entry.step) - entry.step * 1e-6


@pytest.mark.parametrize(
    ("limits", "default", "presets"),
    [
        ({"minimum": 0.0, "maximum": 10.05}, 10.05, []),
        ({"minimum": 0.0, "maximum": 10.05}, 5.0, [10.05]),
        ({"exclusive_minimum": 0.0, "maximum": 10.0}, 0.05, []),
        ({"minimum": 0.04, "maximum": 10.0}, 5.0, [0.04]),
    ],
)
def test_a_value_between_two_steps_at_the_edge_of_the_limits_is_within_the_slider(
    limits: dict[str, float], default: float, presets: list[float]
) -> None:
    entry, bounds = bounds_of(card_of(limits, 1.0, 9.0, default, 0.1, presets))
    for value in (default, *presets):
        assert bounds.minimum <= value <= bounds.maximum
    assert entry.limits.contain(bounds.minimum)
    assert entry.limits.contain(bounds.maximum)


def test_a_feature_that_was_constant_in_training_still_has_a_slider() -> None:
    _, bounds = bounds_of(card_of({"minimum": 0.0, "maximum": 10.0}, 5.0, 5.0, 5.0, 0.1, []))
    assert bounds.minimum < bounds.maximum


def test_the_margin_is_a_quarter_of_the_training_range() -> None:
    _, bounds = bounds_of(card_of({"minimum": -100.0, "maximum": 100.0}, 2.0, 6.0, 4.0, 0.1, []))
    assert (bounds.minimum, bounds.maximum) == (1.0, 7.0)


def test_an_exclusive_limit_is_kept_by_a_whole_step() -> None:
    _, bounds = bounds_of(card_of({"exclusive_minimum": 0.0, "maximum": 30.0}, 0.1, 2.5, 1.3, 0.1, []))
    assert (bounds.minimum, bounds.maximum) == (0.1, 3.1)


def test_an_inclusive_limit_may_be_touched() -> None:
    _, bounds = bounds_of(card_of({"minimum": 1.0, "maximum": 2.0}, 1.0, 2.0, 1.0, 1.0, []))
    assert (bounds.minimum, bounds.maximum) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("step", "format_"),
    [(100.0, "%.0f"), (5.0, "%.0f"), (1.0, "%.0f"), (0.5, "%.1f"), (0.1, "%.1f"), (0.01, "%.2f"), (0.001, "%.3f")],
)
def test_a_value_is_shown_as_precisely_as_it_was_measured(step: float, format_: str) -> None:
    _, bounds = bounds_of(card_of({"minimum": 0.0, "maximum": 1000.0}, 100.0, 900.0, 500.0, step, []))
    assert (bounds.step, bounds.format) == (step, format_)


@pytest.mark.parametrize("step", [0.25, 0.05, 0.125, 2.5])
def test_the_format_shows_every_step_as_another_number(step: float) -> None:
    _, bounds = bounds_of(card_of({"minimum": 0.0, "maximum": 1000.0}, 100.0, 900.0, 500.0, step, []))
    values = [bounds.minimum + index * step for index in range(20)]
    assert [float(bounds.format % value) for value in values] == pytest.approx(values)


TEA: dict[str, Any] = tea_document()


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [
        ((5.0, 2.0, 3.5), []),
        ((3.0, 1.0, 2.0), []),
        ((7.0, 3.0, 5.0), []),
        ((0.1 * 3 * 10, 2.0, 3.5), []),
        ((2.9, 2.0, 3.5), ["Leaf length"]),
        ((7.1, 0.5, 3.5), ["Leaf length", "Leaf width"]),
        ((1.0, 9.0, 9.0), ["Leaf length", "Leaf width", "Steep time"]),
    ],
)
def test_what_is_outside_the_training_range_is_named_in_the_cards_order(
    inputs: tuple[float, ...], labels: list[str]
) -> None:
    assert outside_training(make_card(TEA), inputs) == labels
