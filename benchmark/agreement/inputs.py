"""The inputs that endpoints are asked about: made from the model card, and the same for the same seed.

Rows that look like the training data rarely reveal differences between two implementations of a model. Differences
appear at the boundary between two classes, at the limits of valid values, and far from the data.
"""

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product
from typing import Literal

from inference.card import CategoryFeature, Feature, ModelCard, NumberFeature, Value
from inference.contract import MAX_BODY_BYTES, MAX_DEPTH, MAX_INSTANCES

Source = Literal["rows", "grid", "limits", "boundary", "uniform", "noise", "known"]
Values = tuple[Value, ...]

DRAWN: tuple[Source, ...] = ("uniform", "noise")
"""Random samples, which bound the share of disagreements among all inputs like them. Other inputs are only counted."""
GRID_POINTS = 625
DRAWS = 300
"""Inputs of each kind: no disagreement in 300 gives an upper bound of 1%."""
MAX_POINTS = 10_000
NOISE = 0.1
"""The standard deviation of the noise on a drawn row, as a share of the feature's own in the training data."""
BRACKETS = 30
ROUNDS = 20
"""Bisections of a bracket, which narrow it to a millionth of the distance between two rows."""
_ODD = 0.1
"""The share of missing and unknown values among uniform draws, where they are allowed."""
_MARGIN = 0.25
"""How far the grid extends past the training range, as a share of it; the same as the dashboard's sliders."""


@dataclass(frozen=True, slots=True)
class Input:
    """One valid input, its values in the card's order; `line` is its line in the file that it came from."""

    source: Source
    values: Values
    line: int | None = None


def distinct(inputs: Iterable[Input]) -> list[Input]:
    """The inputs without repetitions; the first of equal inputs is kept."""
    found: dict[Values, Input] = {}
    for one in inputs:
        found.setdefault(one.values, one)
    return list(found.values())


def grid(card: ModelCard, count: int) -> list[Input]:
    """About `count` inputs across the training range and a quarter beyond it, inside the card's limits.

    A full grid if `count` allows at least three values for each feature. With more features, a lattice that
    fills the space evenly (the additive recurrence of Roberts 2018, "The unreasonable effectiveness of quasirandom
    sequences", whose constant is the root of x^(d+1) = x + 1). Values are multiples of the feature's step.
    """
    size = len(card.features)
    levels = math.floor(count ** (1 / size) + 1e-9)
    if levels >= 3:
        shares: list[Values] = list(product([index / (levels - 1) for index in range(levels)], repeat=size))
    else:
        root = 2.0
        for _ in range(64):
            root = (1 + root) ** (1 / (size + 1))
        shares = [
            tuple((0.5 + (index + 1) * root ** -(place + 1)) % 1 for place in range(size)) for index in range(count)
        ]
    inputs = [
        tuple(_between(feature, share) for feature, share in zip(card.features, point, strict=True)) for point in shares
    ]
    return distinct(Input("grid", values) for values in inputs)


def limits(card: ModelCard) -> list[Input]:
    """Each feature at its lowest and at its highest allowed value, or at each category, the others at their defaults.

    Also missing and unknown, where that is allowed.
    """
    inputs = []
    for index, feature in enumerate(card.features):
        missing = (None,) if feature.accepts_missing else ()
        inputs += [
            (*card.defaults[:index], value, *card.defaults[index + 1 :]) for value in (*_extremes(feature), *missing)
        ]
    return distinct(Input("limits", values) for values in inputs)


def _extremes(feature: Feature) -> tuple[Value, ...]:
    if isinstance(feature, CategoryFeature):
        return (*feature.categories, *_unknown(feature))
    lowest = feature.limits.minimum
    if feature.limits.minimum_is_exclusive:
        lowest += min(feature.step, (feature.limits.maximum - lowest) / 2)
    return lowest, feature.limits.maximum


