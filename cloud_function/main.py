"""The function's source as the platform imports it: entry point `predict`."""

import gc

gc.disable()  # importing allocates a lot and frees little: collecting meanwhile only delays the first answer

import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

import click  # noqa: E402
import functions_framework.aio  # noqa: E402
from gunicorn.config import ControlSocketDisable  # type: ignore[import-untyped]  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402
from starlette.types import Receive, Scope, Send  # noqa: E402
from uvicorn_worker import UvicornWorker  # noqa: E402

from inference.guard import guarded  # noqa: E402
from inference.request_log import log_failures_as_json  # noqa: E402
from inference.start import load_app, require_port, settle_memory  # noqa: E402

log_failures_as_json(("faceoff",))

# The framework's command line is what imports this file, and it knows where it is about to listen.
if (command := click.get_current_context(silent=True)) is not None and "port" in command.params:
    require_port(command.params["host"], command.params["port"])

# Loaded at import, before the port is open: a cold start pays for the model once, and a bad artifact never serves.
_service_app = load_app(
    "faceoff-function",
    default_model_dir=Path(__file__).resolve().parent / "artifact",
    frameworks=("functions-framework", "starlette", "uvicorn"),
)


class _Answer(Response):
    """A response that the shared service writes; it reads the request itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _service_app(scope, receive, send)


_answer = _Answer()


@functions_framework.aio.http
async def predict(request: Request) -> Response:
    """Answer every method and path."""
    return _answer


# The framework starts this worker; its settings are the only way to give both endpoints the same HTTP behaviour.
UvicornWorker.CONFIG_KWARGS = {
    **UvicornWorker.CONFIG_KWARGS,
    "http": guarded(_service_app),
    "server_header": False,
    "proxy_headers": False,
    "timeout_graceful_shutdown": 8,
}

# Nobody runs gunicornc here: its socket would be a module, a thread, an event loop and a file in the home directory.
ControlSocketDisable.default = True

try:
    tempfile.gettempdir()
except FileNotFoundError:
    # gunicorn's heartbeat needs a file, which a read-only root without a /tmp has room for in memory alone.
    tempfile.tempdir = "/dev/shm"  # noqa: S108

settle_memory()
