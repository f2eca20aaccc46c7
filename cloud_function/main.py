"""The function's source as the platform imports it: entry point `predict`."""

import gc

gc.disable()  # importing allocates a lot and frees little: collecting meanwhile only delays the first answer

from pathlib import Path  # noqa: E402

import functions_framework.aio  # noqa: E402
from starlette.requests import Request  # noqa: E402

from inference.asgi import Endpoint  # noqa: E402
from inference.start import load_service, settle_memory  # noqa: E402

# Loaded at import, before the port is open: a cold start pays for the model once, and a bad artifact never serves.
_endpoint = Endpoint(load_service("faceoff-function", default_model_dir=Path(__file__).resolve().parent / "artifact"))


@functions_framework.aio.http
async def predict(request: Request) -> Endpoint:
    """Answer every method and path. What a function returns is called as an ASGI response; the endpoint is one."""
    return _endpoint


settle_memory()
