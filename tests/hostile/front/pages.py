"""The pages in sessions without a browser: whatever is in the record, the address or an answer, they are shown."""

import io
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import streamlit as st
from streamlit.runtime.context import ContextProxy

from dashboard.components.background import Background
from dashboard.views.agreement.page import checks
from inference.card import ModelCard
from tests.benchmark.altered import good
from tests.benchmark.cards import TEA_ROWS, tea_document, write_artifact
from tests.benchmark.little_server import Conversation, LittleServer
from tests.dashboard.page import Page
from tests.hostile.front import watched_sender
from tests.hostile.front.asking import MOST_BYTES, counting
from tests.hostile.front.command_line import CONTROL, OURS, Terminal
from tests.hostile.front.figures import Problem, Problems
from tests.hostile.front.hostile_texts import LONG, TEXTS
from tests.hostile.front.imports import Import

PATHS = ("", "agree", "benchmark", "coldstart", "cost", "decide", "monitor", "runs")
LIMIT_S = 30.0
_WORK_S = 60.0
"""How long work in the background may take with an endpoint that keeps everybody waiting."""
_QUERIES: Mapping[str, Sequence[str]] = {
    "": ("leaf_length", "leaf_width", "steep_time", "preset", "live", "compare", "x-axis", "run"),
    "agree": ("map-features", "run"),
    "benchmark": ("run", "kind", "pairs", "name", "seed", "shape", "stages", "slo-p95-ms", "abort-error-rate"),
    "coldstart": ("run", "cold_mode", "cold_gaps", "cold_repeats_0"),
    "cost": (
        "cost_basis",
        "cost_requests",
        "cost_traffic",
        "cost_preset",
        "api_memory",
        "api_cpu",
        "function_concurrency",
    ),
    "decide": ("requests", "min_instances", "traffic", "percentile", "matters", "limit", "errors", "budget", "p95_ms"),
    "monitor": ("run",),
    "runs": ("compare", "search", "kinds", "states", "sort", "page", "run"),
}
_NUMBERS = ("0", "-1", "1e999", "NaN", "9" * 400, "1e-9", "true", "null", "[]", "{}", "0001", "1,2,3", "demo", ",,,,")


@dataclass
class Dashboard:
    """The pages over two addresses and a terminal's record."""

    terminal: Terminal

    def visit(self, path: str, **query: str) -> Page:
        """A page in a session of its own, drawn once."""
        page = Page().at(path)
        for name, value in query.items():
            page.app.query_params[name] = value
        self.draw(page, f"/{path}?{query}"[:160])
        return page

    def draw(self, page: Page, what: str) -> None:
        """Draw `page` anew, and tell what is wrong with it."""
        began_s = time.monotonic()
        said = io.StringIO()
        with self.terminal.watched(), redirect_stdout(said), redirect_stderr(said):
            try:
                page.app.run()
            except Exception as error:  # of the test's own session: nothing was drawn
                return self._tell("exceptions shown", f"{what}: {type(error).__name__}: {error}")
        if time.monotonic() - began_s > LIMIT_S:
            self._tell("unbounded", f"{what}: {time.monotonic() - began_s:.0f} s")
        for shown in page.app.exception:
            self._tell("exceptions shown", f"{what}: {shown.value} {' '.join(shown.stack_trace[-4:])}")
        for text in page.texts():
            if CONTROL.search(text.markdown):
                self._tell("control characters printed", f"{what}: {text.markdown[:100]!r}")

    def press(self, page: Page, label: str) -> bool:
        """Press the button, where it is there and can be pressed."""
        for button in page.app.button:
            if button.label == label and not button.disabled:
                button.click()
                self.draw(page, f"{label} pressed")
                return True
        return False

    def wait_for(self, work: Background[Any], what: str) -> None:
        """Until what was begun has come to its end."""
        due_s = time.monotonic() + _WORK_S
        with self.terminal.watched():
            while work.state.running:
                if time.monotonic() > due_s:
                    return self._tell("unbounded", f"{what}: more than {_WORK_S:g} s")
                time.sleep(0.01)
        if work.state.problem:
            self._tell("exceptions shown", f"{what}: {work.state.problem}")

    def _tell(self, kind: Any, text: str) -> None:
        self.terminal.problems.append(Problem(kind, text[:500]))


@contextmanager
def dashboard(terminal: Terminal, api: str, function: str) -> Iterator[Dashboard]:
    """The pages as a fresh process would serve them."""
    model = terminal.directory / "tea"
    if not model.exists():
        write_artifact(model, tea_document(), TEA_ROWS)
    variables = {
        "API_URL": api,
        "FUNCTION_URL": function,
        "API_TIMEOUT_S": "0.5",
        "FUNCTION_TIMEOUT_S": "5",
        "RESULTS_DIR": str(terminal.results),
        "MODEL_DIR": str(model),
    }
    told = terminal.directory / "sender.jsonl"
    told.touch()
    sender = watched_sender.command(told)
    terminal.may_run = [*terminal.may_run, sender]
    st.cache_resource.clear()
    with (
        patch.dict(os.environ, variables),
        patch("benchmark.observation.sender.COMMAND", sender),
        # AppTest has no browser: without this every cookie that is asked for seems to be there.
        patch.object(ContextProxy, "cookies", property(lambda _: {})),
        # No page uses a component; looking for one in all installed packages takes longer than the page.
        patch("streamlit.components.v2.manifest_scanner.scan_component_manifests", list),
    ):
        yield Dashboard(terminal)
    st.cache_resource.clear()
    terminal.problems += watched_sender.taken(told)


