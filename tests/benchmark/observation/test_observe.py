"""One observation over real connections: what each kind of answer, and of misbehaviour, becomes."""

import gzip
import json
import threading
from collections.abc import Callable, Iterable, Iterator

import pytest

from benchmark.endpoints.answer import MAX_ANSWER_BYTES
from benchmark.endpoints.bodies import request_body
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import GoogleIdentity, TokenError
from benchmark.endpoints.protocols import PROTOCOLS
from benchmark.endpoints.sample import Answer, Failure, Sample, Temperature
from benchmark.observation.observe import observe
from benchmark.observation.sender import Sender
from inference.card import ModelCard
from tests.benchmark.cards import make_service, tea_outputs
from tests.benchmark.conftest import Serve, endpoint
from tests.benchmark.endpoints.rows_protocol import Rows
from tests.benchmark.little_server import Connection, Conversation, always, json_reply, reply, serving

INPUTS = (5.0, 2.0, 3.5)
SOON_S = 0.5
"""A timeout for those that never answer."""
FAR_S = 20.0
"""A timeout that no test waits for."""

MINIMAL = json_reply({"prediction": 0})


@pytest.fixture
def ask(sender: Sender, serve: Serve, tea: ModelCard) -> Callable[..., Sample]:
    """Serve a conversation at one endpoint and give the sample that comes of it."""

    def ask(conversation: Conversation, timeout_s: float = FAR_S) -> Sample:
        (sample,) = observe(sender, [endpoint(serve(conversation).url, timeout_s=timeout_s)], tea, INPUTS)
        return sample

    return ask


def after_request(misbehave: Callable[[Connection], None]) -> Conversation:
    """Read the request, then do something else than to answer it."""

    def conversation(connection: Connection) -> None:
        if connection.receive() is not None:
            misbehave(connection)

    return conversation


def sending(data: bytes) -> Conversation:
    """Read the request, send `data` and close."""
    return after_request(lambda connection: connection.send(data))


# --- Answers


def test_a_complete_answer_is_recorded_with_everything_that_the_server_says(
    sender: Sender, serve: Serve, tea: ModelCard
) -> None:
    server = serve(serving(make_service(tea, tea_outputs)))
    (sample,) = observe(sender, [endpoint(server.url)], tea, INPUTS)
    assert (sample.endpoint, sample.status, sample.failure, sample.failure_detail) == ("api", 200, None, None)
    expected = tuple(tea_outputs(INPUTS))
    assert sample.answer == Answer(1, "oolong", max(expected), expected, tea.version)
    assert sample.latency_ms > 0
    assert sample.server_ms is not None
    assert sample.server_ms <= sample.latency_ms
    assert sample.instance_id
    assert sample.instance_age_ms is not None
    assert sample.request_count == 1
    assert sample.sent_at_utc.endswith("+00:00")


def test_headers_are_read_exactly(ask: Callable[..., Sample]) -> None:
    headers = [
        ("Server-Timing", "parse;dur=0.020, model;dur=1.5, total;dur=2.250"),
        ("X-Instance-Id", "abc123"),
        ("X-Instance-Age-Ms", "4711"),
        ("X-Request-Count", "3"),
    ]
    sample = ask(always(json_reply({"prediction": 0}, headers=headers)))
    assert (sample.server_ms, sample.instance_id, sample.instance_age_ms, sample.request_count) == (
        2.25,
        "abc123",
        4711.0,
        3,
    )
    assert sample.temperature is Temperature.WARM


def test_a_header_that_comes_in_parts_is_read_whole(ask: Callable[..., Sample]) -> None:
    headers = [("Server-Timing", "cdn;dur=1"), ("server-timing", "model;dur=2"), ("Server-Timing", "total;dur=3.5")]
    assert ask(always(json_reply({"prediction": 0}, headers=headers))).server_ms == 3.5


