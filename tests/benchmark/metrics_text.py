"""The real `/metrics` text of a real service over a little model, without a server in between."""

import json
import threading
from collections.abc import Sequence

from inference.card import ModelCard
from inference.contract import TEST_TRAFFIC, TRAFFIC_HEADER
from inference.service import Service
from tests.benchmark.cards import make_card, make_service, tea_document, tea_outputs
from tests.benchmark.little_server import Conversation, Request, answering, reply

DURATION_S = 0.0003


def tea_service(card: ModelCard | None = None) -> Service:
    """A service that has answered nothing yet, and is an instance of its own."""
    return make_service(card or make_card(tea_document()), tea_outputs)


def post(
    service: Service, rows: Sequence[Sequence[float]], duration_s: float = DURATION_S, *, is_test: bool = False
) -> None:
    """One request for each row, counted as the server counts it; an empty row is refused."""
    for row in rows:
        body = json.dumps({"features": list(row)}).encode()
        reply = service.respond("POST", "/predict", body, "application/json", is_test=is_test)
        service.metrics.count_request("/predict", reply.status, duration_s, is_test)


def text(service: Service) -> str:
    """What `GET /metrics` answers."""
    reply = service.respond("GET", "/metrics")
    service.metrics.count_request("/metrics", reply.status, DURATION_S)
    assert reply.status == 200
    return reply.body.decode()


def counting(service: Service) -> Conversation:
    """The real service behind HTTP, which counts its requests as the endpoints do."""
    one_at_a_time = threading.Lock()

    def answer(request: Request) -> bytes:
        with one_at_a_time:
            is_test = request.headers.get(TRAFFIC_HEADER) == TEST_TRAFFIC
            media = request.headers.get("content-type")
            made = service.respond(request.method, request.path, request.body, media, is_test=is_test)
            service.metrics.count_request(service.route(request.path), made.status, DURATION_S, is_test)
        kept = [(name, value) for name, value in made.headers if name != "content-type"]
        return reply(made.body, made.status, kept, dict(made.headers)["content-type"])

    return answering(answer)
