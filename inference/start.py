"""The start that both serving targets have in common: settings, a verified model, or one line and a non-zero exit."""

import gc
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from inference.asgi import ServiceApp
from inference.cors import Cors
from inference.model import ArtifactError, load_model
from inference.request_log import RequestLog
from inference.service import Service
from inference.settings import ServingSettings, SettingsError
from inference.startup import startup


def require_port(host: str, port: int) -> None:
    """Exit with status 1 and one line on stderr if this process cannot listen at `host` and `port`.

    The servers would notice only after the model is loaded, and gunicorn reports it in eleven lines. If another process
    takes the port after this check, the server still notices.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: a port that rests is free
            probe.bind((host, port))
    except OSError as error:
        sys.exit(f"refusing to start: cannot listen on {host}:{port}: {error.strerror}")


def load_app(
    name: str, *, default_model_dir: Path, frameworks: Sequence[str] = (), environ: Mapping[str, str] = os.environ
) -> ServiceApp:
    """The application over the configured artifact; `frameworks` are the distributions that carry it.

    Called before any port is open. Exits with status 1 and one line on stderr if the artifact cannot be trusted or a
    variable is invalid, so that the platform sees a failed start and never a wrong answer.
    """
    startup.begin()
    try:
        settings = ServingSettings.from_env(environ, default_model_dir=default_model_dir)
        model = load_model(settings.model_dir, settings.runtime, lambda: startup.end("runtime"))
        startup.end("model")
    except (ArtifactError, SettingsError) as error:
        sys.exit(f"refusing to start: {error}")
    service = Service(model, settings, name, startup.phases_ms, frameworks)
    return ServiceApp(service, RequestLog(settings.log_level, environ), Cors(settings.cors_origins))


def settle_memory() -> None:
    """Call when everything is loaded: the garbage collector then skips what is alive now."""
    gc.enable()
    gc.freeze()
    startup.end("server")
