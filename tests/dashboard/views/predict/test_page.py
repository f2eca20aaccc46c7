"""The Predict page in all its states, over real HTTP endpoints that answer by the contract, or do not."""

import os
import signal
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from benchmark.record.store import Store
from dashboard import resources
from dashboard.components.theme import DARK, LIGHT
from dashboard.frontend import CHARTS_COOKIE
from dashboard.visitor import VISITOR_COOKIE, new_secret
from inference.card import ModelCard
from tests.benchmark.cards import (
    MILEAGE_ROWS,
    TEA_ROWS,
    feature,
    files_of,
    make_card,
    make_service,
    mileage_document,
    mileage_outputs,
    tea_document,
    tea_outputs,
    write_artifact,
)
from tests.benchmark.little_server import (
    Connection,
    LittleServer,
    Request,
    always,
    answering,
    json_reply,
    reply,
    serving,
)
from tests.dashboard.conftest import Serve
from tests.dashboard.page import APP, Page

Visit = Callable[..., Page]


def tea_server(serve: Serve, tea: ModelCard) -> LittleServer:
    return serve(serving(make_service(tea, tea_outputs)))


def answers_sent(server: LittleServer) -> int:
    """How many predictions a server was asked for."""
    return len(server.paths("POST"))


@pytest.fixture
def twins(serve: Serve, tea: ModelCard) -> tuple[LittleServer, LittleServer]:
    """Two endpoints that serve the same model."""
    return tea_server(serve, tea), tea_server(serve, tea)


@pytest.fixture
def page(visit: Visit, twins: tuple[LittleServer, LittleServer], tea_dir: Path) -> Page:
    """A session over two healthy endpoints and the local artifact that they serve."""
    return visit(twins[0].url, twins[1].url, MODEL_DIR=str(tea_dir))


# --- A fresh page


def test_a_fresh_page_shows_the_model_and_sends_nothing(
    page: Page, twins: tuple[LittleServer, LittleServer], tea: ModelCard
) -> None:
    page.open()
    assert "Kinds of tea" in page.read()
    for key, name in (("card-api", "FastAPI"), ("card-function", "Cloud Function")):
        card = page.read(key)
        assert f"**{name}**" in card
        assert f"Serves Kinds of tea, Softmax, version {tea.version}." in card
    assert "Press **Compare**" in page.read("verdict")
    assert "After your first comparison" in page.read()
    assert not page.warnings()
    assert [answers_sent(server) for server in twins] == [0, 0]


def test_the_sliders_are_made_of_the_card(page: Page, tea: ModelCard) -> None:
    page.open()
    assert page.sliders() == dict(zip(tea.feature_names, tea.defaults, strict=True))
    bounds = {slider.key: (slider.min, slider.max, slider.step) for slider in page.app.slider}
    assert bounds == {
        "leaf_length": (2.0, 8.0, 0.1),
        "leaf_width": (0.5, 3.5, 0.1),
        "steep_time": (1.2, 5.8, 0.1),
    }
    assert [text.readable for text in page.texts() if text.kind == "slider"] == [
        "Leaf length (cm)",
        "Leaf width (cm)",
        "Steep time (min)",
    ]


def test_the_sliders_come_from_the_local_artifact_where_nobody_answers(
    visit: Visit, nobody: str, tea_dir: Path, tea: ModelCard
) -> None:
    page = visit(nobody, nobody, MODEL_DIR=str(tea_dir)).open()
    assert list(page.sliders()) == list(tea.feature_names)
    assert "Did not answer." in page.read("card-api")


def test_the_endpoints_card_comes_before_the_local_one(
    visit: Visit, nobody: str, serve: Serve, tea_dir: Path, mileage: ModelCard
) -> None:
    server = serve(serving(make_service(mileage, mileage_outputs)))
    page = visit(nobody, server.url, MODEL_DIR=str(tea_dir)).open()
    assert list(page.sliders()) == ["weight", "power"]


def test_many_sliders_are_in_two_columns_and_in_the_cards_order_where_these_are_stacked(
    visit: Visit, serve: Serve
) -> None:
    names = [f"size_{number}" for number in range(7)]
    card = mileage_document(
        features=[feature(name, name, "", 1.0, 3.0, 2.0) for name in names],
        known_answers=[{"features": [2.0] * 7, "outputs": [2.0]}],
    )
    server = serve(serving(make_service(make_card(card), lambda row: [row[0]])))
    page = visit(server.url, server.url).open()
    assert list(page.sliders()) == names
    assert len(page.app.main.columns) >= 2 * 4
    page.app.slider(key="size_3").set_value(2.5)
    page.compare()
    assert "For 2, 2, 2, 2.5, 2, 2, 2." in page.read("verdict")


def test_names_of_endpoints_come_from_the_environment(visit: Visit, twins: tuple[LittleServer, LittleServer]) -> None:
    page = visit(twins[0].url, twins[1].url, API_NAME="Cloud Run in Zürich").open()
    assert "**Cloud Run in Zürich**" in page.read("card-api")


def test_no_model_anywhere_says_what_to_do(visit: Visit, nobody: str) -> None:
    page = visit(nobody, nobody).open()
    assert "No model to show" in page.read()
    assert "make train" in page.read()
    address = nobody.removeprefix("http://")
    assert f"FastAPI at {address} did not answer." in page.read()
    assert f"Cloud Function at {address} did not answer." in page.read()
    assert not page.app.button


