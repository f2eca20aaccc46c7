"""The Agreement page in a session without a browser, over real HTTP endpoints that agree, and that do not."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from benchmark.endpoints.endpoint import Endpoint
from dashboard import resources
from dashboard.settings import Settings
from dashboard.views.agreement.page import checks
from inference.card import ModelCard
from tests.benchmark.altered import altered, call_itself, good, round_to_2
from tests.benchmark.cards import (
    category,
    flat_document,
    flat_outputs_but_where_missing,
    make_card,
    make_service,
    mileage_document,
    tea_outputs,
)
from tests.benchmark.little_server import Conversation, serving
from tests.dashboard.conftest import Serve
from tests.dashboard.page import Page

Visit = Callable[..., Page]
Agree = Callable[[str, str], Page]
AgreeAll = Callable[..., Page]
SCRIPT = "from dashboard.views.agreement import page\npage.page()"
MAPS = ("surface-0", "surface-1", "surface-difference")


@pytest.fixture
def agree(visit: Visit, tea_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Agree:
    """The page over two addresses, opened."""
    monkeypatch.setattr("dashboard.views.agreement.page._CARD_WAIT_S", 20.0)

    def agree(api: str, function: str) -> Page:
        page = visit(api, function, MODEL_DIR=str(tea_dir))
        page.app = AppTest.from_string(SCRIPT, default_timeout=60)
        return page.open()

    return agree


@pytest.fixture
def agree_all(serve: Serve, agree: Agree, monkeypatch: pytest.MonkeyPatch) -> AgreeAll:
    """The page over any number of servers, called API, FUNCTION, C and so on."""

    def agree_all(*several: Conversation) -> Page:
        endpoints = tuple(
            Endpoint(key, key.upper(), serve(one).url)
            for key, one in zip(("api", "function", *"cdef"), several, strict=False)
        )
        monkeypatch.setattr(resources, "settings", lambda: replace(Settings.from_env(os.environ), endpoints=endpoints))
        return agree(endpoints[0].url, endpoints[-1].url)

    return agree_all


def checked(page: Page, button: str = "Check agreement") -> Page:
    """The page after a check has come to its end."""
    page.press(button)
    deadline = time.monotonic() + 30
    while checks().state.running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return page.rerun()


def waiting_for(event: threading.Event) -> Callable[[dict[str, Any]], None]:
    """Alters nothing of an answer but when it comes."""

    def wait(_: dict[str, Any]) -> None:
        event.wait(30)

    return wait


def figures(page: Page) -> dict[str, str]:
    block: Any = page.app.get_by_key("figures-agreement")
    return {metric.label: metric.value for metric in block.metric}


def score(page: Page, text: str, button: str = "Score on both") -> Page:
    page.app.text_area(key="rows-text").set_value(text)
    return scored(page, button)


def scored(page: Page, button: str = "Score on both") -> Page:
    """The page after a batch has come to its end."""
    if button:
        page.press(button)
    deadline = time.monotonic() + 30
    while page.app.session_state["rows-scoring"].state.running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return page.rerun()


def test_before_the_first_check_nothing_is_sent_and_nothing_claimed(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    api, function = serve(good(tea)), serve(good(tea))
    page = agree(api.url, function.url)
    assert api.paths("POST") == function.paths("POST") == []
    assert not page.has("card-verdict")
    assert "Check agreement" in page.read()


def test_two_that_agree_are_shown_with_their_n_and_the_bounds_of_what_was_drawn(
    serve: Serve, agree: Agree, tea: ModelCard
) -> None:
    page = checked(agree(serve(good(tea)).url, serve(good(tea)).url))
    asked = int(figures(page)["Inputs compared"].replace("\N{NARROW NO-BREAK SPACE}", ""))
    assert asked > 1100
    assert figures(page)["Disagreements"] == "0"
    assert "They agree" in page.read("card-verdict")
    assert f"0 disagreements in {asked} inputs. With 95% confidence at most 1% of inputs drawn uniformly" in page.read(
        "card-verdict"
    )
    assert "| Random, uniform | 300 | 0 | 1% |" in page.read("card-asked")
    assert "| Training rows | 5 | 0 | \N{EN DASH} |" in page.read("card-asked")
    assert "seed 0" in page.read("card-asked")
    assert "25 of 25 refused alike" in page.read("card-invalid")
    assert not page.has("card-worst")
    for chart in MAPS:
        assert page.has(f"figure-{chart}"), chart
    assert "Difference (n = 1\N{NARROW NO-BREAK SPACE}681)" in page.read("chart-surface-difference")


def test_one_that_rounds_is_named_and_its_worst_inputs_can_be_loaded(
    serve: Serve, agree: Agree, tea: ModelCard
) -> None:
    page = checked(agree(serve(good(tea)).url, serve(altered(tea, round_to_2)).url))
    assert "They disagree" in page.read("card-verdict")
    assert "Cloud Function: probabilities rounded to 2 digits." in page.read("card-verdict")
    assert "| Rounded |" in page.read("card-asked")
    worst = page.read("card-worst")
    assert worst.count("](./?leaf_length=") == 10
    assert "rounded" in worst


def test_another_version_is_the_first_thing_that_is_said(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = checked(agree(serve(good(tea)).url, serve(altered(tea, call_itself("v9"))).url))
    verdict = page.texts("card-verdict")[0].readable
    assert "Different models" in verdict
    assert "Cloud Function v9" in verdict


def test_an_endpoint_that_is_down_is_no_disagreement(serve: Serve, agree: Agree, tea: ModelCard, nobody: str) -> None:
    page = checked(agree(serve(good(tea)).url, nobody))
    assert "Nothing compared" in page.read("card-verdict")
    assert "no answer (refused)" in page.read("card-verdict")
    assert figures(page)["Inputs compared"] == "0"
    assert figures(page)["Largest difference"] == "\N{EN DASH}"
    assert "confidence" not in page.read("card-verdict")


def test_without_any_model_the_page_says_what_to_do(visit: Visit, nobody: str) -> None:
    page = visit(nobody, nobody)
    page.app = AppTest.from_string(SCRIPT, default_timeout=60)
    page.open()
    assert "make train" in page.read()


def test_other_features_make_another_map(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = checked(agree(serve(good(tea)).url, serve(good(tea)).url))
    page.app.selectbox(key="map-features").set_value((0, 1))
    page = checked(page, "Draw the map")
    layout = page.figure("surface-0")["layout"]
    assert layout["xaxis"]["title"]["text"] == "Leaf length (cm)"
    assert layout["yaxis"]["title"]["text"] == "Leaf width (cm)"


def test_a_dashboard_that_is_read_only_sends_no_check_and_no_rows(
    serve: Serve, visit: Visit, tea: ModelCard, tea_dir: Path
) -> None:
    servers = [serve(serving(make_service(tea, tea_outputs))) for _ in range(2)]
    page = visit(*(server.url for server in servers), READ_ONLY="1", MODEL_DIR=str(tea_dir)).at("agree").open()
    assert "This dashboard is read-only" in page.app.info[0].value
    assert not page.app.button and not page.app.get("file_uploader")
    assert not any(request.method == "POST" for server in servers for request in server.requests)
    (command,) = [code.value for code in page.open_popover("command-agree").app.code]
    assert command == "python -m benchmark agree --endpoint api=URL --endpoint function=URL"


def test_the_last_check_is_still_there_in_another_session(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    urls = serve(good(tea)).url, serve(good(tea)).url
    checked(agree(*urls))
    assert "They agree" in agree(*urls).read("card-verdict")


def test_three_are_compared_pair_by_pair_and_the_one_that_differs_is_named(
    serve: Serve, agree_all: AgreeAll, tea: ModelCard
) -> None:
    page = checked(agree_all(good(tea), altered(tea, round_to_2), good(tea)))
    assert "FUNCTION differs from API and C on " in page.read("card-verdict")
    pairs = page.read("card-pairs")
    assert "| API and FUNCTION | rounded " in pairs
    assert "| API and C | \N{EN DASH} |" in pairs
    assert "| FUNCTION and C | rounded " in pairs
    assert "FUNCTION and C" in page.read("card-worst") or "API and FUNCTION" in page.read("card-worst")
    assert "All three must refuse each of them with the same status" in page.read("card-invalid")
    assert [page.has(f"figure-surface-{side}") for side in (0, 1, 2, "difference")] == [True] * 4
    score(page, "3.4,1,2\n", "Score on all")
    table = page.app.dataframe[0].value
    assert table["difference"][0].startswith("API and FUNCTION: rounded: ")
    assert list(table["C prediction"]) == ["green"]


def test_six_that_agree_leave_only_the_pairs_with_the_first(serve: Serve, agree_all: AgreeAll, tea: ModelCard) -> None:
    page = checked(agree_all(*[good(tea)] * 6))
    assert "All six give the same answers on " in page.read("card-verdict")
    assert page.read("card-pairs").count("| API and ") == 5
    assert "The other 10 pairs agreed" in page.read("card-pairs")
    assert page.has("figure-surface-5") and page.has("figure-surface-difference")


def test_one_is_held_to_the_known_answers_and_that_is_said(serve: Serve, agree_all: AgreeAll, tea: ModelCard) -> None:
    page = agree_all(good(tea))
    assert "gives the known answers in its model card and refuses invalid inputs" in page.read()
    checked(page)
    assert "Known answers right" in page.read("card-verdict")
    assert "Only one endpoint is configured, so there is nothing to compare it with." in page.read("card-verdict")
    assert "| Known answers | 1 | 0 | \N{EN DASH} |" in page.read("card-asked")
    assert "25 of 25 refused" in page.read("card-invalid") and "alike" not in page.read("card-invalid").lower()
    assert page.has("figure-surface-0") and not page.has("figure-surface-difference")
    score(page, "2,3,1\n", "Score")
    assert "1 row scored" in page.read("card-batch")
    assert "They agree" not in page.read()


def test_one_that_answers_otherwise_than_the_card_is_wrong(serve: Serve, agree_all: AgreeAll, tea: ModelCard) -> None:
    page = checked(agree_all(altered(tea, round_to_2)))
    assert "Wrong answers" in page.read("card-verdict")
    assert "API differs from the known answers of the model card on 1 of 1 input." in page.read("card-verdict")


def test_a_regressor_is_compared_by_value(serve: Serve, agree: Agree) -> None:
    card = make_card(mileage_document())
    page = checked(agree(serve(good(card)).url, serve(good(card)).url))
    assert "They agree" in page.read("card-verdict")
    assert "Decision boundary" not in page.read("card-asked")
    assert page.figure("surface-0")["data"][0]["colorbar"]["title"]["text"] == "Consumption (l/100 km)"


# --- Rows of one's own


def test_pasted_rows_are_scored_and_a_bad_one_is_named_by_its_line(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = agree(serve(good(tea)).url, serve(good(tea)).url)
    score(page, "steep_time,leaf_length,leaf_width\n2,3,1\nlong,3,1\n5,7,3\n")
    assert page.warnings() == ["1 row was not sent: line 3: steep_time is not a finite number."]
    assert "0 disagreements in 2 inputs" in page.read("card-batch")
    table = page.app.dataframe[0].value
    assert list(table["line"]) == [2, 4]
    assert list(table["FastAPI prediction"]) == list(table["Cloud Function prediction"]) == ["green", "black"]
    assert list(table["agree"]) == ["yes", "yes"]


def test_rows_that_were_not_all_used_are_no_agreement(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = score(agree(serve(good(tea)).url, serve(good(tea)).url), "2,3,1\nx,3,1\n,3,1\n5,nan,3\n5,7,3,9\n")
    assert "1 of 5 rows compared" in page.read("card-batch")
    assert "They agree" not in page.read("card-batch")
    assert "line 5: has 4 values for 3 columns" in page.warnings()[0]
    assert "They agree" in score(page, "2,3,1\n").read("card-batch")


def test_rows_that_repeat_others_count_once(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = score(agree(serve(good(tea)).url, serve(good(tea)).url), "2,3,1\n" * 4 + "5,7,3\n")
    assert "0 disagreements in 2 inputs. 3 rows repeat others and are not counted." in page.read("card-batch")
    assert len(page.app.dataframe[0].value) == 5


def test_rows_that_differ_are_marked(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = agree(serve(good(tea)).url, serve(altered(tea, round_to_2)).url)
    score(page, "3.4,1,2\n4.3,2,3\n")
    table = page.app.dataframe[0].value
    assert list(table["agree"]) == ["no", "no"]
    assert table["difference"][0].startswith("rounded: probabilities 0.")


def test_a_text_without_usable_rows_says_why(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = agree(serve(good(tea)).url, serve(good(tea)).url)
    page.app.text_area(key="rows-text").set_value("leaf_length,leaf_width\n1,2\n")
    page.press("Score on both")
    assert [error.value for error in page.app.error] == ["The text has no column steep\\_time."]
    score(page, "1,2,oops\n")
    assert not page.app.dataframe


def test_an_uploaded_file_is_scored_in_place_of_the_text(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = agree(serve(good(tea)).url, serve(good(tea)).url)
    page.app.file_uploader(key="rows-file").set_value(("rows.csv", b"3,1,2\n", "text/csv"))
    scored(page)
    assert list(page.app.dataframe[0].value["FastAPI prediction"]) == ["green"]


def test_a_spreadsheet_s_file_with_decimal_commas_in_utf_16_is_read(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page = agree(serve(good(tea)).url, serve(good(tea)).url)
    content = "leaf_length;leaf_width;steep_time\r\n3,25;1;2,5\r\n".encode("utf-16")
    page.app.file_uploader(key="rows-file").set_value(("rows.csv", content, "text/csv"))
    scored(page)
    assert list(page.app.dataframe[0].value["leaf_length"]) == [3.25]
    page.app.file_uploader(key="rows-file").set_value(("rows.csv", b"PK\x03\x04", "text/csv"))
    page.press("Score on both")
    assert [error.value for error in page.app.error] == [
        "The file is a workbook or another ZIP archive\\: save it as CSV."
    ]


def with_a_second_batch(serve: Serve, agree: Agree, tea: ModelCard) -> tuple[Page, threading.Event]:
    """A page with one scored batch and a second one typed, and what lets the second be answered."""
    may_answer = threading.Event()
    may_answer.set()
    slow = altered(tea, waiting_for(may_answer))
    page = score(agree(serve(good(tea)).url, serve(slow).url), "2,3,1\n")
    may_answer.clear()
    page.app.text_area(key="rows-text").set_value("2,3,1\n5,7,3\n")
    return page, may_answer


def test_a_click_elsewhere_ends_neither_a_batch_nor_the_sight_of_the_last_one(
    serve: Serve, agree: Agree, tea: ModelCard
) -> None:
    page, may_answer = with_a_second_batch(serve, agree, tea)
    page.press("Score on both")
    page.app.selectbox(key="map-features").set_value((0, 1))
    page.rerun()
    assert list(page.app.dataframe[0].value["line"]) == [1]
    assert "Cancel" in page.read("card-batch")
    may_answer.set()
    assert list(scored(page, "").app.dataframe[0].value["line"]) == [1, 2]


def test_a_cancelled_batch_keeps_the_last_one(serve: Serve, agree: Agree, tea: ModelCard) -> None:
    page, may_answer = with_a_second_batch(serve, agree, tea)
    page.press("Score on both").press("Cancel")
    may_answer.set()
    assert list(scored(page, "").app.dataframe[0].value["line"]) == [1]
    assert not page.warnings()


def test_the_result_for_another_model_is_neither_shown_nor_drawn_on(
    serve: Serve, agree: Agree, tea: ModelCard, mileage: ModelCard
) -> None:
    page = checked(agree(serve(good(tea)).url, serve(good(tea)).url))
    assert "Draw the map" in page.read("check")
    resources.settings.clear()  # another model is deployed: the dashboard and its last check go on
    page = agree(serve(good(mileage)).url, serve(good(mileage)).url)
    assert not page.has("card-verdict")
    assert "Draw the map" not in page.read("check")


# --- Categories and missing values


def test_categories_and_missing_values_are_checked_and_shown(serve: Serve, agree: Agree) -> None:
    flat = make_card(flat_document())
    other = serving(make_service(flat, flat_outputs_but_where_missing))
    page = checked(agree(serve(good(flat)).url, serve(other).url))
    assert "They disagree" in page.read("card-verdict")
    worst = page.read("card-worst").splitlines()[3:-1]
    assert len(worst) == 10
    assert all("](./?area-missing=true&" in line and "| missing |" in line for line in worst)
    assert "Categories are equally likely" in page.read("card-asked")
    assert page.app.selectbox(key="map-features").options == ["Rooms over Area"]
    assert all(page.has(f"figure-{name}") for name in MAPS)


def test_a_model_with_fewer_than_two_numbers_has_no_map(serve: Serve, agree: Agree) -> None:
    entries = [flat_document()["features"][1], category("sea_view", "Sea view", {"no": 2, "yes": 2})]
    answers = [{"features": [3.0, "no"], "outputs": [1.0]}]
    card = make_card(flat_document(features=entries, presets=[], known_answers=answers))
    same = serving(make_service(card, lambda row: [row[0]]))
    page = checked(agree(serve(same).url, serve(same).url))
    assert "They agree" in page.read("card-verdict")
    assert "No map of the predictions: it needs two inputs that are numbers." in page.read()
    assert not any(page.has(f"figure-{name}") for name in MAPS)
    assert not page.app.selectbox


def test_pasted_rows_may_have_categories_and_empty_cells(serve: Serve, agree: Agree) -> None:
    flat = make_card(flat_document())
    page = agree(serve(good(flat)).url, serve(good(flat)).url)
    assert "An empty cell of area, city and heating is a missing value." in page.read("card-batch")
    example = str(page.app.text_area(key="rows-text").placeholder)
    assert example.splitlines()[1:] == ["50.0,2.0,Bergen,1,false", ",3.0,,,true"]
    score(page, f"{example}\n60,2,Paris,9,true\n")
    assert "2 of 3 rows compared" in page.read("card-batch")
    assert "line 4: heating must be one of 2, 1, 3, or null" in " ".join(page.warnings())
