"""One HTTP/1.1 connection: write a prepared request, and read its answer with the time of each part.

httptools parses answers, as in the servers. Times are taken when the bytes arrive, before any task wakes up.
"""

import asyncio
import math
from collections.abc import Mapping
from time import perf_counter_ns
from typing import cast

import httptools

from benchmark.endpoints.answer import MAX_ANSWER_BYTES, TooLarge

_MAX_HEAD_BYTES = 64 * 1024
"""Maximum size of all headers of an answer, including interim answers."""
_NO_HEADERS: Mapping[str, str] = {}


class NotHttp(ValueError):
    """The answer is not HTTP/1."""


class ConnectionLost(ConnectionError):
    """The connection ended before the answer did."""


class Exchange:
    """One request and its answer so far. Moments are in ns of `perf_counter_ns`; 0 means not reached."""

    __slots__ = (
        "answered_ns",
        "body",
        "connect_end_ns",
        "connect_start_ns",
        "dns_end_ns",
        "dns_start_ns",
        "ended_ns",
        "headers",
        "sent_ns",
        "status",
        "tls_end_ns",
        "tls_start_ns",
    )

    def __init__(self) -> None:
        self.dns_start_ns = self.dns_end_ns = self.connect_start_ns = self.connect_end_ns = 0
        self.tls_start_ns = self.tls_end_ns = 0
        self.sent_ns = self.answered_ns = self.ended_ns = 0
        self.status = 0
        self.headers: Mapping[str, str] = _NO_HEADERS
        """by lower-case name"""
        self.body = b""

    def spans_ms(self, ended_ns: int) -> dict[str, float]:
        """The duration of each phase, by column of the record; NaN for a phase that did not start or end.

        `ended_ns` is the time of the last byte, or of the failure.
        """
        return {
            "dns_ms": _span_ms(self.dns_start_ns, self.dns_end_ns),
            "connect_ms": _span_ms(self.connect_start_ns, self.connect_end_ns),
            "tls_ms": _span_ms(self.tls_start_ns, self.tls_end_ns),
            "wait_ms": _span_ms(self.sent_ns, self.answered_ns),
            "receive_ms": _span_ms(self.answered_ns, ended_ns),
        }


def _span_ms(start_ns: int, end_ns: int) -> float:
    return (end_ns - start_ns) / 1e6 if start_ns and end_ns else math.nan


class Wire(asyncio.Protocol):
    """A connection that carries one exchange at a time. `is_usable` says whether it can carry another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._answered: asyncio.Future[None] | None = None
        self.lost: asyncio.Future[None] = loop.create_future()
        """done when the connection is gone"""
        self.is_usable = False
        self.idle_since_ns = 0

    async def converse(self, request: bytes, exchange: Exchange) -> None:
        """Send `request` and read the answer to its end into `exchange`, which keeps data received before an error.

        Raises TooLarge, NotHttp and ConnectionLost. Close the connection after these, and after a cancellation.
        """
        if not self.is_usable:
            raise ConnectionLost
        self.is_usable = False
        self._exchange = exchange
        self._start_answer()
        self._bytes_left = _MAX_HEAD_BYTES + MAX_ANSWER_BYTES
        self._answered = self._loop.create_future()
        self._transport.write(request)
        exchange.sent_ns = perf_counter_ns()
        await self._answered

    def close(self) -> None:
        """Abort the connection."""
        self.is_usable = False
        self._exchange = None
        self._transport.abort()

    # --- Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transport does not inherit from the class
        self.is_usable = True

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:  # unexpected data
            self.close()
            return
        self._bytes_left -= len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end()
            self.is_usable = False  # 101: another protocol follows
        except httptools.HttpParserCallbackError as error:
            self._fail(error.__context__ if isinstance(error.__context__, TooLarge) else NotHttp())
        except httptools.HttpParserError:
            self._fail(NotHttp())
        else:
            if self._bytes_left < 0:
                self._fail(TooLarge())

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(None)
        if self._exchange is not None and error is None and self._ends_with_connection:
            self._end()
            self.is_usable = False
        else:
            self._fail(ConnectionLost())

    # --- Called by httptools

    def on_message_begin(self) -> None:
        if self._exchange is None:  # a second answer to one request
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key in self._headers:
            self._repeated.setdefault(key, [self._headers[key]]).append(text)
        else:
            self._headers[key] = text

    def on_headers_complete(self) -> None:
        if self._exchange is None:
            return
        status = self._parser.get_status_code()
        if status < 200 and status != 101:  # interim answers come before the answer
            return
        self._exchange.answered_ns = perf_counter_ns()
        for key, texts in self._repeated.items():  # RFC 9110, 5.2: they are one field
            self._headers[key] = ", ".join(texts)
        self._exchange.status, self._exchange.headers = status, self._headers
        # RFC 9112, 6.3: an answer without a length ends with its connection.
        self._ends_with_connection = not self._headers.keys() & {"content-length", "transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > MAX_ANSWER_BYTES:
            raise TooLarge

    def on_message_complete(self) -> None:
        if self._exchange is None:
            return
        if not self._exchange.status:  # it was an interim answer
            self._start_answer()
            return
        self._end()
        self.is_usable = self._parser.should_keep_alive()

    # --- Progress of an exchange

    def _start_answer(self) -> None:
        self._headers: dict[str, str] = {}
        self._repeated: dict[str, list[str]] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._ends_with_connection = False

    def _end(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        exchange.ended_ns = self.idle_since_ns = perf_counter_ns()
        exchange.body = b"".join(self._body)
        if self._answered and not self._answered.done():
            self._answered.set_result(None)

    def _fail(self, error: BaseException) -> None:
        self.is_usable = False
        self._exchange = None
        if self._answered and not self._answered.done():
            self._answered.set_exception(error)
