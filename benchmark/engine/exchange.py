"""Exchanges with one URL, timed phase by phase: name resolution, connection, TLS, wait and body.

Requests are built once as bytes: building each request again would more than double the client's cost (see
`make bench-engine`), to more than a fast service needs to answer.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Self

import httpx
from aiohappyeyeballs import AddrInfoType, start_connection

from benchmark.endpoints.answer import TooLarge
from benchmark.endpoints.sample import Failure
from benchmark.endpoints.traffic import TEST_HEADERS
from benchmark.engine.wire import Exchange, Wire

_IDLE_S = 1.5
"""Shorter than the keep-alive of common servers (gunicorn: 2 s), so that no server closes a connection at the moment of
reuse, which would look like a failure of the endpoint."""
_ADDRESSES_S = 10.0
"""How long the addresses of a host are cached."""
_HAPPY_EYEBALLS_S = 0.25
"""When to try the next address in parallel with one that has not answered (RFC 8305, 5)."""
_HEADERS = {
    "User-Agent": "faceoff-benchmark",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    **TEST_HEADERS,
}


class Unreachable(OSError):
    """The host has no address, or cannot be connected to."""


class Refused(Unreachable):
    """The host refuses connections to this port."""


class TlsFailed(OSError):
    """The TLS handshake failed: the certificate is not trusted, or the server does not speak TLS."""


def failure_of(error: Exception) -> Failure:
    """The kind of failure for an error of `Connections.post`."""
    kinds: dict[type[Exception], Failure] = {
        TooLarge: Failure.TOO_LARGE,
        TimeoutError: Failure.TIMEOUT,
        TlsFailed: Failure.TLS,
        Refused: Failure.REFUSED,
        Unreachable: Failure.UNREACHABLE,
    }
    return next((failure for kind, failure in kinds.items() if isinstance(error, kind)), Failure.RESET)


def tls_context() -> ssl.SSLContext:
    """Trusts the authorities of the system."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Connections:
    """Connections to one URL: no retries, no redirects, no cookies, no proxies from the environment.

    Use it as an asynchronous context.
    """

    def __init__(
        self,
        url: str,
        *,
        reuse: bool,
        timeout_s: float,
        headers: Mapping[str, str] = _HEADERS,
        idle_s: float = _IDLE_S,
        tls_context: Callable[[], ssl.SSLContext] = tls_context,
    ) -> None:
        """`reuse` keeps a connection for the next exchange, for `idle_s`; `timeout_s` limits a whole exchange.

        `headers` are the standard headers of every request.
        """
        self._url = httpx.URL(url)
        self._reuse = reuse
        self._timeout_s = timeout_s
        self._headers = headers
        self._idle_s = idle_s
        self._host = self._url.raw_host.decode("ascii")
        is_secure = self._url.scheme == "https"
        self._port = self._url.port or (443 if is_secure else 80)
        # No separate limit for the handshake: the whole exchange has one.
        self._secure: dict[str, Any] = (
            {"ssl": tls_context(), "server_hostname": self._host, "ssl_handshake_timeout": timeout_s + 60}
            if is_secure
            else {}
        )
        self._idle: list[Wire] = []
        self._open: set[Wire] = set()
        self._addresses: Sequence[AddrInfoType] = ()
        self._resolved_ns = 0
        self.set_headers({})

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._idle.clear()
        left = [wire.lost for wire in self._open]
        for wire in self._open:
            wire.close()
        if left:
            await asyncio.wait(left)

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Send these headers with every request from now on, in addition to the standard ones."""
        fields = {"Host": self._url.netloc.decode("ascii"), **self._headers, **headers}
        if not self._reuse:
            fields["Connection"] = "close"
        target = self._url.raw_path.decode("ascii")
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode()

    async def post(self, body: bytes, exchange: Exchange) -> None:
        """Send `body` and read the answer to its end into `exchange`.

        Raises TimeoutError, TooLarge, NotHttp, Unreachable, TlsFailed and ConnectionLost; `exchange` then has the data
        received so far. A cancellation ends the exchange and its connection.
        """
        request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        async with asyncio.timeout(self._timeout_s):
            wire = self._kept() or await self._connect(exchange)
            try:
                await wire.converse(request, exchange)
            except BaseException:
                wire.close()
                raise
            if self._reuse and wire.is_usable:
                self._idle.append(wire)
            else:
                wire.close()

    def _kept(self) -> Wire | None:
        """The last used connection, if no server can have closed it yet; older connections are closed."""
        expired_ns = perf_counter_ns() - int(self._idle_s * 1e9)
        while self._idle and self._idle[0].idle_since_ns <= expired_ns:  # the one that has rested longest
            self._idle.pop(0).close()
        while self._idle:
            wire = self._idle.pop()
            if wire.is_usable:
                return wire
            wire.close()
        return None

    async def _connect(self, exchange: Exchange) -> Wire:
        try:
            addresses = await self._resolve(exchange)
            exchange.connect_start_ns = perf_counter_ns()
            sock = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_S, interleave=1)
        except ConnectionRefusedError as error:
            raise Refused from error
        except OSError as error:
            raise Unreachable from error
        exchange.connect_end_ns = perf_counter_ns()
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, wire = await self._loop.create_connection(lambda: Wire(self._loop), sock=sock, **self._secure)
        except BaseException as error:
            sock.close()
            if self._secure and isinstance(error, OSError):
                raise TlsFailed from error
            raise
        if self._secure:
            exchange.tls_start_ns, exchange.tls_end_ns = exchange.connect_end_ns, perf_counter_ns()
        self._open.add(wire)
        wire.lost.add_done_callback(lambda _: self._open.discard(wire))
        return wire

    async def _resolve(self, exchange: Exchange) -> Sequence[AddrInfoType]:
        started_ns = perf_counter_ns()
        if not self._addresses or started_ns - self._resolved_ns > _ADDRESSES_S * 1e9:
            self._addresses = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._resolved_ns = perf_counter_ns()
            exchange.dns_start_ns, exchange.dns_end_ns = started_ns, self._resolved_ns
        return self._addresses
