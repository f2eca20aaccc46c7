"""The protocols that endpoints speak: where requests go, what is sent, and how the answer is read.

To add one, write a module with an object `PROTOCOL` that has the members of `Protocol`, and add a line to `PROTOCOLS`.
A protocol with options, or that learns from what an endpoint says about itself, has a function `configured` instead.
"""

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from typing import Protocol as Structure

from benchmark.endpoints.sample import Answer
from inference.card import ModelCard, Value

PROTOCOLS: dict[str, str] = {
    "faceoff": "benchmark.endpoints.protocols.faceoff",
    "kserve-v1": "benchmark.endpoints.protocols.kserve_v1",
    "oip": "benchmark.endpoints.protocols.oip",
    "oip-grpc": "benchmark.endpoints.protocols.oip_grpc",
    "mlflow": "benchmark.endpoints.protocols.mlflow",
    "vertex": "benchmark.endpoints.protocols.vertex",
    "tf-serving": "benchmark.endpoints.protocols.tf_serving",
    "bare": "benchmark.endpoints.protocols.bare",
    "template": "benchmark.endpoints.protocols.template",
    "auto": "benchmark.endpoints.protocols.auto",
}
"""Each protocol's name and its module, which is imported when an endpoint first speaks it.

An endpoint is asked for its protocol in this order: `bare` is late, because many servers have an OpenAPI document.
"""
DEFAULT = "faceoff"
AUTO = "auto"
EXAMPLE = "example_input"
"""The entry of an endpoint's report with an input that it takes: feature names and values."""


class UnknownProtocol(ValueError):
    """No protocol has this name; the message lists the available ones."""

    def __init__(self, name: str) -> None:
        super().__init__(f"speaks an unknown protocol ({name[:40]}): choose one of {', '.join(PROTOCOLS)}")


class OptionError(ValueError):
    """The options do not suit the protocol; the message says why in a clause that follows the endpoint's name."""


class WrongSchema(ValueError):
    """The body is JSON but not an answer of this model; the message says in a clause what is wrong."""


class NotEncodable(ValueError):
    """The endpoint does not take these inputs, by its own description; the message says why in a clause."""


@dataclass(frozen=True, slots=True)
class Form:
    """A request format for rows: many rows in one request, or one row in each."""

    takes_many: bool
    encode: Callable[[Sequence[str], Sequence[Sequence[Value]]], bytes]
    """the body for the features of these names and their rows. Raises NotEncodable"""
    split: Callable[[Any, int], list[Any] | None]
    """the reply as one document per row, for `read_answer`; None if it does not answer this many rows"""


class Protocol(Structure):
    """The interface of a protocol. Implementations never send anything, and keep nothing but what `read_info` reads."""

    forms: Mapping[str, Form]
    """forms by name, best first; at least one takes a single row"""

    def predict_url(self, address: str) -> str:
        """The URL for predictions of an endpoint at `address`."""

    def info_urls(self, address: str) -> tuple[str, ...]:
        """Possible URLs of the model card, most likely first; empty if the protocol has no card."""

    def metrics_urls(self, address: str) -> tuple[str, ...]:
        """Possible URLs of Prometheus metrics, most likely first."""

    def encode(self, named: bytes) -> bytes:
        """The request body for one input, given as a JSON object of feature names and values. Raises NotEncodable."""

    def read_info(self, document: Any) -> tuple[ModelCard | None, Mapping[str, Any]]:
        """The card (None if the protocol has none), and the endpoint's report of how it is served (empty if unknown).

        `EXAMPLE` in the report is an input that the endpoint takes, by its own description. Raises CardError.
        """

    def read_answer(self, document: Any, card: ModelCard | None) -> Answer:
        """The answer to one input, checked against `card` if known. Raises WrongSchema."""


def named_body(names: Sequence[str], values: Sequence[Value]) -> bytes:
    """One input as the JSON object of names and values that `Protocol.encode` takes."""
    return json.dumps(dict(zip(names, values, strict=True))).encode()


def protocol_named(name: str) -> Protocol:
    """The protocol without options. Raises UnknownProtocol, and OptionError if it needs options."""
    return protocol_of(name, "", None, None)


@lru_cache(maxsize=256)
def protocol_of(name: str, address: str, form: str | None, template: str | None) -> Protocol:
    """The protocol of the endpoint at `address`: what it learns there, it keeps for that address.

    `form` is the request format to use, one of the protocol's `forms`; `template` is the JSON text of a template.
    Raises UnknownProtocol, OptionError.
    """
    return new_protocol(name, form, template)


def new_protocol(name: str, form: str | None, template: str | None) -> Protocol:
    """A protocol that has learned nothing yet. Raises UnknownProtocol, OptionError."""
    if name not in PROTOCOLS:
        raise UnknownProtocol(name)
    module = importlib.import_module(PROTOCOLS[name])
    if hasattr(module, "configured"):
        return cast(Protocol, module.configured(form, template))
    if form is not None or template is not None:
        raise OptionError(f"speaks {name}, which has no options")
    return cast(Protocol, module.PROTOCOL)
