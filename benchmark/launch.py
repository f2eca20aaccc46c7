"""Start a run in a separate process, so that it continues without the page and is measured undisturbed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Protocol

from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.journal import recover
from benchmark.record.run import Run, RunState, new_run_id
from benchmark.record.runs import is_here
from benchmark.record.store import ReadOnly, Store, StoreError
from benchmark.runs import kind_named, plan_of
from benchmark.runs.job import Job, Log, write_job
from benchmark.runs.kind import Order

_ROOT = Path(__file__).resolve().parents[1]
_LOOK_BACK = 20
_CLOSING_S = 10.0
"""How long a process may take to end after it has closed its run."""


class LaunchError(Exception):
    """The run could not be started; the message says why in a sentence."""


class AnyPlan(Protocol):
    """A plan of any kind; it knows its kind."""

    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Child:
    run_id: str
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    before: Run | None = None
    """a resumed run in its previous state, which stays recorded until the process has contacted its endpoints"""


class Launcher:
    """Starts runs for one record, one at a time; none if the record is read-only. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._child: _Child | None = None

    def start(
        self, plan: AnyPlan, endpoints: Sequence[Endpoint], name: str = "", log: Log | None = None, *, user: str = ""
    ) -> str:
        """Start `plan`, with the requests of a `log` if it has one, and return the ID of the run, which is recorded
        once its endpoints have been contacted.

        It is recorded as started by `user`, or else by the user of the process.
        Raises LaunchError, and PlanError where the plan exceeds the limits.
        """
        kind, run_id = kind_named(plan.kind), new_run_id()
        hosts = frozenset(endpoint.host for endpoint in endpoints)
        recording = log.recording(plan) if log else None
        kind.check(Order(plan, tuple(endpoints), run_id, name, allowed_hosts=hosts, recording=recording))
        document = kind.write_plan(plan)
        self._spawn(Job(run_id, self._store.location, tuple(endpoints), kind.name, document, name, log, user))
        return run_id

    def resume(self, run: Run, endpoints: Sequence[Endpoint]) -> None:
        """Resume an interrupted run of this machine. Raises LaunchError, and PlanError for a run without a plan.

        The plan comes from the record. Only `endpoints`, or the programs and the command of the environment, are
        started or contacted, never anything from the record.
        """
        if run.is_imported:
            raise LaunchError(f"run {run.id} was imported: only runs measured here can be resumed")
        plan_of(run)
        self._spawn(Job(run.id, self._store.location, tuple(endpoints)), run)

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
                    start_new_session=True,  # signals to the parent must not reach the run
                )
            except OSError as error:
                stderr.close()
                raise LaunchError(f"the process could not be started ({error.strerror})") from error
            self.close()
            self._child = _Child(job.run_id, process, stderr, before)
            # A process that has already ended reads nothing, and reports its error.
            assert process.stdin  # it is a pipe  # noqa: S101
            with suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(write_job(job).encode())

    def running(self) -> str | None:
        """The ID of the run in progress, of any kind and from any process or machine. Raises StoreError."""
        return self._running(lambda _: True)

    def _running(self, counts: Callable[[Run], bool]) -> str | None:
        """The ID of the run that this launcher has started or that `counts`, if one is in progress."""
        child, known = self._child, self._store.runs(_LOOK_BACK)
        if child and child.process.poll() is None:
            # It is recorded once its endpoints have been contacted; once it is over there, the process is about to end.
            over = any(run.id == child.run_id and run.is_over and run != child.before for run in known)
            if not over:
                return child.run_id
        return next((run.id for run in known if not run.is_over and counts(run)), None)

    def is_alive(self, run_id: str) -> bool:
        """Whether this run was started last and its process is still running."""
        child = self._child
        return bool(child and child.run_id == run_id and child.process.poll() is None)

    def is_resuming(self, run: Run) -> bool:
        """Whether the process that resumes `run` is running but has not reached the record yet."""
        child = self._child
        return self.is_alive(run.id) and child is not None and child.before == run

    def problem(self, run_id: str) -> str | None:
        """The last message of this run's process before it ended by itself; None without a message."""
        with self._lock:  # another session might start a run meanwhile and close this file
            child = self._child
            if child is None or child.run_id != run_id or child.process.poll() in (None, 0):
                return None
            if child.process.returncode == -signal.SIGTERM:
                return "it was cancelled before it started"
            child.stderr.seek(0)
            lines = child.stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1].partition("python -m benchmark ")[2].partition(": ")[2] or lines[-1] if lines else None

    def close_dead(self, run: Run) -> bool:
        """Close a run whose process was killed; returns whether that was necessary. Raises StoreError."""
        child = self._child
        if run.is_over or child is None or child.run_id != run.id or child.process.poll() is None:
            return False
        if self._store.run(run.id).is_over:  # it may have ended since `run` was read
            return False
        recover(self._store)  # it may have left samples, and how it ended
        if self._store.run(run.id).is_over:
            return True
        cancelled = child.process.returncode == -signal.SIGTERM
        self._store.finish(run.id, RunState.CANCELLED if cancelled else RunState.FAILED, {})
        return True

    def cancel(self, run_id: str) -> bool:
        """Ask the process of a run to stop and keep its samples; returns whether there is such a process.

        On another machine it finds the wish in the record when it writes next, within 5 s.

        Raises StoreError, also if the record is read-only.
        """
        if self._store.read_only:
            raise ReadOnly
        child = self._child
        if child and child.run_id == run_id and child.process.poll() is None:
            child.process.terminate()
            return True
        # Another process started it, perhaps before this one: the record has its process ID.
        run = self._store.run(run_id)
        if run.is_over:
            return False
        process = self._store.process(run_id)
        if is_here(run) and process is not None:
            try:
                os.kill(process, signal.SIGTERM)
            except ProcessLookupError:
                if not self._store.is_shared:
                    return False
                self._store.wish_cancel(run_id)  # it may be in another container with this host name
            except PermissionError:  # of another user
                self._store.wish_cancel(run_id)
        else:
            self._store.wish_cancel(run_id)
        return True

    def close(self) -> None:
        """Detach from the run that was started last. It continues."""
        with self._lock:
            if self._child:
                self._child.stderr.close()
            self._child = None

    def _require_idle(self) -> None:
        child = self._child
        try:
            # Runs on other machines do not disturb this one, and cannot have the same endpoints.
            in_progress = self._running(is_here if self._store.is_shared else lambda _: True)
            if in_progress is None and child and child.process.poll() is None:
                child.process.wait(_CLOSING_S)
        except StoreError as error:
            raise LaunchError(f"the record cannot be used: {error}") from error
        except subprocess.TimeoutExpired:
            in_progress = child.run_id if child else None
        if in_progress:
            raise LaunchError(f"run {in_progress} is in progress: only one run can be in progress at a time")
