"""`python -m benchmark gate` in a pipeline: the exit status says whether a sound run keeps what was promised."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmark.__main__ import main
from benchmark.record.recording import add_finished_run
from benchmark.record.run import RunState
from benchmark.record.samples import Samples, empty
from benchmark.record.store import Store
from tests.benchmark.runs import make_run, pairs

LIMITED = {"limited": True, "reasons": ["it was late", "it was slow"]}


def gate(
    tmp_path: Path,
    samples: Samples,
    *arguments: str,
    state: RunState = RunState.FINISHED,
    health: Mapping[str, Any] | None = None,
) -> tuple[int, list[tuple[str, str | None]]]:
    """The exit status, and from JUnit's file each test with the message of its failure."""
    outcome = make_run().outcome
    run = replace(make_run(), state=state, outcome={**outcome, "generator": {**outcome["generator"], **(health or {})}})
    add_finished_run(Store(tmp_path), run, samples)
    junit = tmp_path / "junit.xml"
    status = main(["gate", run.id, *arguments, "--junit", str(junit), "--results", str(tmp_path)])
    if not junit.exists():
        return status, []
    cases = ElementTree.parse(junit).getroot()  # noqa: S314  our own
    messages = ((case, case.find("failure")) for case in cases)
    return status, [(case.get("name", ""), None if at is None else at.get("message")) for case, at in messages]


def steady(n: int = 400) -> Samples:
    return pairs([10.0] * n, [11.0] * n)


def test_a_sound_run_that_keeps_its_promises_passes(tmp_path: Path) -> None:
    assert gate(tmp_path, steady(), "--slo", "api.p95_ms<20") == (0, [("api.p95_ms<20", None)])


@pytest.mark.parametrize("state", [RunState.CANCELLED, RunState.FAILED])
def test_a_run_that_did_not_finish_fails_whatever_it_kept(tmp_path: Path, state: RunState) -> None:
    status, checks = gate(tmp_path, steady(26), "--slo", "api.p50_ms<200", state=state)
    assert (status, checks) == (1, [("the run finished", f"it is {state}"), ("api.p50_ms<200", None)])


def test_a_run_that_measured_its_own_client_fails_whatever_it_kept(tmp_path: Path) -> None:
    status, checks = gate(tmp_path, steady(), "--slo", "api.p50_ms<200", health=LIMITED)
    assert status == 1
    assert checks[0] == ("the client kept up", "generator-limited: it was late; it was slow")


def test_an_endpoint_that_only_failed_breaks_its_promise_and_the_pipeline_sees_it(tmp_path: Path) -> None:
    failing = steady()
    failing["failure"] = 5
    status, checks = gate(tmp_path, failing, "--slo", "api.error_rate<0.01")
    assert status == 1
    ((promise, message),) = checks
    assert promise == "api.error_rate<0.01"
    assert message is not None and message.startswith("1 (")


def test_where_nothing_was_sent_there_is_nothing_to_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(tmp_path, empty(), "--slo", "api.error_rate<0.01") == (2, [])
    assert "measured nothing" in capsys.readouterr().err
