"""The list of runs in a browser: a table for the mouse, the keyboard and a screen reader, on a desktop and a phone."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from benchmark.record.run import RunState
from tests.browser.conftest import NewVisitor, Stack, Visitor
from tests.browser.settling import DESKTOP, PHONE, picture, rerun, settle
from tests.dashboard.runs import simulated

MANY = 60


@pytest.fixture
def many(stack: Stack) -> Iterator[Stack]:
    """The stack with 60 runs, of which the newest are on the first part of the list."""
    run, samples = simulated(ComparePlan(pairs=40, warmup=0))
    _clear(stack)
    for number in range(MANY):
        made = replace(
            run,
            id=f"{number:04x}beef",
            name=f"run {number:02}",
            started_at_utc=f"2026-01-01T03:{number:02}:00+00:00",
            started_by="ada" if number % 2 else "grace",
            is_imported=number % 7 == 0,
        )
        add_finished_run(stack.store, made, samples)
    yield stack
    _clear(stack)


def _clear(stack: Stack) -> None:
    for run in stack.store.runs():
        stack.store.delete_run(run.id)


def _names(page: Page) -> list[str]:
    return page.locator(".runs tbody a").all_inner_texts()


@pytest.mark.slow
def test_the_list_is_sorted_searched_and_turned_by_clicks_and_its_address_is_a_link(
    visitor: Visitor, many: Stack
) -> None:
    page = visitor.open("runs")
    assert _names(page)[0] == "run 59" and len(_names(page)) == 25
    expect(page.get_by_role("columnheader", name="Started (UTC)")).to_have_attribute("aria-sort", "descending")
    with rerun(page):
        page.get_by_role("button", name="Run", exact=True).click()
    assert _names(page)[:2] == ["run 00", "run 01"]
    expect(page.get_by_role("columnheader", name="Run", exact=True)).to_have_attribute("aria-sort", "ascending")
    with rerun(page):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("status")).to_have_text("26\N{EN DASH}50 of 60 runs")
    assert _names(page)[0] == "run 25"
    with rerun(page):
        page.get_by_role("searchbox", name="Search").fill("grace")
        page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("1\N{EN DASH}25 of 30 runs")
    shown = _names(page)
    other = visitor.new_page()
    other.goto(page.url)
    settle(other)
    assert _names(other) == shown


@pytest.mark.slow
def test_the_list_is_used_with_the_keyboard_alone(visitor: Visitor, many: Stack) -> None:
    page = visitor.open("runs")
    page.get_by_role("button", name="Run", exact=True).focus()
    for name in ("run 00", "run 59"):
        with rerun(page):
            page.keyboard.press("Enter")
        assert _names(page)[0] == name
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_focused()
    page.get_by_role("checkbox").first.focus()
    with rerun(page):
        page.keyboard.press("Space")
    expect(page.get_by_role("checkbox").first).to_be_checked()
    expect(page.get_by_role("checkbox").first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="run 59")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/benchmark?run=003bbeef")


@pytest.mark.slow
def test_two_boxes_ticked_at_once_are_both_kept(visitor: Visitor, many: Stack) -> None:
    page = visitor.open("runs")
    page.evaluate("[...document.querySelectorAll('.runs input')].slice(0, 2).forEach(box => box.click())")
    expect(page.locator(".st-key-compared")).to_be_visible()
    settle(page)
    assert [box.is_checked() for box in page.get_by_role("checkbox").all()[:3]] == [True, True, False]
    expect(page.get_by_role("checkbox").nth(2)).to_be_disabled()


@pytest.mark.slow
def test_a_link_opens_in_a_new_tab_as_links_do(visitor: Visitor, many: Stack) -> None:
    page = visitor.open("runs")
    with visitor.context.expect_page() as opened:
        page.get_by_role("link", name="run 59").click(modifiers=["Control"])
    assert opened.value.url.endswith("/benchmark?run=003bbeef")
    assert page.url.endswith("/runs")


@pytest.mark.slow
def test_a_run_in_progress_moves_on_without_a_click(visitor: Visitor, many: Stack) -> None:
    run, _ = simulated()
    progress = {"done": 21, "total": 210, "phase": "measuring", "elapsed_s": 3.0}
    many.store.create_run(replace(run, id="feedbeef", state=RunState.RUNNING, progress=progress))
    try:
        page = visitor.open("runs?search=feedbeef")
        row = page.locator("#run-feedbeef")
        expect(row).to_contain_text("10% of 210 requests")
        many.store.append("feedbeef", None, {**progress, "done": 105})
        expect(row).to_contain_text("50% of 210 requests")
        many.store.finish("feedbeef", RunState.CANCELLED, {})
        expect(row).to_contain_text("Cancelled")
        settle(page)
    finally:
        many.store.delete_run("feedbeef")


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_list_fits_the_window(new_visitor: NewVisitor, many: Stack, size: tuple[int, int]) -> None:
    visitor = new_visitor(viewport={"width": size[0], "height": size[1]}, is_mobile=size == PHONE)
    page = visitor.open("runs")
    picture(page, "runs-many", size)
    assert page.evaluate("(root => root.scrollWidth - root.clientWidth)(document.querySelector('.runs'))") == 0
    heights = page.evaluate("[...document.querySelectorAll('.runs tbody tr')].map(row => row.offsetHeight)")
    if size == DESKTOP:
        assert max(heights) <= 40, "one line each"
    expect(page.get_by_role("row")).to_have_count(26)
    expect(page.get_by_role("cell", name="2026-01-01 03:59")).to_be_visible()
