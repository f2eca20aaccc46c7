"""Faceoff's own protocol, which also reads services that answer only `{"prediction": ...}`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from benchmark.endpoints.protocols import Form, WrongSchema, named_body
from benchmark.endpoints.protocols.predictions import SUM_TOLERANCE, is_number, is_probability
from benchmark.endpoints.protocols.rest import alone, instances
from benchmark.endpoints.readable import is_readable
from benchmark.endpoints.sample import Answer
from inference.card import ModelCard, parse_card

OTHER_LABEL = "prediction_label is not the class that prediction names"


def _split_predictions(document: Any, count: int) -> list[Any] | None:
    answers = document.get("predictions") if isinstance(document, dict) else None
    if not isinstance(answers, list) or len(answers) != count:
        return None
    version = document.get("model_version")  # documented once in the base class
    if version is None:
        return answers
    return [{"model_version": version, **one} if isinstance(one, dict) else one for one in answers]


def _features(_: Sequence[str], rows: Sequence[Sequence[float]]) -> bytes:
    return json.dumps({"features": list(rows[0])}).encode()


class Faceoff:
    """The protocol as an object, for the registry."""

    forms: Mapping[str, Form] = {
        "instances": Form(True, instances, _split_predictions),
        "named": Form(False, lambda names, rows: named_body(names, rows[0]), alone),
        "features": Form(False, _features, alone),
    }

    def predict_url(self, address: str) -> str:
        """Add /predict to an address without a path; use one with a path unchanged."""
        return address if urlsplit(address).path.strip("/") else address.rstrip("/") + "/predict"

    def info_urls(self, address: str) -> tuple[str, ...]:
        """Below the address, or beside its path."""
        base = address.rstrip("/")
        below = base + "/model-info"
        if not urlsplit(base).path:
            return (below,)
        return (below, base.rpartition("/")[0] + "/model-info")

    def metrics_urls(self, address: str) -> tuple[str, ...]:
        """Beside the model card."""
        return tuple(url.removesuffix("/model-info") + "/metrics" for url in self.info_urls(address))

    def encode(self, named: bytes) -> bytes:
        """The named form, which every known service of this kind accepts."""
        return named

    def read_info(self, document: Any) -> tuple[ModelCard, Mapping[str, Any]]:
        """The members `card` and `serving`. Raises CardError."""
        card = parse_card(document.get("card") if isinstance(document, dict) else None)
        serving = document.get("serving")
        return card, serving if isinstance(serving, dict) else {}

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """See `read_answer`."""
        return read_answer(document, card)


PROTOCOL = Faceoff()


def read_answer(document: Any, card: ModelCard | None) -> Answer:
    """The answer to one row, checked against `card`; without a card, only `prediction` is read.

    Only `prediction` is required, because simple services return only that. All other members must be valid.
    Raises WrongSchema.
    """
    if not isinstance(document, dict):
        raise WrongSchema("the answer is not an object")
    version = document.get("model_version")
    if version is not None and (not isinstance(version, str) or len(version) > 200 or not is_readable(version)):
        raise WrongSchema("model_version is not a short text")
    prediction: Any = document.get("prediction")
    if not is_number(prediction):
        raise WrongSchema("prediction is not a number")
    if card is None or not card.is_classifier:
        return Answer(float(prediction), model_version=version)
    if prediction not in range(len(card.classes)):
        raise WrongSchema("prediction is not one of the model's classes")
    label = document.get("prediction_label", card.classes[int(prediction)])
    if label != card.classes[int(prediction)]:
        raise WrongSchema(OTHER_LABEL)
    confidence = document.get("confidence")
    if confidence is not None and not is_probability(confidence):
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
    if not all(map(is_probability, values)) or abs(sum(values) - 1) > SUM_TOLERANCE:
        raise WrongSchema("probabilities are not between 0 and 1 with the sum 1")
    return values
