"""What the dashboard and its sending process say to each other: one JSON document a line.

Bodies are bytes, so they travel as Latin-1, which has a character for each byte.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.endpoints.sample import Failure


@dataclass(frozen=True, slots=True)
class Request:
    """A `POST` of `body` to `url`. The whole exchange may take `timeout_s`."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request. `position` is its place in its batch."""

    position: int
    sent_at_utc: str
    latency_ms: float
    """from the send to the last byte of the answer, or to the failure; a new connection is included"""
    connection_reused: bool
    failure: Failure | None = None
    failure_detail: str | None = None
    status: int | None = None
    headers: Mapping[str, str] | None = None
    """by lower-case name"""
    body: bytes = b""


def write_batch(number: int, requests: Sequence[Request]) -> bytes:
    """A line with requests that leave together."""
    return _line([number, [{**asdict(one), "body": one.body.decode("latin-1")} for one in requests]])


def read_batch(line: bytes) -> tuple[int, list[Request]]:
    """The inverse of `write_batch`."""
    number, requests = json.loads(line)
    return number, [Request(**{**one, "body": one["body"].encode("latin-1")}) for one in requests]


def write_replies(number: int, replies: Sequence[Reply]) -> bytes:
    """A line with replies to requests of batch `number`."""
    return _line([number, [{**asdict(one), "body": one.body.decode("latin-1")} for one in replies]])


def read_replies(line: bytes) -> tuple[int, list[Reply]]:
    """The inverse of `write_replies`."""
    number, replies = json.loads(line)
    return number, [
        Reply(
            **{
                **one,
                "body": one["body"].encode("latin-1"),
                "failure": Failure(one["failure"]) if one["failure"] else None,
            }
        )
        for one in replies
    ]


def _line(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"
