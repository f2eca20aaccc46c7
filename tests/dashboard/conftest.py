"""Little endpoints behind the page's own settings, and a page that starts with nothing remembered."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import streamlit as st
from streamlit.runtime.context import ContextProxy

from benchmark.record.store import Store
from dashboard.frontend import CHARTS_COOKIE
from dashboard.visitor import VISITOR_COOKIE, new_secret
from tests.benchmark.cards import TEA_ROWS, tea_document, write_artifact
from tests.benchmark.little_server import Conversation, LittleServer
from tests.dashboard.page import Page

Serve = Callable[[Conversation], LittleServer]
"""Start a server that lives as long as the test."""

_OURS = ("URL", "NAME", "TOKEN", "TIMEOUT_S")


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as servers:
        yield lambda conversation: servers.enter_context(LittleServer(conversation))


@pytest.fixture
def results_dir(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def store(results_dir: Path) -> Store:
    """The record of the dashboard."""
    return Store(results_dir)


@pytest.fixture
def tea_dir(tmp_path: Path) -> Path:
    """A local artifact: its card and its training rows."""
    return write_artifact(tmp_path / "tea", tea_document(), TEA_ROWS)


@pytest.fixture
def cookies() -> dict[str, str]:
    """What the browser sends: the sessions of a test are of one browser. A test may change it."""
    return {VISITOR_COOKIE: new_secret()}


@pytest.fixture
def charts_wanted(cookies: dict[str, str]) -> None:
    """The browser has Plotly from another visit, so that charts come at once."""
    cookies[CHARTS_COOKIE] = "1"


@pytest.fixture
def visit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, results_dir: Path, cookies: dict[str, str]
) -> Iterator[Callable[..., Page]]:
    """Start the dashboard over two URLs, with a fresh process's memory, and give a session that is not opened yet."""
    for name in ("HOST", "PORT", "ENDPOINTS", *(f"{side}_{what}" for side in ("API", "FUNCTION") for what in _OURS)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RESULTS_DIR", str(results_dir))
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "no-model"))
    # AppTest has no browser: without this every cookie that is asked for seems to be there.
    monkeypatch.setattr(ContextProxy, "cookies", property(lambda _: cookies))
    # No page uses a component; looking for one in all installed packages takes longer than the page.
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
    st.cache_resource.clear()

    def visit(api: str, function: str, **variables: str) -> Page:
        for name, value in {"API_URL": api, "FUNCTION_URL": function, **variables}.items():
            monkeypatch.setenv(name, value)
        return Page()

    yield visit
    st.cache_resource.clear()
