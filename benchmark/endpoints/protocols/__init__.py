"""The protocols that endpoints speak: where requests go, what is sent, and how the answer is read.

To add one, write a module with an object `PROTOCOL` that has the members of `Protocol`, and add a line to `PROTOCOLS`.
"""

import importlib
import json
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
    """No protocol has this name; the message lists the available ones."""

    def __init__(self, name: str) -> None:
        super().__init__(f"speaks an unknown protocol ({name[:40]}): choose one of {', '.join(PROTOCOLS)}")


class WrongSchema(ValueError):
    """The body is JSON but not an answer of this model; the message says in a clause what is wrong."""


@dataclass(frozen=True, slots=True)
class Form:
    """A request format for rows: many rows in one request, or one row in each."""

    takes_many: bool
    encode: Callable[[Sequence[str], Sequence[Sequence[float]]], bytes]
    """the body for the features of these names and their rows"""
    split: Callable[[Any, int], list[Any] | None]
    """the reply as one document per row, for `read_answer`; None if it does not answer this many rows"""


class Protocol(Structure):
    """The interface of a protocol. Implementations are stateless and never send anything."""

    forms: Mapping[str, Form]
    """forms by name, best first; at least one takes a single row"""

    def predict_url(self, address: str) -> str:
        """The URL for predictions of an endpoint at `address`."""

    def info_urls(self, address: str) -> tuple[str, ...]:
        """Possible URLs of the model card, most likely first; empty if the protocol has no card."""

    def metrics_urls(self, address: str) -> tuple[str, ...]:
        """Possible URLs of Prometheus metrics, most likely first."""

    def encode(self, named: bytes) -> bytes:
        """The request body for one input, given as a JSON object of feature names and values."""

    def read_info(self, document: Any) -> tuple[ModelCard, Mapping[str, Any]]:
        """The card, and the endpoint's report of how it is served (empty if unknown). Raises CardError."""

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """The answer to one input, checked against `card` if known. Raises WrongSchema."""


def named_body(names: Sequence[str], values: Sequence[float | str | None]) -> bytes:
    """One input as the JSON object of names and values that `Protocol.encode` takes."""
    return json.dumps(dict(zip(names, values, strict=True))).encode()


@cache
def protocol_named(name: str) -> Protocol:
    """Raises UnknownProtocol."""
    if name not in PROTOCOLS:
        raise UnknownProtocol(name)
    return cast(Protocol, importlib.import_module(PROTOCOLS[name]).PROTOCOL)