def test_a_bare_prediction_without_any_header_is_a_success_of_which_little_is_known(ask: Callable[..., Sample]) -> None:
    sample = ask(always(MINIMAL))
    assert sample.answer == Answer(0, "green")
    assert (sample.failure, sample.status) == (None, 200)
    assert (sample.server_ms, sample.instance_id, sample.instance_age_ms, sample.request_count) == (None,) * 4
    assert sample.temperature is Temperature.UNKNOWN


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("Server-Timing", "total", "server_ms"),
        ("Server-Timing", "total;dur=", "server_ms"),
        ("Server-Timing", "total;dur=nan", "server_ms"),
        ("Server-Timing", "total;dur=-1", "server_ms"),
        ("Server-Timing", "total;dur=1e400", "server_ms"),
        ("Server-Timing", "model;dur=1.5", "server_ms"),
        ("Server-Timing", ";;,,=;", "server_ms"),
        ("X-Instance-Age-Ms", "old", "instance_age_ms"),
        ("X-Instance-Age-Ms", "-5", "instance_age_ms"),
        ("X-Instance-Age-Ms", "inf", "instance_age_ms"),
        ("X-Request-Count", "", "request_count"),
        ("X-Request-Count", "many", "request_count"),
        ("X-Request-Count", "9" * 400, "request_count"),
        ("X-Instance-Id", "", "instance_id"),
        ("X-Instance-Id", "a\x80b", "instance_id"),
    ],
)
def test_a_header_that_makes_no_sense_is_unknown_and_the_answer_counts(
    ask: Callable[..., Sample], name: str, value: str, field: str
) -> None:
    sample = ask(always(json_reply({"prediction": 0}, headers=[(name, value)])))
    assert sample.failure is None
    assert getattr(sample, field) is None


def test_a_long_instance_id_is_cut(ask: Callable[..., Sample]) -> None:
    assert ask(always(json_reply({"prediction": 0}, headers=[("X-Instance-Id", "a" * 500)]))).instance_id == "a" * 64


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (422, Failure.CLIENT_ERROR),
        (400, Failure.CLIENT_ERROR),
        (401, Failure.CLIENT_ERROR),
        (404, Failure.CLIENT_ERROR),
        (429, Failure.CLIENT_ERROR),
        (500, Failure.SERVER_ERROR),
        (503, Failure.SERVER_ERROR),
        (302, Failure.UNEXPECTED_STATUS),
        (201, Failure.UNEXPECTED_STATUS),
        (600, Failure.UNEXPECTED_STATUS),
    ],
)
def test_another_status_than_200_is_a_failure_also_with_an_answer_in_the_body(
    ask: Callable[..., Sample], status: int, failure: Failure
) -> None:
    headers = [("X-Instance-Id", "abc"), ("Server-Timing", "total;dur=1")]
    sample = ask(always(json_reply({"prediction": 0}, status, headers)))
    assert (sample.failure, sample.status, sample.answer) == (failure, status, None)
    assert (sample.instance_id, sample.server_ms) == ("abc", 1.0)


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"<!doctype html><title>Sign in</title>", content_type="text/html"),
        reply(b""),
        reply(b'{"prediction": NaN}'),
        reply(b'\xff{"prediction": 0}'),
        reply(gzip.compress(b'{"prediction": 0}'), headers=[("Content-Encoding", "gzip")]),
        reply(b'{"prediction": 0,'),
    ],
    ids=["html", "empty", "nan", "not utf-8", "gzip", "cut"],
)
def test_a_200_that_is_not_json_is_no_answer(ask: Callable[..., Sample], answer: bytes) -> None:
    sample = ask(always(answer))
    assert (sample.failure, sample.status, sample.answer) == (Failure.BAD_JSON, 200, None)


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ([0], "the answer is not an object"),
        ({"result": 0}, "prediction is not a number"),
        ({"prediction": 3}, "prediction is not one of the model's classes"),
        ({"prediction": 10**400}, "prediction is not a number"),
    ],
)
def test_json_that_is_no_answer_of_this_model_says_what_is_wrong(
    ask: Callable[..., Sample], document: object, detail: str
) -> None:
    sample = ask(always(json_reply(document)))
    assert (sample.failure, sample.failure_detail) == (Failure.WRONG_SCHEMA, detail)


def test_a_redirect_is_not_followed(ask: Callable[..., Sample], serve: Serve) -> None:
    elsewhere = serve(always(MINIMAL))
    sample = ask(always(reply(b"", 302, [("Location", elsewhere.url + "/predict")])))
    assert (sample.failure, sample.status) == (Failure.UNEXPECTED_STATUS, 302)
    assert elsewhere.requests == []


def test_the_largest_allowed_body_is_read_whole(ask: Callable[..., Sample]) -> None:
    body = json.dumps({"prediction": 0, "padding": ""}).encode()
    assert ask(always(reply(body + b" " * (MAX_ANSWER_BYTES - len(body))))).failure is None


