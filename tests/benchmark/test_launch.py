"""Runs in processes of their own: what they are told, one at a time, cancelled, and what they say when they fail."""

import argparse
import io
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from benchmark.coldstart.plan import ColdPlan
from benchmark.coldstart.plan import to_document as cold_document
from benchmark.commands import coldstart, compare, load, measuring
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.launch import Launcher, LaunchError, _Child, command, environment, resume_command
from benchmark.record.plan import ComparePlan, LoadPlan, Plan, PlanError, to_document
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.store import FILE_NAME, ReadOnly, Store, UnknownRun
from inference.card import ModelCard
from tests.benchmark.cards import make_service, tea_outputs
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import serving

PATIENCE_S = 60.0
SIDES = (
    Endpoint("api", "The API", "https://api.example", token="secret-one"),  # noqa: S106
    Endpoint("function", "The function", "https://function.example/predict", identity=GoogleIdentity()),
)
LONG = LoadPlan(rate=20.0, duration_s=600.0)


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def is_recorded(store: Store, run_id: str) -> bool:
    try:
        return bool(store.run(run_id))
    except UnknownRun:
        return False


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def sides(serve: Serve, tea: ModelCard) -> list[Endpoint]:
    """Two endpoints that answer."""
    return [
        Endpoint(key, key.upper(), serve(serving(make_service(tea, tea_outputs))).url) for key in ("api", "function")
    ]


@pytest.fixture
def launcher(store: Store) -> Iterator[Launcher]:
    with closing(Launcher(store)) as launcher:
        yield launcher


@pytest.mark.parametrize(
    "plan",
    [
        ComparePlan(pairs=7, warmup=3, connection="new", margin_ms=0.25, margin_pct=7.5, timeout_s=2.5, seed=9),
        LoadPlan(rate=12.5, duration_s=3.0, ramp=1.5, arrivals="constant", warmup=0, margin_ms=1.0, seed=4),
        LoadPlan(rate=None, concurrency=3, total=50, connection="new"),
    ],
    ids=["compare", "open loop", "closed loop"],
)
def test_the_command_line_carries_the_whole_plan(plan: Plan, tmp_path: Path) -> None:
    arguments = command(plan, SIDES, "abcd1234", tmp_path, "-odd name")
    parser = argparse.ArgumentParser()
    module = compare if plan.kind == "compare" else load
    module.configure(parser)
    parsed = parser.parse_args(arguments[1:])
    assert arguments[0] == plan.kind
    assert to_document(module._plan(parsed, parsed.margin_ms)) == to_document(plan)
    assert (parsed.run_id, parsed.name, parsed.results, parsed.progress) == ("abcd1234", "-odd name", tmp_path, "none")
    assert parsed.allow_host == ["api.example", "function.example"]


