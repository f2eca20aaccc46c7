"""The Monitor page over real endpoints: what it shows while they work, and while one of them is down."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.theme import DARK, LIGHT
from inference.card import DATA_FILE, ModelCard
from tests.browser.conftest import ARTIFACT, SCREENSHOTS, NewVisitor, Program, Stack

DESKTOP = (1440, 900)
PHONE = (390, 844)
TIME_CHARTS = ("requests", "server-latency")
COUNT_CHARTS = ("predictions", "drift", "range")


@pytest.fixture(scope="module")
def pictures() -> Iterator[Path]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    yield SCREENSHOTS


def _rows(card: ModelCard) -> list[list[float]]:
    with (ARTIFACT / DATA_FILE).open(newline="") as file:
        return [[float(row[name]) for name in card.feature_names] for row in csv.DictReader(file)]


def _send(program: Program, rows: list[list[float]]) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        for row in rows:
            assert client.post(f"{program.url}/predict", json={"features": row}).status_code == 200
        assert client.post(f"{program.url}/predict", json={"features": []}).status_code == 422


def _open(new_visitor: NewVisitor, scheme: str, size: tuple[int, int]) -> Page:
    """The Monitor page, reached as a person does: from the landing page."""
    page = new_visitor(color_scheme=scheme, viewport={"width": size[0], "height": size[1]}).predict().page
    page.get_by_role("link", name="Monitor").click()
    expect(page.get_by_role("heading", name="Monitor")).to_be_visible()
    return page


def _card(page: Page, endpoint: str) -> Locator:
    return page.locator(f".st-key-card-{endpoint}")


def _requests(page: Page) -> int:
    """How many requests the API's card says that it has had."""
    found = re.search(r"(\d+) requests", _card(page, "api").inner_text())
    return int(found[1]) if found else 0


def _figure(page: Page, chart: str) -> Locator:
    return page.locator(f".st-key-chart-{chart}").get_by_role("figure")


def _traces(page: Page, chart: str) -> dict[str, dict[str, Any]]:
    plot = page.locator(f".st-key-chart-{chart} [data-stale=false] .js-plotly-plot")
    found: list[dict[str, Any]] = plot.evaluate(
        "plot => plot.data.map(({name, x, y, line, marker}) => ({name, x, y, line, marker}))"
    )
    return {trace["name"]: trace for trace in found}


def _take(page: Page, path: Path, size: tuple[int, int]) -> None:
    # The page scrolls inside of an element: a picture of all of it needs a window as high.
    whole = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": size[0], "height": max(size[1], whole)})
    page.evaluate("document.querySelector('.stMain').scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    page.screenshot(path=path)
    page.set_viewport_size({"width": size[0], "height": size[1]})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_what_both_endpoints_counted(
    new_visitor: NewVisitor, stack: Stack, card: ModelCard, pictures: Path, scheme: str
) -> None:
    rows = _rows(card)
    page = _open(new_visitor, scheme, DESKTOP)
    _send(stack.api, rows)
    _send(stack.function, [[value * 1.4 for value in row] for row in rows])

    for chart in (*TIME_CHARTS, *COUNT_CHARTS):
        expect(_figure(page, chart)).to_be_visible()
        assert len(_figure(page, chart).get_attribute("aria-label") or "") > 20
    for endpoint in ("api", "function"):
        expect(_card(page, endpoint)).to_contain_text("Answers")
        expect(_card(page, endpoint).get_by_test_id("stMetric")).to_have_count(6)
        expect(_card(page, endpoint)).to_contain_text("refused (4xx)")
    function_drift = _figure(page, "drift").get_attribute("aria-label") or ""
    assert "Cloud Function petal_length: large drift" in function_drift
    colors = {"light": LIGHT, "dark": DARK}[scheme].endpoints
    shown = _traces(page, "requests")
    assert [trace["line"]["color"] for trace in shown.values()] == [colors["api"], colors["function"]]

    panel = page.locator(".st-key-chart-drift")
    panel.get_by_role("button", name="Table").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    page.keyboard.press("Escape")

    for size in (DESKTOP, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        _take(page, pictures / f"monitor-{scheme}-{size[0]}.png", size)
        assert page.evaluate("document.querySelector('.stMain').scrollWidth <= window.innerWidth")


def test_one_endpoint_down_leaves_the_other_at_work(
    new_visitor: NewVisitor, stack: Stack, card: ModelCard, pictures: Path
) -> None:
    page = _open(new_visitor, "light", DESKTOP)
    expect(_card(page, "function")).to_contain_text("Answers")

    stack.function.kill()

    expect(_card(page, "function")).to_contain_text(f"Nothing listens at {stack.function.address}")
    expect(_card(page, "function")).to_contain_text("Last read")
    before = _requests(page)
    _send(stack.api, _rows(card)[:10])
    expect(_card(page, "api")).to_contain_text(f"{before + 11} requests")
    _take(page, pictures / "monitor-down-1440.png", DESKTOP)

    stack.function.start()
    expect(_card(page, "function")).to_contain_text("Answers")
    expect(_card(page, "function")).to_contain_text("A new process answered")
