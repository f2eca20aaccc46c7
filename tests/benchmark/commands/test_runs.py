"""`runs`: what it lists, in which order, and that it says when there is more."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.record.run import RunState
from benchmark.record.store import Store
from tests.benchmark.runs import make_run

Listed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Listed:
    """Status, standard output and standard error of `runs` over three runs."""
    store = Store(tmp_path)
    for number, name, kind, state in (
        (1, "beta", "compare", RunState.FINISHED),
        (2, "alpha", "load", RunState.ABORTED),
        (3, "gamma", "coldstart", RunState.FINISHED),
    ):
        run = replace(make_run(), id=f"aaaa000{number}", name=name, kind=kind, state=state, is_imported=number == 3)
        store.create_run(replace(run, started_by="ada" if number == 1 else ""))
    store.set_headline("aaaa0001", "A faster by 3.12 ms", {0: (40.0, 50.0)})
    store.set_headline("aaaa0002", "", {0: (90.0, 99.0)})

    def listed(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["runs", "--results", str(tmp_path), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return listed


def ids(found: tuple[int, str, str]) -> list[str]:
    return [line.split()[0][-1] for line in found[1].splitlines()]


def test_all_runs_are_listed_the_newest_first(listed: Listed) -> None:
    found = listed()
    assert (ids(found), found[2]) == (["3", "2", "1"], "")
    assert found[1].splitlines()[-1].endswith("beta  A faster by 3.12 ms")


def test_a_list_that_is_cut_short_says_so(listed: Listed) -> None:
    for arguments in ((), ("--json",)):
        status, out, err = listed("--limit", "2", *arguments)
        assert (status, err) == (0, "2 of 3 runs: --limit shows more\n")
        assert "aaaa0001" not in out
    assert listed("--limit", "1", "--kind", "compare")[2] == ""


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_is_at_least_one(listed: Listed, limit: str) -> None:
    assert listed("--limit", limit)[::2] == (2, "python -m benchmark runs: --limit must be at least 1\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--search", "BETA ada"), ["1"]),
        (("--search", "cold start"), ["3"]),
        (("--search", "3.12"), ["1"]),
        (("--search", "%"), []),
        (("--kind", "load", "--kind", "compare"), ["2", "1"]),
        (("--state", "aborted"), ["2"]),
        (("--sort", "name"), ["2", "1", "3"]),
        (("--sort", "p50"), ["2", "1", "3"]),
    ],
    ids=" ".join,
)
def test_runs_are_found_and_sorted(listed: Listed, arguments: tuple[str, ...], expected: list[str]) -> None:
    status, out, _ = listed(*arguments, "--json")
    assert (status, [one["id"][-1] for one in json.loads(out)]) == (0, expected)


def test_a_search_without_a_match_does_not_say_that_there_are_no_runs(listed: Listed) -> None:
    assert listed("--search", "paris")[1] == "No runs match.\n"


def test_json_has_a_verdict_and_a_user_where_they_are_known(listed: Listed) -> None:
    *_, second, first = json.loads(listed("--json")[1])
    assert (first["verdict"], first["who"]) == ("A faster by 3.12 ms", "ada")
    assert second.keys() == {"id", "kind", "name", "state", "imported", "started_at_utc"} | ({"reason"} & second.keys())
