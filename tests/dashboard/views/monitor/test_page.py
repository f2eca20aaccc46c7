"""The Monitor page in a session without a browser, over real HTTP endpoints that count, or that do not answer."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.traffic import TEST_HEADERS
from benchmark.monitor.sampler import Measuring
from dashboard import resources
from dashboard.settings import Settings
from inference.card import ModelCard
from tests.benchmark.cards import (
    feature,
    flat_document,
    flat_outputs,
    make_card,
    make_service,
    mileage_document,
    mileage_outputs,
    tea_document,
)
from tests.benchmark.little_server import LittleServer, Request, always, answering, json_reply, reply
from tests.benchmark.metrics_text import counting, tea_service
from tests.dashboard.conftest import Serve
from tests.dashboard.page import Page

Visit = Callable[..., Page]
Monitor = Callable[[str, str], Page]
"""Open the page over two addresses."""
SCRIPT = "from dashboard.views.monitor import page\npage.page()"
GREEN = [3.2, 1.1, 2.2]
OUTSIDE = [9.0, 2.0, 3.0]
EDGES = [3.0 + 0.4 * index for index in range(11)]


@pytest.fixture
def monitor(visit: Visit) -> Monitor:
    """The page over two addresses, opened; a look waits for what comes from this very machine."""

    def monitor(api: str, function: str) -> Page:
        page = visit(api, function)
        page.app = AppTest.from_string(SCRIPT, default_timeout=60)
        return page.open()

    return monitor


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, charts_wanted: None) -> None:
    monkeypatch.setattr("dashboard.views.monitor.page._WAIT_S", 20.0)
    monkeypatch.setattr("benchmark.monitor.sampler.OPEN_S", 0.0)


def test_until_charts_are_asked_for_each_is_its_words(
    monitor: Monitor, serve: Serve, tea: ModelCard, cookies: dict[str, str]
) -> None:
    cookies.clear()
    server = serve(counting(tea_service(tea)))
    page = monitor(server.url, server.url)
    assert not page.has("figure-memory")
    assert "Resident memory of the process in MiB over time" in page.read("chart-memory")
    page.press("Show the charts")
    assert page.has("figure-memory") and page.has("figure-requests")


def send(server: LittleServer, rows: list[list[Any]], headers: Mapping[str, str] | None = None) -> None:
    with httpx.Client(trust_env=False, headers=headers) as client:
        for row in rows:
            client.post(f"{server.url}/predict", json={"features": row}).raise_for_status()


def binned_tea() -> ModelCard:
    """A card whose first feature has ten bins, and which counts its classes."""
    features = tea_document()["features"]
    training = {**features[0]["training"], "histogram": {"edges": EDGES, "counts": [15] * 10}}
    features[0] = feature("leaf_length", "Leaf length", "cm", 3.0, 7.0, 5.0, training=training)
    counts = {"class_counts": {"green": 50, "oolong": 50, "black": 50}}
    return make_card(tea_document(features=features, training_data=counts))


def monitor_all(monkeypatch: pytest.MonkeyPatch, monitor: Monitor, urls: Sequence[str]) -> Page:
    """The page over any number of endpoints, `api`, `function`, `c` and so on."""
    endpoints = tuple(
        Endpoint(key, key.upper(), url) for key, url in zip(("api", "function", *"cdef"), urls, strict=False)
    )
    monkeypatch.setattr(resources, "settings", lambda: replace(Settings.from_env(os.environ), endpoints=endpoints))
    return monitor(urls[0], urls[-1])


@pytest.mark.parametrize("count", [1, 3, 6])
def test_each_of_several_endpoints_has_its_card_and_its_line(
    serve: Serve, monitor: Monitor, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    servers = [serve(counting(tea_service())) for _ in range(count)]
    for requests, server in enumerate(servers, 1):
        send(server, [GREEN] * requests)
    page = monitor_all(monkeypatch, monitor, [server.url for server in servers])
    keys = ("api", "function", *"cdef")[:count]
    assert [page.metrics(key)["Requests"] for key in keys] == [str(requests) for requests in range(1, count + 1)]
    drawn = page.figure("predictions")["data"]
    assert [trace["name"] for trace in drawn] == [
        f"{key.upper()} (n = {requests})" for requests, key in enumerate(keys, 1)
    ]


def test_of_three_endpoints_those_with_another_model_are_left_out_by_name(
    serve: Serve, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = counting(make_service(make_card(mileage_document()), mileage_outputs))
    servers = [serve(counting(tea_service())), serve(other), serve(counting(tea_service()))]
    page = monitor_all(monkeypatch, monitor, [server.url for server in servers])
    assert "The charts below show only API and C: the endpoints serve different models." in page.read()


def test_both_endpoints_show_what_they_counted(serve: Serve, monitor: Monitor) -> None:
    api, function = serve(counting(tea_service())), serve(counting(tea_service()))
    send(api, [GREEN, GREEN, OUTSIDE])
    page = monitor(api.url, function.url)
    figures = page.metrics("api")
    assert list(figures) == ["Requests", "Failed (%)", "p50 (ms)", "p95 (ms)", "Memory (MiB)", "Age"]
    assert figures["Failed (%)"] == "0.0"
    assert 0.25 <= float(figures["p50 (ms)"]) <= 0.5
    assert "3 requests · 3 predictions · 0 refused (4xx) · 0 failed (5xx)" in page.read("card-api")
    assert "between 0.25 and 0.5 ms" in page.read("card-api")
    assert "No user requests in this time: send one on the Predict page" in page.read("card-function")
    assert page.metrics("function")["p50 (ms)"] == "\N{EN DASH}"
    for chart in ("requests", "server-latency", "failures", "memory", "predictions", "range"):
        assert page.has(f"figure-{chart}"), chart
    assert [trace["name"] for trace in page.figure("predictions")["data"]] == [
        "FastAPI (n = 3)",
        "Cloud Function (n = 0)",
    ]


def test_before_any_prediction_the_panels_say_what_to_do(serve: Serve, monitor: Monitor) -> None:
    page = monitor(serve(counting(tea_service())).url, serve(counting(tea_service())).url)
    assert "send one on the Predict page" in page.read("chart-predictions")
    assert "send one on the Predict page" in page.read("chart-range")
    assert "Too few to tell: 0 of 100 values" in page.read("chart-drift")
    assert not page.has("figure-drift")


def test_one_endpoint_down_is_said_in_its_card_and_the_other_works(serve: Serve, nobody: str, monitor: Monitor) -> None:
    api = serve(counting(tea_service()))
    send(api, [GREEN])
    page = monitor(api.url, nobody)
    assert "Nothing listens at" in page.read("card-function")
    assert "FUNCTION_URL" in page.read("card-function")
    assert page.metrics("function") == {}
    assert page.metrics("api")["Failed (%)"] == "0.0"
    assert page.has("figure-requests")


def test_both_down_leaves_two_cards_and_no_chart(nobody: str, monitor: Monitor) -> None:
    page = monitor(nobody, nobody)
    for endpoint in ("api", "function"):
        assert "Nothing listens at" in page.read(f"card-{endpoint}")
    assert not page.has("figure-requests")
    assert "as soon as an endpoint answers" in page.read()


def test_drift_is_drawn_as_soon_as_there_are_enough_values(serve: Serve, monitor: Monitor) -> None:
    card = binned_tea()
    api, function = serve(counting(tea_service(card))), serve(counting(tea_service(card)))
    page = monitor(api.url, function.url)
    assert not page.has("figure-drift")

    send(api, [[6.9, 2.0, 3.0]] * 100)
    page.rerun()

    drawn = page.figure("drift")["data"]
    assert drawn[0]["name"] == "FastAPI (n = 100)"
    assert drawn[0]["x"][0] > 1
    assert "large drift" in drawn[0]["customdata"][0]
    assert "FastAPI: large drift of leaf length (PSI " in page.read("chart-drift")
    assert "rule of thumb" in page.read("chart-drift")
    assert page.figure("predictions")["data"][0]["name"] == "Training (n = 150)"


def test_a_shorter_time_counts_what_was_read_in_it(serve: Serve, monitor: Monitor) -> None:
    api = serve(counting(tea_service()))
    send(api, [GREEN] * 5)
    page = monitor(api.url, serve(counting(tea_service())).url)
    assert "5 requests" in page.read("card-api")

    page.app.segmented_control[0].set_value("1 minute")
    page.rerun()
    assert "No user requests in this time" in page.read("card-api")
    send(api, [GREEN] * 2)
    page.rerun()
    assert "2 requests" in page.read("card-api")


def test_tests_are_shown_apart(serve: Serve, monitor: Monitor) -> None:
    card = binned_tea()
    api, function = serve(counting(tea_service(card))), serve(counting(tea_service(card)))
    send(api, [GREEN])
    send(api, [[6.9, 2.0, 3.0]] * 100, TEST_HEADERS)
    page = monitor(api.url, function.url)
    assert page.metrics("api")["Requests"] == "1"
    assert "Not in these figures: 100 test requests with 100 predictions" in page.read("card-api")
    assert "Too few to tell: 1 of 100 values" in page.read("chart-drift")

    page.app.segmented_control[1].set_value("test")
    page.rerun()
    assert page.metrics("api")["Requests"] == "100"
    assert "FastAPI: large drift of leaf length" in page.read("chart-drift")
    assert "No test requests in this time" in page.read("card-function")


def test_off_reads_once_and_then_when_asked(serve: Serve, visit: Visit) -> None:
    api, function = serve(counting(tea_service())), serve(counting(tea_service()))
    page = visit(api.url, function.url, MONITOR_READINGS="off")
    page.app = AppTest.from_string(SCRIPT, default_timeout=60)
    page.open()
    page.rerun()
    assert "Readings are off." in page.read()
    assert page.metrics("api")["Requests"] == "0"
    assert api.paths("GET").count("/metrics") == 1

    send(api, [GREEN] * 2)
    page.app.button(key="read-now").click()
    page.rerun()
    assert page.metrics("api")["Requests"] == "2"
    assert api.paths("GET").count("/metrics") == 2


def test_when_to_read_is_one_choice_for_all_who_look(serve: Serve, monitor: Monitor) -> None:
    api = serve(counting(tea_service()))
    page = monitor(api.url, api.url)
    page.app.radio(key="read-when").set_value("off")
    page.rerun()
    assert "Readings are off." in page.read()

    other = Page()
    other.app = AppTest.from_string(SCRIPT, default_timeout=60)
    other.open()
    assert other.app.radio(key="read-when").value == "off"


@pytest.mark.parametrize("when", ["off", "open"])
def test_visitors_of_a_read_only_dashboard_cannot_choose_when_to_read(serve: Serve, visit: Visit, when: str) -> None:
    api = serve(counting(tea_service()))
    page = visit(api.url, api.url, READ_ONLY="1", MONITOR_READINGS=when)
    page.app = AppTest.from_string(SCRIPT, default_timeout=60)
    page.open()
    assert not page.app.radio
    assert ("Readings are off." if when == "off" else "Read from /metrics every 2 s") in page.read()
    assert [button.key for button in page.app.button if button.key == "read-now"] == ["read-now"] * (when == "off")


def test_while_cold_starts_are_measured_nothing_is_read(
    serve: Serve, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.resources.measuring", lambda *_: Measuring.STARTS)
    api = serve(counting(tea_service()))
    page = monitor(api.url, api.url)
    assert "Readings are paused until the run in progress ends" in page.read()
    assert api.requests == []


def test_a_regressor_has_no_classes_to_show(serve: Serve, monitor: Monitor) -> None:
    card = make_card(mileage_document())
    servers = [serve(counting(make_service(card, mileage_outputs))) for _ in range(2)]
    send(servers[0], [[1400.0, 90.0], [2900.0, 90.0]])
    page = monitor(servers[0].url, servers[1].url)
    assert not page.has("chart-predictions")
    assert page.figure("range")["data"][0]["x"] == [0.5, 0.0]


def test_endpoints_with_different_models_are_not_drawn_together(serve: Serve, monitor: Monitor) -> None:
    other = make_card(mileage_document())
    api, function = serve(counting(tea_service())), serve(counting(make_service(other, mileage_outputs)))
    send(api, [GREEN])
    page = monitor(api.url, function.url)
    assert "The charts below show only FastAPI: the endpoints serve different models." in page.read()
    assert [trace["name"] for trace in page.figure("predictions")["data"]] == ["FastAPI (n = 1)"]


def test_without_a_model_card_what_needs_it_says_so(serve: Serve, monitor: Monitor) -> None:
    service = tea_service()

    def answer(request: Request) -> bytes:
        if request.path != "/metrics":
            return json_reply({}, 404)
        return reply(service.respond("GET", "/metrics").body, content_type="text/plain")

    server = serve(answering(answer))
    page = monitor(server.url, server.url)
    assert "need the model card" in page.read()
    assert page.has("figure-requests")


def test_an_endpoint_that_never_had_metrics_is_no_failure(serve: Serve, monitor: Monitor) -> None:
    ours, other = serve(counting(tea_service())), serve(always(json_reply({}, 404)))
    page = monitor(ours.url, other.url)
    said = page.read("card-function")
    assert "No metrics here" in said and "Not read" not in said
    assert "Only Faceoff's own endpoints count their requests" in said
    assert "Answers" in page.read("card-api")


def test_an_endpoint_whose_metrics_are_gone_is_a_failure(serve: Serve, monitor: Monitor) -> None:
    service, has_metrics = tea_service(), [True]

    def answer(request: Request) -> bytes:
        if not has_metrics[0]:
            return json_reply({}, 404)
        return reply(service.respond("GET", "/metrics").body, content_type="text/plain")

    server = serve(answering(answer))
    page = monitor(server.url, server.url)
    assert "Answers" in page.read("card-api")
    has_metrics[0] = False
    page.rerun()
    assert "Not read" in page.read("card-api") and "No metrics here" not in page.read("card-api")


def test_categories_are_bars_and_missing_and_unknown_values_are_said(serve: Serve, monitor: Monitor) -> None:
    flat = make_card(flat_document())
    api, function = (serve(counting(make_service(flat, flat_outputs))) for _ in range(2))
    page = monitor(api.url, function.url)
    assert "send one on the Predict page" in page.read("chart-categories")

    rows = [[80.0, 3.0, "Oslo", "1", "true"]] * 60 + [[None, 3.0, "Paris", None, "true"]] * 40
    send(api, rows)
    page.rerun()

    training, bars, _ = page.figure("categories")["data"]
    assert bars["customdata"] == ["Oslo", "Bergen", "Åsgårdstrand and surroundings", "missing", "unknown"]
    labels = page.figure("categories")["layout"]["yaxis"]["ticktext"]
    assert labels[1:4] == ["Bergen", "Åsgårdstrand and surr…", "missing"]
    assert training["x"] == [0.4, 0.2, 0.2, 0.2, 0.0]
    assert bars["x"] == [0.6, 0.0, 0.0, 0.0, 0.4]
    said = page.read("chart-range")
    assert "FastAPI: 40 of area missing (40.0 %, in training 16.7 %), 40 of city unknown (40.0 %)" in said
    assert "40 of heating missing (40.0 %, in training 20.0 %)." in said
    assert "large drift of heating (PSI " in page.read("chart-drift")
    assert len(page.figure("drift")["data"][0]["x"]) == 4, "rooms has one bin in training"

    page.app.selectbox(key="monitor-category").select("sea_view")
    page.rerun()
    assert page.figure("categories")["data"][1]["customdata"] == ["false", "true"]


def test_a_model_of_numbers_has_no_categories(serve: Serve, monitor: Monitor) -> None:
    api = serve(counting(tea_service()))
    send(api, [GREEN])
    page = monitor(api.url, api.url)
    assert not page.has("chart-categories")
    assert "missing" not in page.read("chart-range")
