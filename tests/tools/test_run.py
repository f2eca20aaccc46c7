"""The launcher as a process among processes: real programs, real signals, a real make and a real terminal."""

import http.client
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from benchmark.coldstart.program import local_facts
from benchmark.endpoints.configured import configured_endpoints
from benchmark.endpoints.endpoint import Endpoint
from inference.settings import SettingsError
from tools.processes import free_ports
from tools.run import RunSettings, programs, stage_function, write_endpoints
from tools.supervisor import StartError

ROOT = Path(__file__).resolve().parents[2]
START = Path(__file__).with_name("start.py")
MARK = "FACEOFF_TEST_RUN"
STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

JSON = {"Content-Type": "application/json"}

# Whatever the developer's shell has set: the model is the one that `make test` has trained.
SERVING = {"MODEL_DIR": "", "MODEL_RUNTIME": "", "LOG_LEVEL": "", "DEPLOY_REGION": ""}

# A background job of a shell that has no job control starts like this.
IGNORING_SIGINT = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")

IN_THE_TERMINAL = (
    sys.executable,
    "-c",
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])",
)


def eventually(condition: Callable[[], object], what: str, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)


def read(terminal: int, until: str | None = None) -> str:
    """What a terminal shows: as far as `until`, or to the end when nobody writes to it any more."""
    shown = b""
    while until is None or until not in shown.decode():
        try:
            data = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other end is closed
            data = b""
        if not data:
            assert until is None, shown.decode()
            break
        shown += data
    return shown.decode()


@dataclass(frozen=True)
class Plan:
    """What start.py starts: (title, port, behaviour...) of each stand-in, and the supervisor's timeouts."""

    directory: Path
    programs: Sequence[tuple[str | int, ...]]
    timeouts: Mapping[str, float] = field(default_factory=dict)
    slow_preparation: bool = False

    @property
    def command(self) -> tuple[str, ...]:
        plan = {
            "directory": str(self.directory),
            "programs": self.programs,
            "timeouts": {"tick_s": 0.1, **self.timeouts},
            "slow_preparation": self.slow_preparation,
        }
        return (sys.executable, str(START), json.dumps(plan))


