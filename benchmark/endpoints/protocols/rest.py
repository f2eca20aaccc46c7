"""What protocols for rows over HTTP have in common: an address with a suffix, a choice of forms, and no model card."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from benchmark.endpoints.protocols import Form, OptionError, WrongSchema
from benchmark.endpoints.protocols.predictions import read_outputs
from benchmark.endpoints.sample import Answer
from inference.card import CardError, ModelCard

SINGLE = "-single"
"""The end of the name of a form for one row, whose form for many rows has the name without it."""


class RestProtocol:
    """A base for protocols: subclasses say where requests go, and what an answer to one row looks like."""

    def __init__(self, name: str, forms: Mapping[str, Form], form: str | None, template: str | None = None) -> None:
        """`forms` are all of the protocol's, best first; `form` is the one to use. Raises OptionError."""
        if template is not None:
            raise OptionError(f"speaks {name}, which has no template")
        if form is not None and form not in forms:
            raise OptionError(f"speaks {name}, which has no form {form[:40]}: choose one of {', '.join(forms)}")
        chosen = {one: how for one, how in forms.items() if form in (one, one.removesuffix(SINGLE))}
        self.forms: Mapping[str, Form] = chosen | dict(forms)

    def predict_url(self, address: str) -> str:
        """The address itself."""
        return address

    def info_urls(self, address: str) -> tuple[str, ...]:
        """None: the protocol has no card and no metadata."""
        return ()

    def metrics_urls(self, address: str) -> tuple[str, ...]:
        """None: each server counts in its own way."""
        return ()

    def encode(self, named: bytes) -> bytes:
        """One row in the first of the forms."""
        values = json.loads(named)
        return next(iter(self.forms.values())).encode(tuple(values), [list(values.values())])

    def read_info(self, document: Any) -> tuple[ModelCard | None, Mapping[str, Any]]:
        """The protocol has none. Raises CardError."""
        raise CardError("the protocol has no model card")

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """The only prediction in `document`: a value, or an object of named values. Raises WrongSchema."""
        found = only_prediction(document)
        has_names = isinstance(found, dict) and not (card and set(found) == set(card.classes))
        return read_outputs(found if has_names else {"prediction": found}, card)


def only_prediction(document: Any) -> Any:
    """The entry for the only row in `{"predictions": [...]}`. Raises WrongSchema."""
    rows = document.get("predictions") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise WrongSchema("the answer has no list of predictions")
    if len(rows) != 1:
        raise WrongSchema(f"the answer has {len(rows)} predictions for one row")
    return rows[0]


def split_predictions(document: Any, count: int) -> list[Any] | None:
    """One document per row of `{"predictions": [...]}`; None if there are not `count` of them."""
    rows = document.get("predictions") if isinstance(document, dict) else None
    if not isinstance(rows, list) or len(rows) != count:
        return None
    return [{**document, "predictions": [row]} for row in rows]


def alone(document: Any, _: int) -> list[Any]:
    """The reply to one row is its document."""
    return [document]


def instances(_: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """`{"instances": [[...], ...]}`."""
    return json.dumps({"instances": [list(row) for row in rows]}).encode()


def named_instances(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """`{"instances": [{name: value, ...}, ...]}`."""
    return json.dumps({"instances": [dict(zip(names, row, strict=True)) for row in rows]}).encode()


V1_FORMS: Mapping[str, Form] = {
    "rows": Form(True, instances, split_predictions),
    "rows-single": Form(False, instances, alone),
    "named": Form(True, named_instances, split_predictions),
    "named-single": Form(False, named_instances, alone),
}
"""The forms of KServe V1 and its relatives."""


def with_suffix(address: str, suffix: str) -> str:
    """`address` with `suffix` at its end, once."""
    address = address.rstrip("/")
    return address if address.endswith(suffix) else address + suffix


def origin(address: str) -> str:
    """The address without its path."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
