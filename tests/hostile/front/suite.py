"""The whole hostile suite of what people use, in three parts: command line, pages, browser."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from inference.card import ModelCard
from tests.benchmark.altered import good
from tests.benchmark.cards import make_card, tea_document
from tests.benchmark.little_server import LittleServer
from tests.hostile.front import asking, browser, command_line, imports, pages, servers, tables
from tests.hostile.front.command_line import Terminal
from tests.hostile.front.figures import Problems

Case = TypeVar("Case")

_PAGED_OF = 12
"""Of imports that the command line takes in, one in so many is visited on every page that shows it."""


def run_command_line(directory: Path, *, one_in: int = 1) -> Problems:
    """Imports, CSV files and hostile endpoints on the command line; of each group every `one_in`th case."""
    terminal, card = prepared(directory)
    found = command_line.run_imports(terminal, _some(imports.cases(measured()), one_in))
    found |= asking.run_servers(terminal, _chosen(servers.servers(card), one_in), card)
    return found | asking.run_tables(terminal, _chosen(tables.tables(), one_in), card)


def run_pages(directory: Path, *, one_in: int = 1) -> Problems:
    """Imports, addresses, names, CSV files and hostile endpoints on the pages, without a browser."""
    terminal, card = prepared(directory)
    with (
        LittleServer(good(card)) as one,
        LittleServer(good(card)) as other,
        pages.dashboard(terminal, one.url, other.url) as shown,
    ):
        thorough = (case for case in imports.cases(measured()) if case.thorough)
        found = pages.run_imports(shown, _some(thorough, _PAGED_OF * one_in))
        found |= pages.run_addresses(shown, one_in)
        found |= pages.run_names(shown, one_in)
        found |= pages.run_tables(shown, _chosen(tables.tables(), one_in))
    return found | pages.run_servers(terminal, _chosen(servers.servers(card), one_in), card, checked=asking.MEASURED)


def run_browser(directory: Path, *, thorough: bool = True) -> Problems:
    """Markup in a real browser. Raises NoBrowser."""
    terminal, _ = prepared(directory)
    return browser.run_browser(terminal, measured(), thorough=thorough)


PARTS: Mapping[str, Callable[[Path], Problems]] = {
    "command line": run_command_line,
    "pages": run_pages,
    "browser": run_browser,
}


@cache
def _measured() -> str:
    with TemporaryDirectory(prefix="faceoff-hostile-") as directory:
        return json.dumps(imports.exported(Path(directory)))


def measured() -> dict[str, dict[str, Any]]:
    """A run of each kind as it is exported, measured once in a process."""
    documents: dict[str, dict[str, Any]] = json.loads(_measured())
    return documents


def prepared(directory: Path) -> tuple[Terminal, ModelCard]:
    """Somebody at a terminal in `directory`, with a record of their own, and the card of what is served."""
    measured()  # before anything is watched, as it is not hostile and starts programs
    terminal = Terminal(directory)
    terminal.prepare()
    return terminal, make_card(tea_document())


def _some(cases: Iterable[Case], one_in: int) -> Iterator[Case]:
    return (case for number, case in enumerate(cases) if number % one_in == 0)


def _chosen(cases: Mapping[str, Case], one_in: int) -> dict[str, Case]:
    return dict(_some(cases.items(), one_in))
