"""Hostile files, addresses, names and endpoints on the command line, on the pages and in a real browser.

Here a part of the cases; `make hostile` runs them all.
"""

import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hostile.front import command_line, imports, suite
from tests.hostile.front.figures import Problem, Problems
from tests.hostile.front.watch import watching

_ONE_IN = 90


def _found(problems: Problems) -> dict[str, list[Problem]]:
    return {name: found for name, found in problems.items() if found}


@pytest.mark.slow
def test_there_are_thousands_of_imports_with_names_of_their_own() -> None:
    names = [case.name for case in imports.cases(suite.measured())]
    assert len(set(names)) == len(names) > 5000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["compare", "load", "ladder", "spawned"])
def test_what_was_exported_is_taken_in(kind: str, tmp_path: Path) -> None:
    # Else all that is told of the others would be told of files that are refused.
    case = next(case for case in imports.cases(suite.measured()) if case.name == f"{kind}: as it was exported")
    terminal, _ = suite.prepared(tmp_path)
    run_id = command_line.try_import(terminal, case)
    assert terminal.store.run(str(run_id)).is_imported
    assert terminal.taken_problems() == []


@pytest.mark.slow
def test_the_command_line_shows_no_exception_runs_nothing_and_asks_nobody(tmp_path: Path) -> None:
    assert _found(suite.run_command_line(tmp_path, one_in=_ONE_IN)) == {}


@pytest.mark.slow
def test_the_pages_show_no_exception_run_nothing_and_ask_nobody(tmp_path: Path) -> None:
    assert _found(suite.run_pages(tmp_path, one_in=_ONE_IN)) == {}


@pytest.mark.slow
def test_no_markup_is_executed_in_a_browser(tmp_path: Path) -> None:
    assert _found(suite.run_browser(tmp_path, thorough=False)) == {}


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (lambda: subprocess.run([sys.executable, "-c", ""], check=True), "commands run"),
        (lambda: (Path("outside")).write_text("x"), "files written outside"),
        (lambda: socket.getaddrinfo("198.51.100.7", 80), "hosts contacted"),
    ],
)
def test_the_watch_sees_what_it_is_there_for(
    harm: Callable[[], object], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Problem] = []
    with watching(seen.append, [tmp_path / "inside"]), suppress(OSError):
        harm()
    assert {problem.kind for problem in seen} == {kind}
