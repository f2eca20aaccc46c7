"""The Predict page of a model with categories and missing values."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1.element_tree import ButtonGroup, Selectbox

from benchmark.record.store import Store
from benchmark.reports.export import comparisons_to_csv
from inference.card import ModelCard
from tests.benchmark.cards import FLAT_ROWS, category, flat_document, flat_outputs, make_card, make_service
from tests.benchmark.cards import write_artifact as write
from tests.benchmark.little_server import LittleServer, serving
from tests.dashboard.conftest import Serve
from tests.dashboard.page import Page

Visit = Callable[..., Page]
DEFAULTS = (80.0, 3.0, "Oslo", "2", "false")


@pytest.fixture
def flat() -> ModelCard:
    return make_card(flat_document())


@pytest.fixture
def server(serve: Serve, flat: ModelCard) -> LittleServer:
    return serve(serving(make_service(flat, flat_outputs)))


@pytest.fixture
def page(visit: Visit, server: LittleServer, tmp_path: Path) -> Page:
    """A session over one endpoint, twice."""
    return visit(server.url, server.url, MODEL_DIR=str(write(tmp_path / "flat", flat_document(), FLAT_ROWS)))


def segments(page: Page, feature: str) -> ButtonGroup[Any]:
    return page.app.segmented_control(key=feature)


def listed(page: Page, feature: str) -> Selectbox[Any]:
    return page.app.selectbox(key=feature)


def typed(page: Page, text: str) -> None:
    """Type a text into the list of cities; AppTest itself knows the offered options only."""
    box = listed(page, "city")
    box.options.append(text)
    box.select(text)


def sent(server: LittleServer) -> list[Any]:
    """The inputs of the last comparison."""
    bodies = [json.loads(request.body) for request in server.requests if request.method == "POST"]
    return [list(body.values()) for body in bodies[-2:]]


def shown(page: Page) -> tuple[object, ...]:
    """What the controls show, in the card's order."""
    sliders = page.sliders()
    area = None if page.app.checkbox(key="area-missing").value else sliders["area"]
    controls = (listed(page, "city"), segments(page, "heating"), segments(page, "sea_view"))
    return (area, sliders["rooms"], *(control.value for control in controls))


def test_each_feature_has_the_control_that_fits_it(page: Page) -> None:
    page.open()
    assert list(page.sliders()) == ["area", "rooms"]
    assert listed(page, "city").options == ["Oslo", "Bergen", "Åsgårdstrand and surroundings", "missing"]
    assert segments(page, "heating").options == ["1", "2", "3", "missing"], "whole numbers are in order"
    assert segments(page, "sea_view").options == ["false", "true"]
    assert [box.label for box in page.app.checkbox] == ["Area missing"], "only one number may be missing"
    assert shown(page) == DEFAULTS
    assert "Outside the training data" not in page.read("inputs")


def test_what_the_controls_say_is_sent_as_text_and_null(page: Page, server: LittleServer) -> None:
    page.open().compare()
    assert sent(server) == [[80.0, 3.0, "Oslo", "2", "false"]] * 2
    page.app.checkbox(key="area-missing").check()
    listed(page, "city").select("Bergen")
    segments(page, "heating").set_value("")
    segments(page, "sea_view").set_value("true")
    page.rerun()
    assert page.app.slider(key="area").disabled
    page.compare()
    assert sent(server) == [[None, 3.0, "Bergen", None, "true"]] * 2
    assert "Both agree" in page.read("verdict")
    assert "For missing, 3, Bergen, missing, true." in page.read("verdict")


def test_a_control_alone_sends_nothing_and_live_sends_every_change(page: Page, server: LittleServer) -> None:
    page.open()
    assert all(one.proto.ignore_rerun for one in (listed(page, "city"), segments(page, "heating")))
    page.app.checkbox(key="area-missing").check()
    listed(page, "city").select("Bergen")
    page.rerun()
    assert not sent(server)
    page.live(True)
    assert not any(one.proto.ignore_rerun for one in (listed(page, "city"), segments(page, "heating")))
    assert sent(server)[0] == [None, 3.0, "Bergen", "2", "false"]
    segments(page, "sea_view").set_value("true")
    page.rerun()
    assert sent(server)[0] == [None, 3.0, "Bergen", "2", "true"]
    assert len(server.paths("POST")) == 4


def test_an_example_sets_every_control_also_to_missing_and_back(page: Page, server: LittleServer) -> None:
    page.open().choose("Unknown")
    assert shown(page) == (None, 3.0, "", "", "true")
    page.compare()
    assert sent(server)[0] == [None, 3.0, None, None, "true"]
    page.choose("Small")
    assert shown(page) == (50.0, 2.0, "Bergen", "1", "false")
    assert not page.app.slider(key="area").disabled


