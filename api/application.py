"""The FastAPI application over the shared service."""

from functools import partial

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

from api.openapi import describe
from inference.asgi import ServiceApp


class Application(FastAPI):
    """FastAPI's routing and documentation, without middleware.

    The shared service turns every failure into a JSON answer, so the layers that catch exceptions would only cost time.
    """

    def build_middleware_stack(self) -> ASGIApp:
        return self.router


def create_app(service_app: ServiceApp) -> FastAPI:
    """The application over `service_app`."""
    card = service_app.service.card
    # Plain ASGI routes: the shared core decodes and checks a body once, and answers unknown paths and methods too.
    app = Application(
        title=card.title,
        version=card.version,
        openapi_url=None,
        routes=[Route(path, service_app) for path in ("/predict", "/", "/health", "/model-info", "/metrics")],
        redirect_slashes=False,
        # Off, because FastAPI otherwise looks for OpenTelemetry's providers anew at every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.default = service_app
    app.openapi = partial(describe, card)  # type: ignore[method-assign]  # the way FastAPI documents it
    return app
