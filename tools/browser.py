"""The Chromium of tests and benchmarks: the first installed one that starts, Playwright's own last."""

import shutil
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright

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
