"""A real browser over hostile runs, endpoints and addresses: whether anything in them is taken for more than text."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import BrowserContext, Dialog, Error, Page, Route, sync_playwright

from tests.benchmark.cards import TEA_ROWS, tea_document, write_artifact
from tests.benchmark.little_server import LittleServer
from tests.browser.settling import DESKTOP, WATCH, rerun, settle
from tests.hostile.front import imports, watched_sender
from tests.hostile.front.command_line import OURS, Terminal
from tests.hostile.front.figures import Problem
from tests.hostile.front.hostile_texts import ELSEWHERE, TEXTS
from tests.hostile.front.pages import PATHS
from tests.hostile.front.servers import marked
from tools.browser import launch
from tools.processes import Program, bare_environ, serving
from tools.run import ROOT

_PATIENCE_MS = 30_000
_ALL = " ".join(text for name, text in TEXTS.items() if name not in ("half a character", "control characters"))
"""As much markup as a text of an imported run may hold is in its first 200 characters; the rest has its own cases."""
_QUERY = ("run", "compare", "search", "sort", "preset", "traffic")
_FOUND = """
() => ({
    pwned: window.pwned !== undefined || [...document.querySelectorAll('iframe')].some(one => {
        try { return one.contentWindow.pwned !== undefined } catch { return false }
    }),
    links: [...document.querySelectorAll('a[href], area[href], form[action], iframe[src], img[src], [style]')]
        .map(one => one.getAttribute('href') || one.getAttribute('action') || one.getAttribute('src')
            || one.getAttribute('style') || '')
        .filter(one => /^\\s*(javascript|data:text|file):/i.test(one) || one.includes('ELSEWHERE')),
    scripts: [...document.querySelectorAll('*')]
        .filter(one => one.getAttributeNames().some(name => name.startsWith('on'))
            || one.tagName === 'SCRIPT' && one.textContent.includes('pwned'))
        .map(one => one.outerHTML.slice(0, 120)),
    exceptions: [...document.querySelectorAll('.stException')].map(one => one.innerText.slice(0, 300)),
})
""".replace("ELSEWHERE", ELSEWHERE)


@dataclass
class Visitor:
    """Somebody with a browser, and what the pages did to them."""

    url: str
    context: BrowserContext
    problems: list[Problem] = field(default_factory=list)

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.on("download", lambda download: download.cancel())
        return page

    def _dismiss(self, dialog: Dialog) -> None:
        self.tell("markup executed", f"a dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, page: Page, path: str) -> None:
        """A page of the dashboard, settled."""
        try:
            page.goto(path if path.startswith("file:") else f"{self.url}/{path}")
            if not path.startswith("file:"):
                settle(page)
        except Error as error:
            self.tell("sessions lost", f"/{path}: {error.message[:200]}")
        self.look(page, path)

    def act(self, page: Page, label: str) -> None:
        """Press a button, where it is there, and wait until the page has settled."""
        button = page.get_by_role("button", name=label, exact=True).first
        if not button.count() or button.is_disabled():
            return
        try:
            with rerun(page):
                button.click()
        except Error as error:
            self.tell("sessions lost", f"{label}: {error.message[:200]}")
        self.look(page, label)

    def look(self, page: Page, where: str) -> None:
        """Whether anything on this page is more than text."""
        found: dict[str, Any] = page.evaluate(_FOUND)
        if found["pwned"]:
            self.tell("markup executed", f"{where}: a script ran")
        for one in (*found["links"], *found["scripts"]):
            self.tell("markup executed", f"{where}: {one}")
        for text in found["exceptions"]:
            self.tell("exceptions shown", f"{where}: {text}")

    def tell(self, kind: Any, text: str) -> None:
        self.problems.append(Problem(kind, text[:400]))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about", "file") and parts.hostname != "127.0.0.1":
            self.tell("hosts contacted", url)


def run_browser(terminal: Terminal, documents: Mapping[str, Any], *, thorough: bool) -> dict[str, list[Problem]]:
    """The problems of each visit by its name. Raises NoBrowser where there is none."""
    problems: dict[str, list[Problem]] = {}
    texts = {"everything": _ALL, **(TEXTS if thorough else {})}
    shown = [
        (f"{kind}, {name}", _import(terminal, document, text, f"{number:04x}{position:04x}"), kind)
        for number, (kind, document) in enumerate(documents.items(), 1)
        for position, (name, text) in enumerate(texts.items() if kind == "compare" else [("everything", _ALL)])
    ]
    report = terminal.directory / "out" / "hostile.html"
    first = shown[0][1]
    terminal.type("report", first, OURS, "--decide", "--out", str(report), "--results", str(terminal.results))
    told = terminal.directory / "told.jsonl"
    with ExitStack() as stack:
        one, other = (stack.enter_context(LittleServer(marked())) for _ in range(2))
        playwright = stack.enter_context(sync_playwright())
        url = stack.enter_context(_dashboard(terminal, one.url, other.url, told))
        browser = launch(playwright)
        context = browser.new_context(
            viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, reduced_motion="reduce", accept_downloads=True
        )
        context.set_default_timeout(_PATIENCE_MS)
        context.add_init_script(WATCH)
        context.route(lambda address: urlsplit(address).hostname == ELSEWHERE, _refuse)
        visitor = Visitor(url, context)
        page = visitor.new_page()
        for name in _visits(visitor, page, shown, report):
            problems[f"browser: {name}"] = [*visitor.problems, *watched_sender.taken(told)]
            visitor.problems = []
        context.close()
        browser.close()
    return problems


def _visits(visitor: Visitor, page: Page, shown: list[tuple[str, str, str]], report: Path) -> Iterator[str]:
    for name, run_id, kind in shown:
        visitor.open(page, f"{'coldstart' if kind in ('ladder', 'spawned') else 'benchmark'}?run={run_id}")
        yield f"run of {name}"
    visitor.open(page, f"runs?compare={shown[0][1]},{OURS}")
    page.get_by_role("button", name="Manage").first.click()
    settle(page)
    visitor.look(page, "Manage")
    yield "runs"
    for path in ("decide", "cost", ""):
        visitor.open(page, path)
        visitor.act(page, "Compare")
        visitor.act(page, "Show the charts")
        yield f"/{path}"
    visitor.open(page, "agree")
    visitor.act(page, "Check agreement")
    page.get_by_text("Inputs compared").first.wait_for()
    settle(page)
    visitor.look(page, "agree")
    yield "/agree"
    visitor.open(page, "monitor")
    yield "/monitor"
    for path in PATHS:
        visitor.open(page, f"{path}?{urlencode(dict.fromkeys(_QUERY, _ALL))}")
        yield f"/{path} with markup in its address"
    visitor.open(page, report.as_uri())
    yield "the report"


@contextmanager
def _dashboard(terminal: Terminal, api: str, function: str, told: Path) -> Iterator[str]:
    """The real thing, in a process of its own, watched from inside; gives its address."""
    model = terminal.directory / "browser-tea"
    write_artifact(model, tea_document(), TEA_ROWS)
    variables = {
        "PYTHONPATH": str(ROOT),
        "API_URL": api,
        "FUNCTION_URL": function,
        "API_NAME": "Hostile",
        "RESULTS_DIR": str(terminal.results),
        "MODEL_DIR": str(model),
    }
    told.touch()
    command = (sys.executable, "-m", "tests.hostile.front.watched_dashboard", str(told))
    program = Program("dashboard", command, ROOT, {**bare_environ(), **variables}, health_path="/_stcore/health")
    with serving(program, terminal.directory / program.log_name) as server:
        yield server.url
        if "(most recent call last)" in server.output() or server.has_ended():
            raise RuntimeError(f"the dashboard has a stack in its log, or has ended. {server.log_tail()}")


def _import(terminal: Terminal, document: Any, text: str, run_id: str) -> str:
    """A run whose every text is `text`, imported; gives its id."""
    file = terminal.directory / "hostile.json"
    replaced = imports.with_every_text(document, text[:200])
    file.write_text(json.dumps({**replaced, "id": run_id}))
    terminal.type("import", str(file), "--results", str(terminal.results), may_be=(0,))
    return run_id


def _refuse(route: Route) -> None:
    route.abort()
