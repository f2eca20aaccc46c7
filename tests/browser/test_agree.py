"""The Agreement page over real endpoints: from the button to the maps, and rows that are scored."""

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.components.theme import DARK, LIGHT, Palette
from inference.card import ModelCard
from tests.browser.conftest import NewVisitor
from tests.browser.settling import DESKTOP, PHONE, picture, rerun, settle, show_charts

MAPS = ("surface-0", "surface-1", "surface-difference")


@pytest.mark.slow
def test_both_endpoints_agree_wherever_they_are_asked(new_visitor: NewVisitor, card: ModelCard) -> None:
    page = new_visitor(color_scheme="light").open("agree")
    page.get_by_role("button", name="Check agreement").click()
    expect(page.get_by_role("button", name="Draw the map")).to_be_enabled()
    settle(page)

    verdict = page.locator(".st-key-card-verdict")
    expect(verdict).to_contain_text(
        re.compile(r"0 disagreements in 14\d\d inputs\. With 95% confidence at most 1% of inputs drawn uniformly")
    )
    expect(page.locator(".st-key-card-invalid")).to_contain_text("25 of 25 refused alike")
    _expect_maps(page, card, LIGHT)
    page.locator(".st-key-chart-surface-0").get_by_role("button", name="Table").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_label("Or paste rows").fill("5.1,3.5,1.4,0.2\n5.9,x,4.2,1.5\n6.3,2.5,5.0,1.9\n")
    with rerun(page):
        page.keyboard.press("Control+Enter")
    with rerun(page):
        page.get_by_role("button", name="Score on both").click()
    batch = page.locator(".st-key-card-batch")
    expect(batch).to_contain_text("line 2: sepal_width is not a finite number")
    expect(batch).to_contain_text("2 of 3 rows compared")
    expect(batch).to_contain_text("0 disagreements in 2 inputs")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download results").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [row["FastAPI prediction"] for row in rows] == ["setosa", "virginica"]
    assert [row["line"] for row in rows] == ["1", "3"]

    # Whoever comes next finds what was checked.
    other = new_visitor(color_scheme="dark").open("agree")
    show_charts(other)
    _expect_maps(other, card, DARK)
    for scheme, shown in (("light", page), ("dark", other)):
        for size in (DESKTOP, PHONE):
            picture(shown, f"agree-{scheme}", size)


def _expect_maps(page: Page, card: ModelCard, colors: Palette) -> None:
    for name in MAPS:
        figure = page.locator(f".st-key-chart-{name}").get_by_role("figure")
        expect(figure.locator(".main-svg").first).to_be_visible()
        assert len(figure.get_attribute("aria-label") or "") > 20
    scale = page.locator(".st-key-chart-surface-1 .js-plotly-plot").evaluate("plot => plot.data[0].colorscale")
    assert [color for _, color in scale][::2] == [colors.class_color(index) for index in range(len(card.classes))]
