"""The Cold start page with real programs: started from the page, followed through a refresh, shown in both themes."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from benchmark.coldstart.plan import IdleSweepPlan
from benchmark.record.recording import add_finished_run
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.browser.conftest import NewVisitor, Stack
from tests.browser.settling import DESKTOP, PHONE, picture, rerun, settle

LADDER = "1add0001"


@pytest.mark.slow
def test_a_run_survives_a_refresh_and_both_kinds_fit_the_window(new_visitor: NewVisitor, stack: Stack) -> None:
    page = new_visitor(color_scheme="light").open("coldstart")
    expect(page.get_by_text("No cold starts measured yet")).to_be_visible()
    page.get_by_label("Cold starts per endpoint").fill("2")
    with rerun(page):
        page.keyboard.press("Tab")
    expect(page.get_by_text("24 requests on this machine")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"[?&]run=[0-9a-f]{8}"))

    page.reload()

    expect(page.get_by_text("Finished")).to_be_visible(timeout=60_000)
    settle(page)
    for endpoint in ("api", "function"):
        card = page.locator(f".st-key-card-{endpoint}")
        expect(card).to_contain_text("2 probes")
        expect(card).to_contain_text("model load")

    run, samples = cold_run(
        IdleSweepPlan(3, idle_s=(60.0, 300.0, 900.0, 1800.0)),
        {"api": TrueStart(), "function": TrueStart(1200, 25, 1200, evidence=False)},
    )
    add_finished_run(stack.store, replace(run, id=LADDER), samples)
    ladder = new_visitor(color_scheme="dark").open(f"coldstart?run={LADDER}")
    for shown, name, charts in (
        (page, "local-light", ("populations", "split", "order")),
        (ladder, "ladder-dark", ("idle", "share", "populations")),
    ):
        for chart in charts:
            figure = shown.locator(f".st-key-figure-{chart} [aria-label]").first
            expect(figure).to_be_visible()
            assert len(figure.get_attribute("aria-label") or "") > 20
        for size in (DESKTOP, PHONE):
            picture(shown, f"coldstart-{name}", size)
    ladder.locator(".st-key-chart-share").get_by_role("button", name="Table").click()
    expect(ladder.get_by_test_id("stDataFrame")).to_be_visible()
