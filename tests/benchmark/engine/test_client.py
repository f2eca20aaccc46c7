"""The measuring client: what it times, how it names failures, and what it never does."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import pytest

from benchmark.endpoints.answer import MAX_ANSWER_BYTES
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Failure, Temperature
from benchmark.engine.client import Client, Instances
from benchmark.record.plan import Connection
from benchmark.record.samples import FAILURES, TEMPERATURES, Samples, from_rows
from inference.card import ModelCard
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import Connection as Accepted
from tests.benchmark.little_server import Conversation, always, answering, json_reply, reply

BODY = b'{"leaf_length": 5.0, "leaf_width": 2.0, "steep_time": 3.0}'
GOOD = {"prediction": 1, "prediction_label": "oolong"}
EVIDENCE = (
    ("Server-Timing", "parse;dur=0.1, model;dur=0.2, total;dur=0.5"),
    ("X-Instance-Id", "abc"),
    ("X-Instance-Age-Ms", "99999"),
    ("X-Request-Count", "7"),
)


def send(
    endpoint: Endpoint,
    card: ModelCard | None,
    times: int = 1,
    *,
    connection: Connection = "reused",
    timeout_s: float = 5.0,
    pause_s: float = 0.0,
) -> tuple[Samples, Client]:
    """Send the body so many times, one after the other."""

    async def run() -> tuple[Samples, Client]:
        client = Client(endpoint, 0, card, Instances(), connection=connection, timeout_s=timeout_s)
        async with client:
            await client.authorize()
            began_ns = perf_counter_ns()
            rows = []
            for number in range(times):
                rows.append(await client.send(BODY, number, began_ns=began_ns, warmup=False))
                await asyncio.sleep(pause_s)
        return from_rows(rows), client

    return asyncio.run(run())


@pytest.fixture
def ask(serve: Serve, tea: ModelCard) -> Callable[..., Samples]:
    """Send to a server that has this conversation."""

    def ask(conversation: Conversation, times: int = 1, **options: Any) -> Samples:
        return send(Endpoint("api", "FastAPI", serve(conversation).url), tea, times, **options)[0]

    return ask


def failure_of(samples: Samples, at: int = 0) -> Failure | None:
    code = int(samples["failure"][at])
    return FAILURES[code - 1] if code else None


def test_a_good_answer_is_recorded_with_all_that_the_server_says(ask: Callable[..., Samples]) -> None:
    (row,) = ask(always(json_reply(GOOD, headers=EVIDENCE)))
    assert (row["failure"], row["status"], row["instance"], row["prediction"]) == (0, 200, 1, 1)
    assert row["server_ms"] == pytest.approx(0.5)
    assert TEMPERATURES[row["temperature"]] is Temperature.WARM
    assert row["service_ms"] > 0


def test_the_first_answer_of_an_instance_younger_than_the_wait_is_a_cold_start(ask: Callable[..., Samples]) -> None:
    headers = (("X-Instance-Age-Ms", "0"), ("X-Request-Count", "1"))
    (row,) = ask(always(json_reply(GOOD, headers=headers)))
    assert TEMPERATURES[row["temperature"]] is Temperature.COLD


def test_without_evidence_the_state_is_unknown(ask: Callable[..., Samples]) -> None:
    (row,) = ask(always(json_reply({"prediction": 0})))
    assert TEMPERATURES[row["temperature"]] is Temperature.UNKNOWN
    assert row["failure"] == 0
    assert row["server_ms"] != row["server_ms"]  # NaN: unknown, not 0


def test_a_connection_is_opened_once_and_reused(ask: Callable[..., Samples]) -> None:
    samples = ask(always(json_reply(GOOD)), 3)
    assert samples["connect_ms"][0] > 0
    assert all(value != value for value in samples["connect_ms"][1:])


def test_new_connections_are_opened_every_time(ask: Callable[..., Samples]) -> None:
    samples = ask(always(json_reply(GOOD)), 3, connection="new")
    assert (samples["connect_ms"] > 0).all()


def test_a_connection_that_is_not_kept_is_announced_so(serve: Serve, tea: ModelCard) -> None:
    server = serve(always(json_reply(GOOD)))
    send(Endpoint("api", "FastAPI", server.url), tea, connection="new")
    send(Endpoint("api", "FastAPI", server.url), tea, connection="reused")
    assert [request.headers.get("connection") for request in server.requests] == ["close", None]


def test_waiting_and_receiving_are_told_apart(ask: Callable[..., Samples]) -> None:
    data = json_reply(GOOD)

    def conversation(connection: Accepted) -> None:
        connection.receive()
        pause.wait(0.15)
        connection.send(data[:-5])
        pause.wait(0.32)  # the first part may be noticed late
        connection.send(data[-5:])
        connection.receive()

    pause = threading.Event()
    (row,) = ask(conversation)
    assert row["wait_ms"] >= 150
    assert row["receive_ms"] >= 300 > row["wait_ms"] - 100
    known = sum(row[name] for name in ("connect_ms", "wait_ms", "receive_ms"))
    assert known == pytest.approx(row["service_ms"], rel=0.2)


def test_phases_never_exceed_the_whole(ask: Callable[..., Samples]) -> None:
    samples = ask(always(json_reply(GOOD)), 50)
    assert (samples["wait_ms"] + samples["receive_ms"] <= samples["service_ms"] * 1.000001).all()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (json_reply({"error": {}}, 422), Failure.CLIENT_ERROR),
        (json_reply({"error": {}}, 503), Failure.SERVER_ERROR),
        (json_reply(GOOD, 302, (("location", "/elsewhere"),)), Failure.UNEXPECTED_STATUS),
        (reply(b"<html>"), Failure.BAD_JSON),
        (reply(b'{"prediction": NaN}'), Failure.BAD_JSON),
        (json_reply({"prediction": 17}), Failure.WRONG_SCHEMA),
        (reply(b" " * (MAX_ANSWER_BYTES + 1)), Failure.TOO_LARGE),
    ],
)
def test_an_answer_that_is_none_is_named(ask: Callable[..., Samples], answer: bytes, failure: Failure) -> None:
    samples = ask(always(answer), 2)
    assert [failure_of(samples, at) for at in (0, 1)] == [failure, failure]
    assert all(value != value for value in samples["prediction"])


def test_the_largest_allowed_answer_is_read_whole(ask: Callable[..., Samples]) -> None:
    body = b'{"prediction": 1}'
    assert failure_of(ask(always(reply(body + b" " * (MAX_ANSWER_BYTES - len(body)))))) is None


def test_a_port_where_nothing_listens_is_refused(nobody: str, tea: ModelCard) -> None:
    samples, client = send(Endpoint("api", "FastAPI", nobody), tea)
    assert failure_of(samples) is Failure.REFUSED
    assert client.failure_details[Failure.REFUSED]


def test_a_host_without_an_address_is_unreachable(tea: ModelCard) -> None:
    samples, _ = send(Endpoint("api", "FastAPI", "http://nowhere.invalid"), tea)
    assert failure_of(samples) is Failure.UNREACHABLE


def test_a_reset_is_a_reset_and_is_not_tried_again(serve: Serve, tea: ModelCard) -> None:
    def conversation(connection: Accepted) -> None:
        connection.receive()
        connection.reset()

    server = serve(conversation)
    samples, _ = send(Endpoint("api", "FastAPI", server.url), tea)
    assert failure_of(samples) is Failure.RESET
    assert len(server.requests) == 1


def test_a_server_that_never_answers_is_a_timeout_after_the_patience(ask: Callable[..., Samples]) -> None:
    samples = ask(Accepted.hold, timeout_s=0.3)
    assert failure_of(samples) is Failure.TIMEOUT
    assert 300 <= samples["service_ms"][0] < 3000


def test_a_server_that_drips_is_a_timeout_too(ask: Callable[..., Samples]) -> None:
    def conversation(connection: Accepted) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
        connection.drip(b" ")

    assert failure_of(ask(conversation, timeout_s=0.4)) is Failure.TIMEOUT


def test_what_a_server_said_before_it_stopped_is_kept(ask: Callable[..., Samples]) -> None:
    whole = json_reply(GOOD, headers=EVIDENCE)

    def conversation(connection: Accepted) -> None:
        connection.receive()
        connection.send(whole[:-3])
        connection.receive()

    (row,) = ask(conversation, timeout_s=0.4)
    assert (FAILURES[row["failure"] - 1], row["status"], row["instance"]) == (Failure.TIMEOUT, 200, 1)


def test_an_interim_answer_is_not_the_answer(ask: Callable[..., Samples]) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"
    samples = ask(always(hint + json_reply(GOOD)), 2)
    assert samples["status"].tolist() == [200, 200]
    assert not samples["failure"].any()


def test_what_is_not_http_is_a_failure(ask: Callable[..., Samples]) -> None:
    samples = ask(always(b"SSH-2.0-OpenSSH_9.6\r\n"), 2)
    assert [failure_of(samples, at) for at in (0, 1)] == [Failure.RESET, Failure.RESET]


def test_an_answer_that_ends_with_its_connection_is_read_whole(ask: Callable[..., Samples]) -> None:
    def conversation(connection: Accepted) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        connection.send(b'{"prediction": 1}')

    samples = ask(conversation, 2)
    assert not samples["failure"].any()
    assert (samples["connect_ms"] > 0).all()


def test_a_chunked_answer_is_read_whole(ask: Callable[..., Samples]) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    samples = ask(always(head + b'8\r\n{"predic\r\n9\r\ntion": 1}\r\n0\r\n\r\n'), 2)
    assert not samples["failure"].any()
    assert samples["prediction"].tolist() == [1, 1]


def test_headers_without_end_are_cut_off(ask: Callable[..., Samples]) -> None:
    def conversation(connection: Accepted) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(OSError):
            while True:
                connection.send(b"x-more: " + b"y" * 1000 + b"\r\n")

    assert failure_of(ask(conversation)) is Failure.TOO_LARGE


@pytest.mark.parametrize("more", [json_reply({"prediction": 0}), b"and more", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_what_comes_after_the_answer_is_no_answer_to_the_next_request(ask: Callable[..., Samples], more: bytes) -> None:
    samples = ask(always(json_reply(GOOD) + more), 3)
    assert not samples["failure"].any()
    assert samples["prediction"].tolist() == [1, 1, 1]
    assert (samples["connect_ms"] > 0).all()


def test_an_idle_connection_is_not_kept_as_long_as_a_server_would(ask: Callable[..., Samples]) -> None:
    samples = ask(always(json_reply(GOOD)), 2, pause_s=1.7)
    assert (samples["connect_ms"] > 0).all()
    assert not samples["failure"].any()


def test_redirects_are_not_followed_and_cookies_not_kept(serve: Serve, tea: ModelCard) -> None:
    headers = (("set-cookie", "a=b"), ("location", "/predict2"))
    server = serve(always(json_reply(GOOD, 307, headers)))
    send(Endpoint("api", "FastAPI", server.url), tea, 2)
    assert server.paths("POST") == ["/predict", "/predict"]
    assert all("cookie" not in request.headers for request in server.requests)


def test_a_token_goes_out_with_every_request(serve: Serve, tea: ModelCard) -> None:
    server = serve(always(json_reply(GOOD)))
    send(Endpoint("api", "FastAPI", server.url, token="secret"), tea, 2)  # noqa: S106
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer secret"] * 2


def test_the_body_goes_out_unchanged(serve: Serve, tea: ModelCard) -> None:
    server = serve(always(json_reply(GOOD)))
    send(Endpoint("api", "FastAPI", server.url), tea)
    (request,) = server.requests
    assert request.body == BODY
    assert request.headers["content-type"] == "application/json"


def test_proxies_from_the_environment_are_ignored(
    ask: Callable[..., Samples], nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", nobody)
    monkeypatch.setenv("HTTP_PROXY", nobody)
    assert failure_of(ask(always(json_reply(GOOD)))) is None


def test_an_endpoint_without_a_card_needs_only_a_prediction(serve: Serve) -> None:
    server = serve(always(json_reply({"prediction": 42.5})))
    samples, _ = send(Endpoint("api", "FastAPI", server.url), None)
    assert failure_of(samples) is None
    assert samples["prediction"][0] == 42.5


def test_the_same_bytes_with_another_status_are_judged_again(serve: Serve, tea: ModelCard) -> None:
    statuses: Sequence[int] = (200, 500, 200)
    left = iter(statuses)
    server = serve(answering(lambda _: json_reply(GOOD, next(left))))
    samples, _ = send(Endpoint("api", "FastAPI", server.url), tea, 3)
    assert samples["failure"].astype(bool).tolist() == [False, True, False]


def test_instances_are_numbered_as_they_are_seen(serve: Serve, tea: ModelCard) -> None:
    left = iter(["b", "a", "b"])
    server = serve(answering(lambda _: json_reply(GOOD, headers=(("X-Instance-Id", next(left)),))))
    samples, _ = send(Endpoint("api", "FastAPI", server.url), tea, 3)
    assert samples["instance"].tolist() == [1, 2, 1]


# --- TLS


def encrypted(certificate: Path, tea: ModelCard) -> Samples:
    """Two requests over new connections to a server with this certificate."""

    async def run() -> Samples:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(BODY))
                writer.write(json_reply(GOOD))
                await writer.drain()
            except (asyncio.IncompleteReadError, OSError):
                pass  # a client that does not trust the certificate goes away
            finally:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint("api", "FastAPI", f"https://localhost:{port}")
        async with server, Client(endpoint, 0, tea, Instances(), connection="new", timeout_s=5) as client:
            began_ns = perf_counter_ns()
            return from_rows([await client.send(BODY, at, began_ns=began_ns, warmup=False) for at in range(2)])

    return asyncio.run(run())


def test_the_handshake_is_a_phase_of_its_own(
    certificate: Path, tea: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    samples = encrypted(certificate, tea)
    assert not samples["failure"].any()
    assert (samples["tls_ms"] > 0).all()
    assert (samples["connect_ms"] > 0).all()
    assert samples["dns_ms"][0] >= 0  # a name had to be looked up
    assert (samples["tls_ms"] + samples["connect_ms"] + samples["wait_ms"] < samples["service_ms"]).all()


def test_a_certificate_that_nobody_vouches_for_is_a_tls_failure(certificate: Path, tea: ModelCard) -> None:
    samples = encrypted(certificate, tea)
    assert [failure_of(samples, at) for at in (0, 1)] == [Failure.TLS, Failure.TLS]
