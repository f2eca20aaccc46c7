"""The function's source as the platform imports it: entry point `predict`."""

import gc

gc.disable()  # importing allocates a lot and frees little: collecting meanwhile only delays the first answer

from pathlib import Path  # noqa: E402

import functions_framework.aio  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402
from starlette.types import Receive, Scope, Send  # noqa: E402
from uvicorn_worker import UvicornWorker  # noqa: E402

from inference.asgi import Endpoint  # noqa: E402
from inference.start import load_service, settle_memory  # noqa: E402

# Loaded at import, before the port is open: a cold start pays for the model once, and a bad artifact never serves.
_endpoint = Endpoint(load_service("faceoff-function", default_model_dir=Path(__file__).resolve().parent / "artifact"))


class _Answer(Response):
    """A response that is made while it is sent, by the shared endpoint, which reads the request itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _endpoint(scope, receive, send)


_answer = _Answer()


@functions_framework.aio.http
async def predict(request: Request) -> Response:
    """Answer every method and path."""
    return _answer


# The framework starts this worker; its settings are the only way to give both endpoints the same HTTP behaviour:
# uvicorn's own keep-alive instead of gunicorn's 2 s, and no header that names the server.
UvicornWorker.CONFIG_KWARGS = {
    **UvicornWorker.CONFIG_KWARGS,
    "timeout_keep_alive": 5,
    "server_header": False,
    "proxy_headers": False,
}

settle_memory()
