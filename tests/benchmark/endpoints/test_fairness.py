"""Two endpoints are alike only where both say so; what one does not say is never taken for equal."""

from typing import Any

import httpx
import pytest

from benchmark.endpoints.catalog import Served, fetch
from benchmark.endpoints.fairness import ALWAYS_SHOWN, Condition, Facts, conditions, facts, mismatches
from inference.card import ModelCard
from tests.benchmark.cards import make_service, tea_document, tea_outputs
from tests.benchmark.conftest import Serve, endpoint
from tests.benchmark.little_server import always, json_reply, serving
from tests.benchmark.runs import EQUAL_FACTS

SERVING: dict[str, Any] = {
    "platform": "cloud run",
    "runtime": "onnx",
    "python": "3.12.4",
    "machine": "x86_64",
    "libraries": {"numpy": "2.1.0", "onnxruntime": "1.20.0"},
    "deployment": {"cpu": "1", "memory": "512Mi", "concurrency": 8, "min_instances": 0, "region": "europe-west1"},
}


def test_all_that_an_endpoint_says_is_read(tea: ModelCard) -> None:
    assert facts(Served(tea, serving=SERVING)) == {
        "vCPU": "1",
        "memory": "512Mi",
        "concurrency": "8",
        "min instances": "0",
        "region": "europe-west1",
        "machine": "x86_64",
        "Python": "3.12.4",
        "runtime": "onnx",
        "model version": tea.version,
        "model sha256": tea.sha256["model.onnx"],
        "numpy": "2.1.0",
        "onnxruntime": "1.20.0",
    }


def test_the_model_is_the_file_that_the_runtime_serves(tea: ModelCard) -> None:
    sums = [
        facts(Served(tea, serving=SERVING | {"runtime": runtime}))["model sha256"]
        for runtime in ("onnx", "sklearn", "abacus", None)
    ]
    assert sums == [tea.sha256["model.onnx"], tea.sha256["model.joblib"], None, None]


def test_an_endpoint_that_says_nothing_is_unknown_in_all() -> None:
    assert facts(Served(problem="gives no model card")) == dict.fromkeys(ALWAYS_SHOWN)


@pytest.mark.parametrize("odd", [None, True, [], {}, "", 5, "text"])
def test_odd_statements_are_unknown_and_no_error(odd: Any) -> None:
    said = facts(Served(serving={"deployment": odd, "libraries": odd, "python": {"is": odd}, "machine": [odd]}))
    assert said == dict.fromkeys(ALWAYS_SHOWN)
    assert facts(Served(serving={"deployment": {"cpu": True, "memory": []}, "libraries": {"numpy": None}})) == {
        **dict.fromkeys(ALWAYS_SHOWN),
        "numpy": None,
    }


def test_a_library_called_like_a_fact_does_not_take_its_place() -> None:
    said = facts(Served(serving={"libraries": {"memory": "1.0", "runtime": "2.0", "numpy": "2.1.0"}}))
    assert (said["memory"], said["runtime"], said["numpy"]) == (None, None, "2.1.0")


def test_long_statements_are_cut() -> None:
    assert facts(Served(serving={"machine": "x" * 1000}))["machine"] == "x" * 80


def test_alike_in_all_is_fair() -> None:
    assert mismatches([EQUAL_FACTS, dict(EQUAL_FACTS)]) == []


@pytest.mark.parametrize("name", ALWAYS_SHOWN)
def test_what_is_unknown_is_never_equal(name: str) -> None:
    silent: Facts = {**EQUAL_FACTS, name: None}
    for known in ([EQUAL_FACTS, silent], [silent, EQUAL_FACTS], [silent, silent]):
        assert [condition.describe() for condition in mismatches(known)] == [f"{name} unknown"]
    without = {label: value for label, value in EQUAL_FACTS.items() if label != name}
    assert [condition.name for condition in mismatches([without, without])] == [name]


@pytest.mark.parametrize("name", ALWAYS_SHOWN)
def test_what_differs_is_said(name: str) -> None:
    other = dict(EQUAL_FACTS) | {name: "another"}
    (found,) = mismatches([EQUAL_FACTS, other])
    assert found == Condition(name, (EQUAL_FACTS[name], "another"))
    assert found.describe() == f"{name} {EQUAL_FACTS[name]} against another"


def test_a_library_that_both_have_is_compared_and_one_that_one_has_is_left_out() -> None:
    first = dict(EQUAL_FACTS) | {"numpy": "2.1.0", "fastapi": "0.115", "onnxruntime": "1.20"}
    second = dict(EQUAL_FACTS) | {"numpy": "2.2.0", "functions-framework": "3.8", "onnxruntime": "1.20"}
    names = {condition.name for condition in conditions([first, second])}
    assert names == {*ALWAYS_SHOWN, "numpy", "onnxruntime"}
    for known in ([first, second], [second, first]):
        assert [condition.name for condition in mismatches(known)] == ["numpy"]


def test_three_endpoints_are_alike_where_all_are() -> None:
    (found,) = mismatches([EQUAL_FACTS, EQUAL_FACTS, dict(EQUAL_FACTS) | {"memory": "1Gi"}])
    assert found.describe() == "memory 512Mi against 512Mi against 1Gi"


def test_the_real_service_says_how_it_is_served(client: httpx.Client, serve: Serve, tea: ModelCard) -> None:
    said = facts(fetch(client, endpoint(serve(serving(make_service(tea, tea_outputs))).url)))
    assert said["model sha256"] == tea.sha256["model.onnx"]
    assert said["model version"] == tea.version
    assert said["runtime"] == "onnx"
    assert said["Python"] is not None and said["machine"] is not None and said["numpy"] is not None


@pytest.mark.parametrize("odd", [None, [], "fast"])
def test_a_card_with_an_odd_account_of_its_serving_is_a_card(
    client: httpx.Client, serve: Serve, tea: ModelCard, odd: Any
) -> None:
    served = fetch(client, endpoint(serve(always(json_reply({"card": tea_document(), "serving": odd}))).url))
    assert served.card == tea
    assert served.serving == {}