def test_a_local_card_that_cannot_be_read_is_no_model(visit: Visit, nobody: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format_version": 1')
    assert "No model to show" in visit(nobody, nobody, MODEL_DIR=str(tmp_path)).open().read()


def test_a_shared_url_sets_the_sliders(page: Page) -> None:
    page.open(leaf_length="6.3", steep_time="2.5")
    assert page.sliders() == {"leaf_length": 6.3, "leaf_width": 2.0, "steep_time": 2.5}


@pytest.mark.parametrize("value", ["1000", "-1", "much", "", "nan"])
def test_nonsense_in_a_shared_url_leaves_the_default(page: Page, value: str) -> None:
    page.open(leaf_length=value)
    assert page.sliders()["leaf_length"] == 5.0


# --- Comparing


def test_both_answers_stand_side_by_side_and_agree(
    page: Page, twins: tuple[LittleServer, LittleServer], tea: ModelCard
) -> None:
    page.open().compare()
    probabilities = tea_outputs(tea.defaults)
    for endpoint in ("api", "function"):
        metrics = page.metrics(endpoint)
        assert metrics["Kind"] == "oolong"
        assert metrics["Confidence (%)"] == f"{probabilities[1] * 100:.1f}"
        assert float(metrics["Latency (ms)"]) > 0
        assert page.bars(endpoint) == [
            f"**{probability * 100:.1f} %** {name}"
            for probability, name in zip(probabilities, ("green", "oolong", "black"), strict=True)
        ]
        card = page.read(f"card-{endpoint}")
        assert "HTTP 200" in card
        assert "ms + network and HTTP" in card
        assert "new connection" in card or "connection reused" in card
    verdict = page.read("verdict")
    assert "Both agree" in verdict
    assert "Largest probability difference 0." in verdict
    assert "in this single observation" in verdict
    assert [answers_sent(server) for server in twins] == [1, 1]


def test_both_endpoints_are_sent_what_the_sliders_say(page: Page, twins: tuple[LittleServer, LittleServer]) -> None:
    page.open().move("leaf_length", 6.5).compare()
    bodies = [request.body for server in twins for request in server.requests if request.method == "POST"]
    assert bodies == [b'{"leaf_length": 6.5, "leaf_width": 2.0, "steep_time": 3.5}'] * 2


def test_an_answer_stays_until_the_next_one(page: Page, twins: tuple[LittleServer, LittleServer]) -> None:
    page.open().compare()
    before = page.read("card-api"), page.read("verdict")
    page.rerun()
    assert (page.read("card-api"), page.read("verdict")) == before
    assert [answers_sent(server) for server in twins] == [1, 1]


def test_an_answer_names_the_input_that_it_is_to_and_says_where_the_sliders_are_elsewhere(page: Page) -> None:
    page.open().compare()
    assert "For 5, 2, 3.5." in page.read("verdict")
    page.choose("Black")
    assert "oolong" in page.read("card-api"), "the answer is still the one before"
    assert "These answers are for 5, 2, 3.5. Press Compare to send the new values." in page.read("verdict")
    page.compare()
    assert "For 6.8, 2.9, 4.9." in page.read("verdict")


def test_a_slider_alone_sends_nothing(page: Page, twins: tuple[LittleServer, LittleServer]) -> None:
    page.open()
    assert all(slider.proto.ignore_rerun for slider in page.app.slider)
    page.move("leaf_length", 6.5).move("leaf_width", 1.5)
    assert [answers_sent(server) for server in twins] == [0, 0]


def test_live_compares_on_every_change_and_on_nothing_else(
    page: Page, twins: tuple[LittleServer, LittleServer]
) -> None:
    page.open().live(True)
    assert answers_sent(twins[0]) == 1
    assert not any(slider.proto.ignore_rerun for slider in page.app.slider)
    page.rerun()
    assert answers_sent(twins[0]) == 1
    page.move("leaf_length", 6.9)
    assert [answers_sent(server) for server in twins] == [2, 2]
    assert page.metrics("api")["Kind"] == "black"
    page.live(False).move("leaf_length", 3.1)
    assert [answers_sent(server) for server in twins] == [2, 2]


def test_an_example_sets_the_sliders_and_clears_itself(page: Page, twins: tuple[LittleServer, LittleServer]) -> None:
    page.open()
    assert [text.readable for text in page.texts() if text.kind == "pill"] == ["Green", "Black"]
    page.choose("Black")
    assert page.sliders() == {"leaf_length": 6.8, "leaf_width": 2.9, "steep_time": 4.9}
    assert page.app.pills[0].value is None
    assert [answers_sent(server) for server in twins] == [0, 0]
    page.choose("Green")
    assert page.sliders() == {"leaf_length": 3.2, "leaf_width": 1.1, "steep_time": 2.2}
    page.compare()
    assert page.metrics("function")["Kind"] == "green"


def test_an_example_is_compared_at_once_where_live_is_on(page: Page, twins: tuple[LittleServer, LittleServer]) -> None:
    page.open().live(True).choose("Black")
    assert [answers_sent(server) for server in twins] == [2, 2]
    assert page.metrics("api")["Kind"] == "black"


def test_an_example_leaves_no_complaint_in_the_log(
    page: Page, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Streamlit complains once in a process's life; this may not be the first test to give it a reason.
    monkeypatch.setattr("streamlit.elements.lib.policies._shown_default_value_warning", False)
    # The dashboard's own configuration, which a session without a browser does not read.
    option = "disableWidgetStateDuplicationWarning"
    configured = tomllib.loads((APP.parent / ".streamlit" / "config.toml").read_text()).get("global", {})
    get_option = st.config.get_option
    monkeypatch.setattr(
        st.config,
        "get_option",
        lambda name: configured.get(option, False) if name == f"global.{option}" else get_option(name),
    )
    page.open().choose("Black").compare()
    assert "Session State API" not in caplog.text


def test_an_input_that_the_model_has_not_seen_is_said_to_be_one(page: Page) -> None:
    page.open()
    assert "Outside the training data" not in page.read()
    page.move("leaf_length", 7.5).move("steep_time", 1.5)
    assert "Outside the training data: Leaf length, Steep time." in page.read("inputs")


def test_a_cold_start_is_said_on_the_card_and_in_the_verdict(
    visit: Visit, serve: Serve, tea: ModelCard, twins: tuple[LittleServer, LittleServer]
) -> None:
    def answer(request: Request) -> bytes:
        if request.method == "GET":
            return json_reply({"card": tea.document})
        cold = [("X-Request-Count", "1"), ("X-Instance-Age-Ms", "0"), ("X-Instance-Id", "fresh")]
        return json_reply({"prediction": 1}, headers=cold)

    page = visit(serve(answering(answer)).url, twins[1].url).open().compare()
    assert "cold start · instance fresh · request 1" in page.read("card-api")
    assert "a cold start included" in page.read("verdict")


def test_a_bare_prediction_is_shown_without_what_it_does_not_say(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer]
) -> None:
    page = visit(serve(always(json_reply({"prediction": 1}))).url, twins[1].url).open().compare()
    assert set(page.metrics("api")) == {"Kind", "Latency (ms)"}
    assert page.metrics("api")["Kind"] == "oolong"
    assert page.bars("api") == []
    assert "does not report" in page.read("card-api")
    assert "cold or warm: unknown" in page.read("card-api")
    assert "Both agree" in page.read("verdict")
    assert "no probabilities" in page.read("verdict")


# --- One endpoint in trouble


def assert_one_in_trouble(page: Page, *sentences: str) -> None:
    """The function's card says what is wrong in one sentence; the API's is as always, and so is the rest."""
    trouble = page.read("card-function")
    for sentence in sentences:
        assert sentence in trouble
    assert page.metrics("function") == {}
    assert page.bars("function") == []
    assert page.metrics("api")["Kind"] == "oolong"
    assert "HTTP 200" in page.read("card-api")
    verdict = page.read("verdict")
    assert "One answer" in verdict
    assert "Only FastAPI answered, in " in verdict
    assert "Cloud Function: see its card." in verdict
    assert "1 failed" in str(page.figure("latency"))


def test_an_endpoint_that_is_down_says_so_and_the_other_one_works(
    visit: Visit, twins: tuple[LittleServer, LittleServer], nobody: str
) -> None:
    page = visit(twins[0].url, nobody).open()
    assert "Did not answer." in page.read("card-function")
    page.compare()
    address = nobody.removeprefix("http://")
    assert_one_in_trouble(page, "No answer", f"Nothing listens at {address}: start it, or check FUNCTION_URL.")


TROUBLE: dict[str, tuple[bytes, Sequence[str]]] = {
    "html": (reply(b"<h1>Sign in</h1>", content_type="text/html"), ["HTTP 200", "Its answer is not JSON"]),
    "another answer": (json_reply({"result": 1}), ["HTTP 200", "does not fit this model (prediction is not a number)"]),
    "another class": (json_reply({"prediction": 7}), ["HTTP 200", "prediction is not one of the model's classes"]),
    "302": (reply(b"", 302, [("Location", "/login")]), ["HTTP 302", "instead of 200"]),
    "403": (json_reply({}, 403), ["HTTP 403", "set FUNCTION_TOKEN"]),
    "404": (json_reply({}, 404), ["HTTP 404", "check FUNCTION_URL"]),
    "429": (json_reply({}, 429), ["HTTP 429", "out of capacity"]),
    "500": (json_reply({}, 500), ["HTTP 500", "look at its log"]),
    "large": (reply(b" " * 300_000), ["HTTP 200", "too large"]),
    "hang up": (b"", ["No answer", "closed the connection"]),
}


@pytest.mark.parametrize(("answer", "sentences"), TROUBLE.values(), ids=TROUBLE)
def test_an_endpoint_that_answers_nonsense_says_so_and_the_other_one_works(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], answer: bytes, sentences: Sequence[str]
) -> None:
    def conversation(connection: Connection) -> None:
        while connection.receive() is not None:
            if not answer:
                return
            connection.send(answer)

    page = visit(twins[0].url, serve(conversation).url).open()
    assert "Serves" not in page.read("card-function")
    page.compare()
    assert_one_in_trouble(page, *sentences)


