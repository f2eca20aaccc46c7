"""Linear models in plain Python: no numpy to import, and for a few features faster than the call into a runtime.

The file holds what training found: a `link`, `intercepts` (outputs), and `weights` (outputs x features) or, where
features are categories or may be missing, `terms` (one per feature). Scaling, imputation and encoding are part of the
numbers: a term says what a value adds to the score of each output.
"""

import json
from collections.abc import Callable, Sequence
from math import exp, isfinite
from operator import mul
from typing import Any, Literal, get_args

from inference.card import CategoryFeature, Feature, ModelCard, Value

Link = Literal["identity", "sigmoid", "softmax"]
"""From scores to outputs: a value; the probabilities of two classes from one score; those of several."""

MAX_WEIGHTS = 640
"""Up to how many weights `auto` prefers this runtime. With so many, a request with one row takes 1.1 times as long as
with ONNX Runtime, and one with 1000 rows 1.4 times (`python -m tools.bench_runtimes`)."""

Predict = Callable[[Sequence[Sequence[Any]]], list[list[float]]]
"""n rows of features in the card's order -> n rows of outputs: class probabilities, or one value.

The values are numbers; where the card has them, also categories, and None for what is missing.
"""

Term = Callable[[Any], tuple[float, ...]]
"""A value of one feature -> what it adds to each score."""


def is_preferred(card: ModelCard) -> bool:
    """Whether the model is small enough."""
    return len(card.features) * card.output_size <= MAX_WEIGHTS


def load_linear(data: bytes, card: ModelCard) -> Predict:
    """The model in `data`. Raises ValueError for anything that is not a linear model with the card's shape."""
    document = json.loads(data)
    if not isinstance(document, dict) or document.get("link") not in get_args(Link):
        raise ValueError("is not a linear model")
    link: Link = document["link"]
    outputs = 1 if link == "sigmoid" else card.output_size
    if (link == "identity") == card.is_classifier or (link == "sigmoid" and card.output_size != 2):
        raise ValueError("its link does not fit the task")
    intercepts = _numbers(document.get("intercepts"), outputs)
    if "terms" in document:
        terms = document["terms"]
        if not isinstance(terms, list) or len(terms) != len(card.features):
            raise ValueError("its terms do not fit the card")
        return _sum(
            [_term(term, feature, outputs) for term, feature in zip(terms, card.features, strict=True)],
            intercepts,
            {"identity": _value_of, "sigmoid": _sigmoid_of, "softmax": _softmax}[link],
        )
    if not card.is_numeric:
        raise ValueError("it cannot read the card's features")
    weights = document.get("weights")
    if not isinstance(weights, list) or len(weights) != outputs:
        raise ValueError("its weights do not fit the outputs")
    scorers = [(_numbers(row, len(card.features)), start) for row, start in zip(weights, intercepts, strict=True)]
    if link == "softmax":
        return lambda rows: [_softmax([sum(map(mul, weight, row), start) for weight, start in scorers]) for row in rows]
    ((weight, start),) = scorers
    if link == "sigmoid":
        return lambda rows: [_sigmoid(sum(map(mul, weight, row), start)) for row in rows]
    return lambda rows: [[sum(map(mul, weight, row), start)] for row in rows]


def _sum(terms: list[Term], start: tuple[float, ...], finish: Callable[[list[float]], list[float]]) -> Predict:
    def predict(rows: Sequence[Sequence[Value]]) -> list[list[float]]:
        return [
            finish(
                list(map(sum, zip(start, *(term(value) for term, value in zip(terms, row, strict=True)), strict=True)))
            )
            for row in rows
        ]

    return predict


def _term(document: Any, feature: Feature, outputs: int) -> Term:
    """Reads `weights` of a number or `values` of a category, and what is added for a `missing` or `unknown` one."""
    if not isinstance(document, dict):
        raise ValueError("holds something other than a term")
    missing = _numbers(document.get("missing"), outputs) if feature.accepts_missing else ()
    if not isinstance(feature, CategoryFeature):
        weights = _numbers(document.get("weights"), outputs)
        return lambda value: missing if value is None else tuple(weight * value for weight in weights)
    values = document.get("values")
    if not isinstance(values, dict) or set(values) != set(feature.categories):
        raise ValueError("its categories do not fit the card")
    known: dict[Value, tuple[float, ...]] = {name: _numbers(added, outputs) for name, added in values.items()}
    if feature.accepts_missing:
        known[None] = missing
    if feature.accepts_unknown:
        unknown = _numbers(document.get("unknown"), outputs)
        return lambda value: known.get(value, unknown)
    return known.__getitem__


def _value_of(scores: list[float]) -> list[float]:
    return scores


def _sigmoid_of(scores: list[float]) -> list[float]:
    return _sigmoid(scores[0])


def _sigmoid(score: float) -> list[float]:
    share = exp(-abs(score))  # of 0 to 1, so that nothing overflows
    less, more = share / (1 + share), 1 / (1 + share)
    return [less, more] if score >= 0 else [more, less]


def _softmax(scores: list[float]) -> list[float]:
    highest = max(scores)
    shares = [exp(score - highest) for score in scores]
    total = sum(shares)
    return [share / total for share in shares]


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) != count:
        raise ValueError("its numbers do not fit the card")
    if not all(type(value) in (int, float) and isfinite(value) for value in values):
        raise ValueError("holds something other than finite numbers")
    return tuple(map(float, values))
