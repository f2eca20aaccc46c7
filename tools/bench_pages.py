"""What a page sends to a browser that has nothing in its cache, and what the dashboard imports for it."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from dashboard.pages import PAGES
from tools.bench_serving import BenchError
from tools.browser import new_page, settle

DRAWING = "plotly.tools"
"""Stands for Plotly, which Streamlit itself imports in part wherever it is installed; this part comes with a chart."""
TABLES = ("pandas", "pyarrow")
LATER_MS = 3_000
"""How long after a page has settled its bytes still count: what it sends without being asked."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The dashboards that are looked at: a new one, one with a long history, and one that logs its imports."""

    fresh: str
    with_history: str
    traced: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """What a page has received."""

    requests: int
    http_bytes: int
    """headers and bodies, compressed as they came"""
    websocket_bytes: int
    """payloads"""

    @property
    def total_bytes(self) -> int:
        return self.http_bytes + self.websocket_bytes


@dataclass(frozen=True, slots=True)
class FirstLooks:
    """What first-time visitors received, and what the dashboard had imported by then."""

    pages: Mapping[str, Transferred]
    """each page as it is before its first chart is asked for, by title"""
    fresh: Transferred
    with_history: Transferred
    with_charts: Transferred
    """fresh, and then the first Compare, which brings the charts"""
    imported_by_load: list[str]
    imported_by_compare: list[str]


def imported(log: str) -> list[str]:
    """The watched modules that appear in the output of `python -X importtime`."""
    modules = set(re.findall(r"^import time:[ \d]+\|[ \d]+\| *([\w.]+)$", log, re.MULTILINE))
    return [name for name in (DRAWING, *TABLES) if name in modules]


class Meter:
    """Counts what a page receives from now on, as the browser's network stack has it."""

    def __init__(self, page: Page) -> None:
        self._requests = self._http_bytes = self._websocket_bytes = 0
        session = page.context.new_cdp_session(page)
        session.on("Network.loadingFinished", self._finished)
        session.on("Network.webSocketFrameReceived", self._received)
        session.send("Network.enable")

    def read(self) -> Transferred:
        return Transferred(self._requests, self._http_bytes, self._websocket_bytes)

    def _finished(self, event: dict[str, Any]) -> None:
        self._requests += 1
        self._http_bytes += int(event["encodedDataLength"])

    def _received(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        text: str = frame["payloadData"]
        self._websocket_bytes += len(text.encode() if frame["opcode"] == 1 else base64.b64decode(text))


def first_looks(browser: Browser, addresses: Addresses, log: Path, compare: Callable[[Page], float]) -> FirstLooks:
    """Open the pages as a first-time visitor does; on Predict, step by step.

    `log` has what the dashboard at `traced` imports, as `python -X importtime` writes it. Raises BenchError if it
    cannot be trusted.
    """

    def imported_so_far() -> list[str]:
        return imported(log.read_text(errors="replace"))

    page, meter = _load(browser, addresses.traced)
    fresh = meter.read()
    imported_by_load = imported_so_far()
    compare(page)
    expect(page.get_by_role("figure").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    with_charts = meter.read()
    imported_by_compare = imported_so_far()
    page.get_by_role("button", name="Table").first.click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    settle(page)
    page.context.close()
    if missing := {DRAWING, *TABLES} - set(imported_so_far()):
        raise BenchError(
            f"charts and a table were shown without {', '.join(missing)}: the list of imports cannot be trusted"
        )

    page, meter = _load(browser, addresses.with_history)
    with_history = meter.read()
    page.context.close()
    every = {one.title: _settled(browser, f"{addresses.fresh}/{one.url_path}") for one in PAGES}
    return FirstLooks(every, fresh, with_history, with_charts, imported_by_load, imported_by_compare)


def _settled(browser: Browser, url: str) -> Transferred:
    page, meter = _load(browser, url)
    page.wait_for_timeout(LATER_MS)
    page.context.close()
    return meter.read()


def _load(browser: Browser, url: str) -> tuple[Page, Meter]:
    page = new_page(browser)
    meter = Meter(page)
    page.goto(url, wait_until="networkidle")
    settle(page)
    return page, meter
