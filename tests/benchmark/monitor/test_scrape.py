"""Readings over real HTTP: from endpoints that answer, and from those that do not."""

import time
from collections.abc import Callable

import httpx
import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import GoogleIdentity, TokenError
from benchmark.endpoints.sample import Failure
from benchmark.monitor import scrape as module
from benchmark.monitor.counts import Snapshot
from benchmark.monitor.history import Reading, Unread
from benchmark.monitor.scrape import Watch, metrics_urls, scrape
from tests.benchmark.conftest import Serve, endpoint
from tests.benchmark.little_server import Connection, Conversation, LittleServer, always, reply
from tests.benchmark.metrics_text import counting, post, tea_service

GREEN = (3.2, 1.1, 2.2)
TOKEN = "letmein"  # noqa: S105  of nothing but this test


def hold(connection: Connection) -> None:
    connection.receive()
    connection.hold()


def drip(connection: Connection) -> None:
    connection.receive()
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100000\r\n\r\n")
    connection.drip(b"# a comment\n")


def flood(connection: Connection) -> None:
    connection.receive()
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
    connection.drip(b"10000\r\n" + b"#" * 0x10000 + b"\r\n", every_s=0)


def cut_off(connection: Connection) -> None:
    connection.receive()
    connection.reset()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)


def until(
    look: Callable[[], list[list[Reading]]], enough: Callable[[list[list[Reading]]], bool]
) -> list[list[Reading]]:
    """Look again until what was read is enough; the test's own time limit ends it otherwise."""
    while not enough(found := look()):
        time.sleep(0.01)
    return found


def test_an_endpoint_is_read(client: httpx.Client, serve: Serve) -> None:
    service = tea_service()
    post(service, [GREEN] * 3)
    server = serve(counting(service))
    before = time.monotonic()
    reading = scrape(client, endpoint(server.url, token=TOKEN))
    assert isinstance(reading, Snapshot)
    assert reading.counts.prediction_count == 3
    assert before <= reading.taken_s <= time.monotonic()
    assert server.paths("GET") == ["/metrics"]
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_metrics_are_below_the_address_or_beside_its_path(client: httpx.Client, serve: Serve) -> None:
    server = serve(counting(tea_service()))
    assert metrics_urls(endpoint(server.url)) == (f"{server.url}/metrics",)
    assert isinstance(scrape(client, endpoint(f"{server.url}/predict")), Snapshot)
    assert server.paths("GET") == ["/predict/metrics", "/metrics"]


@pytest.mark.parametrize(
    ("conversation", "failure", "status"),
    [
        (always(reply(b"", 404)), Failure.CLIENT_ERROR, 404),
        (always(reply(b"", 403)), Failure.CLIENT_ERROR, 403),
        (always(reply(b"", 503)), Failure.SERVER_ERROR, 503),
        (always(reply(b"", 302)), Failure.UNEXPECTED_STATUS, 302),
        (always(reply(b"<html>")), Failure.WRONG_SCHEMA, 200),
        (always(reply(b"\xff\xfe")), Failure.WRONG_SCHEMA, 200),
        (flood, Failure.TOO_LARGE, 200),
        (cut_off, Failure.RESET, None),
    ],
    ids=["404", "403", "503", "302", "html", "bytes", "flood", "reset"],
)
def test_what_cannot_be_read_is_a_value_with_its_reason(
    conversation: Conversation, failure: Failure, status: int | None, client: httpx.Client, serve: Serve
) -> None:
    reading = scrape(client, endpoint(serve(conversation).url))
    assert isinstance(reading, Unread)
    assert (reading.failure, reading.status) == (failure, status)


@pytest.mark.parametrize("conversation", [hold, drip], ids=["silent", "dripping"])
def test_a_slow_endpoint_is_given_up(
    conversation: Conversation, hurry: None, client: httpx.Client, serve: Serve
) -> None:
    reading = scrape(client, endpoint(serve(conversation).url))
    assert isinstance(reading, Unread) and reading.failure is Failure.TIMEOUT


def test_nobody_listens(client: httpx.Client, nobody: str) -> None:
    reading = scrape(client, endpoint(nobody))
    assert isinstance(reading, Unread) and reading.failure is Failure.REFUSED


def test_without_a_token_nothing_is_sent(client: httpx.Client, serve: Serve) -> None:
    class NoToken(GoogleIdentity):
        def token(self, audience: str) -> str:
            raise TokenError("no account")

    server = serve(counting(tea_service()))
    reading = scrape(client, Endpoint("api", "FastAPI", server.url, identity=NoToken()))
    assert isinstance(reading, Unread)
    assert (reading.failure, reading.detail) == (Failure.NO_IDENTITY, "no account")
    assert server.requests == []


# --- Watching


def test_an_endpoint_that_hangs_does_not_hold_up_the_other(client: httpx.Client, serve: Serve) -> None:
    working, hanging = serve(counting(tea_service())), serve(hold)
    endpoints = [endpoint(working.url), endpoint(hanging.url, "function")]
    watch = Watch(client)
    found = until(lambda: watch.look(endpoints, every_s=60, wait_s=0), lambda found: bool(found[0]))
    assert isinstance(found[0][0], Snapshot)
    assert found[1] == []


def test_those_who_look_too_early_share_a_reading(client: httpx.Client, serve: Serve) -> None:
    server = serve(counting(tea_service()))
    watch = Watch(client)
    for _ in range(5):
        found = watch.look([endpoint(server.url)], every_s=60, wait_s=30)
    assert len(found[0]) == 1
    assert server.paths("GET") == ["/metrics"]


def test_each_look_in_time_adds_a_reading(client: httpx.Client, serve: Serve) -> None:
    server = serve(counting(tea_service()))
    watch = Watch(client)
    taken = [watch.look([endpoint(server.url)], every_s=0, wait_s=30)[0][-1].taken_s for _ in range(5)]
    readings = watch.look([endpoint(server.url)], every_s=60, wait_s=0)[0]
    assert [reading.taken_s for reading in readings] == taken
    assert watch.readings([endpoint(server.url), endpoint(server.url, "function")]) == [readings, []]
    assert len(server.requests) == 5


def test_failures_are_kept_among_the_readings(client: httpx.Client, serve: Serve) -> None:
    answers = iter([b"<html>", b"<html>"])
    service = tea_service()

    def conversation(connection: Connection) -> None:
        while connection.receive() is not None:
            body = next(answers, None) or service.respond("GET", "/metrics").body
            connection.send(reply(body, content_type="text/plain"))

    server: LittleServer = serve(conversation)
    watch = Watch(client)
    for _ in range(3):
        readings = watch.look([endpoint(server.url)], every_s=0, wait_s=30)[0]
    assert [type(reading) for reading in readings] == [Unread, Unread, Snapshot]


def test_an_address_that_cannot_be_used_is_that_endpoints_failure_alone(client: httpx.Client) -> None:
    strange = endpoint("http://[::1%25]")
    found = Watch(client).look([strange], every_s=60, wait_s=30)
    assert isinstance(found[0][0], Unread)
