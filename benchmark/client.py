"""One endpoint's connections: sends a body, times its phases, and gives a row of the record.

aiohttp, because httpx costs more per request than a good service takes to answer.
"""

import asyncio
import math
import ssl
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from benchmark.answer import MAX_ANSWER_BYTES, Judged, judge
from benchmark.endpoint import Endpoint
from benchmark.evidence import Evidence, read_evidence
from benchmark.plan import Connection
from benchmark.sample import Failure, temperature
from benchmark.samples import FAILURES, TEMPERATURES
from inference.card import ModelCard

_IDLE_S = 1.5
"""Shorter than the keep-alive of any server in question (gunicorn: 2 s), so that none closes a connection just when it
is used again, which would look like a failure of the endpoint."""
_HEADERS = {
    "user-agent": "faceoff-benchmark",
    "accept": "application/json",
    "accept-encoding": "identity",
    "content-type": "application/json",
}
_FAILURE_CODES = {failure: code for code, failure in enumerate(FAILURES, 1)}
_TEMPERATURE_CODES = {state: code for code, state in enumerate(TEMPERATURES)}
_NO_EVIDENCE = Evidence()
_NAN = math.nan

Row = tuple[Any, ...]
"""One request, in the order of the fields of `samples.ROW`."""


class _Phases:
    """When what happened, in ns; 0 is never."""

    __slots__ = ("connect_end", "connect_start", "dns_end", "dns_start", "sent", "tls_start")

    def __init__(self) -> None:
        self.dns_start = self.dns_end = self.connect_start = self.connect_end = self.tls_start = self.sent = 0


_current: ContextVar[_Phases | None] = ContextVar("phases", default=None)


class _TlsContext(ssl.SSLContext):
    """aiohttp traces no handshake of its own: asyncio asks for this object at the moment when one begins."""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        if phases := _current.get():
            phases.tls_start = perf_counter_ns()
        return super().wrap_bio(*arguments, **options)


def _tls_context() -> ssl.SSLContext:
    context = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Instances:
    """The instances that have answered in one run, numbered from 1 as they were seen; 0 is unknown."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        """`ids` are those that were seen before, where a run goes on."""
        self._numbers: dict[str, int] = {instance_id: number for number, instance_id in enumerate(ids, 1)}

    def number(self, instance_id: str | None) -> int:
        """The number of an instance; the number of the field's width holds 65 535 of them."""
        if instance_id is None or len(self._numbers) >= 0xFFFF:
            return self._numbers.get(instance_id or "", 0)
        return self._numbers.setdefault(instance_id, len(self._numbers) + 1)

    @property
    def ids(self) -> list[str]:
        return list(self._numbers)


