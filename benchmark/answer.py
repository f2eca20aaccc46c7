"""Reading what an endpoint answers, trusting none of it."""

import json
import sys
from typing import Any

from benchmark.sample import Answer
from inference.card import ModelCard

MAX_ANSWER_BYTES = 256 * 1024
_SUM_TOLERANCE = 0.05
"""Probabilities may be rounded by an endpoint, but they have to add up to about 1."""


class NotJson(ValueError):
    """The body is not JSON."""


class WrongSchema(ValueError):
    """The body is JSON but no answer of this model; the message says in a clause what is wrong."""


def decode(body: bytes) -> Any:
    """Strict JSON in UTF-8. Raises NotJson."""

    def refuse(_: str) -> None:
        raise NotJson

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        raise NotJson from None


def read_answer(document: Any, card: ModelCard) -> Answer:
    """The answer to one row, checked against `card`.

    Only `prediction` is required, as the smallest of the known services answers only that; what else is there
    has to be right. Raises WrongSchema.
    """
    if not isinstance(document, dict):
        raise WrongSchema("the answer is not an object")
    version = document.get("model_version")
    if version is not None and (not isinstance(version, str) or len(version) > 200):
        raise WrongSchema("model_version is not a short text")
    prediction: Any = document.get("prediction")
    if not _is_number(prediction):
        raise WrongSchema("prediction is not a number")
    if not card.is_classifier:
        return Answer(float(prediction), model_version=version)
    if prediction not in range(len(card.classes)):
        raise WrongSchema("prediction is not one of the model's classes")
    label = document.get("prediction_label", card.classes[int(prediction)])
    if label != card.classes[int(prediction)]:
        raise WrongSchema("prediction_label is not the class that prediction names")
    confidence = document.get("confidence")
    if confidence is not None and not _is_probability(confidence):
        raise WrongSchema("confidence is not between 0 and 1")
    return Answer(
        prediction=int(prediction),
        label=label,
        confidence=confidence,
        probabilities=_probabilities(document.get("probabilities"), card),
        model_version=version,
    )


def _probabilities(document: Any, card: ModelCard) -> tuple[float, ...] | None:
    if document is None:
        return None
    if not isinstance(document, dict) or set(document) != set(card.classes):
        raise WrongSchema("probabilities do not name the model's classes")
    values = tuple(document[name] for name in card.classes)
    if not all(map(_is_probability, values)) or abs(sum(values) - 1) > _SUM_TOLERANCE:
        raise WrongSchema("probabilities are not between 0 and 1 with the sum 1")
    return values


def _is_number(value: Any) -> bool:
    # Written so that NaN is none, and so that an integer too long for a float is compared and not converted.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _is_probability(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1 + 1e-9
