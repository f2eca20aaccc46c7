"""The two real endpoints on free ports: `python -m api`, and functions-framework over a fresh staging."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tools.processes import Program, Server, free_ports
from tools.run import RunSettings, programs, stage_function

_INHERITED = ("HOME", "LANG", "PATH", "TMPDIR")
"""Nothing else of the environment may decide how the endpoints behave; above all no PYTHONPATH."""


def prepare(directory: Path, variables: Mapping[str, str] | None = None) -> dict[str, Program]:
    """The two programs as deployed, by title, with `variables` added; the function is staged into `directory`."""
    api_port, function_port = free_ports(2)
    settings = RunSettings(api_port, function_port, 1, None, build_dir=directory)
    environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    if not (directory / "function").exists():
        stage_function(settings, environ)
    # The order of programs() is the order of a page; here they are asked for by name.
    found = {program.title: program for program in programs(settings, environ)}
    return {title: found[title].with_environ(**(variables or {})) for title in ("API", "Function")}


def start(program: Program, log: Path) -> Server:
    """Start `program`; its output goes to `log`."""
    server = Server(program, log)
    server.start()
    return server


@contextmanager
def serving(directory: Path, variables: Mapping[str, str] | None = None) -> Iterator[dict[str, Server]]:
    """Both endpoints, healthy, by title; stopped at the end. Raises NotServing."""
    with ExitStack() as stack:
        found = {}
        for title, program in prepare(directory, variables).items():
            found[title] = start(program, directory / program.log_name)
            stack.callback(found[title].stop)
        for server in found.values():
            server.wait_until_healthy()
        yield found
