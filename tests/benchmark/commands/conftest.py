"""The command line in processes of its own, against two servers that speak the contract."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from inference.service import Service
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import LittleServer, serving
from tests.servers import ROOT
from tools.processes import bare_environ

Result = subprocess.CompletedProcess[str]
Command = Callable[..., Result]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def environ(results: Path) -> dict[str, str]:
    """A fresh shell, with a record of its own."""
    return {**bare_environ(), "PYTHONPATH": os.fspath(ROOT), "RESULTS_DIR": os.fspath(results)}


@pytest.fixture
def benchmark(environ: Mapping[str, str], tmp_path: Path) -> Command:
    """`python -m benchmark` with these arguments, to its end."""

    def benchmark(*arguments: object, **variables: str) -> Result:
        return subprocess.run(
            [sys.executable, "-m", "benchmark", *map(str, arguments)],
            cwd=tmp_path,
            env={**environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    return benchmark


@pytest.fixture
def twins(serve: Serve, service: Service) -> tuple[LittleServer, LittleServer]:
    """Two servers with the real service behind them."""
    return serve(serving(service)), serve(serving(service))


def endpoints(*servers: LittleServer) -> list[str]:
    """The arguments that name the servers `api` and `function`."""
    pairs = zip(("api", "function"), servers, strict=False)
    return [part for key, server in pairs for part in ("--endpoint", f"{key}={server.url}")]


def document(path: Path) -> Any:
    """What `--json` wrote, as strict JSON."""

    def refuse(literal: str) -> None:
        raise AssertionError(f"{literal} is not JSON")

    return json.loads(path.read_text(), parse_constant=refuse)
