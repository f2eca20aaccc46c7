"""Reading what an endpoint answers, trusting none of it."""

import json
import sys
from dataclasses import dataclass
from typing import Any

from benchmark.endpoints.readable import is_readable
from benchmark.endpoints.sample import Answer, Failure
from inference.card import ModelCard

MAX_ANSWER_BYTES = 256 * 1024
OTHER_LABEL = "prediction_label is not the class that prediction names"
_SUM_TOLERANCE = 0.05
"""Probabilities may be rounded by an endpoint, but they have to add up to about 1."""


class NotJson(ValueError):
    """The body is not JSON."""


class WrongSchema(ValueError):
    """The body is JSON but no answer of this model; the message says in a clause what is wrong."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A usable answer, or why there is none."""

    answer: Answer | None = None
    failure: Failure | None = None
    detail: str | None = None


def judge(status: int, body: bytes, card: ModelCard | None) -> Judged:
    """What a reply of `status` with `body` is worth. Without a card, any JSON object with a number is an answer."""
    if status != 200:
        return Judged(
            failure={4: Failure.CLIENT_ERROR, 5: Failure.SERVER_ERROR}.get(status // 100, Failure.UNEXPECTED_STATUS)
        )
    try:
        return Judged(read_answer(decode(body), card))
    except NotJson:
        return Judged(failure=Failure.BAD_JSON)
    except WrongSchema as error:
        return Judged(failure=Failure.WRONG_SCHEMA, detail=str(error))


def _refuse(_: str) -> None:
    raise NotJson


_decode = json.JSONDecoder(parse_constant=_refuse).decode


def decode(body: bytes) -> Any:
    """Strict JSON in UTF-8. Raises NotJson."""
    try:
        return _decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NotJson from None


def read_answer(document: Any, card: ModelCard | None) -> Answer:
    """The answer to one row, checked against `card`; where no card is known only `prediction` is read.

    Only `prediction` is required, as the smallest of the known services answers only that; what else is there
    has to be right. Raises WrongSchema.
    """
    if not isinstance(document, dict):
        raise WrongSchema("the answer is not an object")
    version = document.get("model_version")
    if version is not None and (not isinstance(version, str) or len(version) > 200 or not is_readable(version)):
        raise WrongSchema("model_version is not a short text")
    prediction: Any = document.get("prediction")
    if not _is_number(prediction):
        raise WrongSchema("prediction is not a number")
    if card is None or not card.is_classifier:
        return Answer(float(prediction), model_version=version)
    if prediction not in range(len(card.classes)):
        raise WrongSchema("prediction is not one of the model's classes")
    label = document.get("prediction_label", card.classes[int(prediction)])
    if label != card.classes[int(prediction)]:
        raise WrongSchema(OTHER_LABEL)
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
