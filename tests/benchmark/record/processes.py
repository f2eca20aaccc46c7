"""Processes of their own that write the record, as programs that know nothing of each other do."""

import os
import subprocess
import sys

from benchmark.record.location import Location
from tests.servers import ROOT


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Python that runs `script`, with pipes to it."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def as_arguments(location: Location) -> tuple[str, str]:
    """A location as two arguments of a script; the second one is empty for a file."""
    return str(location.directory), location.url or ""


def write_at_once(script: str, location: Location) -> None:
    """Eight processes of `script DIRECTORY URL WRITER 50`, which say that they are ready and begin at a line."""
    started = [start(script, *as_arguments(location), writer, 50) for writer in range(8)]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in started:
            _, errors = process.communicate(timeout=100)
            assert process.returncode == 0, errors
    finally:
        for process in started:
            process.kill()
            process.communicate()
