"""`prune` shows what it would delete, and deletes only after a word or with `--yes`."""

import builtins
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.record.store import Store
from tests.benchmark.runs import make_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results")
    for run_id, days, name in (("aaaa", 100, ""), ("bbbb", 95, "baseline"), ("cccc", 10, "")):
        at_utc = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
        store.create_run(replace(make_run(), id=run_id, name=name, started_at_utc=at_utc, progress={"done": 1200}))
    return store


def prune(store: Store, *options: str) -> int:
    return main(["prune", "--results", str(store.path.parent), *options])


def ids(store: Store) -> list[str]:
    return [run.id for run in store.runs()]


def answer(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal, somebody types `text`."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", lambda _: text)


def test_it_shows_and_deletes(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert prune(store, "--older-than", "90d", "--keep-named", "--yes") == 0
    shown, done = capsys.readouterr().out.splitlines()
    assert "1 run with 1,200 requests (0.0 MB) and 0 comparisons, from 20" in shown
    assert done == "Deleted."
    assert ids(store) == ["cccc", "bbbb"]


def test_without_a_terminal_and_yes_nothing_is_deleted(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert prune(store, "--older-than", "90d") == 2
    said = capsys.readouterr()
    assert "2 runs" in said.out
    assert said.err == "python -m benchmark prune: nothing was deleted: add --yes to delete this\n"
    assert len(ids(store)) == 3


@pytest.mark.parametrize(("typed", "left"), [("delete", ["cccc"]), ("yes", ["cccc", "bbbb", "aaaa"])])
def test_at_a_terminal_a_word_must_be_typed(
    store: Store, monkeypatch: pytest.MonkeyPatch, typed: str, left: list[str]
) -> None:
    answer(typed, monkeypatch)
    assert prune(store, "--older-than", "13w") == (0 if typed == "delete" else 2)
    assert ids(store) == left


def test_nothing_old_is_said(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert prune(store, "--older-than", "200d") == 0
    assert "nothing is older than" in capsys.readouterr().out


@pytest.mark.parametrize("age", ["90", "d", "0d", "-1d", "1.5d", "90days", "1y", "123456d", "٩d"])
def test_what_is_no_age_is_refused(store: Store, age: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        prune(store, f"--older-than={age}", "--yes")
    assert "such as 90d" in capsys.readouterr().err
    assert len(ids(store)) == 3