def test_an_endpoint_that_is_slow_is_given_up_and_the_other_one_works(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], tea: ModelCard
) -> None:
    def conversation(connection: Connection) -> None:
        while (request := connection.receive()) is not None:
            if request.method == "POST":
                connection.hold()
            connection.send(json_reply({"card": tea.document}))

    page = visit(twins[0].url, serve(conversation).url, FUNCTION_TIMEOUT_S="0.5").open().compare()
    assert_one_in_trouble(page, "No answer within 0.5 s", "FUNCTION_TIMEOUT_S")


def test_an_endpoint_that_comes_back_is_compared_again(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], tea: ModelCard
) -> None:
    service = serving(make_service(tea, tea_outputs))
    up = [False]

    def conversation(connection: Connection) -> None:
        if up[0]:
            service(connection)

    page = visit(twins[0].url, serve(conversation).url).open().compare()
    assert "One answer" in page.read("verdict")
    up[0] = True
    page.compare()
    assert "Both agree" in page.read("verdict")
    assert page.metrics("function")["Kind"] == "oolong"


def test_two_endpoints_that_are_down_leave_a_page_that_can_be_used(visit: Visit, nobody: str, tea_dir: Path) -> None:
    page = visit(nobody, nobody, MODEL_DIR=str(tea_dir)).open().compare()
    for key in ("card-api", "card-function"):
        assert "Nothing listens at" in page.read(key)
    assert "No answer" in page.read("verdict")
    assert "faster" not in page.read("verdict")
    assert page.move("leaf_length", 6.0).sliders()["leaf_length"] == 6.0


