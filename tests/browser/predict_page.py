"""The Predict page as a person uses it: by names, roles and keys."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.settling import rerun, settle

ENDPOINTS = ("api", "function")
CHARTS = ("latency", "distribution", "map")

_COUNT = re.compile(r"(\d+) comparisons? in the history")


class PredictPage:
    """Actions return when the page has settled, so that what is read next is their result."""

    def __init__(self, page: Page) -> None:
        self.page = page

    # Inputs

    def slider(self, name: str) -> Locator:
        return self.page.get_by_role("slider", name=name)

    def expect_slider(self, name: str, value: float) -> None:
        expect(self.slider(name)).to_have_attribute("aria-valuetext", f"{value:.1f}")

    def press_on_slider(self, name: str, *keys: str) -> None:
        """Keys on a slider; waits until the address names the value that it then has."""
        slider = self.slider(name)
        for key in keys:
            slider.press(key)
        feature = name.split(" (")[0].lower().replace(" ", "_")
        value = float(slider.get_attribute("aria-valuetext") or "nan")
        expect(self.page).to_have_url(re.compile(rf"[?&]{feature}={value:g}(&|$)"))
        settle(self.page)

    @property
    def compare_button(self) -> Locator:
        return self.page.get_by_role("button", name="Compare")

    def switch_live(self, on: bool) -> None:
        """Turn the Live switch by keyboard and wait until the page has taken notice."""
        switch = self.page.get_by_role("switch", name="Live")
        expect(switch).to_be_checked(checked=not on)
        with rerun(self.page):
            switch.press("Space")
        expect(switch).to_be_checked(checked=on)

    def compare(self) -> None:
        """Press Compare and wait for its result."""
        number = self.count() + 1
        self.compare_button.click()
        self.wait_for_comparison(number)

    # Answers

    def card(self, endpoint: str) -> Locator:
        return self.page.locator(f".st-key-card-{endpoint}")

    def figure_value(self, endpoint: str, label: str) -> Locator:
        """The value of one of a card's figures, such as `Latency (ms)`."""
        metric = self.card(endpoint).get_by_test_id("stMetric").filter(has_text=label)
        return metric.get_by_test_id("stMetricValue")

    @property
    def verdict(self) -> Locator:
        return self.page.locator(".st-key-verdict")

    # The record

    def count(self) -> int:
        """How many comparisons the page says are in the history; none where it says nothing of it."""
        found = _COUNT.search(self.page.locator(".stMain").inner_text())
        return int(found[1]) if found else 0

    def wait_for_comparison(self, number: int) -> None:
        """Wait until the page says that so many comparisons are in the history, the last thing that it shows."""
        expect(self.page.get_by_text(re.compile(rf"^{number} comparisons? in the history"))).to_be_visible()
        settle(self.page)

    def show_comparisons(self, whose: str) -> None:
        """Choose whose comparisons the history shows."""
        with rerun(self.page):
            self.page.get_by_role("radio", name=whose).click()

    def panel(self, chart: str) -> Locator:
        return self.page.locator(f".st-key-chart-{chart}")

    def chart(self, chart: str) -> Locator:
        """A chart as assistive technology finds it: by its role, with its text alternative as its name."""
        return self.panel(chart).get_by_role("figure")

    def expect_charts(self) -> None:
        for chart in CHARTS:
            expect(self.chart(chart).locator(".main-svg").first).to_be_visible()

    def chart_data(self, chart: str) -> list[dict[str, Any]]:
        """The traces of a chart as the browser has drawn them."""
        self.expect_charts()
        traces: list[dict[str, Any]] = (
            self.panel(chart)
            .locator(".js-plotly-plot")
            .evaluate("plot => plot.data.map(({name, mode, x, y, marker}) => ({name, mode, x, y, marker}))")
        )
        return traces
