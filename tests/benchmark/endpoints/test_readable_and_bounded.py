"""An answer has one deadline, however slowly it comes; other people's texts are readable."""

import time
from ssl import SSLError

import httpx
import pytest

from benchmark.endpoints.answer import TooLarge
from benchmark.endpoints.bounded import EXCHANGE_ERRORS, exchange_failure, new_client
from benchmark.endpoints.readable import is_readable, name, readable
from benchmark.endpoints.sample import Failure
from tests.benchmark.little_server import Connection, Conversation, LittleServer, always, reply


def dripping(head: bytes, part: bytes) -> Conversation:
    def conversation(connection: Connection) -> None:
        connection.receive()
        connection.send(head)
        connection.drip(part, 0.02)

    return conversation


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nx: ", b"x"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b" "),
    ],
)
def test_an_answer_that_never_stops_coming_is_a_timeout(head: bytes, part: bytes) -> None:
    # Each read is far below the timeout: only the whole answer exceeds it.
    with LittleServer(dripping(head, part)) as server, new_client() as client:
        began_s = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            client.get(server.url, timeout=0.2)
        assert time.monotonic() - began_s > 0.15


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TooLarge(), Failure.TOO_LARGE),
        (TimeoutError(), Failure.TIMEOUT),
        (httpx.ConnectTimeout(""), Failure.TIMEOUT),
        (caused(httpx.ConnectError(""), caused(OSError(), ConnectionRefusedError())), Failure.REFUSED),
        (caused(httpx.ConnectError(""), SSLError()), Failure.TLS),
        (httpx.ConnectError(""), Failure.UNREACHABLE),
        (httpx.ReadError(""), Failure.RESET),
        (httpx.RemoteProtocolError(""), Failure.RESET),
    ],
)
def test_every_error_of_an_exchange_has_one_name(error: Exception, failure: Failure) -> None:
    assert isinstance(error, EXCHANGE_ERRORS)
    assert exchange_failure(error) is failure


def test_the_deadline_is_anew_for_each_request_on_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = iter(range(0, 1000, 3))  # three seconds between one look and the next
    monkeypatch.setattr("benchmark.endpoints.bounded.monotonic", lambda: float(next(clock_s)))
    with LittleServer(always(reply(b"{}"))) as server, new_client() as client:
        assert [client.get(server.url, timeout=20.0).status_code for _ in range(9)] == [200] * 9


def test_texts_of_others_lose_what_is_no_character_to_read() -> None:
    assert readable("a\x1b[2Jb\u202e\ud800\tc\n") == "a\ufffd[2Jb\ufffd\ufffd\tc\n"
    assert is_readable("Ω 田中 😀\n")
    assert name("  a\r\n\tb\x00" + "c" * 300) == "a b\ufffd" + "c" * 196
