"""The protocol that an endpoint turns out to speak: it is asked for the card or description of each protocol.

Until it has answered, and if it describes itself in no protocol, it is taken to speak Faceoff's own.
"""

from collections.abc import Mapping
from typing import Any

from benchmark.endpoints.protocols import AUTO, DEFAULT, PROTOCOLS, Form, OptionError, Protocol, new_protocol
from benchmark.endpoints.sample import Answer
from inference.card import CardError, ModelCard


class Auto:
    """Passes everything on to the protocol that was found. Protocols without a description are never found."""

    def __init__(self) -> None:
        self._candidates = dict(_candidates())
        self.found: str | None = None
        """the name of the protocol that the endpoint speaks; None if unknown"""

    @property
    def forms(self) -> Mapping[str, Form]:
        """Those of the protocol."""
        return self._spoken.forms

    def predict_url(self, address: str) -> str:
        """That of the protocol."""
        return self._spoken.predict_url(address)

    def info_urls(self, address: str) -> tuple[str, ...]:
        """Those of all protocols, the one that was found first."""
        return tuple(dict.fromkeys(url for _, one in self._in_order() for url in one.info_urls(address)))

    def metrics_urls(self, address: str) -> tuple[str, ...]:
        """Those of the protocol."""
        return self._spoken.metrics_urls(address)

    def encode(self, named: bytes) -> bytes:
        """As the protocol does."""
        return self._spoken.encode(named)

    def read_info(self, document: Any) -> tuple[ModelCard | None, Mapping[str, Any]]:
        """Find the first protocol of which this is a card or description. Raises CardError."""
        problem = CardError("it describes itself in no known protocol")
        for name, candidate in self._in_order():
            try:
                info = candidate.read_info(document)
            except CardError as error:
                problem = error
                continue
            self.found = name
            return info
        raise problem

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """As the protocol does."""
        return self._spoken.read_answer(document, card)

    def _in_order(self) -> list[tuple[str, Protocol]]:
        return sorted(self._candidates.items(), key=lambda item: item[0] != self.found)

    @property
    def _spoken(self) -> Protocol:
        return self._candidates[self.found or DEFAULT]


def _candidates() -> Mapping[str, Protocol]:
    """All protocols that need no options, by name: each a new one, which has learned nothing yet."""
    found = {}
    for name in PROTOCOLS:
        if name == AUTO:
            continue
        try:
            found[name] = new_protocol(name, None, None)
        except OptionError:
            continue
    return found


def configured(form: str | None, template: str | None) -> Auto:
    """Raises OptionError."""
    if form is not None or template is not None:
        raise OptionError("speaks auto, which has no options")
    return Auto()
