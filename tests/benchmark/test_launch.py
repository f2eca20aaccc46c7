"""Runs in processes of their own: what they are told, one at a time, cancelled, and what they say when they fail."""

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
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from benchmark.coldstart.plan import ForcedPlan, IdleSweepPlan, SpawnPlan
from benchmark.coldstart.plan import to_document as cold_document
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.launch import AnyPlan, Launcher, LaunchError, _Child
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, OpenLoopPlan, PlanError
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.store import FILE_NAME, ReadOnly, Store, UnknownRun
from benchmark.runs.job import Job, JobError, read_job
from benchmark.runs.kind import RunRefused
from inference.card import ModelCard
from tests.benchmark.cards import make_service, tea_outputs
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import serving

PATIENCE_S = 60.0
SIDES = (
    Endpoint("api", "The API", "https://api.example", token="secret-one"),  # noqa: S106
    Endpoint("function", "The function", "https://function.example/predict", identity=GoogleIdentity()),
)
LONG = OpenLoopPlan(rate=20.0, duration_s=600.0)


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


class Child:
    """A process as far as a launcher sees it: what it was started with, and what it was told."""

    def __init__(self, arguments: list[str], **options: Any) -> None:
        self.arguments, self.options = arguments, options
        self.returncode = 0
        read_end, write_end = os.pipe()
        self.stdin, self._told = os.fdopen(write_end, "wb"), os.fdopen(read_end)
        CHILDREN.append(self)

    def poll(self) -> int:
        return self.returncode

    @cached_property
    def told(self) -> str:
        with self._told as pipe:
            return pipe.read()


CHILDREN: list[Child] = []


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Child]:
    """The one process that a launcher then has started."""
    CHILDREN.clear()
    monkeypatch.setattr("benchmark.launch.subprocess.Popen", Child)
    return lambda: CHILDREN[-1]


PLANS: list[Any] = [
    ComparePlan(pairs=7, warmup=3, connection="new", margin_ms=0.25, margin_pct=7.5, timeout_s=2.5, seed=9),
    OpenLoopPlan(rate=12.5, duration_s=3.0, ramp=1.5, arrivals="constant", warmup=0, margin_ms=1.0, seed=4),
    ClosedLoopPlan(concurrency=3, total=50, connection="new"),
    SpawnPlan(7, warm_requests=2),
    IdleSweepPlan(3, idle_s=(0.25, 90.0, 3600.0), margin_ms=1.5, margin_pct=2.5, timeout_s=30.0, seed=4),
    ForcedPlan(9),
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: type(plan).__name__)
def test_a_process_is_told_the_whole_plan_and_whom_it_may_reach(
    plan: Any, launcher: Launcher, store: Store, child: Callable[[], Child]
) -> None:
    run_id = launcher.start(plan, SIDES, "-odd name")
    job = read_job(child().told)
    kind, order = job.order(store)
    assert (kind.name, order.plan, order.name, order.run_id) == (plan.kind, plan, "-odd name", run_id)
    assert job.results == store.location
    assert [(one.key, one.name, one.url, one.token) for one in order.endpoints] == [
        (one.key, one.name, one.url, one.token) for one in SIDES
    ]
    assert [one.identity is not None for one in order.endpoints] == [False, True]
    assert order.allowed_hosts == {"api.example", "function.example"}


def test_no_token_is_on_the_command_line_or_in_the_environment(launcher: Launcher, child: Callable[[], Child]) -> None:
    launcher.start(ComparePlan(), SIDES)
    assert child().arguments[1:] == ["-m", "benchmark", "run"]
    assert "secret-one" not in repr(child().options) + repr(child().arguments)
    assert "secret-one" in child().told


def test_going_on_takes_the_plan_from_the_record_and_the_addresses_from_the_settings(
    launcher: Launcher, store: Store, child: Callable[[], Child]
) -> None:
    run = Run("abcd1234", "coldstart", "", RunState.CANCELLED, "", {"plan": cold_document(ForcedPlan(9))})
    store.create_run(run)
    launcher.resume(run, SIDES)
    kind, order = read_job(child().told).order(store)
    assert (kind.name, order.plan, order.run_id) == ("coldstart", ForcedPlan(9), "abcd1234")
    assert order.resumed == run
    assert [endpoint.url for endpoint in order.endpoints] == [endpoint.url for endpoint in SIDES]


