"""One module and one line add a kind of run: commands, the launcher, export and import then know it."""

import io
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.coldstart.plan import ForcedPlan, IdleSweepPlan, SpawnPlan
from benchmark.endpoints.endpoint import Endpoint
from benchmark.launch import Launcher
from benchmark.record.location import Location
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, OpenLoopPlan, PlanError
from benchmark.record.run import Run, RunState
from benchmark.record.store import Store
from benchmark.runs import KINDS, UnknownKind, kind_named, kind_of_run, plan_of
from benchmark.runs.capacity.plan import CapacityPlan, Slo
from benchmark.runs.job import Job, write_job
from dashboard.pages import PAGES, page_of_run
from tests.benchmark.runs.toy import CountPlan

RUN_ID = "c0401234"
SIDES = (Endpoint("api", "The API", "http://127.0.0.1:9"),)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line."""
    monkeypatch.setitem(KINDS, "toy", "tests.benchmark.runs.toy")


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line over one record; gives status, standard output and standard error."""

    def command(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setenv("RESULTS_DIR", str(tmp_path))
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        status = main(arguments)
        said = capsys.readouterr()
        return status, said.out, said.err

    return command


def job(directory: Path, **changes: Any) -> str:
    plan = kind_named("toy").write_plan(CountPlan(**changes))
    return write_job(Job(RUN_ID, Location(directory), SIDES, "toy", plan, "one two three"))


def test_a_toy_kind_is_carried_out_shown_listed_and_exported(
    toy: None, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    assert command("run", stdin=job(tmp_path)) == (0, "", "")
    run = Store(tmp_path).run(RUN_ID)
    assert (run.kind, run.name, run.state, plan_of(run)) == ("toy", "one two three", RunState.FINISHED, CountPlan(3))
    assert command("show", RUN_ID)[1] == "Counted to 3.\n"
    assert json.loads(command("show", RUN_ID, "--json", "-")[1])["highest"] == 3
    assert "toy" in command("runs")[1]
    assert len(command("export", RUN_ID)[1].splitlines()) == 1 + 3

    exported = tmp_path / "run.json"
    assert command("export", RUN_ID, "--format", "json", "--output", str(exported))[0] == 0
    Store(tmp_path).delete_run(RUN_ID)
    assert command("import", str(exported))[:2] == (0, f"{RUN_ID}\n")
    assert command("show", RUN_ID)[1] == "Counted to 3.\n"
    assert Store(tmp_path).run(RUN_ID).progress == {"done": 3, "total": 3}


def test_what_is_about_latencies_refuses_a_kind_that_has_none(
    toy: None, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    command("run", stdin=job(tmp_path))
    status, _, why = command("gate", RUN_ID, "--slo", "api.p95_ms<200")
    assert (status, why.strip()) == (
        2,
        f"python -m benchmark gate: run {RUN_ID} is a toy run, not a comparison or a load",
    )


def test_a_kind_refuses_its_own_plans(toy: None, tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    assert command("run", stdin=job(tmp_path, to=101)) == (
        2,
        "",
        "python -m benchmark run: nobody counts further than 100\n",
    )
    with pytest.raises(PlanError, match="further than 100"):
        Launcher(Store(tmp_path)).start(CountPlan(101), SIDES)


def test_without_its_line_a_kind_is_unknown(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    run = Run(RUN_ID, "toy", "", RunState.FINISHED, "2026-01-02T03:04:05+00:00", {})
    with pytest.raises(UnknownKind, match="unknown kind of run toy; the kinds are compare, load"):
        kind_of_run(run)
    Store(tmp_path).create_run(run)
    status, _, why = command("show", RUN_ID)
    assert status == 2 and "unknown kind of run toy" in why
    assert RUN_ID in command("runs")[1], "it is listed all the same"


PLANS: dict[str, list[Any]] = {
    "compare": [ComparePlan(pairs=7)],
    "load": [OpenLoopPlan(rate=20.0), ClosedLoopPlan(2, 50)],
    "selftest": [ComparePlan(pairs=9)],
    "coldstart": [SpawnPlan(4), ForcedPlan(3), IdleSweepPlan(2, idle_s=(60.0, 300.0))],
    "capacity": [CapacityPlan((Slo("p95_ms", 200.0), Slo("error_rate", 0.001)), max_rate=90.0)],
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_complete(name: str) -> None:
    kind = kind_named(name)
    assert kind.name == name
    for plan in PLANS[name]:
        document = json.loads(json.dumps(kind.write_plan(plan)))
        assert kind.read_plan(document) == plan
        assert kind.describe(plan, 2, str)
    nonsense: list[Any] = [None, [], {}, {"kind": "marathon"}]
    for damaged in nonsense:
        with pytest.raises(PlanError):
            kind.read_plan(damaged)
    assert page_of_run(name) in PAGES
    panel = import_module(kind.panel)
    assert callable(panel.live) and callable(panel.finished)
