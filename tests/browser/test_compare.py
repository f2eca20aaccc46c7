"""Compare: both answers side by side, also where one of the two programs is gone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Stack, Visitor
from tests.browser.predict_page import ENDPOINTS, PredictPage
from tests.browser.settling import rerun


def test_compare_shows_both_answers_and_the_verdict(predict: PredictPage) -> None:
    with rerun(predict.page):
        predict.page.get_by_role("radio", name="Setosa").click()
    predict.expect_slider("Petal length (cm)", 1.5)
    predict.compare()

    for endpoint, name in zip(ENDPOINTS, ("FastAPI", "Cloud Function"), strict=True):
        card = predict.card(endpoint)
        expect(card).to_contain_text(name)
        expect(card).to_contain_text("HTTP 200")
        expect(predict.figure_value(endpoint, "Species")).to_have_text("setosa")
        expect(predict.figure_value(endpoint, "Confidence (%)")).to_have_text(re.compile(r"^(> )?\d+\.\d$"))
        expect(predict.figure_value(endpoint, "Latency (ms)")).to_have_text(re.compile(r"^[\d.\u202f]+$"))
        expect(card.get_by_role("progressbar")).to_have_count(3)
        expect(card).to_contain_text(re.compile(r"server [\d.]+ ms \+ network and HTTP [\d.]+ ms"))
        expect(card).to_contain_text(re.compile(r"instance \w{8}"))
        expect(card).to_contain_text(re.compile(r"first request ·|request \d+ ·"))
    expect(predict.verdict).to_contain_text("Both agree")
    expect(predict.verdict).to_contain_text(
        re.compile(
            r"(FastAPI|Cloud Function|Neither) was faster by [\d.\u202f]+ ms (or more )?in this single observation"
        )
    )

    expect(predict.chart("latency")).to_have_accessible_name(
        re.compile(r"Latency in milliseconds of each request in order, for FastAPI \(n = 1\) and Cloud Function")
    )
    predict.panel("map").get_by_role("button", name="Table").click()
    # The cells are drawn; the grid for assistive technology is inside of the drawing.
    grid = predict.page.get_by_role("dialog").get_by_test_id("stDataFrame").locator("[role=grid]")
    expect(grid).to_have_attribute("aria-rowcount", "151")
    expect(grid.locator("[role=columnheader]").first).to_have_text("Sepal length (cm)")


def test_a_killed_endpoint_says_what_to_try_and_works_again_once_it_is_back(predict: PredictPage, stack: Stack) -> None:
    predict.compare()
    expect(predict.verdict).to_contain_text("Both agree")

    stack.api.kill()
    predict.compare()
    expect(predict.card("api")).to_contain_text("No answer")
    expect(predict.card("api")).to_contain_text(f"Nothing listens at {stack.api.address}: start it, or check API_URL.")
    expect(predict.figure_value("function", "Species")).to_be_visible()
    expect(predict.verdict).to_contain_text("One answer")

    stack.api.start()
    stack.api.wait_until_healthy()
    predict.compare()
    expect(predict.card("api")).to_contain_text("HTTP 200")
    expect(predict.verdict).to_contain_text("Both agree")


@pytest.mark.slow
def test_an_open_page_outlives_a_restart_of_the_dashboard(visitor: Visitor, stack: Stack) -> None:
    predict = visitor.predict()
    predict.press_on_slider("Petal width (cm)", "End")
    predict.compare()

    stack.dashboard.stop()
    expect(predict.page.locator(".stApp")).not_to_have_attribute("data-test-connection-state", "CONNECTED")
    stack.dashboard.start()
    stack.dashboard.wait_until_healthy()

    predict.wait_for_comparison(1)
    predict.compare()
    assert predict.count() == 2
    expect(predict.figure_value("api", "Species")).to_have_text("virginica")
    predict.expect_charts()
    # The browser reports the connections that were refused meanwhile; nothing else may have gone wrong.
    visitor.witness.console_errors[:] = [
        error for error in visitor.witness.console_errors if stack.dashboard.address not in error
    ]


@pytest.mark.slow
def test_everything_works_where_only_this_machine_can_be_reached(visitor: Visitor) -> None:
    refused = visitor.cut_off_from_other_machines()

    predict = visitor.predict()
    predict.compare()
    predict.expect_charts()
    font = predict.page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px Inter'))")

    assert font
    assert refused == []
