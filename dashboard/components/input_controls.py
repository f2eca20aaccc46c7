"""The controls of a model's inputs: a slider for a number, segments or a list for a category."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.components import markup
from dashboard.components.inputs import (
    NO_CATEGORY,
    accepts,
    choice_title,
    choices,
    input_key,
    is_segmented,
    missing_key,
    slider,
)
from inference.card import CategoryFeature, ModelCard, NumberFeature, Value

_TWO_COLUMNS_FROM = 6
_WIDTH_PX = 340
"""Of all columns together on a wide screen."""

OnChange = Literal["rerun", "ignore"]


def input_controls(card: ModelCard, *, live: bool) -> tuple[Value, ...]:
    """Draw a control for each feature; returns their values in the card's order.

    A change of a value alone reruns the page only if `live`. The address of the page names all values that are not
    the defaults; what it names and a feature does not accept is ignored.
    """
    on_change: OnChange = "rerun" if live else "ignore"
    columns = 2 if len(card.features) >= _TWO_COLUMNS_FROM else 1
    values: list[Value] = []
    places = _places(len(card.features), columns)
    for index, (feature, place) in enumerate(zip(card.features, places, strict=True)):
        with place:
            if isinstance(feature, CategoryFeature):
                values.append(_category(feature, on_change, _WIDTH_PX // columns))
            elif feature.accepts_missing:
                values.append(_number_or_missing(feature, card, index, on_change))
            else:
                values.append(_number(feature, card, index, on_change))
    return tuple(values)


def _places(count: int, columns: int) -> list[DeltaGenerator]:
    """A place for each of `count` controls, row by row: a narrow window stacks the columns of each row."""
    box = st.container(gap="small")
    if columns == 1:
        return [box] * count
    return [cell for _ in range(0, count, columns) for cell in box.columns(columns)][:count]


def set_inputs(card: ModelCard, values: Sequence[Value]) -> None:
    """Set the controls to `values`, which the card accepts, before they are drawn."""
    for feature, value in zip(card.features, values, strict=True):
        if isinstance(feature, CategoryFeature):
            st.session_state[input_key(feature)] = NO_CATEGORY if value is None else value
            continue
        if feature.accepts_missing:
            st.session_state[missing_key(feature)] = value is None
        if value is not None:
            st.session_state[input_key(feature)] = value


def _number(
    feature: NumberFeature, card: ModelCard, index: int, on_change: OnChange, *, disabled: bool = False
) -> float:
    bounds = slider(feature, card, index)
    value: float = st.slider(
        markup.plain(feature.title),
        min_value=bounds.minimum,
        max_value=bounds.maximum,
        value=feature.default,
        step=bounds.step,
        format=bounds.format,
        key=input_key(feature),
        on_change=on_change,
        bind="query-params",
        disabled=disabled,
    )
    return value


def _number_or_missing(feature: NumberFeature, card: ModelCard, index: int, on_change: OnChange) -> Value:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.container()
        # A change always reruns the page, because it disables the slider. That sends nothing unless Live is on.
        # The style sheet shows "Missing" alone, because the name is above the slider; a screen reader has all of it.
        is_missing = st.checkbox(
            f"{markup.plain(feature.label)} missing", key=missing_key(feature), bind="query-params"
        )
    with place:
        value = _number(feature, card, index, on_change, disabled=is_missing)
    return None if is_missing else value


def _category(feature: CategoryFeature, on_change: OnChange, width_px: int) -> Value:
    options, key, label = choices(feature), input_key(feature), markup.plain(feature.title)
    chosen: str | None
    is_wrong = key in st.session_state and not accepts(feature, st.session_state[key])
    if is_wrong:
        st.session_state[key] = feature.default
    if is_segmented(feature, width_px):
        chosen = st.segmented_control(
            label,
            options,
            default=feature.default,
            required=True,
            format_func=lambda choice: choice_title(feature, choice),
            key=key,
            on_change=on_change,
            wrap=True,
            bind="query-params",
        )
    else:
        chosen = st.selectbox(
            label,
            options,
            index=options.index(feature.default),
            format_func=lambda choice: choice_title(feature, choice),
            accept_new_options=feature.accepts_unknown,
            key=key,
            on_change=on_change,
            bind="query-params",
        )
    if not accepts(feature, chosen):
        # Streamlit clears a choice that the address leaves empty, and takes any text that is typed or in the address.
        # A control cannot be set once it is drawn: the next run begins with the default.
        if not is_wrong:
            st.rerun()
        chosen = feature.default
    return None if chosen == NO_CATEGORY else chosen
