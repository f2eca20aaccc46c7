"""A Dask cluster of processes that a test can kill, and a server that knows when it was asked."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil
import pytest

from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import Connection, LittleServer, json_reply
from tests.servers import ROOT
from tools.processes import bare_environ

GOOD = json_reply({"prediction": 1})
PATIENCE_S = 60.0


def wait_until(holds: Callable[[], Any], what: str) -> None:
    """Wait for a condition; fails with `what` is missing."""
    deadline = perf_counter() + PATIENCE_S
    while not holds():
        assert perf_counter() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


class Dask:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, directory: Path, stack: ExitStack, environ: Mapping[str, str]) -> None:
        self._stack = stack
        self._directory = directory
        self._environ = environ
        self.workers: list[subprocess.Popen[bytes]] = []
        file = directory / "scheduler.json"
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)
        )
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler")
        self.address: str = json.loads(file.read_text())["address"]

    def add(self, name: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker, which may take a while to arrive."""
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        worker = self._start("dask_worker", self.address, "--name", name, *options, **variables)
        self.workers.append(worker)
        return worker

    def _start(self, program: str, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
            cwd=self._directory,
            env={**self._environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(_end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def engines(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The engines that a worker has started and that still run."""
    try:
        children = psutil.Process(worker.pid).children()
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if "benchmark.fleet.engine" in " ".join(child.cmdline())]


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {**bare_environ(), "PYTHONPATH": os.fspath(ROOT), "RESULTS_DIR": os.fspath(tmp_path / "results")}


@pytest.fixture
def dask(tmp_path: Path, environ: Mapping[str, str]) -> Iterator[Dask]:
    with ExitStack() as stack:
        yield Dask(tmp_path, stack, environ)


class Asked:
    """A server that answers at once, and when it was asked, in s of `perf_counter`."""

    def __init__(self, serve: Serve) -> None:
        self.times_s: list[float] = []
        self.server: LittleServer = serve(self._converse)

    def _converse(self, connection: Connection) -> None:
        while (request := connection.receive()) is not None:
            if request.method == "POST":
                self.times_s.append(perf_counter())
            connection.send(GOOD)


@pytest.fixture
def asked(serve: Serve) -> Asked:
    return Asked(serve)


class Load:
    """`python -m benchmark load` on workers, under way."""

    def __init__(
        self, asked: Asked, environ: Mapping[str, str], directory: Path, workers: str | None, *more: object
    ) -> None:
        rows = directory / "rows.csv"
        rows.write_text("a,b\n1,2\n3,4\n")
        self.file = directory / "out.json"
        url = asked.server.url
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmark", "load", "--endpoint", f"api={url}", "--endpoint", f"fn={url}"),
                *(
                    "--body-from",
                    str(rows),
                    *(["--workers", workers] if workers else []),
                    "--json",
                    str(self.file),
                    *map(str, more),
                ),
            ],
            cwd=directory,
            env=dict(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self) -> tuple[int, str, str]:
        """Wait for its end: status, output and errors."""
        out, errors = self.process.communicate(timeout=100)
        return self.process.returncode, out, errors

    @property
    def document(self) -> Any:
        """What it wrote as JSON."""
        return json.loads(self.file.read_text())


StartLoad = Callable[..., Load]


@pytest.fixture
def load(asked: Asked, environ: Mapping[str, str], tmp_path: Path) -> Iterator[StartLoad]:
    started: list[Load] = []

    def start(workers: str | None, *more: object) -> Load:
        started.append(Load(asked, environ, tmp_path, workers, *more))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()
