"""KServe's V1 protocol: `{"instances": [...]}` to `.../v1/models/NAME:predict`.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from collections.abc import Mapping
from typing import Any

from benchmark.endpoints.protocols.rest import V1_FORMS, RestProtocol, with_suffix
from inference.card import CardError, ModelCard


class KServeV1(RestProtocol):
    """The protocol as an object, for the registry."""

    def predict_url(self, address: str) -> str:
        """The model's address with `:predict`."""
        return with_suffix(address, ":predict")

    def info_urls(self, address: str) -> tuple[str, ...]:
        """The model's address, which says whether the model is ready."""
        return (address.rstrip("/").removesuffix(":predict"),)

    def read_info(self, document: Any) -> tuple[ModelCard | None, Mapping[str, Any]]:
        """Nothing beyond the model's name. Raises CardError."""
        if not isinstance(document, dict) or not {"name", "ready"} <= set(document):
            raise CardError("it is not the status of a model")
        return None, {}


def configured(form: str | None, template: str | None) -> KServeV1:
    """Raises OptionError."""
    return KServeV1("kserve-v1", V1_FORMS, form, template)
