"""One way of asking for everything that answers: the core in this process, or a server over HTTP."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from inference.service import Service

JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as strict JSON: NaN and Infinity are refused."""
        return strict_json(self.body)


class Target(Protocol):
    """Something that keeps the contract."""

    name: str

    def ask(
        self, method: str, path: str, content: bytes | Iterable[bytes] = b"", headers: Mapping[str, str] | None = None
    ) -> Answer: ...


class CoreTarget:
    """The shared core, called directly."""

    name = "core"

    def __init__(self, service: Service) -> None:
        self._service = service

    def ask(
        self, method: str, path: str, content: bytes | Iterable[bytes] = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        given = {name.lower(): value for name, value in (headers or {}).items()}
        body = content if isinstance(content, bytes) else b"".join(content)
        reply = self._service.respond(method, path, body, given.get("content-type"), given.get("content-encoding"))
        return Answer(reply.status, dict(reply.headers), b"" if method == "HEAD" else reply.body)


class HttpTarget:
    """A server process."""

    def __init__(self, name: str, url: str, client: httpx.Client) -> None:
        self.name = name
        self._url = url
        self._client = client

    def ask(
        self, method: str, path: str, content: bytes | Iterable[bytes] = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An iterable is sent in chunks, with no Content-Length."""
        response = self._client.request(method, self._url + path, content=content or None, headers=dict(headers or {}))
        return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)


def predict(target: Target, document: object, path: str = "/predict") -> Answer:
    """POST a document as every client does."""
    return target.ask("POST", path, json.dumps(document).encode(), JSON)


def strict_json(body: bytes) -> Any:
    """Decode, refusing what Python's parser would let through."""

    def refuse(literal: str) -> None:
        raise AssertionError(f"{literal} is not JSON")

    return json.loads(body.decode("utf-8"), parse_constant=refuse)
