"""Answers under load are held against those at rest, and only what can be compared is counted."""

import asyncio
import json
from dataclasses import replace
from time import perf_counter_ns
from typing import Any

import pytest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Answer
from benchmark.engine import correctness
from benchmark.engine.client import Client, Instances
from benchmark.engine.correctness import AtRest, at_rest_requests, is_same
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import LittleServer, Request, answering, json_reply

GREEN = Answer(1.0, "green", 0.75, (0.25, 0.75), "v1")
VALUE = Answer(1000.0)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"confidence": 0.750001, "probabilities": (0.249999, 0.750001)}, True),
        ({"confidence": 0.7501}, False),
        ({"probabilities": (0.2501, 0.7499)}, False),
        ({"probabilities": None}, False),
        ({"probabilities": (0.25, 0.5, 0.25)}, False),
        ({"confidence": None}, False),
        ({"prediction": 0.0}, False),
        ({"label": "black"}, False),
        ({"model_version": "v2"}, False),
    ],
)
def test_a_class_is_the_same_with_the_same_probabilities(other: dict[str, Any], same: bool) -> None:
    assert is_same(GREEN, replace(GREEN, **other)) is is_same(replace(GREEN, **other), GREEN) is same


@pytest.mark.parametrize(("value", "same"), [(1000.0, True), (1000.001, True), (1000.1, False), (-1000.0, False)])
def test_a_value_is_the_same_within_a_relative_tolerance(value: float, same: bool) -> None:
    assert is_same(VALUE, Answer(value)) is same


def body(value: float) -> bytes:
    return json.dumps({"a": value}).encode()


def conduct(server: LittleServer, asked: list[bytes], sent: list[bytes]) -> dict[str, Any]:
    """The document after `asked` at rest, and `sent` under load."""

    async def run() -> dict[str, Any]:
        instances, at_rest = Instances(), AtRest()
        async with Client(Endpoint("api", "API", server.url), 0, None, instances) as client:
            await at_rest.ask(client, asked, perf_counter_ns())
            for number, one in enumerate(sent):
                await client.send(one, number, began_ns=perf_counter_ns(), warmup=number < 2)
        return at_rest.document(instances.ids)

    return asyncio.run(run())


def test_changed_answers_are_counted_by_instance(serve: Serve) -> None:
    count = 0

    def answer(request: Request) -> bytes:
        nonlocal count
        count += 1
        value = json.loads(request.body)["a"]
        is_changed = count > 6 and count % 4 == 0  # 4 at rest, 2 of warm-up
        named = [] if count % 5 == 0 else [("X-Instance-Id", "bad" if is_changed else "good")]
        return json_reply({"prediction": value + 100 * is_changed}, headers=named)

    found = conduct(serve(answering(answer)), [body(1), body(2), body(1)], [body(1), body(2), body(3)] * 8)
    assert (found["bodies"], found["unstable"]) == (2, 0)
    by_id = {one["id"]: (one["compared"], one["changed"]) for one in found["instances"]}
    changed = [at for at in range(7, 29) if at % 4 == 0 and (at - 5) % 3 != 2]  # the third input was not asked at rest
    compared = [at for at in range(7, 29) if (at - 5) % 3 != 2]
    assert sum(one for one, _ in by_id.values()) == len(compared)
    assert sum(one for _, one in by_id.values()) == len(changed) > 2
    assert by_id["good"][1] == 0
    assert by_id["bad"][0] == by_id["bad"][1] == sum(at % 5 != 0 for at in changed)
    assert by_id[None][1] == sum(at % 5 == 0 for at in changed)


def test_an_input_whose_answers_vary_or_fail_at_rest_is_not_compared(serve: Serve) -> None:
    count = 0

    def answer(request: Request) -> bytes:
        nonlocal count
        count += 1
        value = json.loads(request.body)["a"]
        if value == 3:
            return json_reply({}, status=500)
        return json_reply({"prediction": count if value == 2 else value})

    found = conduct(serve(answering(answer)), [body(1), body(2), body(3)], [body(1), body(2), body(3)] * 4)
    assert (found["bodies"], found["unstable"]) == (3, 2)
    assert found["instances"] == [{"id": None, "compared": 3, "changed": 0}]  # without the warm-up


def test_an_endpoint_that_does_not_answer_is_not_asked_for_everything(serve: Serve) -> None:
    server = serve(answering(lambda _: json_reply({}, status=500)))
    found = conduct(server, [body(at) for at in range(50)], [])
    assert len(server.requests) == 6
    assert found == {"bodies": 3, "unstable": 3, "instances": []}


def test_the_number_of_inputs_is_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correctness, "MOST_BODIES", 4)
    server = serve(answering(lambda _: json_reply({"prediction": 1})))
    bodies = [body(at) for at in range(9)]
    assert at_rest_requests(bodies) == 8
    assert conduct(server, bodies, [])["bodies"] == 4
    assert len(server.requests) == 8
    assert at_rest_requests([body(1)] * 9) == 2
