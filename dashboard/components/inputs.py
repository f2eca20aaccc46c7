"""Inputs from a model card, without Streamlit: sliders, choices, and how the address of the page names their values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from benchmark.endpoints.values import MISSING, distinct
from dashboard.components.markup import plain
from inference.card import CategoryFeature, Feature, ModelCard, NumberFeature, Value

_MARGIN = 0.25
"""How far a slider extends beyond the training range, as a share of it: enough to see the model extrapolate."""

NO_CATEGORY = ""
"""The choice of a category that is missing: a card cannot have an empty category."""
_SEGMENTS = 5
_SEGMENT_PX, _CHARACTER_PX = 32, 8
"""About the width of a choice without its text, and of a character of it."""

# The page's own keys, those that it keeps in the session, and what Streamlit reads in an address itself.
_TAKEN_KEYS = frozenset(
    {
        *("inputs", "preset", "go", "compare", "live", "verdict", "axes", "clear", "record"),
        *("charts", "comparison", "compared_inputs", "compared_version", "history", "histories", "visitor"),
        *("embed", "embed_options"),
    }
)


def input_key(feature: Feature) -> str:
    """The key and query parameter of a feature's control: its name, unless a page may use that name itself."""
    is_taken = "-" in feature.name or feature.name.lower() in _TAKEN_KEYS
    return f"{feature.name}-input" if is_taken else feature.name


def missing_key(feature: NumberFeature) -> str:
    """The key and query parameter of the control that says that this number is missing."""
    return f"{input_key(feature)}-missing"


def input_query(card: ModelCard, values: Sequence[Value]) -> tuple[str, bool]:
    """The query that opens the Predict page with `values`, and whether its controls can show them exactly."""
    query: dict[str, str] = {}
    exact = True
    for index, (feature, value) in enumerate(zip(card.features, values, strict=True)):
        if isinstance(feature, CategoryFeature):
            query[input_key(feature)] = choice_title(feature, NO_CATEGORY if value is None else value)
        elif value is None:
            query[missing_key(feature)] = "true"
        else:
            bounds = slider(feature, card, index)
            steps = round((value - bounds.minimum) / bounds.step)
            nearest = round(min(max(bounds.minimum + steps * bounds.step, bounds.minimum), bounds.maximum), 10)
            exact = exact and abs(nearest - value) <= 1e-9 * max(1.0, abs(value))
            query[input_key(feature)] = f"{nearest:g}"
    return urlencode(query), exact


# --- Categories


def choices(feature: CategoryFeature) -> tuple[str, ...]:
    """The categories as they are offered, the most frequent first or by their value, and `NO_CATEGORY` if accepted."""
    if feature.type == "integer":
        categories: Sequence[str] = sorted(feature.categories, key=int)
    elif feature.type == "boolean":
        categories = sorted(feature.categories)
    else:
        categories = feature.categories
    return (*categories, *((NO_CATEGORY,) if feature.accepts_missing else ()))


def accepts(feature: CategoryFeature, choice: object) -> bool:
    """Whether the feature accepts what a control was set to."""
    return choice is not None and not feature.problem(None if choice == NO_CATEGORY else choice)


def choice_title(feature: CategoryFeature, choice: str) -> str:
    """What a control shows for `choice`, and what the address says."""
    return choice if choice != NO_CATEGORY else distinct(MISSING, feature)


def is_segmented(feature: CategoryFeature, width_px: int) -> bool:
    """Whether the choices fit side by side: few, short, and with no character that Markdown would have to escape."""
    titles = [choice_title(feature, choice) for choice in choices(feature)]
    return (
        not feature.accepts_unknown
        and len(titles) <= _SEGMENTS
        and sum(_SEGMENT_PX + _CHARACTER_PX * len(title) for title in titles) <= width_px
        and all(plain(title) == title for title in titles)
    )


# --- Numbers


@dataclass(frozen=True, slots=True)
class Slider:
    """A slider's bounds in the feature's unit, on the feature's grid of steps."""

    minimum: float
    maximum: float
    step: float
    format: str


def slider(feature: NumberFeature, card: ModelCard, index: int) -> Slider:
    """The slider of feature `index` of the card: the training range with a margin, within the hard limits.

    It includes every preset and the default.
    """
    step = feature.step
    span = feature.training.maximum - feature.training.minimum
    presets = (preset.values[index] for preset in card.presets)
    inside = [feature.default, *(value for value in presets if value is not None)]
    low = min(feature.training.minimum - _MARGIN * span, *inside)
    high = max(feature.training.maximum + _MARGIN * span, *inside)
    decimals = next((count for count in range(10) if abs(round(step, count) - step) < 1e-9 * step), 10)
    first, last = _first_step(feature), math.floor(feature.limits.maximum / step + 1e-9) * step
    minimum = round(max(first, math.floor(low / step + 1e-9) * step), 10)
    maximum = round(min(last, math.ceil(high / step - 1e-9) * step), 10)
    if minimum >= maximum:  # constant in training
        minimum, maximum = round(max(first, minimum - step), 10), round(min(last, maximum + step), 10)
    return Slider(
        # A default or preset between two steps may be closer to the limit than any step.
        minimum=min(minimum, *inside),
        maximum=max(maximum, *inside),
        step=step,
        format=f"%.{decimals}f",
    )


def _first_step(feature: NumberFeature) -> float:
    """The lowest multiple of the step within the limits."""
    limits, step = feature.limits, feature.step
    if limits.minimum_is_exclusive:
        return (math.floor(limits.minimum / step + 1e-9) + 1) * step
    return math.ceil(limits.minimum / step - 1e-9) * step


def outside_training(card: ModelCard, inputs: tuple[Value, ...]) -> list[str]:
    """Labels of the features whose value is not in the training range, or none of its categories."""
    return [
        feature.label
        for feature, value in zip(card.features, inputs, strict=True)
        if value is not None
        and not (
            feature.training.minimum - 1e-9 <= value <= feature.training.maximum + 1e-9
            if isinstance(feature, NumberFeature)
            else value in feature.index_of
        )
    ]