HOSTILE_CARDS: dict[str, bytes] = {
    "html": reply(b"<html></html>", content_type="text/html"),
    "list": json_reply([1, 2]),
    "no text": reply(b"\xff\xfe\x00"),
    "other format": json_reply({"card": {"format_version": 99}}),
    "huge number": json_reply({"card": {**tea_document(), "features": [{"default": 10**400}]}}),
    "half a letter": json_reply({"card": tea_document(title="half a letter: \ud800")}),
    "half a letter in a class": json_reply({"card": tea_document(classes=["\udfff", "oolong", "black"])}),
}


@pytest.mark.parametrize("info", HOSTILE_CARDS.values(), ids=HOSTILE_CARDS)
def test_a_model_card_that_makes_no_sense_harms_neither_the_page_nor_the_other_endpoint(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], info: bytes
) -> None:
    # The nonsense comes from the first endpoint, whose card would be the one that the page shows.
    answer = json_reply({"prediction": 1})
    odd = serve(answering(lambda request: info if request.method == "GET" else answer))
    page = visit(odd.url, twins[1].url).open().compare()
    assert page.metrics("function")["Kind"] == "oolong"
    assert "answer" in page.read("verdict") or "agree" in page.read("verdict")


# --- Two endpoints that differ


def test_a_disagreement_is_said_and_both_answers_stay(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], tea: ModelCard
) -> None:
    contrary = serve(serving(make_service(tea, lambda row: list(reversed(tea_outputs([row[0] + 1.9, *row[1:]]))))))
    page = visit(twins[0].url, contrary.url).open().compare()
    assert page.metrics("api")["Kind"] == "oolong"
    assert page.metrics("function")["Kind"] == "green"
    assert "They disagree" in page.read("verdict")


def test_rounding_to_two_digits_is_a_disagreement(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], tea: ModelCard
) -> None:
    rounding = serve(serving(make_service(tea, lambda row: [round(share, 2) for share in tea_outputs(row)])))
    page = visit(twins[0].url, rounding.url).open().compare()
    assert page.metrics("api")["Kind"] == page.metrics("function")["Kind"] == "oolong"
    assert "They disagree" in page.read("verdict")
    assert "Largest probability difference 0.00" in page.read("verdict")


def other_tea() -> ModelCard:
    """Another artifact for the same inputs: other files, another version."""
    return make_card(tea_document(title="Better tea", files={**files_of(TEA_ROWS), "model.onnx": {"sha256": "0" * 64}}))


def test_two_artifacts_are_a_warning(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], tea: ModelCard
) -> None:
    other = other_tea()
    page = visit(twins[0].url, tea_server(serve, other).url).open()
    (warning,) = page.warnings()
    assert "different artifacts" in warning
    assert f"FastAPI Kinds of tea {tea.version} and Cloud Function Better tea {other.version}" in warning
    page.compare()
    assert "Both agree" in page.read("verdict")
    assert page.warnings() == [warning]


def test_an_endpoint_with_another_models_inputs_says_which_model_it_serves(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], mileage: ModelCard
) -> None:
    page = visit(twins[0].url, serve(serving(make_service(mileage, mileage_outputs))).url).open()
    assert page.warnings()
    page.compare()
    assert_one_in_trouble(
        page,
        "HTTP 422",
        f"It serves a different model (Fuel of cars, version {mileage.version}) from the one on this page",
    )


def test_a_card_that_has_become_wrong_is_asked_for_again(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], tea: ModelCard
) -> None:
    current = [tea]

    def answer(request: Request) -> bytes:
        if request.method == "GET":
            return json_reply({"card": current[0].document})
        return json_reply({"prediction": 1, "model_version": current[0].version})

    server = serve(answering(answer))
    page = visit(twins[0].url, server.url).open()
    current[0] = other_tea()
    page.compare()
    assert not page.warnings()
    page.rerun()
    assert any("different artifacts" in warning for warning in page.warnings())
    assert server.paths("GET") == ["/model-info"] * 2