def test_a_body_one_byte_larger_is_too_large(ask: Callable[..., Sample]) -> None:
    body = json.dumps({"prediction": 0}).encode()
    sample = ask(always(reply(body + b" " * (MAX_ANSWER_BYTES + 1 - len(body)))))
    assert (sample.failure, sample.status, sample.answer) == (Failure.TOO_LARGE, 200, None)


def test_a_body_without_an_end_is_given_up_as_too_large(ask: Callable[..., Sample]) -> None:
    def endless(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        connection.drip(b"10000\r\n" + b" " * 0x10000 + b"\r\n", every_s=0)

    assert ask(after_request(endless)).failure is Failure.TOO_LARGE


# --- Connections


def test_a_port_where_nothing_listens_is_refused(sender: Sender, nobody: str, tea: ModelCard) -> None:
    (sample,) = observe(sender, [endpoint(nobody)], tea, INPUTS)
    assert (sample.failure, sample.status, sample.answer) == (Failure.REFUSED, None, None)
    assert sample.latency_ms > 0


def test_an_address_that_cannot_be_reached_is_unreachable(sender: Sender, tea: ModelCard) -> None:
    # No system routes a connection to the broadcast address: this never leaves the machine.
    (sample,) = observe(sender, [endpoint("http://255.255.255.255:9")], tea, INPUTS)
    assert sample.failure is Failure.UNREACHABLE


def test_plain_http_behind_an_https_address_is_a_tls_failure(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    def refuses_the_handshake(connection: Connection) -> None:
        connection.send(json_reply({"error": "this is no HTTP"}, 400))
        connection.hold()

    url = serve(refuses_the_handshake).url.replace("http://", "https://")
    (sample,) = observe(sender, [endpoint(url)], tea, INPUTS)
    assert sample.failure is Failure.TLS


@pytest.mark.parametrize(
    "conversation",
    [
        after_request(Connection.reset),
        after_request(lambda _: None),
        sending(b"HTTP/1.1 200 OK\r\ncontent-le"),
        sending(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"),
        sending(b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
    ids=["reset", "closed", "cut in the headers", "cut in the body", "not http"],
)
def test_a_connection_that_ends_without_a_complete_answer_is_a_reset_and_not_tried_again(
    sender: Sender, serve: Serve, tea: ModelCard, conversation: Conversation
) -> None:
    server = serve(conversation)
    (sample,) = observe(sender, [endpoint(server.url)], tea, INPUTS)
    assert (sample.failure, sample.answer, sample.connection_reused) == (Failure.RESET, None, False)
    assert len(server.requests) == 1


def test_the_first_request_opens_a_connection_and_the_next_ones_reuse_it(
    sender: Sender, serve: Serve, tea: ModelCard
) -> None:
    sides = [endpoint(serve(always(MINIMAL)).url)]
    reused = [sample.connection_reused for _ in range(3) for sample in observe(sender, sides, tea, INPUTS)]
    assert reused == [False, True, True]


def test_an_idle_connection_that_the_server_closes_is_replaced_once_and_that_is_no_failure(
    sender: Sender, serve: Serve, tea: ModelCard
) -> None:
    def conversation(connection: Connection) -> None:
        while connection.receive() is not None:
            if connection.number == 0 and len(server.requests) == 2:
                return  # closed while the second request is on its way
            connection.send(MINIMAL)

    server = serve(conversation)
    sides = [endpoint(server.url)]
    (first,) = observe(sender, sides, tea, INPUTS)
    (second,) = observe(sender, sides, tea, INPUTS)
    assert (first.failure, second.failure) == (None, None)
    assert second.answer == Answer(0, "green")
    assert second.connection_reused is False
    assert len(server.requests) == 3


def test_a_request_is_repeated_no_more_than_once(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    def conversation(connection: Connection) -> None:
        while connection.receive() is not None:
            if len(server.requests) > 1:
                return
            connection.send(MINIMAL)

    server = serve(conversation)
    sides = [endpoint(server.url)]
    list(observe(sender, sides, tea, INPUTS))
    (second,) = observe(sender, sides, tea, INPUTS)
    assert second.failure is Failure.RESET
    assert len(server.requests) == 3


def test_a_failed_answer_over_a_reused_connection_is_not_asked_again(
    sender: Sender, serve: Serve, tea: ModelCard
) -> None:
    server = serve(always(json_reply({"error": {}}, 503)))
    sides = [endpoint(server.url)]
    samples = [sample for _ in range(2) for sample in observe(sender, sides, tea, INPUTS)]
    assert [sample.failure for sample in samples] == [Failure.SERVER_ERROR] * 2
    assert len(server.requests) == 2


# --- Two endpoints


def silent(connection: Connection) -> None:
    connection.hold()


def header_drip(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n")
    connection.drip(b"x-more: 1\r\n")


def body_drip(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    connection.drip(b"1\r\n \r\n")


def stops_in_the_body(connection: Connection) -> None:
    connection.send(MINIMAL[:-1])
    connection.hold()


SLOW = pytest.mark.parametrize("slow", [silent, header_drip, body_drip, stops_in_the_body])


@SLOW
def test_an_endpoint_that_never_finishes_is_a_timeout_and_the_other_ones_answer_comes_first(
    sender: Sender, serve: Serve, tea: ModelCard, slow: Callable[[Connection], None]
) -> None:
    sides = [
        endpoint(serve(after_request(slow)).url, "api", SOON_S),
        endpoint(serve(always(MINIMAL)).url, "function", SOON_S),
    ]
    samples = list(observe(sender, sides, tea, INPUTS))
    assert [(sample.endpoint, sample.failure) for sample in samples] == [
        ("function", None),
        ("api", Failure.TIMEOUT),
    ]
    assert samples[1].latency_ms >= SOON_S * 1000


@SLOW
def test_each_endpoint_has_its_own_patience(
    sender: Sender, serve: Serve, tea: ModelCard, slow: Callable[[Connection], None]
) -> None:
    sides = [
        endpoint(serve(after_request(slow)).url, "api", SOON_S),
        endpoint(serve(always(MINIMAL)).url, "function", FAR_S),
    ]
    samples = list(observe(sender, sides, tea, INPUTS))
    assert [(sample.endpoint, sample.failure) for sample in samples] == [
        ("function", None),
        ("api", Failure.TIMEOUT),
    ]
    assert samples[1].latency_ms < FAR_S * 1000 / 2


def test_a_patient_endpoint_may_answer_after_the_other_ones_timeout(
    sender: Sender, serve: Serve, tea: ModelCard
) -> None:
    given_up = threading.Event()

    def when_the_other_is_given_up(connection: Connection) -> None:
        if connection.receive() is not None:
            given_up.wait()
            connection.send(MINIMAL)

    def on_time_out(samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            given_up.set()
            yield sample

    sides = [
        endpoint(serve(after_request(silent)).url, "api", SOON_S),
        endpoint(serve(when_the_other_is_given_up).url, "function", FAR_S),
    ]
    samples = list(on_time_out(observe(sender, sides, tea, INPUTS)))
    assert [(sample.endpoint, sample.failure) for sample in samples] == [
        ("api", Failure.TIMEOUT),
        ("function", None),
    ]


def test_a_failed_connection_does_not_touch_the_other_answer(
    sender: Sender, serve: Serve, nobody: str, tea: ModelCard
) -> None:
    sides = [endpoint(nobody, "api"), endpoint(serve(always(MINIMAL)).url, "function")]
    failures = {sample.endpoint: sample.failure for sample in observe(sender, sides, tea, INPUTS)}
    assert failures == {"api": Failure.REFUSED, "function": None}


def test_a_request_that_cannot_even_be_made_is_that_endpoints_failure_alone(
    sender: Sender, serve: Serve, tea: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, named: bytes) -> bytes:
        raise ValueError("not for this protocol")

    monkeypatch.setitem(PROTOCOLS, "rows", "tests.benchmark.endpoints.rows_protocol")
    monkeypatch.setattr(Rows, "encode", refuse)
    servers = [serve(always(MINIMAL)) for _ in range(2)]
    sides = [Endpoint("api", "API", servers[0].url, protocol="rows"), endpoint(servers[1].url, "function")]
    samples = {sample.endpoint: sample for sample in observe(sender, sides, tea, INPUTS)}
    assert samples["function"].failure is None
    assert samples["api"].failure is Failure.UNREACHABLE
    assert servers[0].requests == []


def test_nothing_is_sent_while_a_token_is_fetched(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    arrived = threading.Event()
    sent_early: list[bool] = []

    def fetch(audience: str) -> str:
        sent_early.append(arrived.wait(0.2))
        raise TokenError("no token today")

    def conversation(connection: Connection) -> None:
        while connection.receive() is not None:
            arrived.set()
            connection.send(MINIMAL)

    sides = [
        endpoint(serve(conversation).url, "api"),
        Endpoint("function", "Function", serve(conversation).url, identity=GoogleIdentity(fetch)),
    ]
    samples = {sample.endpoint: sample for sample in observe(sender, sides, tea, INPUTS)}
    assert sent_early == [False]
    assert (samples["api"].failure, samples["function"].failure) == (None, Failure.NO_IDENTITY)
    assert samples["function"].latency_ms >= 200


def test_both_requests_are_on_their_way_before_either_is_answered(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    both_arrived = threading.Barrier(2)

    def conversation(connection: Connection) -> None:
        while connection.receive() is not None:
            both_arrived.wait()
            connection.send(MINIMAL)

    sides = [endpoint(serve(conversation).url, key, 20) for key in ("api", "function")]
    assert [sample.failure for sample in observe(sender, sides, tea, INPUTS)] == [None, None]


def test_both_endpoints_get_the_same_bytes(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    servers = [serve(always(MINIMAL)) for _ in range(2)]
    sides = [endpoint(server.url, key) for server, key in zip(servers, ("api", "function"), strict=True)]
    list(observe(sender, sides, tea, INPUTS))
    (one,), (other,) = (server.requests for server in servers)
    assert one.body == other.body == b'{"leaf_length": 5.0, "leaf_width": 2.0, "steep_time": 3.5}'
    assert (one.method, one.path) == (other.method, other.path) == ("POST", "/predict")
    assert {**one.headers, "host": ""} == {**other.headers, "host": ""}
    assert one.headers["content-type"] == "application/json"
    assert one.headers["accept-encoding"] == "identity"
    assert "x-traffic" not in one.headers, "a user wants the answer"


def test_the_body_names_the_features_in_the_cards_order(tea: ModelCard) -> None:
    assert list(json.loads(request_body(tea, INPUTS)).items()) == [
        ("leaf_length", 5.0),
        ("leaf_width", 2.0),
        ("steep_time", 3.5),
    ]


def test_a_token_goes_out_to_its_own_endpoint_and_to_no_other(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    servers = [serve(always(MINIMAL)) for _ in range(2)]
    sides = [endpoint(servers[0].url, "api", token="secret"), endpoint(servers[1].url, "function")]  # noqa: S106
    list(observe(sender, sides, tea, INPUTS))
    (one,), (other,) = (server.requests for server in servers)
    assert one.headers["authorization"] == "Bearer secret"
    assert "authorization" not in other.headers
    assert "secret" not in repr(other)


def test_samples_come_as_they_arrive_not_in_the_endpoints_order(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    may_answer = threading.Event()

    def waits(connection: Connection) -> None:
        if connection.receive() is not None:
            may_answer.wait()
            connection.send(MINIMAL)

    sides = [endpoint(serve(waits).url, "api", FAR_S), endpoint(serve(always(MINIMAL)).url, "function", FAR_S)]
    arrived: list[str] = []
    for sample in observe(sender, sides, tea, INPUTS):
        arrived.append(sample.endpoint)
        may_answer.set()
    assert arrived == ["function", "api"]


# --- The client


def test_proxies_from_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, tea: ModelCard
) -> None:
    proxy = serve(always(MINIMAL))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = serve(always(MINIMAL))
    fresh = Sender()  # with this environment
    (sample,) = observe(fresh, [endpoint(server.url)], tea, INPUTS)
    fresh.close()
    assert sample.failure is None
    assert len(server.requests) == 1
    assert proxy.requests == []


def test_no_cookie_of_one_answer_goes_out_with_the_next_request(sender: Sender, serve: Serve, tea: ModelCard) -> None:
    with_a_cookie = json_reply({"prediction": 0}, headers=[("Set-Cookie", "who=me; Path=/")])
    servers = [serve(always(with_a_cookie)) for _ in range(2)]
    sides = [endpoint(server.url, key) for server, key in zip(servers, ("api", "function"), strict=True)]
    for _ in range(2):
        list(observe(sender, sides, tea, INPUTS))
    sent = [request.headers for server in servers for request in server.requests]
    assert len(sent) == 4
    assert not any("cookie" in headers for headers in sent)
