"""The Cost page in a browser: reached by its address, fits both windows in both themes, and follows what is typed."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.theme import DARK, LIGHT
from tests.browser.conftest import SCREENSHOTS, NewVisitor, Visitor

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


def open_cost(visitor: Visitor, query: str = "") -> Page:
    """The Cost page, reached as from the navigation, with its chart drawn."""
    page = visitor.new_page()
    # Two addresses below a page's own do not exist, and Streamlit's front end asks for them before it knows.
    page.goto(f"{visitor.stack.dashboard.url}/cost{query}")
    settle(page)
    visitor.witness.console_errors[:] = [
        error for error in visitor.witness.console_errors if not re.search(r"404.*/cost/_stcore/", error)
    ]
    return page


def settle(page: Page) -> None:
    app = page.locator(".stApp")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")
    expect(chart(page).locator(".main-svg").first).to_be_visible()


def chart(page: Page) -> Locator:
    return page.locator(".st-key-chart-break-even").get_by_role("figure")


def gross(page: Page, endpoint: str) -> Locator:
    metric = page.locator(f".st-key-card-{endpoint}").get_by_test_id("stMetric").filter(has_text="Gross")
    return metric.get_by_test_id("stMetricValue")


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_cost_page_fits_the_window(new_visitor: NewVisitor, scheme: str, size: tuple[int, int]) -> None:
    width, height = size
    visitor = new_visitor(color_scheme=scheme, viewport={"width": width, "height": height})
    page = open_cost(visitor, "?function_vcpu=0.1666&function_memory_gib=0.25&function_concurrency=1")

    wide = page.evaluate(
        "document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"
    )
    assert wide <= 0
    palette = {"light": LIGHT, "dark": DARK}[scheme]
    colors = (
        page.locator(".st-key-chart-break-even .js-plotly-plot")
        .first.evaluate("plot => plot.data.slice(0, 2).map(trace => trace.line.color)")
    )  # fmt: skip
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
    _take(page, SCREENSHOTS / f"cost-{scheme}-{width}.png", size)


def test_what_is_typed_changes_the_bill_the_chart_and_the_address(visitor: Visitor) -> None:
    page = open_cost(visitor)
    # 5 000 000 x (0.1 s x 0.00002525 + 0.0000004).
    expect(gross(page, "api")).to_have_text("14.62")

    field = page.get_by_role("spinbutton", name="Requests a month")
    field.fill("10000000")
    field.press("Enter")
    expect(gross(page, "api")).to_have_text("29.25")
    expect(page).to_have_url(re.compile(r"cost_requests=10000000"))
    settle(page)

    page.get_by_role("radio", name="As the platforms deploy them").click()
    # 1 000 000 s x (0.1666 x 0.000024 + 0.25 x 0.0000025) + 4.00.
    expect(gross(page, "function")).to_have_text("8.62")
    expect(page.locator(".st-key-verdict")).to_contain_text("Cloud Function costs less")
    settle(page)
    expect(chart(page)).to_have_accessible_name(re.compile("From 142 million requests a month on, FastAPI"))

    page.get_by_role("button", name="Table").click()
    grid = page.get_by_role("dialog").get_by_test_id("stDataFrame").locator("[role=grid]")
    expect(grid.locator("[role=columnheader]").first).to_have_text("requests a month")
    expect(grid).to_have_attribute("aria-rowcount", "17")


def test_the_two_pages_lead_to_each_other(visitor: Visitor) -> None:
    predict = visitor.predict()
    predict.page.get_by_role("link", name="Cost").click()
    settle(predict.page)
    expect(predict.page).to_have_url(re.compile(r"/cost"))
    expect(gross(predict.page, "api")).to_be_visible()
    predict.page.get_by_role("link", name="Predict").click()
    predict.settle()


def _take(page: Page, path: Path, size: tuple[int, int]) -> None:
    """A picture of the whole page, which scrolls inside of an element."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": size[0], "height": whole})
    page.mouse.move(0, 0)
    page.wait_for_function("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    page.screenshot(path=path)
