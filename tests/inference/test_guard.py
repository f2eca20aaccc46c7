"""The protocol on one connection, with a clock of its own: deadlines, upgrades, and refusals that are whole answers."""

import asyncio
import errno
import io
import re
from asyncio import TimerHandle
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import pytest
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from inference.asgi import ServiceApp
from inference.contract import MAX_HEAD_BYTES
from inference.cors import Cors
from inference.guard import READ_DEADLINE_S, REQUEST_DEADLINE_S, guarded
from inference.model import Model
from inference.request_log import RequestLog
from inference.service import Service
from tests.conftest import make_app, make_service
from tests.contract.cases import ACCEPTED

BODY = ACCEPTED[0].body
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(BODY)
GOOD = HEAD + b"\r\n" + BODY
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


class Timer:
    """A call that is due at a time."""

    def __init__(self, due_s: float, call: Callable[[], object]) -> None:
        self.due_s = due_s
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self.call = None


class Loop:
    """What the protocol uses of an event loop, with time that passes when it is told to."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._timers: list[Timer] = []
        self.create_task = asyncio.get_running_loop().create_task

    def time(self) -> float:
        return self._now_s

    def call_later(self, delay_s: float, call: Callable[..., object], *arguments: object) -> TimerHandle:
        timer = Timer(self._now_s + delay_s, lambda: call(*arguments))
        self._timers.append(timer)
        return cast(TimerHandle, timer)

    def pass_s(self, seconds: float) -> None:
        self._now_s += seconds
        for timer in [timer for timer in self._timers if timer.due_s <= self._now_s]:
            self._timers.remove(timer)
            if timer.call is not None:
                timer.call()


class Transport:
    """One that keeps what is written for `reader` to take. A reader that takes nothing fills it."""

    def __init__(self) -> None:
        self.written = b""
        self.waiting_bytes = 0
        self.takes_all = True
        self.closing = self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data
        if not self.takes_all:
            self.waiting_bytes += len(data)

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def get_extra_info(self, name: str) -> None:
        return None

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    @property
    def statuses(self) -> list[int]:
        return [int(part[1:4]) for part in self.written.split(b"HTTP/1.1")[1:]]


class Connection:
    """One connection to the endpoint over `service`."""

    def __init__(self, service: Service, log: RequestLog | None = None) -> None:
        self.loop, self.transport = Loop(), Transport()
        endpoint = make_app(service) if log is None else ServiceApp(service, log, Cors(frozenset()))
        state = ServerState()
        state.default_headers = [(b"date", b"Sat, 21 Nov 2026 10:00:00 GMT")]
        kind = guarded(endpoint)
        config = Config(endpoint, ws="none", lifespan="off", log_config=None, http=kind)
        self.protocol: HttpToolsProtocol = kind(config, state, {}, cast(asyncio.AbstractEventLoop, self.loop))
        self.protocol.connection_made(cast(asyncio.Transport, self.transport))

    async def send(self, data: bytes) -> None:
        self.protocol.data_received(data)
        for _ in range(20):  # the answers' tasks
            await asyncio.sleep(0)

    def waits_s(self, seconds: float) -> None:
        self.loop.pass_s(seconds)


Talk = Callable[[Connection], Coroutine[Any, Any, None]]


@pytest.fixture
def talk(service: Service) -> Callable[[Talk], Transport]:
    """Have this conversation; gives what was written."""

    def talk(conversation: Talk) -> Transport:
        async def run() -> Transport:
            connection = Connection(service)
            await conversation(connection)
            return connection.transport

        return asyncio.run(run())

    return talk


def sends(*pieces: bytes | float) -> Talk:
    """Send these, and wait so many seconds."""

    async def conversation(connection: Connection) -> None:
        for piece in pieces:
            if isinstance(piece, bytes):
                await connection.send(piece)
            else:
                connection.waits_s(piece)

    return conversation


SLOW = REQUEST_DEADLINE_S + 0.1


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ((GOOD,), [200]),
        ((GOOD, GOOD), [200, 200]),
        ((GOOD + GOOD,), [200, 200]),
        ((GOOD[:40], SLOW), [408]),
        ((GOOD[:-1], SLOW), [408]),
        ((GOOD[:40], SLOW - 0.2, GOOD[40:]), [200]),
        ((GOOD, GOOD[:40], SLOW), [200, 408]),
        ((GOOD + GOOD[:-1], SLOW), [200, 408]),
        ((GOOD + b"nonsense\r\n\r\n",), [200, 400]),
        ((b"nonsense\r\n\r\n",), [400]),
        ((b"GET / HTTP/1.1\r\nX: ", *[b"a" * 10_000] * 8), [431]),
    ],
)
def test_a_request_is_answered_or_refused(
    talk: Callable[[Talk], Transport], pieces: tuple[bytes | float, ...], statuses: list[int]
) -> None:
    assert talk(sends(*pieces)).statuses == statuses


@pytest.mark.parametrize("pieces", [(SLOW,), (GOOD, SLOW), (b"\r\n", SLOW)])
def test_an_idle_connection_is_closed_without_a_word(
    talk: Callable[[Talk], Transport], pieces: tuple[bytes | float, ...]
) -> None:
    transport = talk(sends(*pieces))
    assert transport.closing
    assert 408 not in transport.statuses


def test_a_refusal_is_a_whole_answer(talk: Callable[[Talk], Transport]) -> None:
    head, _, body = talk(sends(GOOD[:40], SLOW)).written.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert {b"date", b"content-type", b"x-instance-id", b"connection"} <= set(names)
    assert b"content-length: %d" % len(body) in head


async def by_asgi(connection: Connection, data: bytes) -> None:
    """Send `data` to a server that does not know our extension."""
    app = connection.protocol.app

    async def without_extensions(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    connection.protocol.app = without_extensions
    await connection.send(data)


VARYING = re.compile(rb"dur=[0-9.]+|age-ms: [0-9]+")


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        GOOD.replace(b"Host: a", b"Connection: close"),
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GOOD.replace(b"Host: a", b"Expect: 100-continue"),
        GOOD.replace(b"Host: a", b"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")[:-1] + b"!",
        GOOD.replace(b"Host: a", b"A: " + b"a" * MAX_HEAD_BYTES),
        b"HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"DELETE /health HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_a_whole_answer_is_what_asgi_would_have_sent(iris_model: Model, data: bytes) -> None:
    async def run() -> tuple[Transport, Transport]:
        whole, parts = Connection(make_service(iris_model)), Connection(make_service(iris_model))
        await whole.send(data)
        await by_asgi(parts, data)
        return whole.transport, parts.transport

    whole, parts = asyncio.run(run())
    assert len(whole.statuses) >= 1 and whole.closing == parts.closing
    ours, usual = ([*map(normal, transport.written.split(b"\r\n"))] for transport in (whole, parts))
    assert ours == usual


def normal(line: bytes) -> bytes:
    """A line of an answer without what is another's in another answer."""
    if line.startswith((b"x-instance-id", b"traceparent")):
        return line.partition(b":")[0]
    return VARYING.sub(b"", line)


