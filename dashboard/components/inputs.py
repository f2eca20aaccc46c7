"""Inputs from a model card: the range, step and number format of each slider."""

import math
from dataclasses import dataclass

from inference.card import ModelCard, NumberFeature, Value

_MARGIN = 0.25
"""How far a slider extends beyond the training range, as a share of it: enough to see the model extrapolate."""


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


def value_text(value: Value) -> str:
    """A value as sentences show it: the number, the category, or that it is missing."""
    if value is None:
        return "missing"
    return value if isinstance(value, str) else f"{value:g}"


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
