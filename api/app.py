"""The FastAPI application over the shared service."""

from functools import partial
from typing import Any

import pydantic

# Importing FastAPI builds a validator for every object of OpenAPI, a tenth of a cold start, and none is ever used here:
# bodies are checked by the shared core, and the description is plain JSON. Deferred, they are built when first used.
pydantic.BaseModel.model_config = {"defer_build": True}

from fastapi import FastAPI  # noqa: E402
from starlette.routing import Route  # noqa: E402
from starlette.types import ASGIApp  # noqa: E402

from inference.asgi import ServiceApp  # noqa: E402
from inference.service import Document, Service  # noqa: E402


class Api(FastAPI):
    """FastAPI's routing and documentation, without middleware.

    The shared service turns every failure into a JSON answer, so the layers that catch exceptions would only cost time.
    """

    def build_middleware_stack(self) -> ASGIApp:
        return self.router


def create_app(service_app: ServiceApp) -> FastAPI:
    """The application over `service_app`, its documentation included."""
    service = service_app.service
    for path, make in _documentation(service).items():
        service.add_document(path, make)
    # Plain ASGI routes: the shared core decodes and checks a body once, and answers unknown paths and methods too.
    app = Api(
        title=service.card.title,
        version=service.card.version,
        openapi_url=None,
        routes=[Route(path, service_app) for path in ("/predict", "/", "/health", "/model-info", "/metrics")],
        redirect_slashes=False,
        # Off, because FastAPI otherwise looks for OpenTelemetry's providers anew at every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.default = service_app
    app.openapi = partial(_describe, service)  # type: ignore[method-assign]  # the way FastAPI documents it
    return app


# What only readers of the documentation need is imported by the first of them, not by every cold start.


def _describe(service: Service) -> dict[str, Any]:
    from api.openapi import describe

    return describe(service.card)


def _documentation(service: Service) -> dict[str, Any]:
    def openapi() -> Document:
        from api.docs import openapi_document

        return openapi_document(_describe(service))

    def page() -> Document:
        from api.docs import docs_page

        return docs_page(service.card.title)

    def asset(name: str) -> Document:
        from api.docs import docs_asset

        return docs_asset(name)

    return {
        "/docs": page,
        "/openapi.json": openapi,
        "/docs/swagger-ui-bundle.js": partial(asset, "swagger-ui-bundle.js"),
        "/docs/swagger-ui.css": partial(asset, "swagger-ui.css"),
    }
