"""The Benchmark page as a person uses it: by names, roles and keys."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.settling import rerun, settle

RUN_IN_URL = re.compile(r"[?&]run=([0-9a-f]{8})(&|$)")


class BenchmarkPage:
    """Actions return when the page has settled, except Start: from then on the page asks every second."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def choose(self, kind: str) -> None:
        with rerun(self.page):
            self.page.locator(".st-key-plan").get_by_role("radio", name=kind, exact=True).click()

    def fill(self, name: str, value: float) -> None:
        """Type a number."""
        box = self.page.get_by_role("spinbutton", name=name, exact=True)
        box.fill(f"{value:g}")
        with rerun(self.page):
            box.press("Enter")

    def shape(self, name: str) -> None:
        self.page.locator(".st-key-shape").get_by_role("combobox").click()
        with rerun(self.page):
            self.page.get_by_role("option", name=name, exact=True).click()

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
        settle(self.page)

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
        counts: list[int] = self.page.locator(f".st-key-chart-{name} .js-plotly-plot").evaluate(
            "plot => plot.data.map(({x}) => x.length ?? Object.values(x.bdata ?? '').length)"
        )
        return counts
