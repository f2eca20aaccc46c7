"""Vertex AI's prediction: the V1 request, and an answer with the deployed model beside the predictions.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/predict
"""

from typing import Any
from urllib.parse import urlsplit

from benchmark.endpoints.protocols import WrongSchema
from benchmark.endpoints.protocols.predictions import read_outputs
from benchmark.endpoints.protocols.rest import V1_FORMS, RestProtocol, only_prediction, with_suffix
from benchmark.endpoints.sample import Answer
from inference.card import ModelCard


class Vertex(RestProtocol):
    """The protocol as an object, for the registry."""

    def predict_url(self, address: str) -> str:
        """The endpoint's address with `:predict`; a container's own route, which has no `/endpoints/`, unchanged."""
        path = urlsplit(address).path
        return with_suffix(address, ":predict") if "/endpoints/" in path or "/models/" in path else address

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """The only prediction; AutoML's `classes` and `scores` too. Raises WrongSchema."""
        found = only_prediction(document)
        if isinstance(found, dict) and set(found) >= {"classes", "scores"}:
            names, scores = found["classes"], found["scores"]
            if not isinstance(names, list) or not isinstance(scores, list) or len(names) != len(scores):
                raise WrongSchema("classes and scores are not lists of the same length")
            if card and card.is_classifier and sorted(map(str, names)) != sorted(card.classes):
                raise WrongSchema("classes are not those of the model")
            return read_outputs({"scores": dict(zip(map(str, names), scores, strict=True))}, card)
        return super().read_answer(document, card)


def configured(form: str | None, template: str | None) -> Vertex:
    """Raises OptionError."""
    return Vertex("vertex", V1_FORMS, form, template)
