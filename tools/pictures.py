"""Take the pictures of the documentation: `python -m tools.pictures` measures on this machine and fills docs/images."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, expect, sync_playwright

from tools.browser import launch, open_page, settle
from tools.deployed import deploy
from tools.processes import all_serving, bare_environ

_ROOT = Path(__file__).resolve().parents[1]
_IMAGES = _ROOT / "docs" / "images"
_NAMES = {"API_NAME": "FastAPI", "FUNCTION_NAME": "Cloud Function"}
_COMPARISONS = 12
_CHECK_MS = 120_000
_DRAWN_MS = 1_500
"""How long Plotly may draw after the page itself has settled."""


def main() -> None:
    """Serve the default model, measure a comparison and a load, and take one picture of each page."""
    with TemporaryDirectory() as directory, ExitStack() as stack:
        scratch = Path(directory)
        deployed = deploy(scratch)
        wanted = (*deployed.endpoints, deployed.dashboard())
        api, function, dashboard = stack.enter_context(all_serving(wanted, scratch))
        endpoints = ("--endpoint", f"api={api.url}", "--endpoint", f"function={function.url}")
        results = str(deployed.results_dir())
        _measure("load", *endpoints, "--rate", "50", "--duration", "10", "--name", "Steady, 50/s", "--results", results)
        _measure("compare", *endpoints, "--pairs", "500", "--name", "500 pairs", "--results", results)
        browser = launch(stack.enter_context(sync_playwright()))
        stack.callback(browser.close)
        page = open_page(browser, dashboard.url)
        for _ in range(_COMPARISONS):
            page.get_by_role("button", name="Compare").click()
            settle(page)
        _take(page, "predict")
        _open(page, f"{dashboard.url}/agree")
        page.get_by_role("button", name="Check agreement").click()
        expect(page.get_by_text("disagreements in").first).to_be_visible(timeout=_CHECK_MS)
        _take(page, "agree", height_px=1_300)  # down to the maps
        for name in ("decide", "runs"):
            _open(page, f"{dashboard.url}/{name}")
            _take(page, name)
        page.get_by_role("link", name="500 pairs").click()
        settle(page)
        _take(page, "benchmark")


def _measure(*arguments: str) -> None:
    subprocess.run(  # noqa: S603  this project's own command
        (sys.executable, "-m", "benchmark", *arguments), cwd=_ROOT, env=bare_environ() | _NAMES, check=True
    )


def _open(page: Page, url: str) -> None:
    page.goto(url)
    settle(page)


def _take(page: Page, name: str, height_px: int = 900) -> None:
    """A picture of the first screen, once its charts are drawn."""
    page.set_viewport_size({"width": 1440, "height": height_px})
    for button in page.get_by_role("button", name="Show the charts").all():
        button.click()
        settle(page)
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(_DRAWN_MS)
    page.screenshot(path=_IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
