"""`make run` (`python -m tools.run`): the endpoints and the dashboard as deployed, watched and stopped together.

With IDIOMATIC=1 a third endpoint runs beside the two: the same model in FastAPI's usual code (tools/idiomatic.py).
"""

import signal

if __name__ == "__main__":
    # Importing takes long enough for a Ctrl+C to fall into it. It waits until the supervisor can take it.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT))

import json
import os
import re
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmark.coldstart.program import local_facts
from benchmark.endpoints import configured
from benchmark.endpoints.configured import ConfigurationError
from benchmark.endpoints.endpoint import Endpoint, env_prefix
from deploy.stage_function import stage
from inference.model import ArtifactError
from inference.settings import ServingSettings, SettingsError
from tools.processes import HOST, Program, shown
from tools.supervisor import StartError, launch, say, why_not_available

ROOT = Path(__file__).resolve().parents[1]
ARTIFACTS = ROOT / "artifacts"
DEFAULT_MODEL_DIR = ARTIFACTS / "iris"
_MODEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
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
    idiomatic_port: int | None = None
    """where the third endpoint listens; None where it is not wanted"""
    build_dir: Path = ROOT / "build"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "RunSettings":
        """Read API_PORT, FUNCTION_PORT, DASHBOARD_PORT, and MODEL_DIR and ENDPOINTS, which are made absolute.

        MODEL=NAME is MODEL_DIR=artifacts/NAME. With IDIOMATIC=1, also IDIOMATIC_PORT: by default the next port after
        the function's, without a file the next free one. Raises SettingsError where a port is not usable, two are equal
        or the file lacks the third endpoint, and ConfigurationError for the file.
        """
        wanted = {"API_PORT": "8000", "FUNCTION_PORT": "8080", "DASHBOARD_PORT": "8501"}
        is_idiomatic = _switch("IDIOMATIC", environ)
        if is_idiomatic and environ.get("IDIOMATIC_PORT"):
            wanted["IDIOMATIC_PORT"] = ""
        ports: dict[int, str] = {}
        for name, default in wanted.items():
            port = _port(name, environ.get(name) or default)
            if port in ports:
                raise SettingsError(f"{ports[port]} and {name} are both {port}; they must differ")
            ports[port] = name
        api_port, function_port, dashboard_port, *chosen = ports
        file = environ.get(configured.VARIABLE)
        endpoints = configured.configured_endpoints(environ) if file else None
        local = (
            None if endpoints is None else frozenset(urlsplit(one.url).port or 0 for one in endpoints if one.is_local)
        )
        if is_idiomatic and not chosen:
            chosen = [_next_free_port(function_port, ports) if local is None else function_port + 1]
        if is_idiomatic and local is not None and chosen[0] not in local:
            url = f"http://{HOST}:{chosen[0]}"
            raise SettingsError(f"IDIOMATIC=1: {configured.VARIABLE}={file} has no endpoint with the url {url}; add it")
        return cls(
            api_port,
            function_port,
            dashboard_port,
            _model_dir(environ),
            Path(file).absolute() if file else None,
            local,
            chosen[0] if chosen else None,
        )

    @property
    def file_is_needed(self) -> bool:
        """Whether what is compared is said by a file of our own: variables name two endpoints, not three."""
        return self.idiomatic_port is not None and self.endpoints_file is None

    @property
    def own_endpoints_file(self) -> Path:
        """That file."""
        return self.build_dir / "endpoints.toml"

    def is_wanted(self, port: int) -> bool:
        """Whether one of our programs is to listen here: without a file always, else where the file names it."""
        return self.local_ports is None or port in self.local_ports


def _model_dir(environ: Mapping[str, str]) -> Path | None:
    model, model_dir = environ.get("MODEL"), environ.get("MODEL_DIR")
    if not model:
        return Path(model_dir).absolute() if model_dir else None
    if model_dir:
        raise SettingsError("MODEL and MODEL_DIR both say what is served; set one of them")
    if not _MODEL.fullmatch(model):
        raise SettingsError("MODEL must be the name of a directory in artifacts/, such as iris")
    return ARTIFACTS / model


def _port(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536):
        raise SettingsError(f"{name} must be a number from 1 to 65535, not {text!r}")
    return int(text)


def _switch(name: str, environ: Mapping[str, str]) -> bool:
    text = environ.get(name) or "0"
    if text not in ("0", "1"):
        raise SettingsError(f"{name} must be 0 or 1, not {text!r}")
    return text == "1"


def _next_free_port(after: int, taken: Collection[int]) -> int:
    for port in range(after + 1, 65536):
        if port not in taken and why_not_available(port) is None:
            return port
    raise SettingsError(f"IDIOMATIC_PORT: no port after {after} is free; choose one")


