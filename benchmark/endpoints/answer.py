"""Read the answers of endpoints, which are untrusted."""

import json
from dataclasses import dataclass
from typing import Any

from benchmark.endpoints.protocols import Protocol, WrongSchema
from benchmark.endpoints.sample import Answer, Failure
from inference.card import ModelCard

MAX_ANSWER_BYTES = 256 * 1024


class TooLarge(ValueError):
    """The body exceeds the limit."""


class NotJson(ValueError):
    """The body is not JSON."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A usable answer, or why there is none."""

    answer: Answer | None = None
    failure: Failure | None = None
    detail: str | None = None


def judge(status: int, body: bytes, card: ModelCard | None, protocol: Protocol) -> Judged:
    """Read a reply with `protocol`: its answer, or its failure."""
    if status != 200:
        return Judged(
            failure={4: Failure.CLIENT_ERROR, 5: Failure.SERVER_ERROR}.get(status // 100, Failure.UNEXPECTED_STATUS)
        )
    try:
        return Judged(protocol.read_answer(decode(body), card))
    except NotJson:
        return Judged(failure=Failure.BAD_JSON)
    except WrongSchema as error:
        return Judged(failure=Failure.WRONG_SCHEMA, detail=str(error))


def _refuse(_: str) -> None:
    raise NotJson


_decode = json.JSONDecoder(parse_constant=_refuse).decode


def decode(body: bytes) -> Any:
    """Strict JSON in UTF-8. Raises NotJson."""
    try:
        return _decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NotJson from None
