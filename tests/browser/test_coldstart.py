"""The Cold start page with real programs: started from the page, followed through a refresh, shown in both themes."""

import re
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, expect

from benchmark.coldstart.plan import ColdPlan
from benchmark.record.recording import add_finished_run
from deploy.stage_function import stage
from inference.settings import ServingSettings
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.browser.conftest import ARTIFACT, ROOT, SCREENSHOTS, NewVisitor, Stack

DESKTOP = (1440, 900)
PHONE = (390, 844)
LADDER = "1add0001"


def test_a_run_survives_a_refresh_and_is_shown_in_both_themes(new_visitor: NewVisitor, stack: Stack) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    stage(ROOT / "build" / "function", ServingSettings.from_env({}, default_model_dir=ARTIFACT))
    page = new_visitor(color_scheme="light").predict().page
    page.get_by_role("link", name="Cold start").click()
    expect(page.get_by_text("No cold start has been measured yet")).to_be_visible()
    page.get_by_label("Cold starts each").fill("2")
    page.keyboard.press("Tab")
    expect(page.get_by_text("24 requests on this machine")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"[?&]run=[0-9a-f]{8}"))

    page.reload()

    expect(page.get_by_text("Finished")).to_be_visible(timeout=60_000)
    for endpoint in ("api", "function"):
        # While the page is drawn anew, the card of before may still be there beside this one.
        card = page.locator(f".st-key-card-{endpoint}").filter(has_text="2 probes")
        expect(card).to_have_count(1)
        expect(card).to_contain_text("model load")
    local = page.url.rpartition("run=")[2]

    run, samples = cold_run(
        ColdPlan("ladder", 3, idle_s=(60.0, 300.0, 900.0, 1800.0)),
        {"api": TrueStart(), "function": TrueStart(1200, 25, 1200, evidence=False)},
    )
    add_finished_run(stack.store, replace(run, id=LADDER), samples)
    for scheme in ("light", "dark"):
        shown = new_visitor(color_scheme=scheme).new_page()
        for name, run_id, charts in (
            ("local", local, ("populations", "split", "order")),
            ("ladder", LADDER, ("idle", "share", "populations")),
        ):
            shown.goto(f"{stack.dashboard.url}/coldstart?run={run_id}")
            for chart in charts:
                figure = shown.locator(f".st-key-figure-{chart} [aria-label]").first
                expect(figure).to_be_visible()
                assert len(figure.get_attribute("aria-label") or "") > 20
            _take(shown, SCREENSHOTS / f"coldstart-{name}-{scheme}")
    shown.locator(".st-key-chart-share").get_by_role("button", name="Table").click()
    expect(shown.get_by_test_id("stDataFrame")).to_be_visible()


def _take(page: Page, name: Path) -> None:
    """Pictures at both widths, of which none scrolls sideways."""
    for width, height in (DESKTOP, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        page.screenshot(path=f"{name}-{width}.png")
        assert page.evaluate("document.querySelector('.stMain').scrollWidth <= window.innerWidth")
