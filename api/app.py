"""The FastAPI application over the shared endpoint."""

from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

from inference.asgi import Endpoint
from inference.service import Document, Service


class Api(FastAPI):
    """FastAPI's routing and documentation, without middleware.

    The shared endpoint turns every failure into a JSON answer of its own, so the layers that catch the
    exceptions of ordinary handlers would only cost time.
    """

    def build_middleware_stack(self) -> ASGIApp:
        return self.router


def create_app(service: Service) -> FastAPI:
    """The application over `service`, its documentation included."""
    for path, make in _documentation(service).items():
        service.add_document(path, make)
    endpoint = Endpoint(service)
    # Plain ASGI routes: the shared core decodes and checks a body once, and answers unknown paths and methods too.
    app = Api(
        title=service.card.title,
        version=service.card.version,
        openapi_url=None,
        routes=[Route(path, endpoint) for path in ("/predict", "/", "/health", "/model-info")],
        redirect_slashes=False,
    )
    app.router.default = endpoint
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
