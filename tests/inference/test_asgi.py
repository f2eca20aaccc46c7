"""The service as an ASGI application: what is read of a request, when it is refused, and what is sent."""

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any

import pytest

from inference.contract import MAX_BODY_BYTES
from inference.service import Service
from tests.conftest import make_app
from tests.contract.cases import ACCEPTED

Message = MutableMapping[str, Any]
BODY = ACCEPTED[0].body
JSON = (b"content-type", b"application/json")


class Connection:
    """One request as a server hands it over: the messages that can be received, and what was sent."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._messages = list(messages)
        self.received = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        self.received += 1
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return bytes(self.sent[1]["body"])


def request(
    service: Service, method: str, path: str, messages: Iterable[Message], *headers: tuple[bytes, bytes]
) -> Connection:
    """Let the endpoint answer one request."""
    connection = Connection(messages)
    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(make_app(service)(scope, connection.receive, connection.send))
    return connection


def chunks(*bodies: bytes) -> list[Message]:
    """A body in pieces, the last one marked as such."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
    messages[-1]["more_body"] = False
    return messages


def test_a_body_is_put_together_from_its_pieces(service: Service) -> None:
    answered = request(service, "POST", "/predict", chunks(*(bytes([byte]) for byte in BODY), b""), JSON)
    assert answered.status == 200
    assert answered.body == service.respond("POST", "/predict", BODY, "application/json").body


def test_a_message_without_a_body_is_an_empty_one(service: Service) -> None:
    assert request(service, "POST", "/predict", [{"type": "http.request"}], JSON).status == 400


def test_the_length_of_the_answer_is_its_header(service: Service) -> None:
    answered = request(service, "GET", "/health", [])
    assert answered.headers[b"content-length"] == str(len(answered.body)).encode()
    assert answered.headers[b"content-type"] == b"application/json"
    assert len(answered.sent) == 2


def test_head_has_the_length_and_no_body(service: Service) -> None:
    got, headed = request(service, "GET", "/health", []), request(service, "HEAD", "/health", [])
    assert headed.body == b""
    assert headed.headers[b"content-length"] == got.headers[b"content-length"] == str(len(got.body)).encode()


@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("PUT", "/predict"), ("POST", "/nothing")])
def test_a_body_that_nobody_needs_is_not_read(method: str, path: str, service: Service) -> None:
    assert request(service, method, path, chunks(b"x"), (b"content-length", b"999999999999")).received == 0


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "999999999", "9999999999", "9" * 5000])
def test_a_body_announced_as_too_large_is_refused_unread(length: str, service: Service) -> None:
    answered = request(service, "POST", "/predict", [], JSON, (b"content-length", length.encode()))
    assert (answered.status, answered.received) == (413, 0)


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(service: Service) -> None:
    piece = b" " * (MAX_BODY_BYTES // 4)
    answered = request(service, "POST", "/predict", chunks(*[piece] * 100), JSON)
    assert (answered.status, answered.received) == (413, 5)


def test_a_body_of_exactly_the_limit_is_read(service: Service) -> None:
    body = BODY + b" " * (MAX_BODY_BYTES - len(BODY))
    announced = (b"content-length", str(MAX_BODY_BYTES).encode())
    assert request(service, "POST", "/predict", chunks(body), JSON, announced).status == 200
    assert request(service, "POST", "/predict", chunks(body, b" "), JSON).status == 413


def test_a_client_that_went_away_is_sent_nothing(service: Service) -> None:
    messages = [*chunks(b"{", b"")[:1], {"type": "http.disconnect"}]
    assert request(service, "POST", "/predict", messages, JSON).sent == []


def test_a_client_that_went_away_is_not_counted(service: Service) -> None:
    request(service, "POST", "/predict", [{"type": "http.disconnect"}], JSON)
    assert request(service, "GET", "/health", []).headers[b"x-request-count"] == b"0"


def test_the_content_encoding_is_looked_at(service: Service) -> None:
    answered = request(service, "POST", "/predict", chunks(BODY), JSON, (b"content-encoding", b"gzip"))
    assert answered.status == 415


def test_a_header_that_is_no_ascii_is_a_refusal_and_no_failure(service: Service) -> None:
    answered = request(service, "POST", "/predict", chunks(BODY), (b"content-type", b"application/json\xff"))
    assert answered.status == 415