def test_an_answer_waits_for_a_client_that_has_not_read_the_one_before(talk: Callable[[Talk], Transport]) -> None:
    async def conversation(connection: Connection) -> None:
        connection.protocol.pause_writing()
        await connection.send(GOOD)
        assert connection.transport.written == b""
        connection.protocol.resume_writing()
        await connection.send(b"")

    assert talk(conversation).statuses == [200]


# --- Upgrades


@pytest.mark.parametrize("at", [len(HEAD), len(HEAD) + len(UPGRADE) + 2, 30, 1])
def test_a_wish_for_another_protocol_is_ignored(talk: Callable[[Talk], Transport], at: int) -> None:
    wish = HEAD + UPGRADE + b"\r\n" + BODY
    assert talk(sends(wish[:at], wish[at:])).statuses == [200]
    assert talk(sends(wish + wish + GOOD)).statuses == [200, 200, 200]


def test_a_body_behind_a_wish_has_its_deadline_and_its_limit(talk: Callable[[Talk], Transport]) -> None:
    wish = HEAD + UPGRADE + b"\r\n" + BODY
    assert talk(sends(wish[:-1], SLOW)).statuses == [408]
    large = HEAD.replace(b"Length: %d" % len(BODY), b"Length: 100000") + UPGRADE + b"\r\n" + b" " * 70_000
    assert talk(sends(large)).statuses == [413]