def test_a_process_does_not_go_on_with_an_imported_run(store: Store) -> None:
    imported = Run(
        *("abcd1234", "coldstart", "", RunState.CANCELLED, ""),
        {"plan": cold_document(SpawnPlan())},
        is_imported=True,
    )
    store.create_run(imported)
    with pytest.raises(PlanError, match="was imported"):
        Job("abcd1234", store.location, SIDES).order(store)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "{", '{"run_id": "abcd"}'])
def test_what_is_not_a_job_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(JobError, match="this is not a job"):
        read_job(text)
    done = subprocess.run([sys.executable, "-m", "benchmark", "run"], input=text, capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_new_instances_come_from_the_environment_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COMMAND", raising=False)
    for plan, why in ((ForcedPlan(1), "FORCE_COMMAND must hold"), (SpawnPlan(1), str(tmp_path / "nowhere"))):
        monkeypatch.setenv("FUNCTION_DIR", str(tmp_path / "nowhere"))
        job = Job("abcd1234", store.location, SIDES, "coldstart", cold_document(plan))
        kind, order = job.order(store)
        with pytest.raises((PlanError, RunRefused), match=why):
            kind.prepare(order, store)


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
    plans: list[AnyPlan] = [LONG, SpawnPlan(1)]
    for plan in plans:
        with pytest.raises(LaunchError, match="only one run can be in progress at a time"):
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
    assert launcher.problem(run_id) == f"{why}, so use --body-from FILE.csv to choose the inputs"
    assert launcher.problem("another") is None
    with pytest.raises(UnknownRun):
        store.run(run_id)


def test_a_run_that_breaks_off_says_why_in_a_line(
    store: Store, launcher: Launcher, sides: list[Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COMMAND", "exit 3")
    run_id = launcher.start(ForcedPlan(1), sides)
    wait_for(lambda: not launcher.is_alive(run_id))
    said = launcher.problem(run_id) or ""
    assert said.startswith("the command that forces a new instance of ") and "ended with status 3; run " in said
    assert store.run(run_id).state is RunState.FAILED


def test_nothing_is_started_where_the_record_cannot_be_used_or_the_plan_asks_too_much(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(LaunchError, match="the record cannot be used"):
        Launcher(Store(tmp_path)).start(ComparePlan(), SIDES)
    with pytest.raises(PlanError, match="requests exceed"):
        Launcher(Store(tmp_path / "other")).start(ComparePlan(pairs=1_000_000), SIDES)


def test_nothing_is_started_resumed_or_cancelled_where_the_record_is_read_only(
    store: Store, launcher: Launcher, sides: list[Endpoint]
) -> None:
    run_id = launcher.start(LONG, sides)
    wait_for(lambda: is_recorded(store, run_id))
    closed = Launcher(Store(store.path.parent, read_only=True))
    cut_off = Run("abcd0001", "coldstart", "", RunState.CANCELLED, "", {"plan": cold_document(SpawnPlan())})
    for ask in (
        lambda: closed.start(ComparePlan(), sides),
        lambda: closed.start(SpawnPlan(), sides),
        lambda: closed.resume(cut_off, sides),
        lambda: closed.cancel(run_id),
    ):
        with pytest.raises((LaunchError, ReadOnly), match="the record is read-only"):
            ask()
    assert launcher.is_alive(run_id)
    launcher.cancel(run_id)
    wait_for(lambda: not launcher.is_alive(run_id))


def test_an_imported_run_is_not_resumed_and_one_without_a_plan_is_refused(launcher: Launcher) -> None:
    run = Run("abcd0001", "coldstart", "", RunState.CANCELLED, "", {"plan": cold_document(SpawnPlan())})
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
    assert said.strip().endswith("it was cancelled before it started")
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
