"""The Chromium of tests and benchmarks: the first installed one that starts, Playwright's own last."""

import shutil
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, Playwright, expect

# In the order in which tools/chromium.sh looks for them.
_ON_THE_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OF_A_MAC = tuple(f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Google Chrome", "Chromium"))
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_START_MS = 60_000
STEP_LIMIT_MS = 60_000
"""The most time that a step on a page may take."""


class NoBrowser(Exception):
    """No Chromium starts; the message has the error of each."""


def launch(playwright: Playwright) -> Browser:
    """Start a headless Chromium. Raises NoBrowser."""
    installed = [*map(shutil.which, _ON_THE_PATH), *(path for path in _OF_A_MAC if Path(path).exists())]
    refusals = []
    for executable in [*filter(None, installed), None]:
        try:
            return playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS, timeout=_START_MS)
        except Error as error:
            refusals.append(f"{executable or 'its own'}: {error.message}")
    raise NoBrowser("\n".join(["Playwright can start no Chromium; tools/chromium.sh gets one.", *refusals]))


def open_page(browser: Browser, url: str) -> Page:
    """The page at `url`, settled, in a fresh browser."""
    page = new_page(browser)
    page.goto(url)
    settle(page)
    return page


def new_page(browser: Browser) -> Page:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(STEP_LIMIT_MS)
    return context.new_page()


def settle(page: Page) -> None:
    """Wait until no script runs, nothing is still to come and the browser has nothing left to draw."""
    app = page.locator(".stApp")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.get_by_test_id("stElementContainer").filter(visible=True).first).to_be_visible()
    page.evaluate("new Promise(done => requestIdleCallback(done, {timeout: 5000}))")
