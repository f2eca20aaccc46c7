"""TensorFlow Serving's REST API: V1 rows, and a signature at .../metadata that names the inputs.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from collections.abc import Mapping
from typing import Any

from benchmark.endpoints.protocols import EXAMPLE
from benchmark.endpoints.protocols.rest import V1_FORMS, RestProtocol, with_suffix
from inference.card import CardError, ModelCard

_MAX_INPUTS = 1000


class TFServing(RestProtocol):
    """Sends rows of values to a model with one input, and named values to a model with several."""

    def __init__(self, form: str | None, template: str | None) -> None:
        super().__init__("tf-serving", V1_FORMS, form, template)
        self._is_chosen = form is not None

    def predict_url(self, address: str) -> str:
        """The model's address with `:predict`."""
        return with_suffix(address, ":predict")

    def info_urls(self, address: str) -> tuple[str, ...]:
        """The model's metadata."""
        return (address.rstrip("/").removesuffix(":predict") + "/metadata",)

    def read_info(self, document: Any) -> tuple[ModelCard | None, Mapping[str, Any]]:
        """Learn from the signature `serving_default` whether inputs have names. Raises CardError."""
        try:
            inputs = document["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
            shapes = {
                str(name): [int(one["size"]) for one in entry["tensor_shape"].get("dim", ())]
                for name, entry in inputs.items()
            }
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CardError("it is not the metadata of a model") from error
        if not 0 < len(shapes) <= _MAX_INPUTS:
            raise CardError("it is not the metadata of a model")
        if not self._is_chosen:
            first = "named" if len(shapes) > 1 else "rows"
            self.forms = {name: form for name, form in V1_FORMS.items() if name.startswith(first)} | dict(V1_FORMS)
        if len(shapes) > 1:
            return None, {EXAMPLE: dict.fromkeys(shapes, 0.0)}
        ((name, shape),) = shapes.items()
        count = shape[1] if len(shape) == 2 else 0
        return None, {EXAMPLE: {f"{name}_{at}": 0.0 for at in range(count)}} if 0 < count <= _MAX_INPUTS else {}


def configured(form: str | None, template: str | None) -> TFServing:
    """Raises OptionError."""
    return TFServing(form, template)
