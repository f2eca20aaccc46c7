"""A program of this machine: waited for, and never left behind."""

import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from benchmark.coldstart import local
from benchmark.coldstart.program import Command, LocalProgram, ProgramError

HERE = Path(__file__).parents[1]
TINY = Command((sys.executable, "-S", "-E", "tiny_server.py"), HERE)


def test_it_is_open_when_it_is_waited_for_and_gone_when_it_is_stopped() -> None:
    program = LocalProgram(TINY)
    try:
        opened_ns = asyncio.run(program.wait_until_open(20))
        assert opened_ns > program.spawned_ns
        assert not program.has_ended
    finally:
        program.stop()
    assert program.has_ended
    with pytest.raises(ProcessLookupError):
        os.kill(program.pid, 0)
    program.kill()  # once more does nothing


def test_a_relative_model_is_found_from_here_not_from_the_programs_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    say = Command((sys.executable, "-c", "import os, sys; sys.exit(os.environ['MODEL_DIR'])"), HERE)
    program = LocalProgram(say, {**os.environ, "MODEL_DIR": "artifacts/wine"})
    try:
        with pytest.raises(ProgramError, match=f": {tmp_path}/artifacts/wine"):
            asyncio.run(program.wait_until_open(20))
    finally:
        program.kill()


def test_different_models_of_the_two_programs_are_noticed(tmp_path: Path) -> None:
    commands = {"api": Command((), tmp_path / "api"), "function": Command((), tmp_path / "function")}
    assert local.serve_the_same_model(commands, {})  # starting them says what is not there
    for directory, text in ((tmp_path / "api/artifacts/iris", "iris"), (tmp_path / "function/artifact", "wine")):
        directory.mkdir(parents=True)
        (directory / "model.json").write_text(text)
    assert not local.serve_the_same_model(commands, {})
    assert local.serve_the_same_model(commands, {"MODEL_DIR": "artifacts/wine"})
    (tmp_path / "function/artifact/model.json").write_text("iris")
    assert local.serve_the_same_model(commands, {})


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ((sys.executable, "-c", "import sys; sys.exit('no model here')"), "ended with status 1 .*: no model here"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "had no open port after 0.3 s"),
    ],
)
def test_a_program_that_opens_no_port_is_said_with_its_last_line(argv: tuple[str, ...], reason: str) -> None:
    program = LocalProgram(Command(argv, HERE))
    try:
        with pytest.raises(ProgramError, match=reason):
            asyncio.run(program.wait_until_open(0.3 if "sleep" in argv[-1] else 20))
    finally:
        program.kill()


def test_two_threads_that_stop_it_end_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, kill_group = [], os.killpg

    def slowly(group: int, sign: int) -> None:
        ended.append(group)
        time.sleep(0.1)
        kill_group(group, sign)

    program = LocalProgram(TINY)
    asyncio.run(program.wait_until_open(20))
    monkeypatch.setattr(os, "killpg", slowly)
    with ThreadPoolExecutor(2) as pool:
        for stopping in [pool.submit(program.stop) for _ in range(2)]:
            stopping.result(20)
    assert ended == [program.pid]


def test_a_program_that_is_not_there_is_said() -> None:
    with pytest.raises(ProgramError, match="cannot be started"):
        LocalProgram(Command(("no-such-program-anywhere",), HERE))


def test_what_would_make_it_another_server_is_not_passed_on() -> None:
    code = "import os, sys; sys.exit(' '.join(sorted(os.environ)))"
    environ = {"PATH": os.environ["PATH"], "FUNCTION_TARGET": "x", "DEBUG": "1", "KEPT": "1", "PYTHONPATH": "/x"}
    program = LocalProgram(Command((sys.executable, "-c", code), HERE), environ)
    try:
        with pytest.raises(ProgramError) as ended:
            asyncio.run(program.wait_until_open(20))
    finally:
        program.kill()
    names = set(str(ended.value).split())
    assert {"KEPT", "PORT", "HOST", "DEPLOY_CPU"} <= names
    assert not names & {"FUNCTION_TARGET", "DEBUG", "PYTHONPATH"}


def test_what_it_started_does_not_outlive_it(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    code = f"sleep 60 & echo $! > {noted}; exec {sys.executable} -S -E tiny_server.py"
    program = LocalProgram(Command(("/bin/sh", "-c", code), HERE))
    try:
        asyncio.run(program.wait_until_open(20))
    finally:
        program.stop()
    child = int(noted.read_text())
    for _ in range(200):
        if not _runs(child):
            break
        time.sleep(0.01)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie that nobody has waited for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
