"""Services that answer `{"prediction": ...}` and no more, to any of the usual request bodies."""

from collections.abc import Mapping
from typing import Any

from benchmark.endpoints.protocols import Form, faceoff
from benchmark.endpoints.protocols.predictions import read_outputs
from benchmark.endpoints.protocols.rest import RestProtocol, origin
from benchmark.endpoints.sample import Answer
from inference.card import CardError, ModelCard


class Bare(RestProtocol):
    """Takes named fields, `features` or `instances`, whichever its OpenAPI document names, or else named fields."""

    _FORMS: Mapping[str, Form] = {name: faceoff.PROTOCOL.forms[name] for name in ("named", "features", "instances")}

    def __init__(self, form: str | None, template: str | None) -> None:
        super().__init__("bare", self._FORMS, form, template)
        self._is_chosen = form is not None

    def predict_url(self, address: str) -> str:
        """Add /predict to an address without a path; use one with a path unchanged."""
        return faceoff.PROTOCOL.predict_url(address)

    def info_urls(self, address: str) -> tuple[str, ...]:
        """The OpenAPI document, where FastAPI puts it."""
        return (origin(address) + "/openapi.json",)

    def read_info(self, document: Any) -> tuple[ModelCard | None, Mapping[str, Any]]:
        """Learn the form from the properties that an OpenAPI document names. Raises CardError."""
        try:
            schemas = document["components"]["schemas"].values()
            names = {name for schema in schemas for name in schema.get("properties", ())}
        except (KeyError, TypeError, AttributeError) as error:
            raise CardError("it is not an OpenAPI document with a schema") from error
        form = next((form for form in ("features", "instances") if form in names), "named")
        if not self._is_chosen:
            self.forms = {form: self._FORMS[form]} | dict(self._FORMS)
        return None, {}

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """`prediction`, which may be the name of a class, and any other field of our answer. Raises WrongSchema."""
        prediction = document.get("prediction") if isinstance(document, dict) else None
        if isinstance(prediction, str | list):
            return read_outputs({"prediction": prediction}, card)
        return faceoff.read_answer(document, card)


def configured(form: str | None, template: str | None) -> Bare:
    """Raises OptionError."""
    return Bare(form, template)
