"""The record of comparisons: it outlives the page, and comes out as CSV."""

import csv
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from inference.card import ModelCard
from tests.browser.conftest import NewVisitor, Stack, Visitor
from tests.browser.predict_page import PredictPage
from tests.browser.settling import rerun


@pytest.mark.slow
def test_the_history_of_a_browser_outlives_a_refresh_and_another_one_sees_it_among_everyones(
    predict: PredictPage, new_visitor: NewVisitor
) -> None:
    predict.compare()
    predict.expect_charts()

    predict.page.reload()
    predict.wait_for_comparison(1)
    predict.expect_charts()
    expect(predict.page.get_by_role("button", name="Show the charts")).to_have_count(0)
    expect(predict.verdict).to_contain_text("Press Compare")

    other = new_visitor().predict()
    assert other.count() == 0
    other.show_comparisons("Everyone's")
    other.wait_for_comparison(1)
    button = other.page.get_by_role("button", name="Show the charts")
    expect(button).to_be_visible()
    expect(other.page.get_by_role("figure")).to_have_count(0)
    with rerun(other.page):
        button.click()
    expect(button).to_have_count(0)
    assert [len(trace["x"]) for trace in other.chart_data("latency")] == [1, 1]
    expect(other.page.get_by_role("button", name="Clear")).to_have_count(0)

    other.page.reload()
    other.wait_for_comparison(1)


@pytest.mark.slow
def test_a_browser_has_its_history_after_a_restart_of_the_dashboard_and_deletes_only_its_own(
    predict: PredictPage, new_visitor: NewVisitor, stack: Stack, visitor: Visitor
) -> None:
    predict.compare()
    other = new_visitor().predict()
    other.compare()
    for one in (predict, other):  # they would log the connections that are refused meanwhile
        one.page.close()
    stack.dashboard.stop()
    stack.dashboard.start()
    stack.dashboard.wait_until_healthy()

    again = visitor.predict()
    assert again.count() == 1
    again.show_comparisons("Everyone's")
    again.wait_for_comparison(2)
    again.page.get_by_role("button", name="Clear").click()
    expect(again.page.get_by_text("Delete your 1 comparison? Comparisons of other browsers stay.")).to_be_visible()
    with rerun(again.page):
        again.page.get_by_role("button", name="Delete the history").click()
    again.wait_for_comparison(1)


def test_the_export_has_a_row_for_every_request(predict: PredictPage, card: ModelCard) -> None:
    predict.compare()
    predict.press_on_slider("Petal width (cm)", "End")
    predict.compare()

    with predict.page.expect_download() as started:
        predict.page.get_by_role("button", name="Export CSV").click()

    assert started.value.suggested_filename == "faceoff-iris.csv"
    with started.value.path().open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["endpoint"] for row in rows] == ["api", "function"] * 2
    assert [row["petal_width"] for row in rows] == ["1.3", "1.3", "3.1", "3.1"]
    assert [row["label"] for row in rows[2:]] == ["virginica"] * 2
    assert {row["status"] for row in rows} == {"200"}
    assert all(float(row["latency_ms"]) > float(row["server_ms"]) > 0 for row in rows)
    for row in rows:
        assert abs(sum(float(row[f"probability_{name}"]) for name in card.classes) - 1) < 1e-6
    assert all(one["at_utc"] <= other["at_utc"] for one, other in pairwise(rows))
