"""What is known of the models behind the endpoints: asked for in the background, believed only where it is a card."""

import json
import threading
from collections.abc import Callable

import httpx
import pytest

from benchmark.endpoints.catalog import Catalog, Served, fetch
from benchmark.endpoints.endpoint import Endpoint
from inference.card import ModelCard
from tests.benchmark.cards import make_service, mileage_outputs, tea_document, tea_outputs
from tests.benchmark.conftest import Serve, endpoint
from tests.benchmark.little_server import Connection, always, answering, json_reply, reply, serving

WAIT_S = 20.0
"""Longer than any of these little servers needs; no test waits for it."""

TEA_INFO = json_reply({"card": tea_document()})
NOT_FOUND = json_reply({"error": {"code": "not_found"}}, 404)


class FakeClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr("benchmark.endpoints.catalog.monotonic", clock)
    return clock


def test_both_cards_come_in_the_order_of_the_endpoints(
    client: httpx.Client, serve: Serve, tea: ModelCard, mileage: ModelCard
) -> None:
    sides = [
        endpoint(serve(serving(make_service(mileage, mileage_outputs))).url, "api"),
        endpoint(serve(serving(make_service(tea, tea_outputs))).url, "function"),
    ]
    assert Catalog(client).served(sides, wait_s=WAIT_S) == [Served(card=mileage), Served(card=tea)]


def test_an_endpoint_that_has_not_answered_yet_is_unknown_and_the_other_one_is_known(
    client: httpx.Client, serve: Serve, tea: ModelCard
) -> None:
    sides = [
        endpoint(serve(Connection.hold).url, "api"),
        endpoint(serve(serving(make_service(tea, tea_outputs))).url, "function"),
    ]
    catalog = Catalog(client)
    catalog.served(sides[1:], wait_s=WAIT_S)
    for _ in range(2):
        assert catalog.served(sides, wait_s=0.05) == [None, Served(card=tea)]


def test_a_late_card_is_there_when_it_is_asked_for_again(client: httpx.Client, serve: Serve, tea: ModelCard) -> None:
    may_answer = threading.Event()

    def conversation(connection: Connection) -> None:
        while connection.receive() is not None:
            may_answer.wait()
            connection.send(TEA_INFO)

    server = serve(conversation)
    catalog = Catalog(client)
    assert catalog.served([endpoint(server.url)], wait_s=0.05) == [None]
    may_answer.set()
    assert catalog.served([endpoint(server.url)], wait_s=WAIT_S) == [Served(card=tea)]
    assert len(server.requests) == 1


UNREADABLE = "gives a model card that cannot be read"
NOT_CARDS = {
    "404": (NOT_FOUND, "gives no model card"),
    "500": (json_reply({"error": {}}, 500), "gives no model card"),
    "302": (reply(b"", 302, [("Location", "/card")]), "gives no model card"),
    "html": (reply(b"<html></html>", content_type="text/html"), UNREADABLE),
    "list": (json_reply([]), UNREADABLE),
    "no card": (json_reply({"model_type": "LogisticRegression"}), UNREADABLE),
    "null": (json_reply({"card": None}), UNREADABLE),
    "another task": (json_reply({"card": {**tea_document(), "task": "guessing"}}), UNREADABLE),
    "another version": (json_reply({"card": {**tea_document(), "version": "0" * 12}}), UNREADABLE),
    "huge number": (
        json_reply({"card": tea_document(known_answers=[{"features": [10**400] * 3, "outputs": [1, 0, 0]}])}),
        UNREADABLE,
    ),
    "deep": (reply(b"[" * 100_000), UNREADABLE),
    "large": (
        json_reply({"card": tea_document(), "padding": "." * (4 * 1024 * 1024)}),
        "gives a model card that is too large",
    ),
}


@pytest.mark.parametrize(("answer", "problem"), NOT_CARDS.values(), ids=NOT_CARDS)
def test_what_is_no_card_is_a_problem_in_words(client: httpx.Client, serve: Serve, answer: bytes, problem: str) -> None:
    assert fetch(client, endpoint(serve(always(answer)).url)) == Served(problem=problem)


def test_what_gave_a_card_is_timed_and_a_failure_is_not(client: httpx.Client, serve: Serve, nobody: str) -> None:
    took_ms = fetch(client, endpoint(serve(always(TEA_INFO)).url)).took_ms
    assert took_ms is not None and took_ms > 0
    assert fetch(client, endpoint(nobody)).took_ms is None
    assert fetch(client, endpoint(serve(always(NOT_FOUND)).url)).took_ms is None


def test_an_endpoint_that_is_not_there_did_not_answer(client: httpx.Client, nobody: str) -> None:
    assert fetch(client, endpoint(nobody)) == Served(problem="did not answer")


def test_an_endpoint_that_hangs_up_did_not_answer(client: httpx.Client, serve: Serve) -> None:
    assert fetch(client, endpoint(serve(Connection.reset).url)) == Served(problem="did not answer")


