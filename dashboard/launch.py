"""Runs that are started from a page: processes of their own, found again by the id of the run alone.

A run outlives the page, the tab and the session that started it. Its state is in the record, and what it says before
it is there is in a log beside the record.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from re import fullmatch

from benchmark.run import RunState
from benchmark.store import Store, StoreError

ROOT = Path(__file__).resolve().parents[1]
_LOGS = "logs"

_processes: dict[str, "subprocess.Popen[bytes]"] = {}
"""Of this dashboard's life, so that one that ended before it had a record is known to have ended."""


def is_run_id(text: str) -> bool:
    """Whether `text`, which comes from an address bar, may be the id of a run, and so part of a file's name."""
    return bool(fullmatch("[0-9a-f]{4,32}", text))


def start(command: Sequence[str], run_id: str, environ: Mapping[str, str]) -> None:
    """Start the process of a run and return at once. Raises OSError.

    `environ` is its whole environment; what it prints goes to a log in its RESULTS_DIR.
    """
    log = _log(Path(environ["RESULTS_DIR"]), run_id)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        _processes[run_id] = subprocess.Popen(  # noqa: S603  this project's own program
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl+C that stops the dashboard is not meant for it
        )


def is_alive(run_id: str) -> bool:
    """Whether a process that was started here still runs."""
    process = _processes.get(run_id)
    return process is not None and process.poll() is None


def last_words(run_id: str, results_dir: Path) -> str | None:
    """The last line that a run's process printed; None where it printed nothing, or was not started here."""
    try:
        lines = _log(results_dir, run_id).read_text(errors="replace").strip().splitlines()
    except OSError:
        return None
    return lines[-1].rpartition("\r")[2][:500] if lines else None


def cancel(store: Store, run_id: str) -> None:
    """Ask a run to end and to keep what it measured. Raises StoreError where it is not in the record."""
    process = _processes.get(run_id)
    if process is not None and process.poll() is None:
        process.terminate()
        return
    pid = store.process(run_id)
    # A run that was not heard of lately may be dead, and its number somebody else's.
    if pid is not None and store.run(run_id).state is RunState.RUNNING:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)


def running(store: Store) -> str | None:
    """The id of a run that goes on, whoever started it: two at once would measure each other. Raises StoreError."""
    starting = next((run_id for run_id in _processes if is_alive(run_id)), None)
    return starting or next((run.id for run in store.runs(50) if run.state is RunState.RUNNING), None)


def _log(results_dir: Path, run_id: str) -> Path:
    if not is_run_id(run_id):
        raise StoreError(f"{run_id!r} is no run")
    return results_dir / _LOGS / f"{run_id}.log"
