"""Start a run in a process of its own: whoever asked for it may leave, and nothing else disturbs what is measured."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from benchmark.coldstart import plan as coldstart_plan
from benchmark.coldstart.plan import ColdPlan
from benchmark.endpoints import readable
from benchmark.endpoints.endpoint import Endpoint, env_prefix
from benchmark.record.plan import MAX_RATE, MAX_REQUESTS, ComparePlan, Plan, check_limits
from benchmark.record.run import Run, RunState, new_run_id
from benchmark.record.store import ReadOnly, Store, StoreError

_ROOT = Path(__file__).resolve().parents[1]
_LOOK_BACK = 20
_CLOSING_S = 10.0
"""How long a process that has closed its run may take to end."""


class LaunchError(Exception):
    """No run was started; the message says why in a sentence."""


def command(
    plan: Plan | ColdPlan, endpoints: Sequence[Endpoint], run_id: str, results_dir: Path, name: str = ""
) -> list[str]:
    """The arguments of `python -m benchmark` that carry out `plan`. Holds no token: other users see a command line.

    What cold starts spawn on this machine is not at `endpoints`, and the command that forces them stays in the
    environment.
    """
    if isinstance(plan, ColdPlan):
        arguments = [coldstart_plan.KIND, f"--repeats={plan.repeats}", f"--warm={plan.warm_requests}"]
        arguments += [f"--idle={','.join(f'{gap_s:.6f}s' for gap_s in plan.idle_s)}"] if plan.idle_s else []
        arguments += ["--force"] if plan.mode == "forced" else []
        arguments += ["--drop-caches"] if plan.drop_caches else []
        reached = () if plan.mode == "spawn" else endpoints
    else:
        arguments = [*_measuring(plan), f"--warmup={plan.warmup}", f"--connection={plan.connection}"]
        reached = endpoints
    return [
        *arguments,
        *_reaching(reached),
        f"--margin-ms={plan.margin_ms}",
        f"--margin-pct={plan.margin_pct}",
        f"--seed={plan.seed}",
        f"--timeout={plan.timeout_s}",
        f"--name={readable.name(name)}",
        f"--run-id={run_id}",
        *_recording(results_dir),
    ]


def _measuring(plan: Plan) -> list[str]:
    if isinstance(plan, ComparePlan):
        return ["compare", f"--pairs={plan.pairs}"]
    if not plan.is_open_loop:
        return ["load", f"--concurrency={plan.concurrency}", f"--requests={plan.total}"]
    rate = ["load", f"--rate={plan.rate}", f"--duration={plan.duration_s}", f"--arrivals={plan.arrivals}"]
    return rate if plan.ramp is None else [*rate, f"--ramp={plan.ramp}"]


def resume_command(run: Run, endpoints: Sequence[Endpoint], results_dir: Path) -> list[str]:
    """The arguments of `python -m benchmark` that go on with cold starts that were cut off.

    The plan is in the record; what is reached are `endpoints`, or the programs and the command that the environment
    names, and never what the record says. Raises PlanError for a record without a plan.
    """
    plan = coldstart_plan.from_document(run.manifest.get("plan") or {})
    arguments = [coldstart_plan.KIND, f"--resume={run.id}"]
    arguments += [] if plan.mode == "spawn" else _reaching(endpoints)
    arguments += ["--force"] if plan.mode == "forced" else []
    return [*arguments, *_recording(results_dir)]


def _reaching(endpoints: Sequence[Endpoint]) -> list[str]:
    return [option for one in endpoints for option in (f"--endpoint={one.key}={one.url}", f"--allow-host={one.host}")]


def _recording(results_dir: Path) -> list[str]:
    return [f"--results={results_dir.resolve()}", "--progress=none"]


def environment(endpoints: Sequence[Endpoint], environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with what each endpoint is called and its token, as the command line reads them."""
    variables = dict(environ)
    variables.pop("ENDPOINTS", None)  # a relative path means another file there, and the endpoints are named anyway
    for endpoint in endpoints:
        prefix = env_prefix(endpoint.key)
        variables[f"{prefix}_NAME"] = endpoint.name
        variables[f"{prefix}_TOKEN"] = endpoint.token or ""
    variables["GOOGLE_ID_TOKENS"] = " ".join(one.key for one in endpoints if one.identity)
    return variables


@dataclass(frozen=True, slots=True)
class _Child:
    run_id: str
    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    before: Run | None = None
    """a run that is resumed, as it was: so it stays in the record until the process has asked its endpoints"""


class Launcher:
    """Starts runs that go into one record, one at a time; none where it is read-only. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._child: _Child | None = None

    def start(self, plan: Plan | ColdPlan, endpoints: Sequence[Endpoint], name: str = "") -> str:
        """Start `plan` and give the id of the run, which appears in the record when its endpoints have been asked.

        Raises LaunchError, and PlanError where the plan exceeds the limits.
        """
        if not isinstance(plan, ColdPlan):
            check_limits(plan, endpoints, frozenset(one.host for one in endpoints), MAX_REQUESTS, MAX_RATE)
        run_id = new_run_id()
        self._spawn(run_id, command(plan, endpoints, run_id, self._store.path.parent, name), endpoints)
        return run_id

    def resume(self, run: Run, endpoints: Sequence[Endpoint]) -> None:
        """Go on with cold starts that were cut off here. Raises LaunchError, and PlanError for a run without a plan."""
        if run.is_imported:
            raise LaunchError(f"run {run.id} was imported: only what was measured here can go on")
        self._spawn(run.id, resume_command(run, endpoints, self._store.path.parent), endpoints, run)

    def _spawn(
        self, run_id: str, arguments: Sequence[str], endpoints: Sequence[Endpoint], before: Run | None = None
    ) -> None:
        if self._store.read_only:
            raise LaunchError("the record is read-only")
        with self._lock:
            self._require_idle()
            stderr = TemporaryFile()  # noqa: SIM115  as long as the process
            try:
                process = subprocess.Popen(  # noqa: S603  our own program
                    [sys.executable, "-m", "benchmark", *arguments],
                    cwd=_ROOT,
                    env=environment(endpoints, os.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,  # a signal for whoever started it is not for the run
                )
            except OSError as error:
                stderr.close()
                raise LaunchError(f"no process could be started ({error.strerror})") from error
            self.close()
            self._child = _Child(run_id, process, stderr, before)

    def running(self) -> str | None:
        """The id of a run that goes on, whatever its kind and whoever started it. Raises StoreError."""
        child, known = self._child, self._store.runs(_LOOK_BACK)
        if child and child.process.poll() is None:
            # It is in the record only when its endpoints have been asked, and about to end when it is over there.
            over = any(run.id == child.run_id and run.is_over and run != child.before for run in known)
            if not over:
                return child.run_id
        return next((run.id for run in known if not run.is_over), None)

    def is_alive(self, run_id: str) -> bool:
        """Whether this is the run that was started last and its process goes on."""
        child = self._child
        return bool(child and child.run_id == run_id and child.process.poll() is None)

    def is_resuming(self, run: Run) -> bool:
        """Whether the process that resumes `run` goes on and has not come as far as the record yet."""
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
        """Close a run whose process was killed before it could; whether there was need to. Raises StoreError."""
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
        if not run.is_over and process is not None and run.manifest["client"]["host"] == socket.gethostname():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGTERM)
                return True
        return False

    def close(self) -> None:
        """Let go of the run that was started last, which goes on."""
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
            raise LaunchError(f"run {going_on} goes on: two at a time would disturb each other")
