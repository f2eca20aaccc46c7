"""The Agree page over real endpoints: from the button to the maps, and from a row to the sliders."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.agree_words import slider_query
from dashboard.theme import DARK, LIGHT
from inference.card import ModelCard
from tests.browser.conftest import SCREENSHOTS, NewVisitor

DESKTOP = (1440, 900)
PHONE = (390, 844)
MAPS = ("surface-0", "surface-1", "surface-difference")


@pytest.fixture(scope="module")
def pictures() -> Iterator[Path]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    yield SCREENSHOTS


def _open(new_visitor: NewVisitor, scheme: str) -> Page:
    """The Agree page, reached as a person does: from the landing page."""
    page = new_visitor(color_scheme=scheme).predict().page
    page.get_by_role("link", name="Agree").click()
    expect(page.get_by_role("heading", name="Agreement")).to_be_visible()
    return page


def _take(page: Page, path: Path, size: tuple[int, int]) -> None:
    # The page scrolls inside of an element: a picture of all of it needs a window as high.
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(300)
    whole = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": size[0], "height": max(size[1], whole)})
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    page.screenshot(path=path)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_endpoints_agree_wherever_they_are_asked(
    new_visitor: NewVisitor, card: ModelCard, pictures: Path, scheme: str
) -> None:
    page = _open(new_visitor, scheme)
    button = page.get_by_role("button", name="Check agreement")
    button.click()
    expect(page.get_by_role("button", name="Draw the map")).to_be_enabled()

    verdict = page.locator(".st-key-card-verdict")
    expect(verdict).to_contain_text(re.compile(r"0 disagreements in 8\d\d inputs: at most 0\.3\d+% of such inputs"))
    expect(page.locator(".st-key-card-invalid")).to_contain_text("25 of 25 refused alike")
    # The page is drawn anew when the check has ended, and what it was before stays beside it for a moment.
    expect(page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(500)
    expect(page.locator('.stApp [data-stale="true"]')).to_have_count(0)
    for name in MAPS:
        expect(page.locator(f".st-key-chart-{name}")).to_have_count(1)
        figure = page.locator(f".st-key-chart-{name}").get_by_role("figure")
        expect(figure).to_have_count(1)  # while a chart is drawn anew the old one stays in sight
        expect(figure.locator(".main-svg").first).to_be_visible()
        assert len(figure.get_attribute("aria-label") or "") > 20
    colors = {"light": LIGHT, "dark": DARK}[scheme]
    scale = page.locator(".st-key-chart-surface-1 .js-plotly-plot").evaluate("plot => plot.data[0].colorscale")
    assert [color for _, color in scale][::2] == [colors.class_color(index) for index in range(len(card.classes))]

    table = page.locator(".st-key-chart-surface-0").get_by_role("button", name="Table")
    expect(table).to_have_count(1)  # while the page is drawn anew there are two for a moment
    table.click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_label("Or paste rows").fill("5.1,3.5,1.4,0.2\n5.9,x,4.2,1.5\n6.3,2.5,5.0,1.9\n")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Score on both").click()
    batch = page.locator(".st-key-card-batch")
    expect(batch).to_contain_text("line 2: sepal_width is not a finite number")
    expect(batch).to_contain_text("0 disagreements in 2 inputs")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download results").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [row["FastAPI prediction"] for row in rows] == ["setosa", "virginica"]
    assert [row["line"] for row in rows] == ["1", "3"]

    for size in (DESKTOP, PHONE):
        _take(page, pictures / f"agree-{scheme}-{size[0]}.png", size)
        assert page.evaluate("document.querySelector('.stMain').scrollWidth <= window.innerWidth")


def test_a_link_of_a_row_loads_the_sliders(new_visitor: NewVisitor, card: ModelCard) -> None:
    query, exact = slider_query(card, (6.3, 2.5, 5.0, 1.9), card.feature_names)
    assert exact
    predict = new_visitor().predict(f"?{query}")
    predict.expect_slider("Sepal length (cm)", 6.3)
    predict.expect_slider("Petal width (cm)", 1.9)