@dataclass(frozen=True)
class Running:
    """The process that a test started, and what it and the launcher write."""

    process: subprocess.Popen[bytes]
    output_file: Path

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    def wait_for(self, text: str) -> None:
        eventually(lambda: text in self.output or self.process.poll() is not None, text)
        assert text in self.output, self.output

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def send_from_terminal(self, number: int) -> None:
        """To the whole group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def status(self) -> int:
        return self.process.wait(20)


class Stage:
    """Starts processes that carry a mark, which is how everything that they leave behind is found."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mark = uuid.uuid4().hex
        self.environ = {**os.environ, "PYTHONPATH": str(ROOT), MARK: self.mark}
        self._started: list[subprocess.Popen[bytes]] = []
        # The tests themselves may have been started by make.
        for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKE_PID"):
            self.environ.pop(name, None)

    def plan(self, *behaviours: str, **options: object) -> Plan:
        """A stand-in for each of `behaviours`, named One, Two and so on."""
        titles = ("One", "Two", "Three")
        ports = free_ports(len(behaviours))
        stand_ins = [
            (title, port, *words.split()) for title, port, words in zip(titles, ports, behaviours, strict=False)
        ]
        return Plan(self.directory, stand_ins, **options)  # type: ignore[arg-type]

    def start(
        self,
        *command: str,
        environ: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> Running:
        output_file = self.directory / "output"
        with output_file.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.directory,
                env={**self.environ, **(environ or {})},
                stdin=stdin,
                stdout=output if stdout is None else stdout,
                stderr=output if stdout is None else stdout,
                start_new_session=True,  # a signal to the group, as from a terminal, must not reach the tests
            )
        self._started.append(process)
        return Running(process, output_file)

    def start_healthy(self, plan: Plan, *before: str) -> Running:
        running = self.start(*before, *plan.command)
        running.wait_for("Ctrl+C stops everything.")
        return running

    def start_in_make(self, plan: Plan) -> Running:
        self.write_makefile(plan)
        running = self.start("make", "run")
        running.wait_for("Ctrl+C stops everything.")
        return running

    def write_makefile(self, plan: Plan) -> None:
        """The recipe of `make run`, with the launcher of the tests."""
        (recipe,) = re.findall(r"^run:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
        own = recipe.replace("$(PY) -m tools.run", shlex.join(plan.command).replace("$", "$$"))
        assert own != recipe
        (self.directory / "Makefile").write_text(f"run:\n{own}")

    def processes(self) -> list[psutil.Process]:
        """Everything alive that was started here, directly or not."""
        return [
            process
            for process in psutil.process_iter(["environ", "status"])
            if (process.info["environ"] or {}).get(MARK) == self.mark and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def assert_nothing_left(self) -> None:
        assert not self.processes()

    def clear(self) -> list[psutil.Process]:
        """Kill and return what is left."""
        left = self.processes()
        for process in left:
            process.kill()
        for started in self._started:
            started.wait()
        psutil.wait_procs(left, timeout=5)
        return left


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    # The tests themselves may run under nohup; what they start shall find the signal as a terminal gives it.
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    stage = Stage(tmp_path)
    yield stage
    signal.signal(signal.SIGHUP, inherited)
    assert not stage.clear()


def command_lines(stage: Stage, word: str) -> list[psutil.Process]:
    return [process for process in stage.processes() if word in process.cmdline()]


# Before anything is started.


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_busy_port_is_named_before_anything_starts(stage: Stage, address: str) -> None:
    plan = stage.plan("serve", "serve")
    port = int(plan.programs[1][1])
    with socket.create_server((address, port)):
        running = stage.start(*plan.command)
        assert running.status() == 1
    assert f"TWO_PORT: port {port} is in use" in running.output
    assert "Starting" not in running.output
    assert not (stage.directory / "logs").exists()


def test_a_port_with_connections_in_time_wait_is_free(stage: Stage) -> None:
    plan = stage.plan("serve")
    port = int(plan.programs[0][1])
    with socket.create_server(("127.0.0.1", port)) as listener, socket.create_connection(("127.0.0.1", port)):
        listener.accept()[0].close()  # the side that closes first is left in TIME_WAIT
    running = stage.start_healthy(plan)
    running.send(signal.SIGTERM)
    assert running.status() == 0


def test_equal_ports_are_named(stage: Stage) -> None:
    running = stage.start(sys.executable, "-m", "tools.run", environ={"API_PORT": "8080", "FUNCTION_PORT": ""})
    assert running.status() == 1
    assert running.output == "API_PORT and FUNCTION_PORT are both 8080; they must differ\n"


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80 80", "8" * 5000])
def test_a_port_that_is_none_is_refused_with_the_name_of_its_variable(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^DASHBOARD_PORT must be a number from 1 to 65535"):
        RunSettings.from_env({"DASHBOARD_PORT": text})


def test_empty_variables_are_unset_ones() -> None:
    settings = RunSettings.from_env({"API_PORT": "", "FUNCTION_PORT": "", "DASHBOARD_PORT": "", "MODEL_DIR": ""})
    assert (settings.api_port, settings.function_port, settings.dashboard_port) == (8000, 8080, 8501)
    assert settings.model_dir is None


def test_all_three_programs_get_the_same_absolute_model_dir() -> None:
    environ = {"MODEL_DIR": "artifacts/diabetes", "MODEL_RUNTIME": "sklearn"}
    started = programs(RunSettings.from_env(environ), environ)
    assert {program.environ["MODEL_DIR"] for program in started} == {str(Path.cwd() / "artifacts" / "diabetes")}
    assert {program.environ["MODEL_RUNTIME"] for program in started} == {"sklearn"}
    assert all("MODEL_DIR" not in program.environ for program in programs(RunSettings.from_env({}), {"MODEL_DIR": ""}))


def test_the_dashboard_is_pointed_at_the_local_endpoints_unless_the_user_says_otherwise() -> None:
    def urls(**environ: str) -> tuple[str, str]:
        dashboard = programs(RunSettings.from_env(environ), environ)[0].environ
        return dashboard["API_URL"], dashboard["FUNCTION_URL"]

    assert urls() == ("http://127.0.0.1:8000", "http://127.0.0.1:8080")
    assert urls(API_PORT="9001", FUNCTION_PORT="9002") == ("http://127.0.0.1:9001", "http://127.0.0.1:9002")
    assert urls(API_URL="https://api.example", FUNCTION_URL="") == ("https://api.example", "http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("ports", "titles"),
    [
        ((9001, 9002), ["Dashboard", "API", "Function"]),
        ((9002, 7), ["Dashboard", "Function"]),
        ((7,), ["Dashboard"]),
    ],
)
def test_with_a_file_of_endpoints_only_programs_that_it_names_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ports: Sequence[int], titles: Sequence[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    entries = [f'[[endpoint]]\nname = "S{port}"\nurl = "http://127.0.0.1:{port}"\n' for port in ports]
    # A port of another machine is no port of this one.
    Path("mine.toml").write_text(
        "".join([*entries, '[[endpoint]]\nname = "E"\nurl = "https://elsewhere.example:9001"'])
    )
    environ = {"ENDPOINTS": "mine.toml", "API_PORT": "9001", "FUNCTION_PORT": "9002"}
    started = programs(RunSettings.from_env(environ), environ)
    assert [program.title for program in started] == titles
    assert started[0].environ["ENDPOINTS"] == str(tmp_path / "mine.toml")


def test_a_mistake_in_the_file_of_endpoints_is_said_before_anything_starts(stage: Stage) -> None:
    running = stage.start(sys.executable, "-m", "tools.run", environ={"ENDPOINTS": "/nowhere.toml"})
    assert running.status() == 1
    assert running.output == "ENDPOINTS=/nowhere.toml: cannot be read (No such file or directory)\n"


THIRD = {"IDIOMATIC": "1", "IDIOMATIC_PORT": "9003"}


def compared(environ: Mapping[str, str], build_dir: Path) -> tuple[Endpoint, ...]:
    """What the dashboard of a run compares."""
    settings = replace(RunSettings.from_env(environ), build_dir=build_dir)
    write_endpoints(settings, environ)
    dashboard = programs(settings, environ)[0]
    assert dashboard.environ["ENDPOINTS"] == str(build_dir / "endpoints.toml")
    return configured_endpoints(dashboard.environ)


def test_a_third_endpoint_runs_only_where_it_is_asked_for() -> None:
    for environ, titles in (
        ({}, ["Dashboard", "API", "Function"]),
        ({"IDIOMATIC": "0", "IDIOMATIC_PORT": "9003"}, ["Dashboard", "API", "Function"]),
        (THIRD, ["Dashboard", "API", "Function", "Idiomatic"]),
    ):
        started = programs(RunSettings.from_env(environ), environ)
        assert [program.title for program in started] == titles
    assert started[-1].port == 9003
    with pytest.raises(SettingsError, match=r"^IDIOMATIC must be 0 or 1, not 'yes'$"):
        RunSettings.from_env({"IDIOMATIC": "yes"})
    with pytest.raises(SettingsError, match=r"^API_PORT and IDIOMATIC_PORT are both 9003; they must differ$"):
        RunSettings.from_env({**THIRD, "API_PORT": "9003"})


def test_the_third_endpoint_takes_the_next_port_that_nobody_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        busy = int(listener.getsockname()[1])
        environ = {"IDIOMATIC": "1", "FUNCTION_PORT": str(busy - 1)}
        port = RunSettings.from_env(environ).idiomatic_port
        assert port and busy < port < busy + 100


def test_the_pages_compare_the_third_endpoint_beside_what_the_variables_say(tmp_path: Path) -> None:
    environ = {**THIRD, "API_URL": "https://api.example", "API_TOKEN": "t0ken", "API_TIMEOUT_S": "3"}
    environ |= {"FUNCTION_NAME": 'Mine "é"', "GOOGLE_ID_TOKENS": "1"}
    api, function, third = compared(environ, tmp_path)
    assert (api.key, api.url, api.token, api.timeout_s) == ("api", "https://api.example", "t0ken", 3)
    assert (function.key, function.name, function.url) == ("function", 'Mine "é"', "http://127.0.0.1:8080")
    assert (third.key, third.name, third.url) == ("idiomatic", "Idiomatic", "http://127.0.0.1:9003")
    assert [bool(one.identity) for one in (api, function, third)] == [True, True, False]
    assert "t0ken" not in (tmp_path / "endpoints.toml").read_text()


def test_with_a_file_of_endpoints_the_third_has_to_be_in_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    environ = {"IDIOMATIC": "1", "ENDPOINTS": str(file)}
    file.write_text('[[endpoint]]\nname = "Mine"\nurl = "http://127.0.0.1:8081"')
    dashboard, idiomatic = programs(RunSettings.from_env(environ), environ)
    assert dashboard.environ["ENDPOINTS"] == str(file)
    assert (idiomatic.title, idiomatic.port) == ("Idiomatic", 8081)
    with pytest.raises(
        SettingsError, match=r"mine\.toml has no endpoint with the url http://127\.0\.0\.1:9003; add it$"
    ):
        RunSettings.from_env({**environ, "IDIOMATIC_PORT": "9003"})


def test_a_file_of_endpoints_that_cannot_be_made_is_a_line_and_nothing_starts(tmp_path: Path) -> None:
    environ = {**THIRD, "API_NAME": "Idiomatic"}
    with pytest.raises(StartError, match=r"^The file of endpoints cannot be made: .*name is also used by endpoint 1$"):
        write_endpoints(replace(RunSettings.from_env(environ), build_dir=tmp_path), environ)


def test_the_function_gets_nothing_that_production_does_not_have() -> None:
    environ = {"PYTHONPATH": str(ROOT), "DEBUG": "*", "FUNCTION_SOURCE": "elsewhere.py", "LOG_LEVEL": "DEBUG"}
    _, api, function = programs(RunSettings.from_env(environ), environ)
    assert not function.environ.keys() & {"PYTHONPATH", "DEBUG", "FUNCTION_SOURCE"}
    assert function.environ["LOG_LEVEL"] == api.environ["LOG_LEVEL"] == "DEBUG"
    assert function.environ["DEPLOY_REGION"] == api.environ["DEPLOY_REGION"] == "local"
    # What neither process can see, and what makes a comparison of the twins one of equals.
    assert all(function.environ[name] == api.environ[name] == fact for name, fact in local_facts().items())


def test_a_model_is_named_by_its_directory_in_artifacts() -> None:
    settings = RunSettings.from_env({"MODEL": "houses"})
    assert settings.model_dir == ROOT / "artifacts" / "houses"
    for program in programs(settings, {"MODEL": "houses"}):
        assert program.environ["MODEL_DIR"] == str(settings.model_dir)
        assert "MODEL" not in program.environ
    for environ in ({"MODEL": "../houses"}, {"MODEL": "/houses"}, {"MODEL": "houses", "MODEL_DIR": "elsewhere"}):
        with pytest.raises(SettingsError, match="MODEL"):
            RunSettings.from_env(environ)


@pytest.mark.parametrize(
    ("model_dir", "command"),
    [
        (Path("/nowhere/artifacts/wine"), "make train DATASET=wine"),
        (Path("/nowhere/artifacts/houses"), "make train CSV=houses.csv TARGET=COLUMN"),
        (Path("/nowhere/my model"), ".venv/bin/python -m training --output '/nowhere/my model'"),
    ],
)
def test_a_missing_artifact_is_answered_with_the_command_that_makes_it(
    model_dir: Path, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.run.ARTIFACTS", Path("/nowhere/artifacts"))
    with pytest.raises(StartError) as raised:
        stage_function(RunSettings(8000, 8080, 8501, model_dir, build_dir=tmp_path), {})
    assert str(raised.value).endswith(f"To train a model: {command}")
    assert not list(tmp_path.iterdir())


# Stopping.


@pytest.mark.parametrize("number", STOP_SIGNALS)
@pytest.mark.parametrize("before", [(), IGNORING_SIGINT], ids=["", "ignoring-sigint"])
def test_a_signal_stops_everything(stage: Stage, number: signal.Signals, before: tuple[str, ...]) -> None:
    plan = stage.plan("serve", "serve worker", "serve")
    running = stage.start_healthy(plan, *before)
    assert len(stage.processes()) == 5
    for title, port, *_ in plan.programs:
        assert f"{title:5}  http://127.0.0.1:{port}\n" in running.output
    running.send(number)
    assert running.status() == 0
    stage.assert_nothing_left()
    assert f"Stopping ({number.name}) ...\nStopped.\n" in running.output


@pytest.mark.skipif(sys.platform != "linux", reason="reads the masks of signals from /proc")
def test_programs_start_with_the_default_signals_whatever_the_launcher_inherited(stage: Stage) -> None:
    running = stage.start_healthy(stage.plan("serve"), *IGNORING_SIGINT)
    (program,) = command_lines(stage, "serve")
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{program.pid}/status").read_text().splitlines())
    stop_signals = sum(1 << (number - 1) for number in (*STOP_SIGNALS, signal.SIGQUIT))
    assert int(status["SigIgn"], 16) & stop_signals == 0
    assert int(status["SigBlk"], 16) & stop_signals == 0
    running.send(signal.SIGINT)
    assert running.status() == 0


def test_under_nohup_a_hangup_is_survived(stage: Stage) -> None:
    running = stage.start_healthy(stage.plan("serve"), "sh", "-c", 'trap "" HUP; exec "$@"', "sh")
    running.send(signal.SIGHUP)
    running.send(signal.SIGTERM)
    assert running.status() == 0
    assert "Stopping (SIGTERM)" in running.output


def test_what_ignores_sigterm_is_killed_when_the_time_is_over(stage: Stage) -> None:
    running = stage.start_healthy(stage.plan("serve", "serve ignore-term", timeouts={"stop_s": 0.3}))
    running.send(signal.SIGTERM)
    assert running.status() == 0
    stage.assert_nothing_left()
    assert "Killing Two: still there after 0.3 s." in running.output


def test_a_worker_that_outlives_its_program_is_killed_too(stage: Stage) -> None:
    running = stage.start_healthy(stage.plan("serve stubborn-worker", timeouts={"stop_s": 0.3}))
    running.send(signal.SIGINT)
    assert running.status() == 0
    stage.assert_nothing_left()


def test_a_second_ctrl_c_kills_at_once(stage: Stage) -> None:
    running = stage.start_healthy(stage.plan("serve ignore-term", timeouts={"stop_s": 600}))
    running.send(signal.SIGINT)
    running.wait_for("Stopping (SIGINT)")
    running.send(signal.SIGINT)
    assert running.status() == 0
    stage.assert_nothing_left()
    assert "Killing One." in running.output


def test_a_repeated_sigterm_changes_nothing(stage: Stage) -> None:
    running = stage.start_healthy(stage.plan("serve ignore-term", timeouts={"stop_s": 0.5}))
    for _ in range(3):
        running.send(signal.SIGTERM)
    running.wait_for("Stopping (SIGTERM)")
    running.send(signal.SIGTERM)
    assert running.status() == 0
    assert "still there after 0.5 s." in running.output


def test_a_signal_while_the_function_is_staged_starts_nothing(stage: Stage) -> None:
    running = stage.start(*stage.plan("serve", slow_preparation=True).command)
    eventually((stage.directory / "preparing").exists, "the preparation has begun")
    running.send(signal.SIGTERM)
    (stage.directory / "prepared").touch()
    assert running.status() == 0
    assert running.output == "Stopping (SIGTERM) ...\n"


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_during_start_up_stops_everything(stage: Stage, number: signal.Signals) -> None:
    running = stage.start(*stage.plan("serve", "busy worker").command)
    eventually(lambda: len(stage.processes()) == 4, "both programs and the worker run")
    running.send(number)
    assert running.status() == 0
    stage.assert_nothing_left()
    assert "Running:" not in running.output


@pytest.mark.parametrize("number", STOP_SIGNALS)
@pytest.mark.parametrize("in_make", [False, True], ids=["", "in-make"])
def test_a_signal_at_any_moment_of_the_start_leaves_nothing(
    stage: Stage, number: signal.Signals, in_make: bool
) -> None:
    """Over the whole start in small steps; dying of it is right as long as nothing was started."""
    for step in range(8):
        plan = stage.plan("serve worker", "serve")
        stage.write_makefile(plan)
        running = stage.start(*(("make", "run") if in_make else plan.command))
        deadline = time.monotonic() + step * 0.03
        eventually(lambda deadline=deadline: time.monotonic() >= deadline, "the moment")  # type: ignore[misc]
        # Make passes on SIGTERM alone, because a terminal sends the others to its recipe as well.
        send = running.send_from_terminal if in_make and number != signal.SIGTERM else running.send
        send(number)
        running.status()
        eventually(lambda: not stage.processes(), "everything has ended")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the masks of signals from /proc")
@pytest.mark.parametrize("number", STOP_SIGNALS)
@pytest.mark.parametrize("before", [(), IGNORING_SIGINT], ids=["", "ignoring-sigint"])
def test_a_signal_during_the_imports_starts_nothing(
    stage: Stage, number: signal.Signals, before: tuple[str, ...]
) -> None:
    ports = dict(zip(("API_PORT", "FUNCTION_PORT", "DASHBOARD_PORT"), map(str, free_ports(3)), strict=True))
    running = stage.start(*before, sys.executable, "-m", "tools.run", environ={**SERVING, **ports})
    eventually(lambda: number in blocked_signals(running.process.pid), "it waits")
    running.send(number)
    assert running.status() == 0
    assert running.output == f"Stopping ({number.name}) ...\n"


def blocked_signals(pid: int) -> set[int]:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {number for number in range(1, 65) if int(status["SigBlk"], 16) & 1 << (number - 1)}


# Programs that fail.


def test_a_crash_during_start_up_is_reported_with_the_last_lines_and_stops_everything(stage: Stage) -> None:
    running = stage.start(*stage.plan("serve", "crash").command)
    assert running.status() == 1
    stage.assert_nothing_left()
    assert "Two ended unexpectedly (exit status 3). logs/two.log:\n  reason 6\n" in running.output
    assert "  reason 20\n" in running.output
    assert "reason 5\n" not in running.output


def test_a_program_that_cannot_be_started_stops_the_others(stage: Stage) -> None:
    plan = stage.plan("serve", "serve")
    (stage.directory / "logs" / "two.log").mkdir(parents=True)
    running = stage.start(*plan.command)
    assert running.status() == 1
    assert "Two cannot be started: " in running.output


def test_a_crash_later_is_reported_once_and_the_others_go_on(stage: Stage) -> None:
    running = stage.start_healthy(stage.plan("serve first", "serve second worker"))
    worker, leader = sorted(command_lines(stage, "second"), key=lambda process: process.ppid() == running.process.pid)
    leader.kill()
    running.wait_for("Two ended unexpectedly (killed by SIGKILL). The others go on. logs/two.log:\n  listening\n")
    eventually(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker has ended")
    assert command_lines(stage, "first")
    running.send(signal.SIGINT)
    assert running.status() == 1
    assert running.output.count("unexpectedly") == 1


def test_the_launcher_ends_with_the_last_program(stage: Stage) -> None:
    running = stage.start_healthy(stage.plan("serve", "serve"))
    for process in command_lines(stage, "serve"):
        process.kill()
    assert running.status() == 1
    assert running.output.count("unexpectedly") == 2


def test_a_program_that_is_not_healthy_in_time_is_named(stage: Stage) -> None:
    running = stage.start(*stage.plan("serve", "busy", timeouts={"healthy_s": 0.7}).command)
    assert running.status() == 1
    stage.assert_nothing_left()
    assert "Two is not healthy after 0.7 s. logs/two.log:\n  listening\n" in running.output
    assert "One is not healthy" not in running.output


# Where it is started from.


def test_make_that_is_killed_takes_everything_with_it(stage: Stage) -> None:
    running = stage.start_in_make(stage.plan("serve", "serve worker"))
    running.send(signal.SIGKILL)
    eventually(lambda: not stage.processes(), "everything has ended")
    assert "Stopping: make is gone." in running.output


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_to_make_and_the_launcher_together_is_no_error(stage: Stage, number: signal.Signals) -> None:
    running = stage.start_in_make(stage.plan("serve", "serve"))
    running.send_from_terminal(number)
    running.status()
    stage.assert_nothing_left()
    assert "Error" not in running.output


def test_sigterm_to_make_alone_is_no_error(stage: Stage) -> None:
    running = stage.start_in_make(stage.plan("serve", "serve"))
    running.send(signal.SIGTERM)
    running.status()
    stage.assert_nothing_left()
    assert "Error" not in running.output


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows that make was interrupted")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_make_interrupted_alone_takes_everything_with_it(stage: Stage, number: signal.Signals) -> None:
    running = stage.start_in_make(stage.plan("serve", "serve"))
    running.send(number)
    running.status()
    stage.assert_nothing_left()
    assert "Stopping: make was told to stop." in running.output
    assert "Error" not in running.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_sigterm_ends_a_make_that_was_interrupted_alone(stage: Stage, number: signal.Signals) -> None:
    running = stage.start_in_make(stage.plan("serve", "serve"))
    running.send(number)
    running.send(signal.SIGTERM)
    running.status()
    eventually(lambda: not stage.processes(), "everything has ended")
    assert "Error" not in running.output


def test_ctrl_c_in_a_terminal_stops_everything(stage: Stage) -> None:
    terminal, end = pty.openpty()
    try:
        plan = stage.plan("serve", "serve worker")
        stage.write_makefile(plan)
        running = stage.start(*IN_THE_TERMINAL, "make", "run", stdin=end, stdout=end)
        os.close(end)
        read(terminal, until="Ctrl+C stops everything.")
        os.write(terminal, b"\x03")
        running.status()
        shown = read(terminal)
    finally:
        os.close(terminal)
    stage.assert_nothing_left()
    assert "^C\r\nStopping (SIGINT) ...\r\nStopped.\r\n" in shown
    assert "Error" not in shown


def test_a_terminal_that_is_closed_stops_everything(stage: Stage) -> None:
    terminal, end = pty.openpty()
    running = stage.start(*IN_THE_TERMINAL, *stage.plan("serve", "serve worker").command, stdin=end, stdout=end)
    os.close(end)
    read(terminal, until="Ctrl+C stops everything.")
    os.close(terminal)
    assert running.status() == 0
    stage.assert_nothing_left()


def test_a_reader_that_is_gone_is_no_reason_to_stop(stage: Stage) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        running = stage.start(*stage.plan("serve", "serve").command, stdout=writer)
    finally:
        os.close(writer)
    eventually(lambda: len(stage.processes()) == 3, "both programs run")
    log = stage.directory / "logs" / "two.log"
    eventually(lambda: log.exists() and "listening" in log.read_text(), "the second is up")
    assert running.process.poll() is None
    running.send(signal.SIGTERM)
    assert running.status() == 0


def test_closed_standard_streams_are_no_reason_to_stop(stage: Stage) -> None:
    running = stage.start("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *stage.plan("serve", "serve").command)
    logs = stage.directory / "logs"
    for name in ("one.log", "two.log"):
        eventually(lambda log=logs / name: log.exists() and log.read_text() == "listening\n", name)  # type: ignore[misc]
    running.send(signal.SIGINT)
    assert running.status() == 0
    assert running.output == ""
    assert [log.read_text() for log in sorted(logs.iterdir())] == ["listening\n"] * 2


# The real programs.


def test_three_endpoints_are_watched_and_compared_and_stopped_together(stage: Stage) -> None:
    names = ("API_PORT", "FUNCTION_PORT", "DASHBOARD_PORT", "IDIOMATIC_PORT")
    ports = dict(zip(names, map(str, free_ports(4)), strict=True))
    start = (
        "import sys; from dataclasses import replace; from pathlib import Path; from os import environ\n"
        "from tools import run\n"
        "settings = replace(run.RunSettings.from_env(environ), build_dir=Path(sys.argv[1]))\n"
        "endpoints = run.programs(settings, environ)[1:]\n"
        "prepare = lambda: run.prepare(settings, environ)\n"
        "sys.exit(run.launch(endpoints, logs=Path(sys.argv[1], 'logs'), prepare=prepare))\n"
    )
    build = stage.directory / "build"
    running = stage.start(
        sys.executable, "-c", start, str(build), environ={**SERVING, **ports, "IDIOMATIC": "1", "ENDPOINTS": ""}
    )
    running.wait_for("Ctrl+C stops everything.")
    assert f"  Idiomatic  http://127.0.0.1:{ports['IDIOMATIC_PORT']}\n" in running.output
    assert "For commands in another terminal: export ENDPOINTS=build/endpoints.toml\n" in running.output
    environ = {**stage.environ, "ENDPOINTS": str(build / "endpoints.toml")}
    command = (sys.executable, "-m", "benchmark", "compare", "--pairs", "20", "--warmup", "1", "--json", "-")
    done = subprocess.run(
        [*command, "--results", str(stage.directory / "results")], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert list(document["endpoints"]) == ["api", "function", "idiomatic"]
    (idiomatic,) = (process for process in stage.processes() if "tools.idiomatic" in process.cmdline())
    idiomatic.kill()
    running.wait_for("Idiomatic ended unexpectedly (killed by SIGKILL). The others go on.")
    running.send(signal.SIGINT)
    assert running.status() == 1
    stage.assert_nothing_left()
    assert "Killing" not in running.output


def test_both_endpoints_as_deployed_answer_and_are_stopped_with_their_workers(stage: Stage) -> None:
    api_port, function_port = free_ports(2)
    start = (
        "import sys; from pathlib import Path; from os import environ; from tools import run\n"
        "settings = run.RunSettings(int(sys.argv[1]), int(sys.argv[2]), 1, None, build_dir=Path(sys.argv[3]))\n"
        "endpoints = run.programs(settings, environ)[1:]\n"
        "prepare = lambda: run.stage_function(settings, environ)\n"
        "sys.exit(run.launch(endpoints, logs=Path(sys.argv[3], 'logs'), prepare=prepare))\n"
    )
    ports = [str(api_port), str(function_port)]
    running = stage.start(sys.executable, "-c", start, *ports, str(stage.directory / "build"), environ=SERVING)
    eventually(lambda: "Ctrl+C" in running.output or running.process.poll() is not None, "both are healthy", 60)
    assert f"Running:\n  API       http://127.0.0.1:{api_port}\n" in running.output, running.output
    for port in (api_port, function_port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/predict", json.dumps({"features": [5.1, 3.5, 1.4, 0.2]}), JSON)
        reply = connection.getresponse()
        assert reply.status == 200
        assert json.load(reply)["prediction_label"] == "setosa"
        connection.request("GET", "/model-info")
        assert '"local"' in connection.getresponse().read().decode()
        connection.close()
    in_staging = [process for process in stage.processes() if Path(process.cwd()) == stage.directory / "build/function"]
    (leader,) = (process for process in in_staging if process.ppid() == running.process.pid)
    assert leader.children(), "the function is served by a worker of its own"
    running.send(signal.SIGINT)
    assert running.status() == 0
    stage.assert_nothing_left()
    assert "Killing" not in running.output
