"""One HTTP exchange with one URL, timed phase by phase.

aiohttp opens, keeps and encrypts the connections, traces that, and reads the answers. The request goes out as bytes
made before: to make the same request anew each time, as aiohttp's own session does, more than doubles what a request
costs the client (`make bench-engine` shows the strength), which is more than a good service takes to answer.
"""

import asyncio
import math
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace
from yarl import URL

from benchmark.endpoints.answer import MAX_ANSWER_BYTES
from benchmark.endpoints.traffic import TEST_HEADERS

_IDLE_S = 1.5
"""Shorter than the keep-alive of any server in question (gunicorn: 2 s), so that none closes a connection just when it
is used again, which would look like a failure of the endpoint."""
_HEADERS = {
    "User-Agent": "faceoff-benchmark",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    **TEST_HEADERS,
}
_NO_HEADERS: Mapping[str, str] = {}
_NO_LIMITS = aiohttp.ClientTimeout(total=None, ceil_threshold=math.inf)
"""The whole exchange has one deadline, so its parts need none."""


class TooLarge(ValueError):
    """The answer is longer than any answer of this contract."""


class NotHttp(ValueError):
    """What came is no answer of HTTP/1."""


class Exchange:
    """One request and its answer, as far as it came. Moments are in ns of `perf_counter_ns`; 0 is never."""

    __slots__ = (
        "answered_ns",
        "body",
        "connect_end_ns",
        "connect_start_ns",
        "dns_end_ns",
        "dns_start_ns",
        "headers",
        "sent_ns",
        "status",
        "tls_start_ns",
    )

    def __init__(self) -> None:
        self.dns_start_ns = self.dns_end_ns = self.connect_start_ns = self.connect_end_ns = self.tls_start_ns = 0
        self.sent_ns = self.answered_ns = 0
        self.status = 0
        self.headers: Mapping[str, str] = _NO_HEADERS
        """finds names whatever their case"""
        self.body = b""


class Connections:
    """Connections to one URL: no retries, no redirects, no cookies, no proxies from the environment.

    Use it as an asynchronous context.
    """

    def __init__(self, url: str, *, reuse: bool, timeout_s: float) -> None:
        """`reuse` keeps a connection for the next exchange; `timeout_s` is for one exchange from end to end."""
        self._url = URL(url, encoded=True)
        self._reuse = reuse
        self._timeout_s = timeout_s
        self._head = b""
        self._trace = aiohttp.TraceConfig()
        self._trace.on_dns_resolvehost_start.append(_on("dns_start_ns"))
        self._trace.on_dns_resolvehost_end.append(_on("dns_end_ns"))
        self._trace.on_connection_create_start.append(_on("connect_start_ns"))
        self._trace.on_connection_create_end.append(_on("connect_end_ns"))
        self._trace.freeze()

    async def __aenter__(self) -> Self:
        options = {"keepalive_timeout": _IDLE_S} if self._reuse else {"force_close": True}
        secure = self._url.scheme == "https"
        self._connector = aiohttp.TCPConnector(limit=0, ssl=_tls_context() if secure else True, **options)
        # Whom to connect to, as the connector wants to be told; it is never sent.
        self._peer = aiohttp.ClientRequest("POST", self._url, loop=asyncio.get_running_loop())
        self.set_headers({})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connector.close()

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Send these with every request from now on, beside those that every client sends."""
        fields = {"Host": self._peer.headers["Host"], **_HEADERS, **headers}
        if not self._reuse:
            fields["Connection"] = "close"
        lines = [f"POST {self._url.raw_path_qs} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode()

    async def post(self, body: bytes, exchange: Exchange) -> None:
        """Send `body` and read the answer to its end into `exchange`.

        Raises TimeoutError, TooLarge, NotHttp, aiohttp.ClientError and OSError; what came until then is there.
        Cancelling ends the exchange and its connection.
        """
        _current.set(exchange)
        async with asyncio.timeout(self._timeout_s):
            traces = [Trace(None, self._trace, exchange)]  # type: ignore[arg-type]  # there is no session to hand on
            connection = await self._connector.connect(self._peer, traces, _NO_LIMITS)
            try:
                await self._converse(connection, body, exchange)
            except BaseException:
                connection.close()
                raise
            connection.release()

    async def _converse(self, connection: aiohttp.connector.Connection, body: bytes, exchange: Exchange) -> None:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        exchange.sent_ns = perf_counter_ns()
        try:
            message, content = await protocol.read()
            while message.code < 200 and message.code != 101:  # interim answers come before the answer
                message, content = await protocol.read()
        except HttpProcessingError as error:
            raise NotHttp from error
        exchange.answered_ns = perf_counter_ns()
        exchange.status, exchange.headers = message.code, message.headers
        exchange.body = await _read(content)


async def _read(content: StreamReader) -> bytes:
    if content.is_eof() and content.total_bytes <= MAX_ANSWER_BYTES:  # it came in one piece, as most do
        return content.read_nowait()
    body = b""
    while not content.at_eof():
        body += await content.read(MAX_ANSWER_BYTES + 1 - len(body))
        if len(body) > MAX_ANSWER_BYTES:
            raise TooLarge
    return body


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class _TlsContext(ssl.SSLContext):
    """aiohttp traces no handshake of its own: asyncio asks for this object at the moment when one begins."""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        if exchange := _current.get():
            exchange.tls_start_ns = perf_counter_ns()
        return super().wrap_bio(*arguments, **options)


def _tls_context() -> ssl.SSLContext:
    context = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _on(moment: str) -> Any:
    async def note(_: object, exchange: Exchange, __: object) -> None:
        setattr(exchange, moment, perf_counter_ns())

    return note
