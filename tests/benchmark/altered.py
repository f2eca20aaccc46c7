"""The real service behind HTTP, with its answers altered on their way out: each a defect that has a name."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from inference.card import ModelCard
from inference.service import Service
from tests.benchmark.cards import flat_outputs, make_service, mileage_outputs, tea_outputs
from tests.benchmark.little_server import Conversation, Request, answering, json_reply, reply, serving

Alter = Callable[[dict[str, Any]], None]
"""Changes one answer in place."""


def good(card: ModelCard) -> Conversation:
    """A service without a defect."""
    return serving(service(card))


def service(card: ModelCard) -> Service:
    outputs = everywhere if card.is_classifier else flat_outputs if card.categories else mileage_outputs
    return make_service(card, outputs)


def everywhere(row: Sequence[float]) -> list[float]:
    """The classes of `cards.tea_outputs`, also so far from all of them that its exponentials vanish."""
    if row[0] > 20:
        return [0.0, 1e-9, 1.0 - 1e-9]
    return tea_outputs(row)


def altered(card: ModelCard, alter: Alter) -> Conversation:
    """`alter` is applied to every answer, of which a batch has several."""
    inner = service(card)

    def answer(request: Request) -> bytes:
        made = inner.respond(request.method, request.path, request.body, request.headers.get("content-type"))
        if request.method != "POST" or made.status != 200:
            return reply(made.body, made.status)
        document = json.loads(made.body)
        for one in document.get("predictions", [document]):
            alter(one)
        return json_reply(document)

    return answering(answer)


def single_only(card: ModelCard, fails: Callable[[dict[str, Any]], bool] = lambda _: False) -> Conversation:
    """Takes named fields alone, as the smallest known services do, and answers 500 to bodies that `fails` picks."""
    inner = service(card)

    def answer(request: Request) -> bytes:
        if request.method == "POST":
            try:
                document = json.loads(request.body)
            except ValueError:
                document = None
            if isinstance(document, dict) and "instances" in document:
                return json_reply({"error": {"code": "invalid_input"}}, 422)
            if isinstance(document, dict) and fails(document):
                return json_reply({"error": {"code": "internal"}}, 500)
        made = inner.respond(request.method, request.path, request.body, request.headers.get("content-type"))
        return reply(made.body, made.status)

    return answering(answer)


def round_to_2(answer: dict[str, Any]) -> None:
    """What `round(p, 2)` in a handler does."""
    answer["probabilities"] = {name: round(share, 2) for name, share in answer["probabilities"].items()}
    answer["confidence"] = round(answer["confidence"], 2)


def swap_first_two(answer: dict[str, Any]) -> None:
    """The probabilities of the first two classes, each under the other's name."""
    shares = answer["probabilities"]
    first, second, *_ = shares
    shares[first], shares[second] = shares[second], shares[first]


def call_itself(version: str) -> Alter:
    def alter(answer: dict[str, Any]) -> None:
        answer["model_version"] = version

    return alter
