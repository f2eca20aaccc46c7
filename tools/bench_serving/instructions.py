"""How many instructions a start and a request are, as Valgrind's Callgrind counts them.

Counts hardly depend on what else the machine does, nor on how fast it is, so a ratio of two that were counted in the
same run shows a regression anywhere. They are those of user space: a system call counts as one.
"""

import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tools.bench_serving import BenchError
from tools.bench_serving.candidates import Candidate
from tools.bench_serving.limits import Instructions
from tools.bench_serving.load import request
from tools.bench_serving.visits import await_first_answer, running
from tools.processes import HOST, Server, free_ports

WARM_UP = 50
REQUESTS = 500
ANSWER_LIMIT_S = 600.0
"""Programs are some fifty times slower under Callgrind."""

_PIPE_NAMES = {"USER": "faceoff", "HOST": HOST}
"""A running Callgrind is told to write through pipes that are named after these variables."""
_TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)


def is_available() -> bool:
    """Whether Callgrind and the command that controls it are installed."""
    return all(map(shutil.which, ("valgrind", "callgrind_control")))


def count(candidate: Candidate, python: Path) -> Instructions:
    """Count a start and the requests of one connection.

    A process that was forked begins with the count of its parent, so the largest count is that of the one that answers.
    """
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="faceoff-callgrind-") as directory:
        control = (f"--vgdb-prefix={directory}/vgdb",)
        under = ("valgrind", "--tool=callgrind", "--trace-children=yes", *control)
        files = f"--callgrind-out-file={directory}/%p"
        variables = {**_PIPE_NAMES, "PYTHONHASHSEED": "0"}
        with running(candidate, python, port, variables, (*under, files)) as server:
            await_first_answer(server, port, ANSWER_LIMIT_S)
            start = max(_dumped(server, Path(directory), control))
            _ask(port, WARM_UP)
            _dumped(server, Path(directory), control)
            _ask(port, REQUESTS)
            requests = sum(_dumped(server, Path(directory), control))
    return Instructions(start, requests / REQUESTS)


def totals(profiles: Iterable[str]) -> list[int]:
    """The instructions in the texts of Callgrind's files."""
    found = [int(match[1]) for profile in profiles if (match := _TOTALS.search(profile))]
    if not found:
        raise BenchError("Callgrind has written no total")
    return found


def _dumped(server: Server, directory: Path, control: tuple[str, ...]) -> list[int]:
    """The instructions of each process since the last time."""
    for process in server.processes():
        subprocess.run(  # noqa: S603  a command of Valgrind's
            ("callgrind_control", *control, "--dump", str(process.pid)),  # noqa: S607  found on the PATH, as Valgrind is
            env={"PATH": server.program.environ["PATH"], **_PIPE_NAMES},
            capture_output=True,
            check=False,
        )
    profiles = [path for path in directory.iterdir() if path.name[0].isdigit()]
    try:
        return totals(path.read_text() for path in profiles)
    finally:
        for path in profiles:
            path.unlink()


def _ask(port: int, requests: int) -> None:
    with socket.create_connection((HOST, port), timeout=ANSWER_LIMIT_S) as connection:
        for _ in range(requests):
            connection.sendall(request())
            _read_answer(lambda: connection.recv(65536))


def _read_answer(receive: Callable[[], bytes]) -> None:
    received = b""
    while True:
        piece = receive()
        if not piece:
            raise BenchError("closed its connection instead of answering")
        received += piece
        head, end, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if end and length and len(body) >= int(length[1]):
            return
