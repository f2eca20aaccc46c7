"""The record of comparisons: it outlives the page, and comes out as CSV."""

import csv
from itertools import pairwise

from playwright.sync_api import expect

from inference.card import ModelCard
from tests.browser.conftest import NewVisitor
from tests.browser.predict_page import PredictPage
from tests.browser.settling import rerun


def test_the_record_outlives_a_refresh_and_another_browser_gets_its_charts_when_it_asks(
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
    assert other.count() == 1
    button = other.page.get_by_role("button", name="Show the charts")
    expect(button).to_be_visible()
    expect(other.page.get_by_role("figure")).to_have_count(0)
    with rerun(other.page):
        button.click()
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
