"""The HTTP client for cards, metrics and audits; its answers have a size limit and a deadline, and failures have names.

httpx's timeouts apply to each read: a server that sends a byte per second never exceeds them.
"""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext, SSLError
from time import monotonic, perf_counter_ns
from typing import Any

import httpcore
import httpx

from benchmark.endpoints.answer import TooLarge
from benchmark.endpoints.grpc_lazily import LazyGrpcTransport
from benchmark.endpoints.sample import Failure


def new_client() -> httpx.Client:
    """A client to share: pooled connections, no proxies from the environment, no redirects, no retries, no cookies.

    Cookies ignore ports, so a cookie of one local twin would also go to the other.
    """
    grpc = LazyGrpcTransport()
    return httpx.Client(
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        follow_redirects=False,
        headers={"user-agent": "faceoff", "accept": "application/json", "accept-encoding": "identity"},
        mounts={"grpc://": grpc, "grpcs://": grpc},
        transport=BoundedTransport(httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=30)),
    )


def read_body(response: httpx.Response, most_bytes: int, started_ns: int, timeout_s: float) -> bytes:
    """Yield the body until `timeout_s` after `started_ns` of `perf_counter_ns`.

    Raises TooLarge, TimeoutError, and errors of httpx.
    """
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > most_bytes:
            raise TooLarge
        if perf_counter_ns() - started_ns > timeout_s * 1e9:
            raise TimeoutError
    return body


EXCHANGE_ERRORS = (httpx.TransportError, TimeoutError, TooLarge)
"""Errors caused by a server or network while a request is sent and its body is read with `read_body`."""


def exchange_failure(error: Exception) -> Failure:
    """The kind of failure for one of the EXCHANGE_ERRORS."""
    if isinstance(error, TooLarge):
        return Failure.TOO_LARGE
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return Failure.TIMEOUT
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SSLError):
            return Failure.TLS
        if isinstance(cause, ConnectionRefusedError):
            return Failure.REFUSED
        cause = cause.__cause__ or cause.__context__
    return Failure.UNREACHABLE if isinstance(error, httpx.ConnectError) else Failure.RESET


class BoundedTransport(httpx.HTTPTransport):
    """httpx's transport, with a read timeout for the whole answer, from its first header to its end."""

    def __init__(self, limits: httpx.Limits) -> None:
        super().__init__(trust_env=False, limits=limits)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(),
        )


class _Backend(httpcore.SyncBackend):
    def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(*arguments, **options))


class _Stream(httpcore.NetworkStream):
    """A connection with one deadline for all reads after a write."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._due_s: float | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if timeout is not None:
            if self._due_s is None:
                self._due_s = monotonic() + timeout
            timeout = self._due_s - monotonic()
            if timeout <= 0:
                raise httpcore.ReadTimeout
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._due_s = None
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
