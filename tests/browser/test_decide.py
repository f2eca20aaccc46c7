"""The Decide page in a browser: fits both windows in both themes, follows what is typed, and gives a report to take."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from tests.browser.conftest import SCREENSHOTS, NewVisitor, Stack
from tests.dashboard.runs import simulated

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@pytest.fixture
def compared(stack: Stack) -> str:
    """The id of a comparison of the stack's endpoints, the only run in its record: a decision rests on the newest."""
    for other in stack.store.runs():
        stack.store.delete_run(other.id)
    run, samples = simulated(ComparePlan(pairs=400))
    urls = {"api": stack.api.url, "function": stack.function.url}
    entries = [{**entry, "url": urls[entry["key"]]} for entry in run.manifest["endpoints"]]
    add_finished_run(stack.store, replace(run, manifest={**run.manifest, "endpoints": entries}), samples)
    return run.id


def settle(page: Page) -> None:
    app = page.locator(".stApp")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.locator(".st-key-note-evidence")).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


@pytest.mark.parametrize(("scheme", "size"), [("light", "desktop"), ("dark", "phone")])
def test_the_decision_fits_the_window_and_its_report_opens_offline(
    new_visitor: NewVisitor,
    browser: Browser,
    stack: Stack,
    compared: str,
    tmp_path: Path,
    scheme: Literal["light", "dark"],
    size: str,
) -> None:
    width, height = SIZES[size]
    visitor = new_visitor(color_scheme=scheme, viewport={"width": width, "height": height})
    page = visitor.new_page()
    page.goto(f"{stack.dashboard.url}/decide?latency_ms=82")
    settle(page)
    verdict = page.locator(".st-key-verdict")
    expect(verdict).to_contain_text("choose FastAPI")
    expect(page.locator(".st-key-card-function")).to_contain_text("broken")
    expect(page.get_by_role("link", name=f"Run {compared}")).to_have_attribute("href", f"benchmark?run={compared}")
    assert _overflow(page, "document.querySelector('.stMain')") <= 0
    _take(page, SCREENSHOTS / f"decide-{scheme}-{width}.png", (width, height))
    if size == "desktop":
        field = page.get_by_role("spinbutton", name="Latency objective (ms)")
        field.fill("5")
        field.press("Enter")
        expect(verdict).to_contain_text("Neither")
        expect(page).to_have_url(re.compile(r"latency_ms=5(\.0)?(&|$)"))
        settle(page)

    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    path = tmp_path / "report.html"
    download.value.save_as(path)
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    context.set_offline(True)
    report = context.new_page()
    asked: list[str] = []
    report.on("request", lambda request: asked.append(request.url))
    report.goto(path.as_uri())
    expect(report.get_by_role("heading", name="Decision")).to_be_visible()
    expect(report.get_by_role("img")).to_have_count(4)
    assert _overflow(report, "document.documentElement") <= 0
    assert asked == [path.as_uri()]
    report.screenshot(path=SCREENSHOTS / f"report-{scheme}-{width}.png", full_page=True)
    context.close()


def _overflow(page: Page, element: str) -> int:
    return int(page.evaluate(f"{element}.scrollWidth - {element}.clientWidth"))


def _take(page: Page, path: Path, size: tuple[int, int]) -> None:
    """A picture of the whole page, which scrolls inside of an element."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = page.evaluate("document.querySelector('.stMain').scrollHeight")
    page.set_viewport_size({"width": size[0], "height": whole})
    page.mouse.move(0, 0)
    page.screenshot(path=path)
    page.set_viewport_size({"width": size[0], "height": size[1]})
