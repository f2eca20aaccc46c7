"""Hostile bytes over raw sockets: the same to both endpoints, judged by the contract."""

import json
from collections.abc import Iterator, Mapping

import pytest

from tests.hostile.endpoints import serving
from tests.hostile.suite import all_cases, run
from tests.hostile.verdict import Problem
from tools.processes import Server

CASES = all_cases()
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    with serving(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture(scope="module")
def problems(endpoints: Mapping[str, Server]) -> dict[str, list[Problem]]:
    """Those of every case; all are run together, because most only wait."""
    return run(CASES, {title: running.port for title, running in endpoints.items()})


def test_at_least_300_cases_have_names_of_their_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 300


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_both_endpoints_answer_as_the_contract_says(name: str, problems: Mapping[str, list[Problem]]) -> None:
    assert problems[name] == []


def test_no_failure_of_its_own_is_in_the_logs(
    endpoints: Mapping[str, Server], problems: Mapping[str, list[Problem]]
) -> None:
    for running in endpoints.values():
        assert running.process.poll() is None
        assert "Traceback" not in running.output()


def test_every_line_of_the_logs_is_json(endpoints: Mapping[str, Server], problems: Mapping[str, list[Problem]]) -> None:
    for running in endpoints.values():
        lines = [json.loads(line) for line in running.output().splitlines()]
        assert len(lines) > len(problems)
        assert {line["severity"] for line in lines} == {"INFO", "WARNING"}
