"""Linear models in plain Python: no numpy to import, and for a few features faster than the call into a runtime.

The file holds what training found: `weights` (outputs x features), `intercepts` (outputs) and a `link`. Scaling is
part of the weights.
"""

import json
from collections.abc import Callable, Sequence
from math import exp, isfinite
from operator import mul
from typing import Any, Literal, get_args

from inference.card import ModelCard

Link = Literal["identity", "sigmoid", "softmax"]
"""From scores to outputs: a value; the probabilities of two classes from one score; those of several."""

MAX_WEIGHTS = 640
"""Up to how many weights `auto` prefers this runtime. With so many, a request with one row takes 1.1 times as long as
with ONNX Runtime, and one with 1000 rows 1.4 times (`python -m tools.bench_runtimes`)."""

Predict = Callable[[Sequence[Sequence[float]]], list[list[float]]]
"""n rows of features in the card's order -> n rows of outputs: class probabilities, or one value."""


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