def programs(settings: RunSettings, environ: Mapping[str, str]) -> tuple[Program, ...]:
    """The dashboard, the API and the function, each with its command and whole environment as deployed.

    Where a file says what is compared, the API and the function are left out unless it names their addresses. The
    third endpoint comes last, where it is wanted. Raises ConfigurationError where it would join invalid ones.
    """
    common = {name: value for name, value in environ.items() if name not in ("MODEL", "MODEL_DIR")}
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
        environ=common | {"PORT": str(settings.dashboard_port)} | _compared(settings, environ),
        port=settings.dashboard_port,
        port_variable="DASHBOARD_PORT",
        health_path="/_stcore/health",
    )
    started = [dashboard, *(one for one in (api, function) if settings.is_wanted(one.port))]
    if settings.idiomatic_port:
        idiomatic = Program(
            title="Idiomatic",
            command=(sys.executable, "-m", "tools.idiomatic"),
            cwd=ROOT,
            environ=common | {"PORT": str(settings.idiomatic_port)},
            port=settings.idiomatic_port,
            port_variable="IDIOMATIC_PORT",
        )
        started.append(idiomatic)
    return tuple(started)


def _compared(settings: RunSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which the dashboard knows what is compared."""
    if not settings.file_is_needed:
        file = settings.endpoints_file
        return _addresses(settings, environ) | ({configured.VARIABLE: str(file)} if file else {})
    identified = [one.key for one in _twins(settings, environ) if one.identity]
    return {configured.VARIABLE: str(settings.own_endpoints_file), "GOOGLE_ID_TOKENS": " ".join(identified) or "0"}


def _addresses(settings: RunSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Where the API and the function are for the dashboard: here, unless the user says otherwise."""
    return {
        "API_URL": environ.get("API_URL") or f"http://{HOST}:{settings.api_port}",
        "FUNCTION_URL": environ.get("FUNCTION_URL") or f"http://{HOST}:{settings.function_port}",
    }


def _twins(settings: RunSettings, environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    return configured.configured_endpoints({**environ, **_addresses(settings, environ)})


def endpoints_text(settings: RunSettings, environ: Mapping[str, str]) -> str:
    """A file of endpoints: the API and the function as the variables say, and the third. Raises ConfigurationError."""
    entries = []
    for one in _twins(settings, environ):
        fields: dict[str, str | float] = {"name": one.name, "key": one.key, "url": one.url, "timeout_s": one.timeout_s}
        if one.token:
            fields["token_variable"] = f"{env_prefix(one.key)}_TOKEN"
        entries.append(_entry(fields))
    url = f"http://{HOST}:{settings.idiomatic_port}"
    return "\n".join([*entries, _entry({"name": "Idiomatic", "key": "idiomatic", "url": url})])


def _entry(fields: Mapping[str, str | float]) -> str:
    """An entry of such a file. TOML's strings are JSON's."""
    lines = (f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in fields.items())
    return "".join(("[[endpoint]]\n", *lines))


def write_endpoints(settings: RunSettings, environ: Mapping[str, str]) -> None:
    """Write the file of three endpoints. Raises StartError."""
    file = settings.own_endpoints_file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(endpoints_text(settings, environ), encoding="utf-8")
        configured.read_endpoints(file, environ)
    except (OSError, ValueError) as error:  # ConfigurationError, and names that are not Unicode
        raise StartError(f"The file of endpoints cannot be made: {error}") from error


def stage_function(settings: RunSettings, environ: Mapping[str, str]) -> None:
    """Stage the function with the model and runtime of the environment. Raises StartError, with the remedy."""
    model_dir = settings.model_dir or DEFAULT_MODEL_DIR
    if not (model_dir / "model.json").is_file():
        if model_dir == DEFAULT_MODEL_DIR:
            command = "make train"
        elif model_dir.parent == ARTIFACTS:
            from training.datasets import DATASETS  # imports scikit-learn

            name = model_dir.name
            command = f"make train DATASET={name}" if name in DATASETS else f"make train CSV={name}.csv TARGET=COLUMN"
        else:
            command = f".venv/bin/python -m training --output {shlex.quote(str(model_dir))}"
        raise StartError(f"There is no model.json in MODEL_DIR ({shown(model_dir)}). To train a model: {command}")
    try:
        serving = ServingSettings.from_env(
            {**environ, "MODEL_DIR": str(model_dir)}, default_model_dir=DEFAULT_MODEL_DIR
        )
        stage(settings.build_dir / "function", serving)
    except (ArtifactError, SettingsError, OSError) as error:
        raise StartError(f"The function cannot be staged: {error}") from error


def prepare(settings: RunSettings, environ: Mapping[str, str]) -> None:
    """Make the files that the programs need. Raises StartError."""
    if settings.file_is_needed:
        write_endpoints(settings, environ)
    if settings.is_wanted(settings.function_port):
        stage_function(settings, environ)
    if settings.is_wanted(settings.function_port) or settings.is_wanted(settings.api_port):
        say(f"Model: {shown(settings.model_dir or DEFAULT_MODEL_DIR)}")
    if settings.file_is_needed:
        say(f"For commands in another terminal: export {configured.VARIABLE}={shown(settings.own_endpoints_file)}")


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run with the settings of the environment; returns the exit status."""
    try:
        settings = RunSettings.from_env(environ)
        wanted = programs(settings, environ)
    except (SettingsError, ConfigurationError) as error:
        say(str(error), error=True)
        return 1
    return launch(
        wanted,
        logs=settings.build_dir / "logs",
        prepare=lambda: prepare(settings, environ),
        make_pid=int(environ["MAKE_PID"]) if "MAKE_PID" in environ else None,
    )


if __name__ == "__main__":
    sys.exit(main())
