"""`python -m benchmark.observation.process`: send and time requests for the process that started this one.

In the dashboard's own process, threads of other sessions hold the interpreter's lock for milliseconds. Here nothing
runs but the requests. Batches come in on standard input and replies go out on standard output (`messages.py`). The
program ends with its standard input, so it never outlives the dashboard, not even one that is killed.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from ssl import SSLContext
from time import perf_counter_ns

import httpx

from benchmark.endpoints.protocols import NotEncodable
from benchmark.endpoints.sample import Failure, utc_now
from benchmark.engine.exchange import failure_of
from benchmark.engine.transport import AnyConnections, connections_to
from benchmark.engine.wire import Exchange
from benchmark.observation.messages import Reply, Request, read_batch, write_replies

_HEADERS = {
    "User-Agent": "faceoff",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}
"""A user wants the answer, so the request is not marked as test traffic."""
_IDLE_S = 30.0
"""Longer than a person's pause between two comparisons. A connection that the server closed meanwhile is replaced."""
_TOGETHER_S = 1.0
"""How long the first replies of a batch wait for the last one. Showing one costs the machine that is still measuring
the others milliseconds of work. A second is long for that, and short for a person who waits for a dead endpoint."""
_MAX_LINE_BYTES = 16 * 1024 * 1024
_RESOLVERS = 64
"""Threads for look-ups of names, so that a name server that hangs does not keep other endpoints waiting."""


class Postman:
    """Sends requests over connections that are kept per endpoint. Use it in one event loop."""

    def __init__(self) -> None:
        self._connections: dict[tuple[str, float], AnyConnections] = {}

    async def send(self, requests: Sequence[Request], give: Callable[[list[Reply]], None]) -> None:
        """Send `requests` in their order, without waiting in between, and `give` the replies in the order of arrival:
        all together, or after a second those that are there and then each as it comes."""
        arrived: list[Reply] = []

        async def collect(position: int, request: Request) -> None:
            arrived.append(await self._exchange(position, request))

        pending = {asyncio.create_task(collect(position, request)) for position, request in enumerate(requests)}
        _, pending = await asyncio.wait(pending, timeout=_TOGETHER_S)
        while True:
            if arrived:
                give(arrived.copy())
                arrived.clear()
            if not pending:
                return
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    async def _exchange(self, position: int, request: Request) -> Reply:
        try:
            connections = await self._connections_to(request)
            reply = await _post(connections, position, request)
            if reply.failure is Failure.RESET and reply.connection_reused:
                # The server closed an idle connection while the request was in transit. This says nothing about the
                # endpoint, so the request is sent once more.
                reply = await _post(connections, position, request)
            return reply
        except Exception as error:  # for example an address that httpx rejects: a failure of this endpoint only
            return Reply(position, utc_now(), 0.0, False, Failure.UNREACHABLE, type(error).__name__)

    async def _connections_to(self, request: Request) -> AnyConnections:
        key = request.url, request.timeout_s
        if key not in self._connections:
            made = connections_to(
                request.url,
                reuse=True,
                timeout_s=request.timeout_s,
                is_test=False,
                headers=_HEADERS,
                idle_s=_IDLE_S,
                tls_context=_tls_context,
            )
            self._connections[key] = await made.__aenter__()
        return self._connections[key]


async def _post(connections: AnyConnections, position: int, request: Request) -> Reply:
    connections.set_headers(request.headers)
    exchange, failure, detail = Exchange(), None, None
    sent_at_utc, started_ns = utc_now(), perf_counter_ns()
    try:
        await connections.post(request.body, exchange)
        ended_ns = exchange.ended_ns
    except NotEncodable as error:  # nothing was sent
        ended_ns, failure, detail = perf_counter_ns(), Failure.WRONG_SCHEMA, str(error)
    except (TimeoutError, OSError, ValueError) as error:
        ended_ns, failure = perf_counter_ns(), failure_of(error)
    is_answer = failure in (None, Failure.TOO_LARGE)
    return Reply(
        position,
        sent_at_utc,
        (ended_ns - started_ns) / 1e6,
        connection_reused=bool(exchange.sent_ns) and not exchange.connect_start_ns,
        failure=failure,
        failure_detail=detail,
        status=exchange.status if is_answer else None,
        headers=None if failure else exchange.headers,
        body=b"" if failure else exchange.body,
    )


@cache
def _tls_context() -> SSLContext:
    """Trusts the same authorities as the dashboard's other requests."""
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def serve() -> None:
    """Carry out batches from standard input until it ends."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_RESOLVERS, "resolve"))
    reader = asyncio.StreamReader(limit=_MAX_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    output, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout.buffer)
    postman, batches = Postman(), set()
    while line := await reader.readline():
        number, requests = read_batch(line)

        def give(replies: list[Reply], number: int = number) -> None:
            output.write(write_replies(number, replies))

        batch = asyncio.create_task(postman.send(requests, give))
        batches.add(batch)
        batch.add_done_callback(batches.discard)
    os._exit(0)  # nobody waits for a reply any more, and a name server could delay an orderly end


def main() -> None:
    gc.freeze()  # a full collection would otherwise look through everything imported, perhaps while a request is timed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the dashboard, whose end is this program's end
    asyncio.run(serve())


if __name__ == "__main__":
    main()
