"""A protocol that only the tests know: one row in, one label out, and no model card."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from benchmark.endpoints.protocols import Form, WrongSchema
from benchmark.endpoints.sample import Answer
from inference.card import CardError, ModelCard


def _rows(_: Sequence[str], rows: Sequence[Sequence[float]]) -> bytes:
    return json.dumps({"rows": [list(rows[0])]}).encode()


class Rows:
    """Sends `{"rows": [[...]]}` to /rows and reads `{"labels": ["..."]}`."""

    forms: Mapping[str, Form] = {"rows": Form(False, _rows, lambda document, _: [document])}

    def predict_url(self, address: str) -> str:
        return address.rstrip("/") + "/rows"

    def info_urls(self, address: str) -> tuple[str, ...]:
        return ()

    def metrics_urls(self, address: str) -> tuple[str, ...]:
        return ()

    def encode(self, named: bytes) -> bytes:
        return json.dumps({"rows": [list(json.loads(named).values())]}).encode()

    def read_info(self, document: Any) -> NoReturn:
        raise CardError("this protocol has none")

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        labels = document.get("labels") if isinstance(document, Mapping) else None
        if card is None or not isinstance(labels, list) or len(labels) != 1 or labels[0] not in card.classes:
            raise WrongSchema("labels does not hold one class of the model")
        return Answer(card.classes.index(labels[0]), labels[0])


PROTOCOL = Rows()
