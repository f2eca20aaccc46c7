"""A local platform that scales to zero, over a tiny server."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.servers import PYTHON, ROOT
from tools.processes import bare_environ

TINY = Path(__file__).parents[1] / "tiny_server.py"
Platform = Callable[..., tuple[str, psutil.Process]]
"""Start one with this idle time in s; gives its address and its process."""


@pytest.fixture
def platform() -> Iterator[Platform]:
    with ExitStack() as stack:

        def start(idle_s: float, *command: str, **variables: str) -> tuple[str, psutil.Process]:
            process = subprocess.Popen(
                [str(PYTHON), "-m", "benchmark.coldstart.scale_to_zero", "--port", "0", "--idle", str(idle_s), "--"]
                + (list(command) or [str(PYTHON), "-S", "-E", str(TINY)]),
                cwd=ROOT,
                env={**bare_environ(), **variables},
                stdout=subprocess.PIPE,
            )
            stack.enter_context(process)
            stack.callback(process.terminate)
            assert process.stdout
            return f"http://127.0.0.1:{int(process.stdout.readline())}", psutil.Process(process.pid)

        yield start