def test_a_tunnel_is_refused(talk: Callable[[Talk], Transport]) -> None:
    (status,) = talk(sends(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")).statuses
    assert 400 <= status < 500


# --- Answers that nobody takes


def unread(then: Callable[[Connection], Awaitable[None]]) -> Talk:
    """A client that takes nothing of an answer, after which `then` happens."""

    async def conversation(connection: Connection) -> None:
        connection.transport.takes_all = False
        await connection.send(GOOD)
        connection.protocol.pause_writing()
        await then(connection)

    return conversation


def test_a_client_that_takes_nothing_is_cut_off(talk: Callable[[Talk], Transport]) -> None:
    async def waits(connection: Connection) -> None:
        connection.waits_s(READ_DEADLINE_S - 0.1)
        assert not connection.transport.aborted
        connection.waits_s(0.2)

    assert talk(unread(waits)).aborted


def test_a_client_that_takes_little_is_waited_for(talk: Callable[[Talk], Transport]) -> None:
    async def takes_a_byte_now_and_then(connection: Connection) -> None:
        for _ in range(5):
            connection.transport.waiting_bytes -= 1
            connection.waits_s(READ_DEADLINE_S)

    assert not talk(unread(takes_a_byte_now_and_then)).aborted


def test_a_client_that_takes_all_is_left_alone(talk: Callable[[Talk], Transport]) -> None:
    async def takes_all(connection: Connection) -> None:
        connection.transport.waiting_bytes = 0
        connection.protocol.resume_writing()
        connection.waits_s(READ_DEADLINE_S + 0.1)

    assert not talk(unread(takes_all)).aborted


@pytest.mark.parametrize("request_", [GOOD.replace(b"Host: a", b"Connection: close"), b"nonsense\r\n\r\n"])
def test_an_answer_that_ends_the_connection_is_not_waited_for_either(
    talk: Callable[[Talk], Transport], request_: bytes
) -> None:
    async def conversation(connection: Connection) -> None:
        connection.transport.takes_all = False
        await connection.send(request_)
        assert connection.transport.closing
        connection.waits_s(READ_DEADLINE_S + 0.1)

    assert talk(conversation).aborted


def test_a_client_that_takes_only_a_part_of_the_last_answer_is_cut_off_too(talk: Callable[[Talk], Transport]) -> None:
    async def conversation(connection: Connection) -> None:
        connection.transport.takes_all = False
        await connection.send(GOOD.replace(b"Host: a", b"Connection: close"))
        connection.protocol.pause_writing()
        connection.transport.waiting_bytes -= 1
        connection.protocol.resume_writing()
        connection.waits_s(READ_DEADLINE_S + 0.1)

    assert talk(conversation).aborted


def test_stopping_does_not_wait_for_a_client_that_takes_nothing(talk: Callable[[Talk], Transport]) -> None:
    async def conversation(connection: Connection) -> None:
        connection.transport.takes_all = False
        await connection.send(GOOD)
        connection.protocol.shutdown()
        connection.waits_s(READ_DEADLINE_S + 0.1)

    assert talk(conversation).aborted


# --- A complete request behind another


def test_a_complete_request_that_waits_for_its_turn_is_not_too_slow(service: Service) -> None:
    async def run() -> list[int]:
        connection = Connection(service)
        turns = asyncio.Event()
        answer = connection.protocol.app

        async def slowly(*arguments: Any) -> None:
            await turns.wait()
            turns.clear()
            await answer(*arguments)

        connection.protocol.app = slowly
        await connection.send(GOOD + GOOD)
        turns.set()
        await connection.send(b"")  # the first has its answer; the second waits
        connection.waits_s(SLOW)
        turns.set()
        await connection.send(b"")
        return connection.transport.statuses

    assert asyncio.run(run()) == [200, 200]


# --- A log that cannot be written


class FullDisk(io.StringIO):
    """A file on it."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_changes_no_answer(service: Service) -> None:
    async def run() -> tuple[list[int], list[int]]:
        answered = Connection(service, RequestLog("INFO", {}, FullDisk()))
        await answered.send(GOOD)
        refused = Connection(service, RequestLog("INFO", {}, FullDisk()))
        await refused.send(GOOD[:40])
        refused.waits_s(SLOW)
        return answered.transport.statuses, refused.transport.statuses

    assert asyncio.run(run()) == ([200], [408])
