"""The Cost page in a browser: reached by its address, fits both windows in both themes, and follows what is typed."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.components.theme import DARK, LIGHT
from tests.browser.conftest import NewVisitor, Visitor
from tests.browser.settling import DESKTOP, PHONE, Size, picture, rerun, show_charts


def chart(page: Page) -> Locator:
    return page.locator(".st-key-chart-break-even").get_by_role("figure")


def gross(page: Page, endpoint: str) -> Locator:
    metric = page.locator(f".st-key-card-{endpoint}").get_by_test_id("stMetric").filter(has_text="Gross")
    return metric.get_by_test_id("stMetricValue")


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"])
def test_the_cost_page_fits_the_window(new_visitor: NewVisitor, scheme: str, size: Size) -> None:
    width, height = size
    visitor = new_visitor(color_scheme=scheme, viewport={"width": width, "height": height})
    page = visitor.open("cost?function_vcpu=0.1666&function_memory_gib=0.25&function_concurrency=1")

    expect(page.locator(".st-key-chart-break-even")).to_contain_text("Gross cost in USD a month over requests a month")
    picture(page, f"cost-closed-{scheme}", size)
    show_charts(page)
    expect(chart(page).locator(".main-svg").first).to_be_visible()
    palette = {"light": LIGHT, "dark": DARK}[scheme]
    plot = page.locator(".st-key-chart-break-even .js-plotly-plot")
    colors = plot.evaluate("plot => plot.data.slice(0, 2).map(trace => trace.line.color)")
    assert colors == [palette.endpoints["api"], palette.endpoints["function"]]
    for endpoint in ("api", "function"):
        box = page.locator(f".st-key-card-{endpoint}").bounding_box()
        assert box is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        for name in ("service_ms", "vcpu", "billing"):
            field = page.locator(f".st-key-{endpoint}_{name}").bounding_box()
            label = page.locator(f".st-key-row-{name} p").first.bounding_box()
            assert field is not None and label is not None
            assert abs(field["y"] + field["height"] / 2 - label["y"] - label["height"] / 2) < 8, "not in one row"
    picture(page, f"cost-{scheme}", size)


@pytest.mark.slow
def test_what_is_typed_changes_the_bill_the_chart_and_the_address(visitor: Visitor) -> None:
    page = visitor.open("cost")
    # 5 000 000 x (0.1 s x 0.00002525 + 0.0000004).
    expect(gross(page, "api")).to_have_text("14.62")

    field = page.get_by_role("spinbutton", name="Requests a month")
    field.fill("10000000")
    with rerun(page):
        field.press("Enter")
    expect(gross(page, "api")).to_have_text("29.25")
    expect(page).to_have_url(re.compile(r"cost_requests=10000000"))

    with rerun(page):
        page.get_by_role("radio", name="As the platforms deploy them").click()
    # 1 000 000 s x (0.1666 x 0.000024 + 0.25 x 0.0000025) + 4.00.
    expect(gross(page, "function")).to_have_text("8.62")
    expect(page.locator(".st-key-verdict")).to_contain_text("Cloud Function costs less")
    show_charts(page)
    expect(chart(page)).to_have_accessible_name(re.compile("From 16.8 million requests a month, FastAPI, in"))

    page.get_by_role("button", name="Table").click()
    grid = page.get_by_role("dialog").get_by_test_id("stDataFrame").locator("[role=grid]")
    expect(grid.locator("[role=columnheader]").first).to_have_text("requests a month")
    expect(grid).to_have_attribute("aria-rowcount", "17")


def test_the_two_pages_lead_to_each_other(visitor: Visitor) -> None:
    page = visitor.predict().page
    with rerun(page):
        page.get_by_role("link", name="Cost").click()
    expect(page).to_have_url(re.compile(r"/cost"))
    expect(gross(page, "api")).to_be_visible()
    with rerun(page):
        page.get_by_role("link", name="Predict").click()
    expect(page.get_by_role("slider", name="Petal length (cm)")).to_be_visible()
