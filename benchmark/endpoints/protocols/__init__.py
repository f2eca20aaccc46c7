"""The protocols that endpoints speak: where requests go, what is sent, and how the answer is read.

To add one, write a module with an object `PROTOCOL` that has the members of `Protocol`, and add a line to `PROTOCOLS`.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from typing import Protocol as Structure

from benchmark.endpoints.sample import Answer
from inference.card import ModelCard

PROTOCOLS: dict[str, str] = {"faceoff": "benchmark.endpoints.protocols.faceoff"}
"""Each protocol's name and its module, which is imported when an endpoint first speaks it."""
DEFAULT = "faceoff"


class UnknownProtocol(ValueError):
    """No protocol has this name; the message lists those that exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"speaks an unknown protocol ({name[:40]}): choose one of {', '.join(PROTOCOLS)}")


class WrongSchema(ValueError):
    """The body is JSON but not an answer of this model; the message says in a clause what is wrong."""


@dataclass(frozen=True, slots=True)
class Form:
    """A way to ask for the answers to rows: to many in one request, or to one in each."""

    takes_many: bool
    encode: Callable[[Sequence[str], Sequence[Sequence[float]]], bytes]
    """the body for the features of these names and their rows"""
    split: Callable[[Any, int], list[Any] | None]
    """the reply as one document a row, for `read_answer`; None where it does not answer so many rows"""


class Protocol(Structure):
    """What Faceoff has to know of a protocol. Implementations hold no state and never send anything."""

    forms: Mapping[str, Form]
    """by name, the best first; at least one takes a single row"""

    def predict_url(self, address: str) -> str:
        """Where predictions are posted, for an endpoint at `address`."""

    def info_urls(self, address: str) -> tuple[str, ...]:
        """Where the model card may be, the most likely first; none where the protocol has no card."""

    def metrics_urls(self, address: str) -> tuple[str, ...]:
        """Where Prometheus metrics may be, the most likely first."""

    def encode(self, named: bytes) -> bytes:
        """The request body for one input, which comes as a JSON object of feature names and values."""

    def read_info(self, document: Any) -> tuple[ModelCard, Mapping[str, Any]]:
        """The card, and how the endpoint says it is served (empty if unknown). Raises CardError."""

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """The answer to one input, checked against `card` where it is known. Raises WrongSchema."""


@cache
def protocol_named(name: str) -> Protocol:
    """Raises UnknownProtocol."""
    if name not in PROTOCOLS:
        raise UnknownProtocol(name)
    return cast(Protocol, importlib.import_module(PROTOCOLS[name]).PROTOCOL)
