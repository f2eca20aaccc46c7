"""The Recommendation page in a browser: it fits, follows what is typed, and gives a report to take."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from tests.browser.conftest import NewVisitor, Stack
from tests.browser.settling import DESKTOP, PHONE, SCREENSHOTS, Size, picture, rerun
from tests.dashboard.runs import simulated


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


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"])
def test_the_decision_fits_the_window_and_its_report_opens_offline(
    new_visitor: NewVisitor,
    browser: Browser,
    stack: Stack,
    compared: str,
    tmp_path: Path,
    scheme: Literal["light", "dark"],
    size: Size,
) -> None:
    width, height = size
    visitor = new_visitor(color_scheme=scheme, viewport={"width": width, "height": height})
    page = visitor.open("decide?latency_ms=82")
    verdict = page.locator(".st-key-verdict")
    expect(verdict).to_contain_text("choose FastAPI")
    expect(page.locator(".st-key-card-function")).to_contain_text("broken")
    expect(page.get_by_role("link", name=f"Run {compared}")).to_have_attribute("href", f"benchmark?run={compared}")
    picture(page, f"decide-{scheme}", size)
    if size == DESKTOP:
        field = page.get_by_role("spinbutton", name="Latency objective (ms)")
        field.fill("5")
        with rerun(page):
            field.press("Enter")
        expect(verdict).to_contain_text("Neither")
        expect(page).to_have_url(re.compile(r"latency_ms=5(\.0)?(&|$)"))

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
    root = "document.documentElement"
    assert report.evaluate(f"{root}.scrollWidth - {root}.clientWidth") <= 0
    assert asked == [path.as_uri()]
    report.screenshot(path=SCREENSHOTS / f"report-{scheme}-{width}.png", full_page=True)
    context.close()