def test_an_unknown_category_may_be_typed_where_the_card_accepts_it(page: Page, server: LittleServer) -> None:
    page.open()
    assert listed(page, "city").proto.accept_new_options
    typed(page, "Trondheim")
    page.rerun()
    assert "Outside the training data: City." in page.read("inputs")
    typed(page, "Trondheim")
    page.compare()
    assert sent(server)[0][2] == "Trondheim"


def test_the_address_sets_categories_and_missing_values(page: Page) -> None:
    page.open(**{"area-missing": "true", "city": "Trondheim", "heating": "missing", "sea_view": "true", "rooms": "4"})
    assert shown(page) == (None, 4.0, "Trondheim", "", "true")


@pytest.mark.parametrize(
    "query",
    [
        {"city": "x" * 5000},
        {"city": ""},
        {"city": "a\x1b[31mb"},
        {"heating": "7"},
        {"heating": ""},
        {"sea_view": "missing"},
        {"sea_view": "<script>"},
        {"area-missing": "perhaps"},
        {"rooms-missing": "true"},
        {"area": "1e999"},
    ],
)
def test_nonsense_in_the_address_leaves_the_default(page: Page, server: LittleServer, query: dict[str, str]) -> None:
    page.open(**query)
    assert shown(page) == DEFAULTS
    page.compare()
    assert sent(server)[0] == list(DEFAULTS)


def test_a_text_that_no_category_may_have_is_not_kept(page: Page) -> None:
    page.open()
    typed(page, "y" * 201)
    page.rerun()
    assert shown(page) == DEFAULTS


def test_the_history_and_its_export_hold_categories_and_missing_values(
    page: Page, results_dir: Path, flat: ModelCard
) -> None:
    page.open().choose("Unknown").compare()
    (comparison,) = Store(results_dir).latest("flat")
    assert comparison.inputs == (None, 3.0, None, None, "true")
    text = comparisons_to_csv([comparison], flat.feature_names, flat.classes)
    first = next(csv.DictReader(io.StringIO(text)))
    assert [first[name] for name in flat.feature_names] == ["", "3.0", "", "", "true"]


def test_the_map_offers_numbers_and_leaves_out_rows_without_them(page: Page) -> None:
    page.open().compare()
    rows, yours = page.figure("map")["data"]
    assert (rows["x"], rows["y"]) == ([50.0, 80.0, 120.0], [2.0, 3.0, 5.0])
    assert rows["name"] == "training rows (n = 3)"
    assert (yours["x"], yours["y"]) == ([80.0], [3.0])
    page.choose("Unknown").compare()
    _, yours = page.figure("map")["data"]
    assert yours["x"] == [None]


def test_a_model_without_any_number_has_no_map(visit: Visit, serve: Serve, tmp_path: Path) -> None:
    entries = [category("one", "One", {"a": 2, "b": 2}), category("Axes", "Two", {"c": 4})]
    answers = [{"features": ["a", "c"], "outputs": [1.0]}]
    document = flat_document(features=entries, presets=[], known_answers=answers)
    server = serve(serving(make_service(make_card(document), lambda _: [1.0])))
    page = visit(server.url, server.url, MODEL_DIR=str(write(tmp_path / "words", document, FLAT_ROWS)))
    page.open().compare()
    assert sent(server)[0] == ["a", "c"]
    assert page.has("figure-latency")
    assert not page.has("figure-map")


def test_names_of_columns_cannot_collide_with_the_page_or_each_other(visit: Visit, serve: Serve) -> None:
    names = [
        "card-api",
        "live",
        "live-input",
        "embed",
        "Embed_options",
        "area",
        "area-missing",
        "rows-scoring",
        "a/b, c",
    ]
    two = {"no": 2, "yes": 2}
    entries = [category(name, name, two) for name in names]
    answers = [{"features": ["no"] * len(names), "outputs": [1.0]}]
    card = make_card(flat_document(features=entries, presets=[], known_answers=answers))
    server = serve(serving(make_service(card, lambda _: [1.0])))
    visit(server.url, server.url).open(**{"card-api-input": "yes"}).compare()
    assert sent(server)[0] == ["yes", *["no"] * (len(names) - 1)]


def test_a_model_without_an_onnx_model_says_why(visit: Visit, serve: Serve) -> None:
    document = flat_document(without_onnx="skl2onnx cannot convert it, so scikit-learn serves it.")
    server = serve(serving(make_service(make_card(document), flat_outputs)))
    card = visit(server.url, server.url).open().read("card-api")
    assert ". skl2onnx cannot convert it, so scikit-learn serves it." in card
