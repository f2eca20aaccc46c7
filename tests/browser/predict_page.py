"""The Predict page as a person uses it: by names, roles and keys."""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

ENDPOINTS = ("api", "function")
CHARTS = ("latency", "distribution", "map")

_COUNT = re.compile(r"(\d+) comparisons? in the history")


_COUNT_RUNS = """
    window.runs = 0;
    new MutationObserver(changes => {
        window.runs += changes.filter(({target, oldValue}) =>
            oldValue !== 'notRunning' && target.dataset.testScriptState === 'notRunning').length;
    }).observe(document, {subtree: true, attributeFilter: ['data-test-script-state'], attributeOldValue: true});
"""


class PredictPage:
    """Actions return when the page has settled, so that what is read next is their result."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(_COUNT_RUNS)

    def settle(self) -> None:
        """Wait until nothing runs and nothing is still to come."""
        app = self.page.locator(".stApp")
        expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
        expect(app).to_have_attribute("data-test-script-state", "notRunning")
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0)
        expect(self.slider("Petal length (cm)")).to_be_visible()

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

    @property
    def compare_button(self) -> Locator:
        return self.page.get_by_role("button", name="Compare")

    def switch_live(self, on: bool) -> None:
        """Turn the Live switch by keyboard and wait until the page has taken notice."""
        switch = self.page.get_by_role("switch", name="Live")
        expect(switch).to_be_checked(checked=not on)
        runs = self.page.evaluate("window.runs")
        switch.press("Space")
        expect(switch).to_be_checked(checked=on)
        self.page.wait_for_function("before => window.runs > before", arg=runs)
        self.settle()

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
        self.settle()

    def panel(self, chart: str) -> Locator:
        return self.page.locator(f".st-key-chart-{chart}")

    def chart(self, chart: str) -> Locator:
        """A chart as assistive technology finds it: by its role, with its text alternative as its name.

        One that is being replaced stays in sight for a moment, and is not meant.
        """
        return self.panel(chart).locator('[class*="st-key-figure-"]:not([data-stale="true"])').get_by_role("figure")

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
