"""Every page, empty and filled, light and dark, on a desktop and on a phone: it fits, and everybody can read it."""

import signal
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, Response, expect

from inference.card import ModelCard
from tests.browser.conftest import NewVisitor, Stack, Visitor
from tests.browser.filled import fill
from tests.browser.predict_page import PredictPage
from tests.browser.settling import DESKTOP, PHONE, Size, cut_off, picture, rerun, settle

PAGES = ("", "agree", "benchmark", "coldstart", "cost", "decide", "monitor", "runs")
NAMES = ("Predict", "Agreement", "Benchmark", "Cold start", "Cost", "Recommendation", "Monitor", "Runs")
T = TypeVar("T")


@pytest.fixture
def empty(stack: Stack) -> Iterator[Stack]:
    """The stack with no runs in its record, before and after."""
    for run in stack.store.runs():
        stack.store.delete_run(run.id)
    yield stack
    for run in stack.store.runs():
        stack.store.delete_run(run.id)


def _draw(page: Page) -> None:
    """Wait until every chart on the page is drawn."""
    page.wait_for_function(
        "[...document.querySelectorAll('.stPlotlyChart')].every(chart => chart.querySelector('.main-svg'))"
    )
    settle(page)


def _violations(page: Page) -> list[str]:
    """What axe finds serious or critical: its rule, where, and why."""
    # Of rules that are kept, axe then collects next to nothing, which takes half of the time.
    found: list[dict[str, Any]] = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def _inspect(page: Page, name: str) -> list[str]:
    """Take pictures of the page in both themes and at both sizes, and ask axe about it."""
    found = []
    for scheme in ("light", "dark"):
        if scheme == "dark":
            _turn_dark(page)
        for size in (DESKTOP, PHONE):
            _draw(page)
            picture(page, f"{name}-{scheme}", size)  # leaves the window at this size
            found += [f"{name}-{scheme} at {size[0]} px: {one}" for one in _violations(page)]
    return found


def _turn_dark(page: Page) -> None:
    """Change the theme of an open page, which is faster than opening it again; its charts follow at a rerun."""
    background = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    before = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{background} !== '{before}'")
    with rerun(page):
        page.keyboard.press("r")


def test_axe_is_heard(visitor: Visitor) -> None:
    page = visitor.open("runs")
    page.evaluate("document.querySelector('h4').style.color = '#999'")
    (violation,) = _violations(page)
    assert "color-contrast" in violation


def _into(found: list[T]) -> Callable[[T], None]:
    # No bound method of a list: Playwright marks what it is given.
    return lambda one: found.append(one)


def _open_complete(visitor: Visitor, path: str) -> Page:
    """The page at `path`, drawn; everything that it asks for is there."""
    page = visitor.new_page()
    answers: list[Response] = []
    failed: list[Request] = []
    page.on("response", _into(answers))
    page.on("requestfailed", _into(failed))
    page.goto(f"{visitor.stack.dashboard.url}/{path}")
    _draw(page)
    missing = [answer.url for answer in answers if answer.status >= 400] + [request.url for request in failed]
    assert answers and missing == [], f"at /{path}"
    assert visitor.witness.console_errors == [], f"at /{path}"
    return page


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path or "predict")
def test_a_page_of_an_empty_record_is_complete_and_can_be_read_by_all(
    visitor: Visitor, empty: Stack, path: str
) -> None:
    assert _inspect(_open_complete(visitor, path), f"empty-{path or 'predict'}") == []


@pytest.mark.slow
@pytest.mark.parametrize("path", ["predict", "benchmark?run=demo"])
def test_the_address_of_a_page_asks_for_nothing_that_is_not_there(visitor: Visitor, path: str) -> None:
    _open_complete(visitor, path)


@pytest.mark.slow
def test_a_comparison_can_be_read_by_all(predict: PredictPage) -> None:
    predict.compare()
    assert _inspect(predict.page, "filled-predict") == []


@pytest.mark.slow
def test_a_check_of_agreement_can_be_read_by_all(visitor: Visitor) -> None:
    page = visitor.open("agree")
    page.get_by_role("button", name="Check agreement").click()
    expect(page.get_by_role("button", name="Draw the map")).to_be_enabled()
    assert _inspect(page, "filled-agree") == []


@pytest.mark.slow
def test_listed_runs_can_be_read_by_all(visitor: Visitor, empty: Stack, card: ModelCard) -> None:
    runs = fill(empty, card)
    page = visitor.open(f"runs?compare={runs['compared']},{runs['limited']}")
    page.get_by_role("button", name="Manage").first.click()
    expect(page.get_by_text("Delete this run and all its samples")).to_be_visible()
    assert _inspect(page, "filled-runs") == []


FILLED = {
    "benchmark": "benchmark",
    "compared": "benchmark?run={compared}",
    "loaded": "benchmark?run={loaded}",
    "limited": "benchmark?run={limited}",
    "coldstart": "coldstart",
    "spawned": "coldstart?run={spawned}",
    "ladder": "coldstart?run={ladder}",
    "cost": "cost?function_vcpu=0.1666&function_memory_gib=0.25&function_concurrency=1",
    "decide": "decide?latency_ms=82&availability=99&budget=10",
    "monitor": "monitor",
    "list": "runs",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILLED)