def show_import(pages: Dashboard, run_id: str) -> None:
    """Every page that shows a run of the record, with this one in it."""
    pages.visit("runs")
    pages.visit("runs", compare=f"{run_id},{OURS}")
    pages.visit("benchmark", run=run_id)
    page = pages.visit("coldstart", run=run_id)
    if pages.press(page, "Resume"):
        pages.terminal.problems.append(Problem("wrong outcome", "an imported run can be resumed"))
    pages.visit("decide")
    pages.visit("cost")


def run_imports(pages: Dashboard, cases: Iterable[Import]) -> Problems:
    """The problems of each file on the page that imports it and on those that show it, by the name of the case."""
    problems = {}
    store = pages.terminal.store
    for case in cases:
        page = pages.visit("runs")
        page.app.file_uploader[0].set_value(("run.json", case.make(), "application/json"))
        pages.draw(page, "imported")
        for run_id in [run.id for run in store.runs() if run.is_imported]:
            show_import(pages, run_id)
            store.delete_run(run_id)
        problems[f"import: {case.name}"] = pages.terminal.taken_problems()
    return problems


def run_addresses(pages: Dashboard, one_in: int) -> Problems:
    """The problems of each page with hostile queries, by the name of the case."""
    problems = {}
    values = {**TEXTS, **LONG, **{text[:12]: text for text in _NUMBERS}, "our run": OURS}
    for at, (path, names) in enumerate(_QUERIES.items()):
        for what, value in list(values.items())[at % one_in :: one_in]:
            if not value.isascii() and "half" in what:  # an address is bytes, and cannot hold it
                continue
            pages.visit(path, **dict.fromkeys(names, value))
            problems[f"/{path}: every value is {what}"] = pages.terminal.taken_problems()
        pages.visit(path, **{text[:200]: text for name, text in TEXTS.items() if "half" not in name})
        problems[f"/{path}: names that nobody knows"] = pages.terminal.taken_problems()
    return problems


def run_names(pages: Dashboard, one_in: int) -> Problems:
    """The problems of the Runs page after a run was renamed, by the name of the case."""
    problems = {}
    for what, text in list({**TEXTS, **LONG, "nothing": ""}.items())[::one_in]:
        if "half" in what:  # a browser sends UTF-8
            continue
        page = pages.visit("runs")
        page.app.session_state["runs-managed"] = OURS
        pages.draw(page, "Manage")
        (box,) = [one for one in page.app.text_input if one.key == f"name-{OURS}"]
        box.set_value(text)
        pages.draw(page, f"renamed to {what}")
        if len(pages.terminal.store.run(OURS).name) > 200:
            pages.terminal.problems.append(Problem("wrong outcome", "a name of more than 200 characters"))
        show_import(pages, OURS)
        problems[f"name: {what}"] = pages.terminal.taken_problems()
    return problems


def run_tables(pages: Dashboard, tables: Mapping[str, bytes]) -> Problems:
    """The problems of the Agreement page with each CSV file, by the name of the case."""
    problems = {}
    for name, data in tables.items():
        page = pages.visit("agree")
        page.app.file_uploader[0].set_value(("rows.csv", data, "text/csv"))
        pages.draw(page, "uploaded")
        if pages.press(page, "Score on both"):
            pages.wait_for(page.app.session_state["rows-scoring"], "scoring")
            pages.draw(page, "scored")
        page = pages.visit("cost", cost_traffic="File")
        page.app.file_uploader[0].set_value((f"{name}.csv", data, "text/csv"))
        pages.draw(page, "a month")
        problems[f"table: {name}"] = pages.terminal.taken_problems()
    return problems


def run_servers(
    terminal: Terminal, found: Mapping[str, Conversation], card: ModelCard, *, checked: Sequence[str]
) -> Problems:
    """The problems of the pages with each endpoint by the name of its case; those whose names begin so are also
    checked for agreement, which takes a while."""
    problems = {}
    with LittleServer(good(card)) as other:
        for name, conversation in found.items():
            counted, most = counting(conversation)
            with LittleServer(counted) as hostile, dashboard(terminal, hostile.url, other.url) as pages:
                page = pages.visit("")
                pages.press(page, "Compare")
                pages.draw(page, "compared, and drawn again")
                pages.visit("monitor")
                pages.visit("benchmark")
                if name.startswith(tuple(checked)):
                    page = pages.visit("agree")
                    if pages.press(page, "Check agreement"):
                        pages.wait_for(checks(), "the check")
                        pages.draw(page, "checked")
            found_here = terminal.taken_problems()
            if most() > MOST_BYTES:
                found_here.append(Problem("unbounded", f"took {most() / 2**20:.0f} MB of one answer"))
            problems[f"endpoint: {name}"] = found_here
    return problems