class Client:
    """Requests to one endpoint: no retries, no redirects, no cookies, no proxies from the environment.

    Use it as an asynchronous context. `position` is the endpoint's place in the plan.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        position: int,
        card: ModelCard | None,
        instances: Instances,
        *,
        connection: Connection = "reused",
        timeout_s: float = 10.0,
    ) -> None:
        self.endpoint = endpoint
        self.position = position
        self.failure_details: dict[Failure, str] = {}
        """an example of each failure, in words"""
        self._url = URL(endpoint.predict_url, encoded=True)
        # The same body gets the same bytes again and again: what has been checked once need not be parsed again.
        self._judge = lru_cache(maxsize=256)(lambda status, content: judge(status, content, card))
        self._instances = instances
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, ceil_threshold=math.inf)
        self._new_connections = connection == "new"
        self._authorization: Mapping[str, str] = {}

    async def __aenter__(self) -> "Client":
        # The request's own phases are the context: nothing has to be made for it.
        trace = aiohttp.TraceConfig(lambda trace_request_ctx: trace_request_ctx)  # type: ignore[arg-type]
        trace.on_dns_resolvehost_start.append(_on("dns_start"))
        trace.on_dns_resolvehost_end.append(_on("dns_end"))
        trace.on_connection_create_start.append(_on("connect_start"))
        trace.on_connection_create_end.append(_on("connect_end"))
        trace.on_request_chunk_sent.append(_on("sent"))
        options = {"force_close": True} if self._new_connections else {"keepalive_timeout": _IDLE_S}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, ssl=_tls_context() if self.endpoint.url.startswith("https:") else True, **options
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=self._timeout,
            trace_configs=[trace],
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def authorize(self) -> None:
        """Take a token that is valid for a while yet; fetching one may take seconds. Raises TokenError."""
        self._authorization = await asyncio.to_thread(lambda: self.endpoint.headers)

    async def send(
        self,
        body: bytes,
        group: int,
        *,
        began_ns: int,
        due_ns: int | None = None,
        waited_from_ns: int | None = None,
        warmup: bool,
    ) -> Row:
        """Send `body` once. Never raises for what an endpoint does; cancelling gives no row.

        `began_ns`, when the run began, and `due_ns`, when this should have been sent, are of `perf_counter_ns`;
        without the latter it is due now. `waited_from_ns` is since when an instance has been waited for, where that
        is before the send: an instance that was started for this request is cold, however long ago that was.
        """
        phases = _Phases()
        _current.set(phases)
        status, evidence, failure, detail = 0, _NO_EVIDENCE, None, None
        judged = Judged()
        answered_ns = 0
        started_ns = perf_counter_ns()
        try:
            async with self._session.post(
                self._url,
                data=body,
                headers=self._authorization,
                allow_redirects=False,
                trace_request_ctx=phases,
            ) as response:
                answered_ns = perf_counter_ns()
                status = response.status
                content = await _read(response)
            ended_ns = perf_counter_ns()
            evidence = read_evidence(response.headers)
            judged = self._judge(status, content)
            failure, detail = judged.failure, judged.detail
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            ended_ns = perf_counter_ns()
            failure, detail = _classify(error), _reason(error)
        if failure:
            self.failure_details.setdefault(failure, detail or (f"HTTP {status}" if status else failure.value))
        service_ms = (ended_ns - started_ns) / 1e6
        prediction = judged.answer.prediction if judged.answer else _NAN
        waited_ms = (ended_ns - (waited_from_ns or started_ns)) / 1e6
        state = temperature(evidence.request_count, evidence.instance_age_ms, waited_ms)
        sent_ns = phases.sent or phases.connect_end or started_ns
        return (
            self.position,
            warmup,
            _TEMPERATURE_CODES[state],
            _FAILURE_CODES[failure] if failure else 0,
            status,
            self._instances.number(evidence.instance_id),
            group,
            ((started_ns if due_ns is None else due_ns) - began_ns) / 1e6,
            (started_ns - began_ns) / 1e6,
            service_ms,
            _NAN if evidence.server_ms is None else evidence.server_ms,
            _span(phases.dns_start, phases.dns_end),
            _span(phases.dns_end or phases.connect_start, phases.tls_start or phases.connect_end),
            _span(phases.tls_start, phases.connect_end),
            _span(sent_ns, answered_ns),
            _span(answered_ns, ended_ns),
            prediction,
        )


class _TooLarge(ValueError):
    """The answer is longer than any answer of this contract."""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = await response.content.read(MAX_ANSWER_BYTES + 1)
    while body and not response.content.at_eof():
        more = await response.content.read(MAX_ANSWER_BYTES + 1 - len(body))
        body += more
        if len(body) > MAX_ANSWER_BYTES:
            raise _TooLarge
    return body


def _on(moment: str) -> Any:
    async def note(_: aiohttp.ClientSession, phases: _Phases | SimpleNamespace, __: object) -> None:
        setattr(phases, moment, perf_counter_ns())

    return note


def _span(start_ns: int, end_ns: int) -> float:
    return (end_ns - start_ns) / 1e6 if start_ns and end_ns else _NAN


def _classify(error: Exception) -> Failure:
    if isinstance(error, _TooLarge):
        return Failure.TOO_LARGE
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT
    if isinstance(error, aiohttp.ClientSSLError):
        return Failure.TLS
    if isinstance(error, aiohttp.ClientConnectorError):
        return Failure.REFUSED if isinstance(error.os_error, ConnectionRefusedError) else Failure.UNREACHABLE
    if isinstance(error, aiohttp.InvalidURL):
        return Failure.UNREACHABLE
    return Failure.RESET


def _reason(error: Exception) -> str:
    """A short text without addresses of this machine or the like: the kind of the error."""
    return type(error).__name__