def test_an_answer_of_a_former_model_is_not_read_with_the_new_ones_card(
    visit: Visit, serve: Serve, tea: ModelCard
) -> None:
    def answer(request: Request) -> bytes:
        if request.method == "GET":
            return json_reply({"card": current[0].document})
        classes = current[0].classes
        shares = dict.fromkeys(classes, 1 / len(classes))
        return json_reply({"prediction": len(classes) - 1, "probabilities": shares})

    current = [tea]
    server = serve(answering(answer))
    page = visit(server.url, server.url).open().compare()
    assert page.metrics("api")["Kind"] == "black"
    known_answers = [{"features": list(tea.defaults), "outputs": [0.5, 0.5]}]
    current[0] = make_card(tea_document(classes=["white", "yellow"], known_answers=known_answers))
    st.cache_resource.clear()
    page.rerun()
    assert "Press **Compare**" in page.read("verdict")
    page.compare()
    assert page.metrics("api")["Kind"] == "yellow"


def test_features_may_be_called_like_anything_on_the_page(visit: Visit, serve: Serve) -> None:
    names = ["live", "preset", "compare", "comparison", "compared_inputs", "charts", "axes", "clear", "inputs", "go"]
    names += ["verdict", "compared_version"]
    features = [feature(name, name.capitalize(), "", 1.0, 9.0, 1.0 + index / 10) for index, name in enumerate(names)]
    defaults = [entry["default"] for entry in features]
    known_answers = [{"features": defaults, "outputs": [1.0]}]
    presets = [{"label": "All five", "values": [5.0] * len(names)}]
    card = make_card(mileage_document(features=features, known_answers=known_answers, presets=presets))
    server = serve(serving(make_service(card, lambda row: [sum(row)])))
    page = visit(server.url, server.url).open()
    assert sorted(page.sliders().values()) == defaults
    page.choose("All five").compare().rerun()
    assert page.metrics("api")["Consumption (l/100 km)"] == "60"
    page.live(True)
    page.app.slider[0].set_value(6.0)
    page.rerun()
    assert page.metrics("function")["Consumption (l/100 km)"] == "61"
    page.press("Delete the history")
    assert "After your first comparison" in page.read()


# --- Regression


def test_a_regressor_shows_a_value_with_its_unit_and_no_confidence(
    visit: Visit, serve: Serve, mileage: ModelCard
) -> None:
    servers = [serve(serving(make_service(mileage, mileage_outputs))) for _ in range(2)]
    page = visit(servers[0].url, servers[1].url).open().compare()
    for endpoint in ("api", "function"):
        assert set(page.metrics(endpoint)) == {"Consumption (l/100 km)", "Latency (ms)"}
        assert page.metrics(endpoint)["Consumption (l/100 km)"] == "6.45"
        assert page.bars(endpoint) == []
    assert not page.app.pills
    assert "Both agree" in page.read("verdict")
    assert "The predictions are identical." in page.read("verdict")


def test_regressors_that_differ_say_by_how_much(visit: Visit, serve: Serve, mileage: ModelCard) -> None:
    one = serve(serving(make_service(mileage, mileage_outputs)))
    other = serve(serving(make_service(mileage, lambda row: [mileage_outputs(row)[0] + 0.5])))
    page = visit(one.url, other.url).open().compare()
    assert "They disagree" in page.read("verdict")
    assert "The predictions differ by 0.5." in page.read("verdict")


def test_a_negative_value_keeps_its_sign(visit: Visit, serve: Serve, mileage: ModelCard) -> None:
    server = serve(serving(make_service(mileage, lambda _: [-12.5])))
    page = visit(server.url, server.url).open().compare()
    assert page.metrics("api")["Consumption (l/100 km)"] == "-12.5"


# --- The record


def test_the_charts_show_the_record_so_far(page: Page) -> None:
    page.open().compare().compare()
    latency, distribution, map_ = (page.figure(name) for name in ("latency", "distribution", "map"))
    assert {trace["name"] for trace in latency["data"]} == {"FastAPI (n = 2)", "Cloud Function (n = 2)"}
    assert {trace["name"] for trace in distribution["data"]} == {"FastAPI (n = 2)", "Cloud Function (n = 2)"}
    assert [trace["name"] for trace in map_["data"]] == [
        "green (n = 2)",
        "oolong (n = 2)",
        "black (n = 1)",
        "your input",
    ]
    assert "2 comparisons in the history." in page.read()


