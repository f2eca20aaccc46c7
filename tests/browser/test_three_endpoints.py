"""A dashboard over three endpoints that a file configures: it fits a desktop and a phone, and each has its colour."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from benchmark.record.recording import add_finished_run
from benchmark.record.store import Store
from dashboard.components.theme import DARK
from tests.browser.conftest import NewVisitor, Stack
from tests.browser.settling import DESKTOP, PHONE, Size, cut_off, picture, rerun, settle
from tests.dashboard.runs import simulated_many
from tests.servers import ROOT
from tools.processes import Program, Server, bare_environ

KEYS = ("a", "b", "c")


@pytest.fixture
def three(stack: Stack, tmp_path: Path) -> Iterator[Server]:
    """The dashboard, over both endpoints and one of them again, with a run of three in its record."""
    urls = (stack.api.url, stack.function.url, stack.api.url)
    names = ("Container in Europe", "Function", "Container again")
    entries = zip(KEYS, names, urls, strict=True)
    path = tmp_path / "three.toml"
    path.write_text(
        "".join(f'[[endpoint]]\nkey = "{key}"\nname = "{name}"\nurl = "{url}"\n' for key, name, url in entries)
    )
    results = tmp_path / "results"
    add_finished_run(Store(results), *simulated_many(3))
    variables = {**bare_environ(), "ENDPOINTS": str(path), "RESULTS_DIR": str(results)}
    command = (sys.executable, "-m", "dashboard")
    program = Program("dashboard of three", command, ROOT, variables, health_path="/_stcore/health")
    dashboard = Server(program, tmp_path / program.log_name)
    dashboard.start()
    try:
        dashboard.wait_until_healthy()
        yield dashboard
    finally:
        dashboard.stop()


def edges(page: Page) -> list[str]:
    """The colours of the cards' edges."""
    cards = [page.locator(f".st-key-card-{key}") for key in KEYS]
    return [card.evaluate("card => getComputedStyle(card).borderTopColor") for card in cards]


def rgb(color: str) -> str:
    return f"rgb({', '.join(str(int(color[index : index + 2], 16)) for index in (1, 3, 5))})"


def rows(page: Page) -> int:
    """In how many rows the cards are."""
    boxes = [page.locator(f".st-key-card-{key}").bounding_box() for key in KEYS]
    return len({box["y"] for box in boxes if box})


@pytest.mark.slow
@pytest.mark.parametrize(("size", "expected"), [(DESKTOP, 1), (PHONE, 3)], ids=["desktop", "phone"])
def test_three_endpoints_fit(new_visitor: NewVisitor, three: Server, size: Size, expected: int) -> None:
    visitor = new_visitor(color_scheme="dark", viewport={"width": size[0], "height": size[1]})
    page = visitor.new_page()
    page.goto(three.url)
    settle(page)
    with rerun(page):
        page.get_by_role("button", name="Compare").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("All three agree")
    assert edges(page) == [rgb(color) for color in DARK.positions[:3]]
    assert rows(page) == expected
    assert cut_off(page.locator("[class*='st-key-card-'] [data-testid='stMetric']")) == []
    picture(page, "three-predict", size)

    run = Store(Path(three.program.environ["RESULTS_DIR"])).runs()[0]
    page.goto(f"{three.url}/benchmark?run={run.id}")
    settle(page)
    expect(page.locator(".st-key-chart-time .main-svg").first).to_be_visible()
    assert edges(page) == [rgb(color) for color in DARK.positions[:3]]
    assert rows(page) == expected
    assert cut_off(page.locator("[class*='st-key-card-'] [data-testid='stMetric']")) == []
    picture(page, "three-benchmark", size)

    page.goto(f"{three.url}/cost")
    settle(page)
    last, verdict = (page.locator(name).bounding_box() for name in (".st-key-card-c", ".st-key-verdict"))
    assert last and verdict
    is_beside = abs(last["y"] - verdict["y"]) < 1 and abs(last["height"] - verdict["height"]) < 1
    assert is_beside == (size == DESKTOP), "the verdict fills the row of the third card"
    assert cut_off(page.locator("[class*='st-key-card-'] [data-testid='stMetric']")) == []
    picture(page, "three-cost", size)
