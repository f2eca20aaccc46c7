"""The record of comparisons: it outlives the page, comes out as CSV, and goes when it is told to."""

import csv
from itertools import pairwise

from playwright.sync_api import expect

from inference.card import ModelCard
from tests.browser.conftest import NewVisitor, Stack
from tests.browser.predict_page import PredictPage


def test_charts_come_back_with_a_refresh(predict: PredictPage) -> None:
    predict.compare()
    predict.expect_charts()

    predict.page.reload()
    predict.wait_for_comparison(1)

    predict.expect_charts()
    expect(predict.page.get_by_role("button", name="Show the charts")).to_have_count(0)
    expect(predict.verdict).to_contain_text("Press Compare")


def test_another_browser_sees_the_same_record_and_gets_the_charts_when_it_asks(
    predict: PredictPage, new_visitor: NewVisitor
) -> None:
    predict.compare()

    other = new_visitor().predict()
    assert other.count() == 1
    button = other.page.get_by_role("button", name="Show the charts")
    expect(button).to_be_visible()
    expect(other.page.get_by_role("figure")).to_have_count(0)

    button.click()
    other.expect_charts()
    expect(button).to_have_count(0)
    assert [len(trace["x"]) for trace in other.chart_data("latency")] == [1, 1]


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


def test_clear_empties_the_record_after_a_question(predict: PredictPage, stack: Stack, card: ModelCard) -> None:
    predict.compare()
    predict.compare()

    predict.page.get_by_role("button", name="Clear").click()
    expect(predict.page.get_by_role("dialog")).to_contain_text("Delete 2 comparisons?")
    predict.page.get_by_role("button", name="Delete the history").click()

    expect(predict.page.get_by_text("appear here after the first Compare")).to_be_visible()
    expect(predict.page.get_by_role("figure")).to_have_count(0)
    assert stack.store.count(card.name) == 0
    predict.compare()
    assert predict.count() == 1