def uniform(card: ModelCard, count: int, seed: int) -> list[Input]:
    """`count` inputs drawn independently and uniformly over the ranges that `grid` covers, not rounded to the step.

    Categories are equally likely, and one in ten values is missing or unknown where that is allowed.
    """
    drawn = random.Random(f"uniform {seed}")  # noqa: S311
    usual: list[Callable[[], Value]] = [
        partial(drawn.choice, one.categories)
        if isinstance(one, CategoryFeature)
        else partial(drawn.uniform, *_span(one))
        for one in card.features
    ]
    odd = [(*((None,) if one.accepts_missing else ()), *_unknown(one)) for one in card.features]

    def values() -> Values:
        return tuple(
            drawn.choice(others) if others and drawn.random() < _ODD else draw()
            for draw, others in zip(usual, odd, strict=True)
        )

    return [Input("uniform", values()) for _ in range(count)]


def _unknown(feature: Feature) -> tuple[str, ...]:
    """A category that training had not, if the feature accepts one."""
    if isinstance(feature, NumberFeature) or not feature.accepts_unknown:
        return ()
    name = "unknown"
    while name in feature.index_of:
        name = f"un{name}"
    return (name,)


def noisy(card: ModelCard, rows: Sequence[Values], count: int, seed: int) -> list[Input]:
    """`count` of the `rows`, drawn independently with replacement, each value with Gaussian noise; none without rows.

    The noise has a tenth of the feature's standard deviation in the training data. A value that the noise would move
    past the card's limits stays as it is, and so do categories and what is missing.
    """
    drawn = random.Random(f"noise {seed}")  # noqa: S311

    def moved(feature: Feature, value: Value) -> Value:
        if isinstance(feature, CategoryFeature) or value is None:
            return value
        found = value + drawn.gauss(0, NOISE * feature.training.standard_deviation)
        return found if feature.limits.contain(found) else value

    return [
        Input("noise", tuple(moved(feature, value) for feature, value in zip(card.features, row, strict=True)))
        for row in (drawn.choice(rows) for _ in range(count if rows else 0))
    ]


def plane(card: ModelCard, x: int, y: int, per_side: int) -> tuple[list[float], list[float], list[Input]]:
    """A grid over the features number `x` and `y`, the others at their defaults: both axes, and the inputs row by row.

    Both are numbers. The range of each axis is that of `grid`; the values are not rounded to the step.
    """
    ends = [_span(one) for index in (x, y) if isinstance(one := card.features[index], NumberFeature)]
    across, up = ([low + (high - low) * index / (per_side - 1) for index in range(per_side)] for low, high in ends)
    inputs = []
    for vertical, horizontal in product(up, across):
        values = list(card.defaults)
        values[y], values[x] = vertical, horizontal
        inputs.append(Input("grid", tuple(values)))
    return across, up, inputs


def _span(feature: NumberFeature) -> tuple[float, float]:
    training, allowed, step = feature.training, feature.limits, feature.step
    reach = _MARGIN * (training.maximum - training.minimum) or step
    low, high = training.minimum - reach, min(training.maximum + reach, allowed.maximum)
    if not allowed.contain(low):
        low = min(allowed.minimum + step, training.minimum) if allowed.minimum_is_exclusive else allowed.minimum
    return low, high


def _between(feature: Feature, share: float) -> Value:
    if isinstance(feature, CategoryFeature):
        return feature.categories[min(int(share * len(feature.categories)), len(feature.categories) - 1)]
    low, high = _span(feature)
    value = low + share * (high - low)
    rounded = round(round(value / feature.step) * feature.step, 10)
    return rounded if feature.limits.contain(rounded) else value


# --- The boundary between two classes


@dataclass(frozen=True, slots=True)
class Bracket:
    """Two inputs of different predicted class; the boundary of the first's class is somewhere between them."""

    inside: Values
    outside: Values
    label: float

    @property
    def middle(self) -> Values:
        """Half-way between the numbers; what is a category or missing is that of the inside."""
        return tuple(
            (one + other) / 2 if isinstance(one, float | int) and isinstance(other, float | int) else one
            for one, other in zip(self.inside, self.outside, strict=True)
        )

    def narrowed(self, label: float | None) -> "Bracket":
        """The half that contains the boundary if the middle has class `label`; unchanged if that is unknown."""
        if label is None:
            return self
        return replace(self, inside=self.middle) if label == self.label else replace(self, outside=self.middle)