def test_a_long_history_is_drawn_from_its_end_with_the_numbers_that_its_requests_had(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.views.predict.page.HISTORY_LENGTH", 2)
    page.open().compare().compare().compare()
    assert [trace["x"] for trace in page.figure("latency")["data"]] == [[2, 3], [2, 3]]
    assert "3 comparisons in the history." in page.read()


def test_a_dashboard_that_is_read_only_compares_and_keeps_nothing(
    visit: Visit, twins: tuple[LittleServer, LittleServer], tea_dir: Path, results_dir: Path
) -> None:
    page = visit(*(server.url for server in twins), READ_ONLY="1", MODEL_DIR=str(tea_dir)).open().compare()
    assert "agree" in page.read("verdict")
    assert "This dashboard is read-only: comparisons are not saved." in page.read("record")
    assert "Clear" not in page.read("record") and page.warnings() == []
    assert page.figure("latency")["data"], "one's own last comparison is drawn all the same"
    assert Store(results_dir).count("tea") == 0


def test_one_comparison_is_one_comparison(page: Page) -> None:
    page.open().compare()
    assert "1 comparison in the history." in page.read()


def test_every_chart_has_a_description_with_n(page: Page) -> None:
    page.open().compare()
    for name in ("latency", "distribution", "map"):
        found: Any = page.app.get_by_key(f"figure-{name}")
        assert found.proto.alt, name
    latency: Any = page.app.get_by_key("figure-latency")
    assert "FastAPI (n = 1)" in latency.proto.alt


@pytest.mark.parametrize("name", ["latency", "distribution", "map"])
def test_every_chart_has_a_table(page: Page, name: str) -> None:
    page.open().compare()
    assert not page.app.dataframe
    page.app.session_state[f"table-{name}"] = True
    page.rerun()
    (table,) = page.app.dataframe
    assert len(table.value) > 0


def test_the_map_shows_the_axes_that_are_chosen_and_the_point_where_the_sliders_stand(page: Page) -> None:
    page.open().compare()
    axes = page.figure("map")["layout"]
    assert (axes["xaxis"]["title"]["text"], axes["yaxis"]["title"]["text"]) == ("Leaf width (cm)", "Steep time (min)")
    page.app.selectbox[0].set_value((0, 2))
    page.move("leaf_length", 6.6)
    figure = page.figure("map")
    assert figure["layout"]["xaxis"]["title"]["text"] == "Leaf length (cm)"
    assert (figure["data"][-1]["x"], figure["data"][-1]["y"]) == ([6.6], [3.5])


def test_axes_that_another_model_had_do_not_break_the_map(
    visit: Visit, serve: Serve, twins: tuple[LittleServer, LittleServer], tea_dir: Path, tmp_path: Path
) -> None:
    server = serve(serving(make_service(make_card(mileage_document()), mileage_outputs)))
    of_mileage = {"MODEL_DIR": str(write_artifact(tmp_path / "mileage", mileage_document(), MILEAGE_ROWS))}
    visit(server.url, server.url, **of_mileage).open().compare()  # a history, so that the map is there at once
    st.cache_resource.clear()
    page = visit(twins[0].url, twins[1].url, MODEL_DIR=str(tea_dir)).open().compare()
    page.app.selectbox(key="axes").set_value((0, 2))
    page.rerun()
    st.cache_resource.clear()
    visit(server.url, server.url, **of_mileage)
    axes = page.rerun().figure("map")["layout"]
    assert (axes["xaxis"]["title"]["text"], axes["yaxis"]["title"]["text"]) == ("Weight (kg)", "Power (kW)")


def test_training_rows_that_come_later_are_drawn(
    visit: Visit, twins: tuple[LittleServer, LittleServer], tmp_path: Path
) -> None:
    page = visit(*(server.url for server in twins), MODEL_DIR=str(tmp_path / "tea")).open().compare()
    assert not page.has("figure-map")
    write_artifact(tmp_path / "tea", tea_document(), TEA_ROWS)
    assert page.rerun().has("figure-map")


def test_training_rows_of_another_file_are_not_drawn(
    visit: Visit, twins: tuple[LittleServer, LittleServer], tmp_path: Path
) -> None:
    local = write_artifact(tmp_path / "other", tea_document(), TEA_ROWS + b"1.0,1.0,1.0,green\n")
    page = visit(twins[0].url, twins[1].url, MODEL_DIR=str(local)).open().compare()
    assert page.has("figure-latency")
    assert not page.has("figure-map")


def test_training_rows_that_do_not_fit_the_endpoints_card_do_not_break_the_page(
    visit: Visit, serve: Serve, tea_dir: Path
) -> None:
    renamed = make_card(tea_document(classes=["sencha", "oolong", "black"]))
    server = tea_server(serve, renamed)
    page = visit(server.url, server.url, MODEL_DIR=str(tea_dir)).open().compare()
    assert "Both agree" in page.read("verdict")
    assert not page.has("figure-map")


def test_a_regressor_of_one_number_has_a_curve_instead_of_a_map(visit: Visit, serve: Serve, tmp_path: Path) -> None:
    rows = b"weight,target\n900.0,3.9\n1400.0,6.4\n"
    card = mileage_document(
        features=mileage_document()["features"][:1],
        known_answers=[{"features": [1400.0], "outputs": [6.4]}],
        files=files_of(rows),
    )
    local = write_artifact(tmp_path / "line", card, rows)
    server = serve(serving(make_service(make_card(card), lambda values: [values[0] / 200])))
    page = visit(server.url, server.url, MODEL_DIR=str(local)).open().compare()
    drawn = page.figure("map")["data"]
    assert [trace["name"] for trace in drawn] == [
        "training rows (n = 2)",
        "FastAPI (n = 1)",
        "Cloud Function (n = 1)",
    ]
    assert (list(drawn[1]["x"]), list(drawn[1]["y"])) == ([1400.0], [7.0])
    assert not page.app.selectbox


def test_a_classifier_of_one_number_has_no_map(visit: Visit, serve: Serve, tmp_path: Path) -> None:
    document = tea_document()
    rows = b"leaf_length,target\n3.0,green\n7.0,black\n"
    card = tea_document(
        features=document["features"][:1],
        presets=[],
        known_answers=[{"features": [5.0], "outputs": tea_outputs([5.0])}],
        files=files_of(rows),
    )
    local = write_artifact(tmp_path / "leaf", card, rows)
    server = serve(serving(make_service(make_card(card), tea_outputs)))
    page = visit(server.url, server.url, MODEL_DIR=str(local)).open().compare()
    assert page.has("figure-latency") and not page.has("figure-map")


@pytest.mark.parametrize(("theme", "colors"), [("light", LIGHT), ("dark", DARK)])
def test_charts_wear_the_colours_of_the_theme(page: Page, theme: str, colors: Any) -> None:
    page.app.context = {"theme": theme}
    page.open().compare()
    used = {trace["marker"]["color"] for trace in page.figure("latency")["data"]}
    assert used == set(colors.endpoints.values())


def test_a_new_session_reads_the_history_back(page: Page, results_dir: Path) -> None:
    page.open().compare().compare()
    later = Page().open()
    assert "2 comparisons in the history." in later.read()
    assert not later.has("figure-latency")
    later.press("Show the charts")
    assert {trace["name"] for trace in later.figure("latency")["data"]} == {
        "FastAPI (n = 2)",
        "Cloud Function (n = 2)",
    }
    assert "Press **Compare**" in later.read("verdict")


def test_charts_come_at_once_where_the_browser_has_plotly_already(page: Page, cookies: dict[str, str]) -> None:
    page.open().compare()
    cookies[CHARTS_COOKIE] = "1"
    assert Page().open().has("figure-latency")


def test_history_survives_a_restart_of_the_dashboard(page: Page) -> None:
    page.open().compare()
    st.cache_resource.clear()
    assert "in the history." in Page().open().read()


def test_another_browser_has_its_own_history_and_can_choose_to_see_everyones(
    page: Page, cookies: dict[str, str], results_dir: Path
) -> None:
    page.open().compare().compare()
    first = dict(cookies)
    cookies[VISITOR_COOKIE] = new_secret()
    other = Page().open()
    assert "in the history." not in other.read()
    assert "After your first comparison" in other.read("record")
    other.compare()
    assert "1 comparison in the history." in other.read("record")
    other.whose("everyone")
    assert "3 comparisons in the history." in other.read("record")
    assert "Delete your 1 comparison? Comparisons of other browsers stay." in other.read("record")
    assert [len(trace["x"]) for trace in other.figure("latency")["data"]] == [3, 3]
    other.press("Delete the history")
    assert "2 comparisons in the history." in other.read("record")
    assert "Clear" not in other.read("record"), "nothing there is this browser's"
    assert other.whose("own").read("record").count("in the history") == 0
    cookies.update(first)
    assert "2 comparisons in the history." in page.rerun().read("record")


def test_the_choice_of_whose_history_survives_a_refresh(page: Page, cookies: dict[str, str]) -> None:
    page.open().compare()
    cookies[VISITOR_COOKIE] = new_secret()
    assert "1 comparison in the history." in Page().open(history="Everyone's").read("record")


def test_comparisons_of_an_earlier_version_are_everyones_and_everyone_can_delete_them(
    page: Page, results_dir: Path
) -> None:
    page.open().compare()
    (kept,) = Store(results_dir).latest("tea")
    Store(results_dir).add(replace(kept, id="old"))
    assert "1 comparison in the history." in page.rerun().read("record")
    page.whose("everyone")
    assert "Delete your 1 comparison and 1 comparison of an earlier version?" in page.read("record")
    page.press("Delete the history")
    assert Store(results_dir).latest("tea") == []


def test_a_browser_without_cookies_has_the_history_of_its_session(page: Page, cookies: dict[str, str]) -> None:
    cookies.clear()
    page.open().compare()
    assert "1 comparison in the history." in page.read("record")
    assert "in the history." not in Page().open().read("record")


def test_no_secret_of_a_browser_is_in_the_record(page: Page, cookies: dict[str, str], results_dir: Path) -> None:
    page.open().compare()
    secret = cookies[VISITOR_COOKIE].encode()
    assert not [file for file in results_dir.iterdir() if secret in file.read_bytes()]


def test_a_comparison_whose_sending_process_ends_says_so_and_the_next_one_works(
    page: Page, visit: Visit, serve: Serve, tea: ModelCard, results_dir: Path
) -> None:
    def answer(request: Request) -> bytes:
        process_id = resources.sender().process_id
        if request.method == "POST" and process_id and not killed:
            killed.append(process_id)
            os.kill(process_id, signal.SIGKILL)
        return good(request)

    killed: list[int] = []
    service = make_service(tea, tea_outputs)

    def good(request: Request) -> bytes:
        made = service.respond(request.method, request.path, request.body, request.headers.get("content-type"))
        return reply(made.body, made.status)

    url = serve(answering(answer)).url
    page = visit(url, url).open().compare()
    assert killed
    assert "This comparison failed: the sending process has ended. Press Compare to try again." in page.read()
    assert Store(results_dir).count("tea") == 0
    page.compare()
    assert "Both agree" in page.read("verdict")


def test_what_was_compared_is_what_is_recorded(page: Page, results_dir: Path, tea: ModelCard) -> None:
    page.open().move("leaf_length", 6.5).compare()
    (comparison,) = Store(results_dir).latest("tea", 10)
    assert (comparison.model, comparison.inputs) == ("tea", (6.5, 2.0, 3.5))
    assert [sample.endpoint for sample in comparison.samples] == ["api", "function"]
    assert all(sample.answer and sample.answer.model_version == tea.version for sample in comparison.samples)
    assert all(sample.failure is None for sample in comparison.samples)


def test_a_failure_is_recorded_too(
    visit: Visit, twins: tuple[LittleServer, LittleServer], nobody: str, results_dir: Path
) -> None:
    visit(twins[0].url, nobody).open().compare()
    (comparison,) = Store(results_dir).latest("tea", 10)
    assert [str(sample.failure) for sample in comparison.samples] == ["None", "refused"]


def test_clearing_deletes_this_models_history_and_no_other(
    page: Page, results_dir: Path, visit: Visit, serve: Serve, mileage: ModelCard
) -> None:
    page.open().compare().press("Delete the history")
    assert "After your first comparison" in page.read()
    assert "Press **Compare**" in page.read("verdict")
    assert Store(results_dir).count("tea") == 0
    server = serve(serving(make_service(mileage, mileage_outputs)))
    st.cache_resource.clear()
    visit(server.url, server.url).open().compare()
    assert Store(results_dir).count("mileage") == 1


def test_clearing_asks_first(page: Page) -> None:
    page.open().compare()
    assert "Delete your 1 comparison? Comparisons of other browsers stay." in page.read()
    assert "Delete the history" in page.read()


@pytest.mark.parametrize("obstacle", ["file", "corrupt"])
def test_a_record_that_cannot_be_written_is_a_notice_and_the_page_works(
    page: Page, results_dir: Path, obstacle: str
) -> None:
    if obstacle == "file":
        results_dir.write_text("")
    else:
        results_dir.mkdir()
        (results_dir / "faceoff.sqlite3").write_bytes(b"not a database" * 100)
    page.open()
    assert any("The history cannot be read" in warning for warning in page.warnings())
    page.compare()
    assert "Both agree" in page.read("verdict")
    assert page.metrics("api")["Kind"] == "oolong"
    assert any("This comparison was not saved" in warning for warning in page.warnings())
    assert {trace["name"] for trace in page.figure("latency")["data"]} == {
        "FastAPI (n = 1)",
        "Cloud Function (n = 1)",
    }
    page.press("Delete the history")
    assert any("Not cleared" in toast.value for toast in page.app.toast)


def test_the_export_is_offered_under_the_models_name(page: Page) -> None:
    page.open().compare()
    (button,) = page.app.download_button
    assert button.label == "Export CSV"


def test_the_export_holds_what_another_session_added_meanwhile(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[Callable[[], str]] = []
    monkeypatch.setattr("dashboard.views.predict.page.st.download_button", lambda _, data, **__: offered.append(data))
    page.open().compare()
    export = offered[-1]
    alone = len(export().splitlines())
    Page().open().compare()
    assert len(export().splitlines()) == 2 * alone - 1  # one header


# --- Other people's text

MARKUP = "**x** :red[y] [z](http://127.0.0.1) ![i](http://127.0.0.1/i.png) $q$ <b>w</b>"


def test_markup_in_a_card_is_shown_as_text(visit: Visit, serve: Serve, tmp_path: Path) -> None:
    document = tea_document(
        title="T" + MARKUP,
        model_type="M" + MARKUP,
        target={"label": "L" + MARKUP, "unit": ""},
        classes=["c" + MARKUP, "d" + MARKUP, "e" + MARKUP],
        features=[
            {**entry, "label": f"F{index}{MARKUP}", "unit": "U" + MARKUP}
            for index, entry in enumerate(tea_document()["features"])
        ],
        presets=[{"label": "P" + MARKUP, "values": [7.5, 1.1, 2.2]}],
    )
    server = tea_server(serve, make_card(document))
    page = visit(server.url, server.url).open()
    fresh = page.texts()
    page.choose("P" + MARKUP).compare()
    texts = [*fresh, *page.texts()]
    shown = {text.readable[:1] for text in texts if MARKUP in text.readable}
    assert shown >= {"F", "P"}
    assert any("T" + MARKUP in text.readable for text in texts)
    assert any("M" + MARKUP in text.readable for text in texts)
    assert any("L" + MARKUP in text.readable for text in texts)
    assert any("e" + MARKUP in text.readable for text in texts)
    for text in texts:
        for part in ("**x**", ":red[", "](http", "$q$", "<b>"):
            assert part not in text.markdown.replace("\\]", ""), text


def test_markup_in_the_name_of_an_endpoint_is_shown_as_text(
    visit: Visit, twins: tuple[LittleServer, LittleServer], nobody: str
) -> None:
    page = visit(twins[0].url, nobody, API_NAME=MARKUP, FUNCTION_NAME=MARKUP).open().compare()
    assert MARKUP in page.read("card-api")
    for text in page.texts():
        for part in ("**x**", ":red[", "](http", "$q$", "<b>"):
            assert part not in text.markdown.replace("\\]", ""), text
