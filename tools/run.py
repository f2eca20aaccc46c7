"""`make run` (`python -m tools.run`): the endpoints and the dashboard as deployed, watched and stopped together."""

import signal

if __name__ == "__main__":
    # Importing takes long enough for a Ctrl+C to fall into it. It waits until the supervisor can take it.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmark.coldstart.program import local_facts
from benchmark.endpoints import configured
from benchmark.endpoints.configured import ConfigurationError
from deploy.stage_function import stage
from inference.model import ArtifactError
from inference.settings import ServingSettings, SettingsError
from tools.processes import HOST, Program, shown
from tools.supervisor import StartError, launch, say

ROOT = Path(__file__).resolve().parents[1]
DASHBOARD_COMMAND = (sys.executable, "-m", "dashboard")

# Read by functions-framework, never set in production: a DEBUG in somebody's shell would change the server's kind.
_FUNCTION_ENVIRON_DROPPED = (
    "DEBUG",
    "FUNCTION_SIGNATURE_TYPE",
    "FUNCTION_SOURCE",
    "FUNCTION_TARGET",
    "FUNCTION_USE_ASGI",
    "PYTHONPATH",  # the staged directory has to be complete in itself
)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Where the programs listen, which model they serve (None: each its default), what is compared, and where files
    are made."""

    api_port: int
    function_port: int
    dashboard_port: int
    model_dir: Path | None
    endpoints_file: Path | None = None
    """what the dashboard compares; None for the two local programs"""
    local_ports: frozenset[int] | None = None
    """the ports of this machine that the file names; None without a file"""
    build_dir: Path = ROOT / "build"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "RunSettings":
        """Read API_PORT, FUNCTION_PORT, DASHBOARD_PORT, and MODEL_DIR and ENDPOINTS, which are made absolute.

        Raises SettingsError where a port is not usable or two are equal, and ConfigurationError for the file.
        """
        ports: dict[int, str] = {}
        for name, default in (("API_PORT", "8000"), ("FUNCTION_PORT", "8080"), ("DASHBOARD_PORT", "8501")):
            port = _port(name, environ.get(name) or default)
            if port in ports:
                raise SettingsError(f"{ports[port]} and {name} are both {port}; they must differ")
            ports[port] = name
        api_port, function_port, dashboard_port = ports
        model_dir, file = environ.get("MODEL_DIR"), environ.get(configured.VARIABLE)
        endpoints = configured.configured_endpoints(environ) if file else None
        return cls(
            api_port,
            function_port,
            dashboard_port,
            Path(model_dir).absolute() if model_dir else None,
            Path(file).absolute() if file else None,
            None if endpoints is None else frozenset(urlsplit(one.url).port or 0 for one in endpoints if one.is_local),
        )

    def is_wanted(self, port: int) -> bool:
        """Whether one of our programs is to listen here: without a file always, else where the file names it."""
        return self.local_ports is None or port in self.local_ports


def _port(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536):
        raise SettingsError(f"{name} must be a number from 1 to 65535, not {text!r}")
    return int(text)


def programs(settings: RunSettings, environ: Mapping[str, str]) -> tuple[Program, ...]:
    """The dashboard, the API and the function, each with its command and whole environment as deployed.

    Where a file says what is compared, the API and the function are left out unless it names their addresses.
    """
    common = {name: value for name, value in environ.items() if name != "MODEL_DIR"}
    if settings.model_dir:
        common["MODEL_DIR"] = str(settings.model_dir)
    common |= {name: environ.get(name) or fact for name, fact in local_facts().items()}
    common["HOST"] = HOST
    # The environment's own programs first, also where the launcher was not started by make.
    common["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH") or os.defpath])
    # As the platforms' images have it; without, the last words of a program that dies are not in its log.
    common["PYTHONUNBUFFERED"] = "1"

    api = Program(
        title="API",
        command=(sys.executable, "-m", "api"),
        cwd=ROOT,
        environ=common | {"PORT": str(settings.api_port)},
        port=settings.api_port,
        port_variable="API_PORT",
    )
    bare = {name: value for name, value in common.items() if name not in _FUNCTION_ENVIRON_DROPPED}
    function = Program(
        title="Function",
        command=("functions-framework", "--target", "predict"),
        cwd=settings.build_dir / "function",
        environ=bare | {"PORT": str(settings.function_port)},
        port=settings.function_port,
        port_variable="FUNCTION_PORT",
    )
    dashboard = Program(
        title="Dashboard",
        command=DASHBOARD_COMMAND,
        cwd=ROOT,
        environ=common
        | {
            "PORT": str(settings.dashboard_port),
            "API_URL": environ.get("API_URL") or api.url,
            "FUNCTION_URL": environ.get("FUNCTION_URL") or function.url,
        }
        | ({configured.VARIABLE: str(settings.endpoints_file)} if settings.endpoints_file else {}),
        port=settings.dashboard_port,
        port_variable="DASHBOARD_PORT",
        health_path="/_stcore/health",
    )
    return dashboard, *(one for one in (api, function) if settings.is_wanted(one.port))


def stage_function(settings: RunSettings, environ: Mapping[str, str]) -> None:
    """Stage the function with the model and runtime of the environment. Raises StartError, with the remedy."""
    default = ROOT / "artifacts" / "iris"
    model_dir = settings.model_dir or default
    if not (model_dir / "model.json").is_file():
        if model_dir == default:
            command = "make train"
        elif model_dir.parent == default.parent:
            command = f"make train DATASET={model_dir.name}"
        else:
            command = f".venv/bin/python -m training --output {shlex.quote(str(model_dir))}"
        raise StartError(f"There is no model.json in MODEL_DIR ({shown(model_dir)}). To train a model: {command}")
    try:
        serving = ServingSettings.from_env({**environ, "MODEL_DIR": str(model_dir)}, default_model_dir=default)
        stage(settings.build_dir / "function", serving)
    except (ArtifactError, SettingsError, OSError) as error:
        raise StartError(f"The function cannot be staged: {error}") from error


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run with the settings of the environment; returns the exit status."""
    try:
        settings = RunSettings.from_env(environ)
    except (SettingsError, ConfigurationError) as error:
        say(str(error), error=True)
        return 1
    return launch(
        programs(settings, environ),
        logs=settings.build_dir / "logs",
        prepare=lambda: stage_function(settings, environ) if settings.is_wanted(settings.function_port) else None,
        make_pid=int(environ["MAKE_PID"]) if "MAKE_PID" in environ else None,
    )


if __name__ == "__main__":
    sys.exit(main())
