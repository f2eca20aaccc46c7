"""When a page stands still, so that what is read next is the result of what was done, and a picture of it then."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
Size = tuple[int, int]
DESKTOP: Size = (1440, 900)
PHONE: Size = (390, 844)

_QUIET_MS = 150

# A click that has not reached the server leaves a page that looks settled, and React may draw the start and the end of
# a short run at once: so that the script runs is not seen in the page, only in what is sent and what is answered.
WATCH = """
window.watched = {changed_ms: performance.now(), asked: 0, is_answered: true};
const change = () => { watched.changed_ms = performance.now(); };
window.WebSocket = class extends WebSocket {
    constructor(...address) {
        super(...address);
        this.addEventListener('message', () => { watched.is_answered = true; change(); });
    }
    send(message) {
        watched.asked += 1;
        watched.is_answered = false;
        super.send(message);
    }
};
new MutationObserver(change).observe(document, {
    subtree: true, childList: true,
    attributeFilter: ['data-test-script-state', 'data-test-connection-state', 'data-stale'],
});
"""
"""Goes into every page before it loads: what the page has asked of the server, and when it last changed."""

_IS_SETTLED = """
([asked, quiet_ms]) => {
    const app = document.querySelector('.stApp')?.dataset;
    return app?.testConnectionState === 'CONNECTED' && app.testScriptState === 'notRunning'
        && watched.asked >= asked && watched.is_answered
        && !document.querySelector('[data-stale="true"], [data-testid="stSkeleton"]')
        && performance.now() - watched.changed_ms > quiet_ms;
}
"""


def settle(page: Page, asked: int = 1) -> None:
    """Wait until the page has asked the server so many times since it was loaded, and nothing is still to come.

    A page that asks every second is settled only until it asks again: wait for what ends that first.
    """
    page.wait_for_function(_IS_SETTLED, arg=[asked, _QUIET_MS])


@contextmanager
def rerun(page: Page) -> Iterator[None]:
    """Around an action that makes the script run once: waits until it has, and the page has settled."""
    before: int = page.evaluate("watched.asked")
    yield
    settle(page, before + 1)


def picture(page: Page, name: str, size: Size, *, whole: bool = True) -> None:
    """A picture of the window at this size, or of the whole page at this width, which may not scroll sideways."""
    width, height = size
    _resize(page, width, height)
    is_wide = page.evaluate(
        "[document.scrollingElement, document.querySelector('.stMain')].some(one => one.scrollWidth > one.clientWidth)"
    )
    assert not is_wide, f"the page scrolls sideways at {width} px"
    if whole:
        # The page scrolls inside of an element: a picture of all of it needs a window as high.
        _resize(page, width, max(height, page.evaluate("document.querySelector('.stMain').scrollHeight")))
    page.mouse.move(0, 0)
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png")
    if whole:
        _resize(page, width, height)


def cut_off(texts: Locator) -> list[str]:
    """The texts that their boxes do not show whole."""
    cut: list[str] = texts.evaluate_all(
        """elements => elements.flatMap(element => [element, ...element.querySelectorAll('*')])
            .filter(element => element.innerText && element.scrollWidth > element.clientWidth
                               && getComputedStyle(element).overflowX !== 'visible')
            .map(element => element.innerText)"""
    )
    return cut


def _resize(page: Page, width: int, height: int) -> None:
    """Give the window this size, and its charts the time to take theirs."""
    if page.viewport_size == {"width": width, "height": height}:
        return
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("watched.changed_ms = performance.now()")
    settle(page)


def show_charts(page: Page) -> None:
    """Ask for the charts of a page that waits with them."""
    with rerun(page):
        page.get_by_role("button", name="Show the charts").click()
