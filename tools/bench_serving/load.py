"""The load: as many requests as a few connections can ask, on raw sockets."""

import asyncio
import re
import time
from typing import cast

from tools.bench_serving import BenchError
from tools.processes import HOST

BODY = b'{"features":[5.1,3.5,1.4,0.2]}'
NAMED_BODY = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'
"""The same flower for servers that take features by name alone."""
CONNECTIONS = 32
BLOCK_LIMIT_S = 1.0
"""A block of requests ends after so long, however few they were: the common designs are 100 times slower than ours,
and the shorter a round is, the more alike is what disturbs the servers in it."""
ANSWER_LIMIT_S = 60.0
"""A server that has not answered for so long does not answer."""


def request(body: bytes = BODY) -> bytes:
    """A whole request with `body`."""
    head = f"POST /predict HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Load:
    """A closed loop: each connection asks again as soon as its answer is complete, until enough were asked."""

    def __init__(self, port: int, body: bytes = BODY) -> None:
        self.lost = 0
        self.request = request(body)
        self._port = port
        self._answered = 0
        self._unasked = 0
        self._waiting = 0
        self._deadline_s = 0.0
        self._done: asyncio.Future[None] | None = None
        self._connections: set[Connection] = set()
        self._replacements: set[asyncio.Task[None]] = set()

    async def run(self, requests: int) -> int:
        """How many of `requests` were answered, all that were sent: fewer where BLOCK_LIMIT_S was over."""
        while len(self._connections) < CONNECTIONS:
            await self._open()
        self._answered = 0
        self._unasked = requests
        self._deadline_s = time.perf_counter() + BLOCK_LIMIT_S
        self._done = asyncio.get_running_loop().create_future()
        for connection in list(self._connections):
            self._ask(connection)
        async with asyncio.timeout(BLOCK_LIMIT_S + ANSWER_LIMIT_S):
            await self._done
        return self._answered

    def answer(self, connection: "Connection") -> None:
        """The connection's answer is complete."""
        self._waiting -= 1
        self._answered += 1
        self._ask(connection)

    def lose(self, connection: "Connection", *, unanswered: bool) -> None:
        """The server has closed the connection. What it has not answered is asked again, on another one.

        gunicorn's threaded worker, which runs Flask functions, does so about once in ten thousand requests.
        """
        self._connections.discard(connection)
        if not unanswered or self._done is None or self._done.done():
            return
        self.lost += 1
        self._waiting -= 1
        self._unasked += 1
        if self.lost > CONNECTIONS:
            self.fail("closes its connections instead of answering")
        else:
            replacement = asyncio.get_running_loop().create_task(self._replace())
            self._replacements.add(replacement)
            replacement.add_done_callback(self._replacements.discard)

    def fail(self, reason: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(BenchError(reason))

    def close(self) -> None:
        self._done = None
        for connection in self._connections:
            connection.abort()

    def _ask(self, connection: "Connection") -> None:
        """Send the connection's next request, if there is one."""
        if self._unasked and time.perf_counter() < self._deadline_s:
            self._unasked -= 1
            self._waiting += 1
            connection.ask()
        elif not self._waiting and self._done is not None and not self._done.done():
            self._done.set_result(None)

    async def _open(self) -> "Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), HOST, self._port)
        self._connections.add(connection)
        return connection

    async def _replace(self) -> None:
        try:
            self._ask(await self._open())
        except OSError as error:
            self.fail(f"takes no connection under load ({error})")


class Connection(asyncio.Protocol):
    """One keep-alive connection, on a raw socket so that the load costs less than what it measures."""

    _LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)

    def __init__(self, load: Load) -> None:
        self._load = load
        self._is_waiting = False
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, without deriving from it

    def ask(self) -> None:
        self._is_waiting = True
        if self._transport is not None:
            self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = self._LENGTH.search(self._received, 0, head_end + 2)
        if not self._received.startswith(b"HTTP/1.1 200 ") or length is None:
            self._load.fail(f"an answer under load was not a 200 of known length: {self._received[:100]!r}")
            return
        missing = head_end + 4 + int(length[1]) - len(self._received)
        if missing < 0:
            self._load.fail("an answer under load was longer than it said")
        elif missing == 0:
            self._received = b""
            self._is_waiting = False
            self._load.answer(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lose(self, unanswered=self._is_waiting)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
