"""A real Chromium, and the three programs as they are deployed, each on a free port of the loopback."""

import json
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
    expect,
    sync_playwright,
)

from benchmark.record.store import Store
from deploy.stage_function import stage
from inference.card import CARD_FILE, ModelCard, parse_card
from inference.settings import ServingSettings
from tests.browser.predict_page import PredictPage
from tests.browser.settling import DESKTOP, SCREENSHOTS, WATCH, settle
from tests.servers import ROOT, api_program, function_program
from tools.browser import NoBrowser, launch
from tools.processes import HOST, Program, Server, bare_environ

ARTIFACT = ROOT / "artifacts" / "iris"

PATIENCE_MS = 30_000
"""How long a step of a page may take on a machine that has other work to do."""


# --- The three programs


@dataclass(frozen=True)
class Stack:
    """Both endpoints and the dashboard over them, with its record of comparisons."""

    api: Server
    function: Server
    dashboard: Server
    results_dir: Path

    @property
    def servers(self) -> tuple[Server, Server, Server]:
        return self.api, self.function, self.dashboard

    @property
    def store(self) -> Store:
        """The record that the dashboard keeps."""
        return Store(self.results_dir)

    def requests_served(self) -> tuple[int, int]:
        """How many predictions the API and the function say that they were asked for, since they were started."""
        with httpx.Client(trust_env=False, timeout=10) as client:
            api, function = (
                int(client.get(f"{server.url}/model-info").json()["serving"]["requests_served"])
                for server in (self.api, self.function)
            )
        return api, function


# Playwright keeps an event loop running in this thread: all of this ends with this folder, because other folders'
# tests have loops of their own.
@pytest.fixture(scope="package")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    scratch = tmp_path_factory.mktemp("stack")
    staged = scratch / "function"
    stage(staged, ServingSettings.from_env({}, default_model_dir=ARTIFACT))
    results_dir = scratch / "results"

    def server(program: Program) -> Server:
        return Server(program, scratch / program.log_name)

    api, function = server(api_program()), server(function_program(staged))
    variables = {
        "API_URL": api.url,
        "FUNCTION_URL": function.url,
        "RESULTS_DIR": str(results_dir),
        "FUNCTION_DIR": str(staged),
    }
    command = (sys.executable, "-m", "dashboard")
    dashboard = server(
        Program("dashboard", command, ROOT, {**bare_environ(), **variables}, health_path="/_stcore/health")
    )
    stack = Stack(api, function, dashboard, results_dir)
    with ExitStack() as running:
        for one in stack.servers:
            running.callback(_stop, one)
            one.start()
        for one in stack.servers:
            one.wait_until_healthy()
        yield stack


def _stop(server: Server) -> None:
    assert server.stop(), f"{server.name} was not stopped by SIGTERM. {server.log_tail()}"


@pytest.fixture
def stack(_stack: Stack, card: ModelCard) -> Stack:
    """The three programs, all up, with an empty record."""
    for program in _stack.servers:
        if program.process is None or program.process.poll() is not None:
            program.start()
            program.wait_until_healthy()
    _stack.store.clear(card.name)
    return _stack


@pytest.fixture(scope="package")
def card() -> ModelCard:
    """The card of the model that both endpoints serve."""
    return parse_card(json.loads((ARTIFACT / CARD_FILE).read_bytes()))


# --- The browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        try:
            browser = launch(playwright)
        except NoBrowser as error:
            pytest.fail(str(error))
        yield browser
        browser.close()


@dataclass
class Witness:
    """What the pages of one context did that they should not do."""

    console_errors: list[str] = field(default_factory=list)
    left_loopback: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.console_errors.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._address(request.url))
        page.on("websocket", lambda socket: self._address(socket.url))

    def _console(self, message: ConsoleMessage) -> None:
        url = message.location.get("url") or ""
        if message.type == "error":
            self.console_errors.append(f"{message.text} ({url})")

    def _address(self, url: str) -> None:
        if not is_local(url):
            self.left_loopback.append(url)


def is_local(url: str) -> bool:
    """Whether a request to `url` stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.hostname == HOST


@dataclass
class Visitor:
    """A browser of somebody's own: no cookies, no cache, everything that it does is watched."""

    stack: Stack
    context: BrowserContext
    witness: Witness

    def new_page(self) -> Page:
        page = self.context.new_page()
        self.witness.watch(page)
        return page

    def open(self, path: str) -> Page:
        """A page of the dashboard, settled."""
        page = self.new_page()
        page.goto(f"{self.stack.dashboard.url}/{path}")
        settle(page)
        return page

    def cut_off_from_other_machines(self) -> list[str]:
        """Refuse every request that would leave this machine; what is refused is in the list."""
        refused: list[str] = []

        def refuse(route: Route) -> None:
            refused.append(route.request.url)
            route.abort()

        self.context.route(lambda url: not is_local(url), refuse)
        return refused

    def predict(self, query: str = "") -> PredictPage:
        """The Predict page, settled."""
        return PredictPage(self.open(query))


NewVisitor = Callable[..., Visitor]

_failed = pytest.StashKey[bool]()


@pytest.fixture
def new_visitor(stack: Stack, browser: Browser, request: pytest.FixtureRequest) -> Iterator[NewVisitor]:
    """A function that makes a `Visitor`; it takes what `browser.new_context` does.

    At the end, whatever the test was about: no page has logged an error or asked anything of another machine, and
    no program has logged where in its code something was wrong.
    """
    visitors: list[Visitor] = []
    logged_before = {server.name: len(server.output()) for server in stack.servers}

    def make(**options: object) -> Visitor:
        # Without motion there is less to wait for, and less to draw.
        usual = {"viewport": {"width": DESKTOP[0], "height": DESKTOP[1]}, "reduced_motion": "reduce"}
        context = browser.new_context(**{**usual, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(WATCH)
        visitors.append(Visitor(stack, context, Witness()))
        return visitors[-1]

    yield make
    failed = request.node.stash.get(_failed, False)
    for visitor in visitors:
        for number, page in enumerate(visitor.context.pages if failed else ()):
            page.screenshot(path=SCREENSHOTS / "failed" / f"{request.node.name}-{number}.png")
        visitor.context.close()
    if not failed:
        assert [url for visitor in visitors for url in visitor.witness.left_loopback] == []
        assert [error for visitor in visitors for error in visitor.witness.console_errors] == []
        for server in stack.servers:
            logged = server.output()[logged_before[server.name] :]
            assert "(most recent call last)" not in logged, f"the log of {server.name} has a stack in it:\n{logged}"


@pytest.fixture
def visitor(new_visitor: NewVisitor) -> Visitor:
    """One browser, 1440 px wide."""
    return new_visitor()


@pytest.fixture
def predict(visitor: Visitor) -> PredictPage:
    """The Predict page as one finds it at the first visit, with an empty record."""
    return visitor.predict()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_failed] = True
        stack: Stack | None = getattr(item, "funcargs", {}).get("stack")
        report.sections += [(f"log of {one.name}", one.log_tail()) for one in (stack.servers if stack else ())]
    return report