@pytest.mark.parametrize(
    "plan",
    [
        ColdPlan("spawn", 7, warm_requests=2),
        ColdPlan("ladder", 3, idle_s=(0.25, 90.0, 3600.0), margin_ms=1.5, margin_pct=2.5, timeout_s=30.0, seed=4),
        ColdPlan("forced", 9),
    ],
    ids=["spawn", "ladder", "forced"],
)
def test_the_command_line_carries_the_whole_plan_of_cold_starts(
    plan: ColdPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COMMAND", "true secret")
    arguments = command(plan, SIDES, "abcd1234", tmp_path)
    assert "secret" not in " ".join(arguments)  # which everybody on this machine can read
    parser = argparse.ArgumentParser()
    coldstart.configure(parser)
    monkeypatch.setenv("FUNCTION_DIR", str(tmp_path))
    parsed = parser.parse_args(arguments[1:])
    _, found, targets = coldstart._planned(parsed)
    assert cold_document(found) | {"caches": ""} == cold_document(plan) | {"caches": ""}
    assert [target.key for target in targets] == ["api", "function"]
    if plan.mode == "spawn":
        assert targets[1].command and targets[1].command.directory == tmp_path
    assert (parsed.run_id, parsed.results, parsed.progress) == ("abcd1234", tmp_path, "none")


def test_going_on_takes_the_plan_from_the_record_and_the_addresses_from_the_settings(tmp_path: Path) -> None:
    run = Run("abcd1234", "coldstart", "", RunState.CANCELLED, "", {"plan": cold_document(ColdPlan("forced"))})
    arguments = resume_command(run, SIDES, tmp_path)
    parser = argparse.ArgumentParser()
    coldstart.configure(parser)
    parsed = parser.parse_args([*arguments[1:]])
    assert (parsed.resume, parsed.results) == ("abcd1234", tmp_path)
    assert parsed.endpoint == ["api=https://api.example", "function=https://function.example/predict"]
    assert measuring.allowed_hosts(parsed, {}) == {"api.example", "function.example"}
    assert "--force" in arguments


def test_tokens_are_in_the_environment_and_never_on_the_command_line(tmp_path: Path) -> None:
    assert "secret" not in " ".join(command(ComparePlan(), SIDES, "abcd1234", tmp_path))
    variables = environment(SIDES, {"PATH": "/bin", "FUNCTION_TOKEN": "of another time"})
    assert variables["API_TOKEN"] == "secret-one"  # noqa: S105
    assert variables["FUNCTION_TOKEN"] == ""
    assert (variables["API_NAME"], variables["FUNCTION_NAME"]) == ("The API", "The function")
    assert (variables["GOOGLE_ID_TOKENS"], variables["PATH"]) == ("function", "/bin")


def test_a_run_is_carried_out_and_recorded_under_the_id_that_was_given(
    store: Store, launcher: Launcher, sides: list[Endpoint]
) -> None:
    run_id = launcher.start(ComparePlan(pairs=10, warmup=2), sides, "ten pairs")
    assert launcher.is_alive(run_id)
    wait_for(lambda: not launcher.is_alive(run_id))
    run = store.run(run_id)
    assert (run.state, run.name, run.endpoint_names) == (RunState.FINISHED, "ten pairs", ("API", "FUNCTION"))
    assert len(load_samples(store, run_id)[0]) == 24
    assert launcher.problem(run_id) is None


def test_a_second_run_waits_for_its_turn_and_cancelling_keeps_what_was_measured(
    store: Store, launcher: Launcher, sides: list[Endpoint]
) -> None:
    run_id = launcher.start(LONG, sides)
    assert launcher.running() == run_id
    for plan in (LONG, ColdPlan("spawn", 1)):
        with pytest.raises(LaunchError, match="two at a time"):
            launcher.start(plan, sides)
    wait_for(lambda: is_recorded(store, run_id) and int(store.run(run_id).progress.get("done", 0)) > 0)
    with pytest.raises(LaunchError, match=run_id):
        Launcher(store).start(LONG, sides)  # another dashboard over the same record
    assert Launcher(store).cancel(run_id)  # and it may cancel what this one has started
    wait_for(lambda: not launcher.is_alive(run_id))
    assert store.run(run_id).state is RunState.CANCELLED
    assert len(load_samples(store, run_id)[0]) > 0
    assert launcher.running() is None
    assert not launcher.cancel(run_id)  # again: nothing is there to be cancelled
    assert store.run(run_id).state is RunState.CANCELLED


def test_a_run_is_being_resumed_until_the_record_says_something_new_of_it(store: Store, launcher: Launcher) -> None:
    run = Run("abcd0001", "coldstart", "", RunState.CANCELLED, "", {}, {"reason": "cancelled"}, {"done": 3})
    store.create_run(run)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    launcher._child = _Child(run.id, process, io.BytesIO(), before=run)
    assert launcher.is_resuming(store.run(run.id))
    assert launcher.running() == run.id
    store.finish(run.id, RunState.FINISHED, {})
    assert not launcher.is_resuming(store.run(run.id))
    assert launcher.running() is None, "its process has only not ended yet"
    process.communicate(b"\n", PATIENCE_S)
    assert not launcher.is_resuming(run)


def test_a_run_whose_process_is_killed_is_closed(store: Store, launcher: Launcher, sides: list[Endpoint]) -> None:
    run_id = launcher.start(LONG, sides)
    wait_for(lambda: is_recorded(store, run_id))
    assert not launcher.close_dead(store.run(run_id))
    child = launcher._child
    assert child
    child.process.kill()
    child.process.wait(PATIENCE_S)
    assert launcher.close_dead(store.run(run_id))
    assert store.run(run_id).state is RunState.FAILED
    assert not launcher.close_dead(store.run(run_id))


def test_a_process_that_ends_at_once_says_why(store: Store, launcher: Launcher, nobody: str) -> None:
    run_id = launcher.start(ComparePlan(pairs=1), [Endpoint("api", "A", nobody), Endpoint("function", "B", nobody)])
    wait_for(lambda: not launcher.is_alive(run_id))
    why = "no endpoint gives a model card (api did not answer; function did not answer)"
    assert launcher.problem(run_id) == f"{why}, so --body-from FILE.csv must say what to send"
    assert launcher.problem("another") is None
    with pytest.raises(UnknownRun):
        store.run(run_id)


def test_nothing_is_started_where_the_record_cannot_be_used_or_the_plan_asks_too_much(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(LaunchError, match="the record cannot be used"):
        Launcher(Store(tmp_path)).start(ComparePlan(), SIDES)
    with pytest.raises(PlanError, match="requests are more than"):
        Launcher(Store(tmp_path / "other")).start(ComparePlan(pairs=1_000_000), SIDES)


def test_nothing_is_started_resumed_or_cancelled_where_the_record_is_read_only(
    store: Store, launcher: Launcher, sides: list[Endpoint]
) -> None:
    run_id = launcher.start(LONG, sides)
    wait_for(lambda: is_recorded(store, run_id))
    closed = Launcher(Store(store.path.parent, read_only=True))
    cut_off = Run("abcd0001", "coldstart", "", RunState.CANCELLED, "", {"plan": cold_document(ColdPlan("spawn"))})
    for ask in (
        lambda: closed.start(ComparePlan(), sides),
        lambda: closed.start(ColdPlan("spawn"), sides),
        lambda: closed.resume(cut_off, sides),
        lambda: closed.cancel(run_id),
    ):
        with pytest.raises((LaunchError, ReadOnly), match="the record is read-only"):
            ask()
    assert launcher.is_alive(run_id)
    launcher.cancel(run_id)
    wait_for(lambda: not launcher.is_alive(run_id))


def test_an_imported_run_is_not_resumed_and_one_without_a_plan_is_refused(launcher: Launcher) -> None:
    run = Run("abcd0001", "coldstart", "", RunState.CANCELLED, "", {"plan": cold_document(ColdPlan("spawn"))})
    with pytest.raises(LaunchError, match="run abcd0001 was imported"):
        launcher.resume(replace(run, is_imported=True), SIDES)
    with pytest.raises(PlanError):
        launcher.resume(replace(run, manifest={}), SIDES)
    assert launcher._child is None


def test_what_a_run_said_last_can_be_read_while_another_session_lets_go_of_it(launcher: Launcher) -> None:
    class Said(BytesIO):
        def seek(self, *where: int) -> int:
            other = threading.Thread(target=launcher.close)
            other.start()
            other.join(0.2)  # it would have closed this by now
            return super().seek(*where)

    process = subprocess.Popen([sys.executable, "-c", "exit(2)"])
    process.wait(PATIENCE_S)
    launcher._child = _Child("abcd1234", process, Said(b"no endpoint gives a model card"))
    assert launcher.problem("abcd1234") == "no endpoint gives a model card"


def test_what_is_spawned_to_be_asked_does_not_outlive_a_run_that_is_cancelled_at_once(tmp_path: Path) -> None:
    told = tmp_path / "process"
    program = f"import os, pathlib, time; pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(600)"
    spawned = shlex.join([sys.executable, "-S", "-c", program])
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", "coldstart", f"--results={tmp_path}", f"--command=one={spawned}"],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: told.exists() and bool(told.read_text()))
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE_S)
    assert said.strip().endswith("it was cancelled before it began")
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