def brackets(predicted: Mapping[Values, float], count: int = BRACKETS, seed: int = 0) -> list[Bracket]:
    """At most `count` pairs of inputs of different predicted class, drawn evenly from all pairs of classes."""
    classes: dict[float, list[Values]] = {}
    for values, label in predicted.items():
        classes.setdefault(label, []).append(values)
    pairs = list(combinations(sorted(classes), 2))
    drawn = random.Random(seed)  # noqa: S311
    return [
        Bracket(drawn.choice(classes[one]), drawn.choice(classes[other]), one)
        for one, other in (pairs[index % len(pairs)] for index in range(count if pairs else 0))
    ]


def boundary(found: Sequence[Bracket]) -> list[Input]:
    """Both ends of each bracket."""
    inputs = [values for one in found for values in (one.inside, one.outside)]
    return distinct(Input("boundary", values) for values in inputs)


# --- Invalid inputs


@dataclass(frozen=True, slots=True)
class Invalid:
    """A request that endpoints must refuse: its name, body and content type."""

    name: str
    body: bytes
    content_type: str = "application/json"
    is_named: bool = False
    """whether `body` is an object of feature names, which each protocol writes in its own way"""
    everywhere: bool = False
    """whether it is invalid in every protocol; the others break the contract of our own"""


def invalid_inputs(card: ModelCard) -> list[Invalid]:
    """Requests that every endpoint must refuse in the same way."""
    named = dict(zip(card.feature_names, card.defaults, strict=True))
    good = json.dumps(named).encode()
    first = card.features[0]
    twice = f"{{{json.dumps(first.name)}: {json.dumps(first.default)}, ".encode() + good[1:]
    return [
        Invalid("nothing", b"", everywhere=True),
        Invalid("not JSON", b"{", everywhere=True),
        Invalid("not UTF-8", b'{"' + first.name.encode() + b'": "\xff"}', everywhere=True),
        Invalid("a list instead of an object", json.dumps(list(card.defaults)).encode()),
        Invalid("null", b"null"),
        Invalid("an empty object", b"{}"),
        Invalid("a feature is missing", json.dumps({key: named[key] for key in card.feature_names[1:]}).encode()),
        Invalid("a field too many", json.dumps({**named, "unknown": 1.0}).encode()),
        Invalid("a field twice", twice),
        Invalid("a list that is too short", json.dumps({"features": list(card.defaults[1:])}).encode()),
        Invalid("a list that is too long", json.dumps({"features": [*card.defaults, 1.0]}).encode()),
        *_invalid_values(card, named),
        Invalid("no instances", b'{"instances": []}'),
        Invalid("too many instances", json.dumps({"instances": [[0]] * (MAX_INSTANCES + 1)}).encode()),
        Invalid("one bad instance", json.dumps({"instances": [list(card.defaults), []]}).encode()),
        Invalid("nested too deeply", b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)),
        Invalid("a body that is too large", b" " * MAX_BODY_BYTES + good),
        Invalid("a form instead of JSON", good, "application/x-www-form-urlencoded"),
    ]


def _invalid_values(card: ModelCard, named: Mapping[str, Value]) -> list[Invalid]:
    """Wrong values of the first number and of the first category."""
    found = []

    def bad(name: str, feature: Feature, value: object) -> Invalid:
        return Invalid(name, json.dumps({**named, feature.name: value}).encode())

    number = next((one for one in card.features if isinstance(one, NumberFeature)), None)
    if number:
        width = number.limits.maximum - number.limits.minimum
        whole = json.dumps({**named, number.name: number.default}).encode()
        place = f"{json.dumps(number.name)}: ".encode()
        found += [
            replace(bad("text instead of a number", number, "one"), is_named=True, everywhere=True),
            bad("a number as text", number, str(number.default)),
            bad("true instead of a number", number, True),
            *([] if number.accepts_missing else [bad("null instead of a number", number, None)]),
            bad("NaN", number, math.nan),
            Invalid(
                "infinity as 1e999", whole.replace(place + json.dumps(number.default).encode(), place + b"1e999", 1)
            ),
            bad("below the limit", number, number.limits.minimum - width),
            bad("above the limit", number, number.limits.maximum + width),
        ]
    category = next((one for one in card.features if isinstance(one, CategoryFeature)), None)
    if category:
        found += [
            bad("a number instead of a category", category, 0.5),
            bad("an empty category", category, ""),
            *([] if category.accepts_unknown else [bad("an unknown category", category, "".join(category.categories))]),
            *([] if category.accepts_missing else [bad("null instead of a category", category, None)]),
        ]
    return found
