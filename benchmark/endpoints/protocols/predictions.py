"""Read what servers of estimators answer: a class, its position, probabilities or a value, under any name."""

import math
import re
import sys
from collections.abc import Mapping
from typing import Any

from benchmark.endpoints.protocols import WrongSchema
from benchmark.endpoints.readable import is_readable
from benchmark.endpoints.sample import Answer
from inference.card import ModelCard

SUM_TOLERANCE = 0.05
"""Endpoints may round probabilities, but they must add up to about 1."""
_MAX_LABEL = 200
_INTEGER = re.compile(r"-?\d+")


def is_number(value: Any) -> bool:
    """Whether `value` is a finite JSON number. Integers that are too large for a float are compared, not converted."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def is_probability(value: Any) -> bool:
    """Whether `value` is a number between 0 and 1, apart from rounding."""
    return is_number(value) and 0 <= value <= 1 + 1e-9


def read_outputs(outputs: Mapping[str, Any], card: ModelCard | None) -> Answer:
    """The answer in the named `outputs` for one row, checked against `card`.

    An output is a number, a text, or a list of numbers in the order of the card's classes; an object with an entry for
    each class is such a list too, and a list of one value is that value. Without a card, a text or a list says nothing
    about positions, so the prediction is unknown: NaN. Raises WrongSchema.
    """
    values = {name: _simplified(value) for name, value in outputs.items()}
    scalars = [value for value in values.values() if not isinstance(value, list | dict)]
    for value in scalars:
        if not is_number(value) and not _is_label(value):
            raise WrongSchema("the prediction is neither a number nor a short text")
    if card is None:
        return _unchecked(scalars, bool(values))
    if not card.is_classifier:
        numbers = [value for value in scalars if is_number(value)]
        if len(numbers) != 1:
            raise WrongSchema("the prediction is not a number" if not numbers else "the answer has several numbers")
        return Answer(float(numbers[0]))
    vectors = [value for value in (_vector(value, card) for value in values.values()) if value is not None]
    shares = [one for one in map(_probabilities, vectors) if one is not None]
    if len(set(shares)) > 1:
        raise WrongSchema("the answer has several lists of probabilities")
    probabilities = shares[0] if shares else None
    found = {_position(value, card) for value in scalars}
    if len(found) > 1:
        raise WrongSchema("the answer names several classes")
    if found:
        index = found.pop()
    elif probabilities is not None:
        index = probabilities.index(max(probabilities))
    elif vectors:
        raise WrongSchema("probabilities are not between 0 and 1 with the sum 1")
    else:
        raise WrongSchema("the answer has neither a class nor a probability for each class")
    confidence = None if probabilities is None else probabilities[index]
    return Answer(index, card.classes[index], confidence, probabilities)


def _simplified(value: Any) -> Any:
    """A list of one value is that value, twice at most: a row of one column."""
    for _ in range(2):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
    return value


def _unchecked(scalars: list[Any], has_values: bool) -> Answer:
    if not has_values:
        raise WrongSchema("the answer has no prediction")
    if len(scalars) != 1:
        return Answer(math.nan)
    return Answer(float(scalars[0])) if is_number(scalars[0]) else Answer(math.nan, str(scalars[0]))


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_LABEL and is_readable(value)


def _vector(value: Any, card: ModelCard) -> list[Any] | None:
    """The entries of `value` by class, if it has one for each."""
    if isinstance(value, dict) and set(value) == set(card.classes):
        value = [value[name] for name in card.classes]
    return value if isinstance(value, list) and len(value) == len(card.classes) else None


def _probabilities(values: list[Any]) -> tuple[float, ...] | None:
    if not all(map(is_probability, values)) or abs(sum(values) - 1) > SUM_TOLERANCE:
        return None
    return tuple(map(float, values))


def _position(value: Any, card: ModelCard) -> int:
    """The position of the class that `value` names. Raises WrongSchema.

    Where classes are called by whole numbers, a number is such a name: servers of estimators give names, and a position
    cannot be told from one.
    """
    text = str(int(value)) if is_number(value) and float(value).is_integer() else str(value)
    if text in card.classes:
        return card.classes.index(text)
    by_position = is_number(value) and not any(map(_INTEGER.fullmatch, card.classes))
    if not by_position or value not in range(len(card.classes)):
        raise WrongSchema("the prediction is not one of the model's classes")
    return int(value)
