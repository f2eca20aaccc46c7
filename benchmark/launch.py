"""Start a run in a separate process: it continues when the page is closed, and nothing disturbs what it measures."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Protocol

from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.run import Run, RunState, new_run_id
from benchmark.record.store import ReadOnly, Store, StoreError
from benchmark.runs import kind_named, plan_of
from benchmark.runs.job import Job, write_job
from benchmark.runs.kind import Order

_ROOT = Path(__file__).resolve().parents[1]
_LOOK_BACK = 20
_CLOSING_S = 10.0
"""How long a process that has closed its run may take to end."""


class LaunchError(Exception):
    """No run was started; the message says why in a sentence."""


class AnyPlan(Protocol):
    """A plan of any kind, which it names."""

    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Child:
    run_id: str
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    before: Run | None = None
    """a run that is resumed, as it was: so it stays in the record until the process has asked its endpoints"""


class Launcher:
    """Starts runs for one record, one at a time; none if the record is read-only. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._child: _Child | None = None

    def start(self, plan: AnyPlan, endpoints: Sequence[Endpoint], name: str = "") -> str:
        """Start `plan` and give the id of the run, which appears in the record when its endpoints have been asked.

        Raises LaunchError, and PlanError where the plan exceeds the limits.
        """
        kind, run_id = kind_named(plan.kind), new_run_id()
        hosts = frozenset(endpoint.host for endpoint in endpoints)
        kind.check(Order(plan, tuple(endpoints), run_id, name, allowed_hosts=hosts))
        self._spawn(Job(run_id, self._results, tuple(endpoints), kind.name, kind.write_plan(plan), name))
        return run_id

    def resume(self, run: Run, endpoints: Sequence[Endpoint]) -> None:
        """Go on with a run that was cut off here. Raises LaunchError, and PlanError for a run without a plan.

        The plan is in the record. What is reached are `endpoints`, or the programs and the command that the environment
        names, and never what the record says.
        """
        if run.is_imported:
            raise LaunchError(f"run {run.id} was imported: only what was measured here can go on")
        plan_of(run)
        self._spawn(Job(run.id, self._results, tuple(endpoints)), run)

    @property
    def _results(self) -> Path:
        return self._store.path.parent

    def _spawn(self, job: Job, before: Run | None = None) -> None:
        if self._store.read_only:
            raise LaunchError("the record is read-only")
        with self._lock:
            self._require_idle()
            stderr = TemporaryFile()  # noqa: SIM115  as long as the process
            try:
                process = subprocess.Popen(
                    [sys.executable, "-m", "benchmark", "run"],
                    cwd=_ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,  # a signal for whoever started it is not for the run
                )
            except OSError as error:
                stderr.close()
                raise LaunchError(f"no process could be started ({error.strerror})") from error
            self.close()
            self._child = _Child(job.run_id, process, stderr, before)
            # A process that has ended already reads nothing, and says why.
            assert process.stdin  # it is a pipe  # noqa: S101
            with suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(write_job(job).encode())

    def running(self) -> str | None:
        """The id of the run in progress, whatever its kind and whoever started it. Raises StoreError."""
        child, known = self._child, self._store.runs(_LOOK_BACK)
        if child and child.process.poll() is None:
            # It is in the record only when its endpoints have been asked, and about to end when it is over there.
            over = any(run.id == child.run_id and run.is_over and run != child.before for run in known)
            if not over:
                return child.run_id
        return next((run.id for run in known if not run.is_over), None)

    def is_alive(self, run_id: str) -> bool:
        """Whether this run was started last and its process is still running."""
        child = self._child
        return bool(child and child.run_id == run_id and child.process.poll() is None)

    def is_resuming(self, run: Run) -> bool:
        """Whether the process that resumes `run` is running but has not reached the record yet."""
        child = self._child
        return self.is_alive(run.id) and child is not None and child.before == run

    def problem(self, run_id: str) -> str | None:
        """What the process of this run said last before it ended by itself; None where it said nothing."""
        with self._lock:  # or another session starts a run meanwhile, and closes this file
            child = self._child
            if child is None or child.run_id != run_id or child.process.poll() in (None, 0):
                return None
            if child.process.returncode == -signal.SIGTERM:
                return "it was cancelled before it began"
            child.stderr.seek(0)
            lines = child.stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1].partition("python -m benchmark ")[2].partition(": ")[2] or lines[-1] if lines else None

    def close_dead(self, run: Run) -> bool:
        """Close a run whose process was killed; returns whether that was necessary. Raises StoreError."""
        child = self._child
        if run.is_over or child is None or child.run_id != run.id or child.process.poll() is None:
            return False
        if self._store.run(run.id).is_over:  # it may have done so since `run` was read
            return False
        cancelled = child.process.returncode == -signal.SIGTERM
        self._store.finish(run.id, RunState.CANCELLED if cancelled else RunState.FAILED, {})
        return True

    def cancel(self, run_id: str) -> bool:
        """Ask the process of a run to stop, which keeps what was measured; whether there was one to ask.

        Raises StoreError, also where nothing may be changed.
        """
        if self._store.read_only:
            raise ReadOnly
        child = self._child
        if child and child.run_id == run_id and child.process.poll() is None:
            child.process.terminate()
            return True
        # Started by another process, perhaps before this one was: the record knows which it is.
        run = self._store.run(run_id)
        process = self._store.process(run_id)
        if not run.is_over and process is not None and run.manifest.client.host == socket.gethostname():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGTERM)
                return True
        return False

    def close(self) -> None:
        """Let go of the run that was started last. It continues."""
        with self._lock:
            if self._child:
                self._child.stderr.close()
            self._child = None

    def _require_idle(self) -> None:
        child = self._child
        try:
            going_on = self.running()
            if going_on is None and child and child.process.poll() is None:
                child.process.wait(_CLOSING_S)
        except StoreError as error:
            raise LaunchError(f"the record cannot be used: {error}") from error
        except subprocess.TimeoutExpired:
            going_on = child.run_id if child else None
        if going_on:
            raise LaunchError(f"run {going_on} is in progress: only one run can go on at a time")