def test_an_endpoint_that_drips_did_not_answer(
    client: httpx.Client, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.endpoints.catalog.INFO_TIMEOUT_S", 0.2)

    def conversation(connection: Connection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        connection.drip(b" ")

    assert fetch(client, endpoint(serve(conversation).url)) == Served(problem="did not answer")


def test_an_endpoint_that_cannot_be_asked_at_all_is_a_problem_and_no_hang(
    client: httpx.Client, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "stream", None)
    (served,) = Catalog(client).served([endpoint(nobody)], wait_s=WAIT_S)
    assert served is not None
    assert served.card is None
    assert served.problem


def test_a_card_beside_the_path_is_found_where_there_is_none_below(
    client: httpx.Client, serve: Serve, tea: ModelCard
) -> None:
    server = serve(answering(lambda request: TEA_INFO if request.path == "/v1/model-info" else NOT_FOUND))
    assert fetch(client, endpoint(server.url + "/v1/predict")) == Served(card=tea)
    assert server.paths("GET") == ["/v1/predict/model-info", "/v1/model-info"]


def test_an_answer_that_is_no_card_below_the_path_does_not_hide_the_card_beside_it(
    client: httpx.Client, serve: Serve, tea: ModelCard
) -> None:
    page = reply(b"<html></html>", content_type="text/html")
    server = serve(answering(lambda request: TEA_INFO if request.path == "/v1/model-info" else page))
    assert fetch(client, endpoint(server.url + "/v1/predict")) == Served(card=tea)


def test_a_token_goes_out_to_its_own_endpoint_and_to_no_other(client: httpx.Client, serve: Serve) -> None:
    servers = [serve(always(TEA_INFO)) for _ in range(2)]
    sides = [endpoint(servers[0].url, "api", token="secret"), endpoint(servers[1].url, "function")]  # noqa: S106
    Catalog(client).served(sides, wait_s=WAIT_S)
    (one,), (other,) = (server.requests for server in servers)
    assert one.headers["authorization"] == "Bearer secret"
    assert "authorization" not in other.headers


def asked_twice(catalog: Catalog, side: Endpoint, between: Callable[[], None]) -> list[Served | None]:
    first = catalog.served([side], wait_s=WAIT_S)
    between()
    return first + catalog.served([side], wait_s=WAIT_S)


@pytest.mark.parametrize(("seconds", "requests"), [(0.0, 1), (59.0, 1), (61.0, 2)])
def test_a_card_is_remembered_for_a_minute(
    client: httpx.Client, serve: Serve, tea: ModelCard, clock: FakeClock, seconds: float, requests: int
) -> None:
    def later() -> None:
        clock.now += seconds

    server = serve(always(TEA_INFO))
    assert asked_twice(Catalog(client), endpoint(server.url), later) == [Served(card=tea)] * 2
    assert len(server.requests) == requests


@pytest.mark.parametrize(("seconds", "requests"), [(0.0, 1), (4.0, 1), (6.0, 2)])
def test_a_problem_is_remembered_for_five_seconds(
    client: httpx.Client, serve: Serve, clock: FakeClock, seconds: float, requests: int
) -> None:
    def later() -> None:
        clock.now += seconds

    server = serve(always(NOT_FOUND))
    asked_twice(Catalog(client), endpoint(server.url), later)
    assert len(server.requests) == requests


def test_a_forgotten_card_is_asked_for_again(client: httpx.Client, serve: Serve, clock: FakeClock) -> None:
    documents = [tea_document(), tea_document(title="Better tea")]
    server = serve(answering(lambda _: json_reply({"card": documents[len(server.requests) - 1]})))
    side = endpoint(server.url)
    catalog = Catalog(client)
    first, second = asked_twice(catalog, side, lambda: catalog.forget(side))
    assert first is not None and first.card is not None and first.card.title == "Kinds of tea"
    assert second is not None and second.card is not None and second.card.title == "Better tea"


def test_what_was_never_asked_for_can_be_forgotten(client: httpx.Client, nobody: str) -> None:
    Catalog(client).forget(endpoint(nobody))


def test_many_sessions_at_once_ask_only_once(client: httpx.Client, serve: Serve, tea: ModelCard) -> None:
    everybody_asks = threading.Barrier(8)
    server = serve(always(TEA_INFO))
    catalog = Catalog(client)
    results: list[list[Served | None]] = []

    def session() -> None:
        everybody_asks.wait()
        results.append(catalog.served([endpoint(server.url)], wait_s=WAIT_S))

    sessions = [threading.Thread(target=session) for _ in range(8)]
    for thread in sessions:
        thread.start()
    for thread in sessions:
        thread.join()
    assert results == [[Served(card=tea)]] * 8
    assert len(server.requests) == 1


def test_the_card_is_what_the_service_really_answers(serve: Serve, tea: ModelCard) -> None:
    server = serve(serving(make_service(tea, tea_outputs)))
    with httpx.Client(trust_env=False) as plain:
        info = plain.get(server.url + "/model-info").json()
    assert info["card"] == json.loads(json.dumps(tea.document))
