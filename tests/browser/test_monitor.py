"""The Monitor page over real endpoints: what it shows while they work, and while one of them is down."""

import csv
import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.components.theme import DARK, LIGHT
from inference.card import DATA_FILE, ModelCard
from tests.browser.conftest import ARTIFACT, NewVisitor, Stack, Visitor
from tests.browser.settling import DESKTOP, PHONE, picture, settle, show_charts
from tools.processes import Server

TIME_CHARTS = ("requests", "server-latency", "failures", "memory")
COUNT_CHARTS = ("predictions", "drift", "range")


def _rows(card: ModelCard) -> list[list[float]]:
    with (ARTIFACT / DATA_FILE).open(newline="") as file:
        return [[float(row[name]) for name in card.feature_names] for row in csv.DictReader(file)]


def _send(server: Server, rows: list[list[float]]) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        for row in rows:
            assert client.post(f"{server.url}/predict", json={"features": row}).status_code == 200
        assert client.post(f"{server.url}/predict", json={"features": []}).status_code == 422


def _card(page: Page, endpoint: str) -> Locator:
    return page.locator(f".st-key-card-{endpoint}")


def _requests(page: Page) -> int:
    """How many requests the API's card says that it has had."""
    found = re.search(r"(\d+) requests?\b", _card(page, "api").inner_text())
    return int(found[1]) if found else 0


def _figure(page: Page, chart: str) -> Locator:
    return page.locator(f".st-key-chart-{chart}").get_by_role("figure")


def _traces(page: Page, chart: str) -> dict[str, dict[str, Any]]:
    # A chart that is drawn anew comes first; the old one stays behind it for a moment.
    plot = page.locator(f".st-key-chart-{chart} .js-plotly-plot").first
    found: list[dict[str, Any]] = plot.evaluate(
        "plot => plot.data.map(({name, x, y, line, marker}) => ({name, x, y, line, marker}))"
    )
    return {trace["name"]: trace for trace in found}


@pytest.mark.slow
def test_the_page_shows_what_both_endpoints_counted(new_visitor: NewVisitor, stack: Stack, card: ModelCard) -> None:
    rows = _rows(card)
    light = new_visitor(color_scheme="light")
    first = light.open("monitor")
    expect(_card(first, "api")).to_contain_text("Answers")
    before = _requests(first)
    _send(stack.function, [[value * 1.4 for value in row] for row in rows])
    _send(stack.api, rows)
    expect(_card(first, "api")).to_contain_text(f"{before + len(rows) + 1} requests")
    first.close()

    # Opened now, a page has charts of both readings at once: an open one draws them anew every ten seconds.
    for scheme, visitor, palette in (("light", light, LIGHT), ("dark", new_visitor(color_scheme="dark"), DARK)):
        page = visitor.open("monitor")
        show_charts(page)
        for chart in (*TIME_CHARTS, *COUNT_CHARTS):
            expect(_figure(page, chart)).to_be_visible()
            assert len(_figure(page, chart).get_attribute("aria-label") or "") > 20
        for endpoint in ("api", "function"):
            expect(_card(page, endpoint)).to_contain_text("Answers")
            expect(_card(page, endpoint).get_by_test_id("stMetric")).to_have_count(6)
            expect(_card(page, endpoint)).to_contain_text("refused (4xx)")
        settle(page)
        assert "Cloud Function petal_length: large drift" in (_figure(page, "drift").get_attribute("aria-label") or "")
        shown = _traces(page, "requests")
        assert all("(n = 0)" not in name for name in shown)
        colors = [trace["line"]["color"] for trace in shown.values()]
        assert colors == [palette.endpoints["api"], palette.endpoints["function"]]
        for size in (DESKTOP, PHONE):
            picture(page, f"monitor-{scheme}", size)

    page.locator(".st-key-chart-drift").get_by_role("button", name="Table").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


@pytest.mark.slow
def test_one_endpoint_down_leaves_the_other_at_work(visitor: Visitor, stack: Stack, card: ModelCard) -> None:
    page = visitor.open("monitor")
    expect(_card(page, "function")).to_contain_text("Answers")

    stack.function.kill()

    expect(_card(page, "function")).to_contain_text(f"Nothing listens at {stack.function.address}")
    expect(_card(page, "function")).to_contain_text("Last read")
    before = _requests(page)
    _send(stack.api, _rows(card)[:10])
    expect(_card(page, "api")).to_contain_text(f"{before + 11} requests")
    picture(page, "monitor-down", DESKTOP)

    stack.function.start()
    expect(_card(page, "function")).to_contain_text("Answers")
    expect(_card(page, "function")).to_contain_text("A new process answered")