def test_a_page_with_something_on_it_can_be_read_by_all(
    visitor: Visitor, empty: Stack, card: ModelCard, name: str
) -> None:
    path = FILLED[name].format(**fill(empty, card))
    assert _inspect(visitor.open(path), f"filled-{name}") == []


# --- On a phone


@pytest.fixture
def phone(new_visitor: NewVisitor) -> Visitor:
    width, height = PHONE
    return new_visitor(viewport={"width": width, "height": height}, is_mobile=True, has_touch=True)


def _top(page: Page, key: str) -> float:
    """How far down the page a part of it begins, in pixels."""
    box = page.locator(f".st-key-{key}").bounding_box()
    assert box is not None, f"not visible: {key}"
    return box["y"]


def test_every_page_can_be_reached_by_its_name(phone: Visitor) -> None:
    page = phone.open("runs")
    for name in NAMES:
        link = page.get_by_role("link", name=name, exact=True)
        expect(link).to_have_count(1)
        box = link.bounding_box()
        assert box is not None and box["height"] >= 24 and 0 <= box["x"] <= PHONE[0] - box["width"]
    assert cut_off(page.locator(".st-key-pages")) == []
    page.get_by_role("link", name="Monitor", exact=True).click()
    expect(page.get_by_role("heading", name="Monitor")).to_be_visible()


def test_the_bar_of_pages_is_clear_of_the_edge_and_of_itself(phone: Visitor) -> None:
    page = phone.open("runs")
    boxes = [page.get_by_role("link", name=name, exact=True).bounding_box() for name in NAMES]
    first, second = ({box["y"] for box in row if box} for row in (boxes[:4], boxes[4:]))
    assert len(first) == len(second) == 1
    assert boxes[0] is not None
    assert first.pop() >= 4
    assert second.pop() >= boxes[0]["y"] + boxes[0]["height"]


def test_tab_goes_only_through_what_can_be_seen(phone: Visitor) -> None:
    page = phone.open("runs")
    page.get_by_role("link", name="Predict", exact=True).focus()
    for name in NAMES[1:]:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.reload()
    settle(page)
    seen = set()
    while "Runs" not in seen:
        page.keyboard.press("Tab")
        x, name = page.evaluate("[document.activeElement.getBoundingClientRect().x, document.activeElement.innerText]")
        assert 0 <= x < PHONE[0], f"Tab went to {name!r}, which is not in the window"
        seen.add(name.strip())


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_page_that_is_long_at_work_says_so(new_visitor: NewVisitor, stack: Stack, size: Size) -> None:
    visitor = new_visitor(viewport={"width": size[0], "height": size[1]})
    predict = visitor.predict()
    line = "getComputedStyle(document.querySelector('.stApp'), '::after').opacity"
    assert predict.page.evaluate(line) == "0"
    stack.function.send(signal.SIGSTOP)
    try:
        predict.compare_button.click()
        predict.page.wait_for_function(f"{line} === '1'")
    finally:
        stack.function.send(signal.SIGCONT)
    predict.wait_for_comparison(1)
    predict.page.wait_for_function(f"{line} === '0'")


def test_the_bar_of_pages_is_there_once_on_a_desktop(visitor: Visitor) -> None:
    page = visitor.open("runs")
    for name in NAMES:
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(1)


def test_figures_are_shown_whole(phone: Visitor) -> None:
    page = phone.open("monitor")
    card = page.locator(".st-key-card-api")
    expect(card.get_by_test_id("stMetric")).to_have_count(6)
    assert cut_off(page.locator(".st-key-monitor-controls")) == []
    # An age grows with time: this is one of the longest that the page writes.
    age = card.get_by_test_id("stMetric").filter(has_text="Age").get_by_test_id("stMetricValue")
    age.evaluate(
        "value => { while (value.firstElementChild) value = value.firstElementChild; value.innerText = '23 h 59 min' }"
    )
    assert cut_off(card.get_by_test_id("stMetric")) == []


@pytest.mark.slow
def test_the_figures_of_suspected_cold_starts_are_named_whole(visitor: Visitor, empty: Stack, card: ModelCard) -> None:
    page = visitor.open(f"coldstart?run={fill(empty, card)['ladder']}")
    metrics = page.locator(".st-key-coldfigures-function").get_by_test_id("stMetric")
    expect(metrics.filter(has_text="Slowest suspected (ms)")).to_be_visible()
    assert cut_off(metrics) == []


@pytest.mark.slow
def test_answers_come_before_long_forms(phone: Visitor, empty: Stack, card: ModelCard) -> None:
    runs = fill(empty, card)
    page = phone.open("benchmark")
    assert _top(page, "plan") < _top(page, "nothing")
    page.goto(f"{empty.dashboard.url}/benchmark?run={runs['compared']}")
    settle(page)
    assert _top(page, "run-head") < _top(page, "verdict") < _top(page, "plan")
    page.goto(f"{empty.dashboard.url}/cost")
    settle(page)
    assert _top(page, "inputs-traffic") < _top(page, "verdict") < _top(page, "inputs-configurations")
    assert _top(page, "card-function") < _top(page, "inputs-configurations") < _top(page, "chart-break-even")
    page.goto(f"{empty.dashboard.url}/decide")
    settle(page)
    assert _top(page, "verdict") < _top(page, "inputs-needs") < _top(page, "card-api")
    page.goto(empty.dashboard.url)
    settle(page)
    assert _top(page, "inputs") < _top(page, "verdict") < _top(page, "card-api")
