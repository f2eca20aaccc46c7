"""The service as an ASGI application: read the body, call, send.

Both serving frameworks are ASGI, so this is the one place where their requests become bytes.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from inference.contract import MAX_BODY_BYTES, ContractError, too_large
from inference.service import Reply, Service

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientDisconnected(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class Endpoint:
    """An ASGI application (`http` scopes only) over one Service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method: str = scope["method"]
        path: str = scope["path"]
        content_type = content_encoding = None
        length = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value.decode("latin-1")
            elif name == b"content-length":
                length = value
            elif name == b"content-encoding":
                content_encoding = value.decode("latin-1")
        try:
            body = b""
            if self._service.accepts_body(method, path):
                body = await _read_body(receive, length)
            reply = self._service.respond(method, path, body, content_type, content_encoding)
        except ContractError as error:
            reply = self._service.refuse(error)
        except ClientDisconnected:
            return
        await _send(reply, send, with_body=method != "HEAD")


async def _read_body(receive: Receive, length: bytes) -> bytes:
    """The whole body. Raises a 413 as soon as it is known to be too large, counted also where it is chunked."""
    if length and (len(length) > 9 or int(length) > MAX_BODY_BYTES):  # the server lets only digits through
        raise too_large()
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large()
        if not message.get("more_body", False):
            return body


async def _send(reply: Reply, send: Send, *, with_body: bool) -> None:
    headers = [(name.encode(), value.encode()) for name, value in reply.headers]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})
