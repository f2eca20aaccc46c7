"""The Benchmark and Runs pages as a person uses them: by names, roles and keys."""

import re

from playwright.sync_api import Locator, Page, expect

RUN_IN_URL = re.compile(r"[?&]run=([0-9a-f]{8})(&|$)")


class BenchmarkPage:
    """Actions return when the page has settled, so that what is read next is their result."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    def open(self, query: str = "") -> "BenchmarkPage":
        self.page.goto(f"{self._url}/{query}")
        self.settle()
        return self

    def go_to(self, name: str) -> "BenchmarkPage":
        """Another page, by the bar on top."""
        self.page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
        expect(self.page.get_by_role("heading", name=name)).to_be_visible()
        self.settle()
        return self

    def settle(self) -> None:
        app = self.page.locator(".stApp")
        expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
        expect(app).to_have_attribute("data-test-script-state", "notRunning")
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0)

    def choose(self, kind: str) -> None:
        self.page.locator(".st-key-plan").get_by_role("radio", name=kind, exact=True).click()
        self.settle()

    def fill(self, name: str, value: int) -> None:
        box = self.page.get_by_role("spinbutton", name=name, exact=True)
        box.fill(str(value))
        box.press("Enter")
        self.settle()

    def start(self) -> str:
        """Press Start; gives the id of the run."""
        self.page.get_by_role("button", name="Start").click()
        expect(self.page).to_have_url(RUN_IN_URL)
        found = RUN_IN_URL.search(self.page.url)
        assert found
        return found[1]

    def expect_report(self, state: str = "Finished") -> None:
        expect(self.page.locator(".st-key-run-head").get_by_text(state)).to_be_visible()
        expect(self.figure("time").locator(".main-svg").first).to_be_visible()
        self.settle()

    @property
    def progress(self) -> Locator:
        return self.page.locator(".st-key-progress")

    @property
    def verdict(self) -> Locator:
        return self.page.locator(".st-key-verdict")

    def figure(self, name: str) -> Locator:
        return self.page.locator(f".st-key-chart-{name}").get_by_role("figure")

    def points(self, name: str) -> list[int]:
        """How many points each trace of a chart has, as the browser has drawn them."""
        counts: list[int] = self.page.locator(f".st-key-chart-{name} .js-plotly-plot").last.evaluate(
            "plot => plot.data.map(({x}) => x.length ?? Object.values(x.bdata ?? '').length)"
        )
        return counts
