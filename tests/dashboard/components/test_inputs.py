"""Sliders from a card: every value that the page sets is one that the slider and the endpoint allow."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dashboard.components.inputs import (
    NO_CATEGORY,
    Slider,
    accepts,
    choice_title,
    choices,
    input_key,
    input_query,
    is_segmented,
    outside_training,
    slider,
)
from inference.card import CategoryFeature, ModelCard, NumberFeature, is_column_name
from tests.benchmark.cards import (
    category,
    feature,
    flat_document,
    make_card,
    mileage_document,
    missing,
    numbers,
    tea_document,
)

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


def test_a_link_says_where_the_sliders_can_only_come_near() -> None:
    entry = feature("live", "Leaf length", "cm", 3.0, 7.0, 5.0)
    tea = make_card(tea_document(features=[entry, *tea_document()["features"][1:]]))
    assert input_query(tea, (3.2, 1.1, 2.2)) == ("live-input=3.2&leaf_width=1.1&steep_time=2.2", True)
    assert input_query(tea, (3.2123, 3000.0, 2.2)) == ("live-input=3.2&leaf_width=3.5&steep_time=2.2", False)


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


# --- Categories and missing values


def category_of(counts: dict[str, int], **changes: Any) -> CategoryFeature:
    entry = {**category("kind", "Kind", counts), **changes}
    answers = [{"features": [entry["default"]], "outputs": [1.0]}]
    (found,) = make_card(flat_document(features=[entry], presets=[], known_answers=answers)).features
    assert isinstance(found, CategoryFeature)
    return found


def test_categories_are_offered_in_the_order_in_which_one_looks_for_them() -> None:
    assert choices(category_of({"Oslo": 5, "Bergen": 3})) == ("Oslo", "Bergen")
    assert choices(category_of({"10": 5, "9": 3, "-1": 1}, type="integer")) == ("-1", "9", "10")
    assert choices(category_of({"true": 5, "false": 3}, type="boolean")) == ("false", "true")
    assert choices(category_of({"Oslo": 5}, accepts_missing=True)) == ("Oslo", NO_CATEGORY)


def test_a_missing_category_is_told_from_one_that_is_called_so() -> None:
    named = category_of({"missing": 5, "(missing)": 3}, accepts_missing=True)
    titles = [choice_title(named, choice) for choice in choices(named)]
    assert titles == ["missing", "(missing)", "((missing))"]


@pytest.mark.parametrize(
    ("counts", "changes", "is_wide_enough"),
    [
        ({"Oslo": 1, "Bergen": 1, "Ås": 1}, {"accepts_missing": True}, True),
        ({str(number): 1 for number in range(5)}, {}, True),
        ({str(number): 1 for number in range(6)}, {}, False),
        ({"a long name of a city": 1, "another long name": 1}, {}, False),
        ({"*a*": 1, "b": 1}, {}, False),
        ({"a": 1, "b": 1}, {"accepts_unknown": True}, False),
    ],
)
def test_only_few_short_and_plain_categories_stand_side_by_side(
    counts: dict[str, int], changes: dict[str, Any], is_wide_enough: bool
) -> None:
    assert is_segmented(category_of(counts, **changes), 340) is is_wide_enough
    assert not is_segmented(category_of(counts, **changes), 60)


def test_a_control_accepts_what_the_card_does() -> None:
    closed, open_ = category_of({"a": 1}), category_of({"a": 1}, accepts_unknown=True, accepts_missing=True)
    assert [accepts(closed, choice) for choice in ("a", "b", NO_CATEGORY, None)] == [True, False, False, False]
    assert [accepts(open_, choice) for choice in ("a", "b", NO_CATEGORY, None)] == [True, True, True, False]
    assert not accepts(open_, "x" * 201)


def test_an_input_is_named_in_an_address_as_the_controls_name_it() -> None:
    flat = make_card(flat_document())
    values = (None, 4.0, "New York & Co", None, "true")
    query = "area-missing=true&rooms=4&city=New+York+%26+Co&heating=missing&sea_view=true"
    assert input_query(flat, values) == (query, True)
    assert input_query(flat, (81.4, 4.0, "Oslo", "2", "true"))[1] is False, "the slider has whole steps"


@given(st.lists(st.from_regex(r"\A[a-c]{1,2}((-input)|(-missing)){0,2}\Z"), min_size=2, max_size=8, unique=True))
def test_no_two_columns_have_one_key(names: list[str]) -> None:
    names += ["live", "live-input", "Embed"]
    entries = [missing(feature(name, name, "", 1.0, 3.0, 2.0), 1) for name in dict.fromkeys(names)]
    assert all(is_column_name(entry["name"]) for entry in entries)
    answers = [{"features": [2.0] * len(entries), "outputs": [1.0]}]
    found = make_card(flat_document(features=entries, presets=[], known_answers=answers)).features
    keys = [input_key(one) for one in found] + [f"{input_key(one)}-missing" for one in found]
    assert len(set(keys)) == len(keys)
    assert not {"live", "Embed"} & set(keys)


def test_what_training_did_not_have_is_named_and_what_is_missing_is_not() -> None:
    flat = make_card(flat_document())
    assert outside_training(flat, (None, 3.0, None, None, "true")) == []
    assert outside_training(flat, (200.0, 3.0, "Trondheim", "2", "true")) == ["Area", "City"]
