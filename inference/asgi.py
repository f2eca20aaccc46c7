"""The service as an ASGI application: read the body, call, send, and keep count.

Both serving frameworks are ASGI, so this is the one place where their requests become bytes.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from itertools import chain
from time import perf_counter
from typing import Any

from inference.contract import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    TEST_TRAFFIC,
    TRAFFIC_HEADER,
    ContractError,
    headers_too_large,
    too_large,
)
from inference.cors import Cors
from inference.request_log import RequestLog, Trace, read_trace
from inference.service import Reply, Service

REPLY_EXTENSION = "faceoff.reply"
"""The ASGI extension by which our protocol takes a whole Reply; it returns False where `send` has to be used."""

_NO_EXTENSIONS: Mapping[str, Any] = {}

_TRAFFIC_HEADER = TRAFFIC_HEADER.encode()
_TEST_TRAFFIC = TEST_TRAFFIC.encode()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientDisconnected(Exception):
    """The client disconnected before its request was complete."""


class ServiceApp:
    """An ASGI application (`http` scopes only) over one Service."""

    def __init__(self, service: Service, log: RequestLog, cors: Cors) -> None:
        self.service = service
        self._log = log
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = perf_counter()
        service = self.service
        method: str = scope["method"]
        path: str = scope["path"]
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body = b""
        service.metrics.in_flight += 1
        try:
            try:
                pairs = scope["headers"]
                if sum(map(len, chain.from_iterable(pairs)), 4 * len(pairs)) > MAX_HEAD_BYTES:
                    raise headers_too_large()
                permissions = self._cors.preflight(method, headers)
                if permissions is not None:
                    reply = service.no_content(permissions)
                else:
                    if service.accepts_body(method, path):
                        body = await _read_body(receive, headers.get(b"content-length", b""))
                    reply = service.respond(
                        method,
                        path,
                        body,
                        _text(headers, b"content-type"),
                        _text(headers, b"content-encoding"),
                        _is_test(headers),
                    )
            except ContractError as error:
                reply = service.refuse(error, method, path)
            except ClientDisconnected:
                return
            trace = self._finish_headers(reply, headers)
            write = (scope.get("extensions") or _NO_EXTENSIONS).get(REPLY_EXTENSION)
            if write is None or not write(reply):
                await _send(reply, send, with_body=method != "HEAD")
        finally:
            service.metrics.in_flight -= 1
        self._record(method, path, reply, perf_counter() - started_s, len(body), trace, headers)

    def refuse(self, error: ContractError, scope: Mapping[str, Any]) -> Reply:
        """The reply, counted and logged, to a request that the server ends before it is complete.

        `scope` is empty, or an ASGI scope that may still lack method and path.
        """
        method, path, headers = scope.get("method", ""), scope.get("path", ""), dict(scope.get("headers", ()))
        reply = self.service.refuse(error, method, path)
        trace = self._finish_headers(reply, headers)
        self._record(method, path, reply, None, 0, trace, headers)
        return reply

    def _record(
        self,
        method: str,
        path: str,
        reply: Reply,
        duration_s: float | None,
        body_bytes: int,
        trace: Trace | None,
        headers: Mapping[bytes, bytes],
    ) -> None:
        self.service.metrics.count_request(self.service.route(path), reply.status, duration_s, _is_test(headers))
        self._log.write(
            method,
            path,
            reply.status,
            duration_s,
            (body_bytes, len(reply.body)),
            trace,
            headers.get(b"function-execution-id", b""),
        )

    def _finish_headers(self, reply: Reply, headers: dict[bytes, bytes]) -> Trace | None:
        """Add the headers that depend on the caller: its trace and its CORS permission."""
        for name, value in self._cors.headers(headers):
            reply.add(name, value)
        traceparent, cloud_trace = headers.get(b"traceparent", b""), headers.get(b"x-cloud-trace-context", b"")
        trace = read_trace(traceparent, cloud_trace) if traceparent or cloud_trace else None
        if trace:
            reply.add("traceparent", trace.traceparent)
        return trace


async def _read_body(receive: Receive, length: bytes) -> bytes:
    """Read the whole body, chunked or not. Raises a 413 as soon as it exceeds the limit."""
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
    lines = (reply.head + reply.length_line).split(b"\r\n")[:-1]
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})


def _is_test(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(_TRAFFIC_HEADER) == _TEST_TRAFFIC


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
