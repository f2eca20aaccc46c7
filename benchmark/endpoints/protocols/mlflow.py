"""MLflow's scoring server: `{"dataframe_split": ...}` or `{"inputs": ...}` to /invocations.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.endpoints.protocols import Form
from benchmark.endpoints.protocols.rest import RestProtocol, alone, split_predictions, with_suffix
from inference.card import CardError, ModelCard


def _dataframe_split(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    return json.dumps({"dataframe_split": {"columns": list(names), "data": [list(row) for row in rows]}}).encode()


def _inputs(_: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    return json.dumps({"inputs": [list(row) for row in rows]}).encode()


_FORMS: Mapping[str, Form] = {
    "dataframe_split": Form(True, _dataframe_split, split_predictions),
    "dataframe_split-single": Form(False, _dataframe_split, alone),
    "inputs": Form(True, _inputs, split_predictions),
    "inputs-single": Form(False, _inputs, alone),
}


class MLflow(RestProtocol):
    """The protocol as an object, for the registry."""

    def predict_url(self, address: str) -> str:
        """The address with /invocations."""
        return with_suffix(address, "/invocations")

    def info_urls(self, address: str) -> tuple[str, ...]:
        """The OpenAPI document beside /invocations, which newer servers have."""
        return (address.rstrip("/").removesuffix("/invocations") + "/openapi.json",)

    def read_info(self, document: Any) -> tuple[ModelCard | None, Mapping[str, Any]]:
        """Nothing beyond the routes. Raises CardError."""
        paths = document.get("paths") if isinstance(document, dict) else None
        if not isinstance(paths, dict) or "/invocations" not in paths or "/version" not in paths:
            raise CardError("it is not the OpenAPI document of a scoring server")
        return None, {}


def configured(form: str | None, template: str | None) -> MLflow:
    """Raises OptionError."""
    return MLflow("mlflow", _FORMS, form, template)
