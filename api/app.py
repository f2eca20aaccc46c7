"""The API: predictions are the shared core's, the documentation is a FastAPI application's.

Importing FastAPI takes twice as long as everything else that a cold start does, and no prediction needs it: its routes
lead to the core, which decodes and checks a body once. So the first reader of the documentation loads it.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

from inference.asgi import Receive, Scope, Send, ServiceApp
from inference.service import Document

if TYPE_CHECKING:
    from fastapi import FastAPI


class Api:
    """The API as an ASGI application."""

    def __init__(self, service_app: ServiceApp) -> None:
        self._core = service_app
        service = service_app.service
        self._documentation: dict[str, Callable[[], Document]] = {
            "/docs": self._page,
            "/openapi.json": self._openapi,
            "/docs/swagger-ui-bundle.js": partial(_asset, "swagger-ui-bundle.js"),
            "/docs/swagger-ui.css": partial(_asset, "swagger-ui.css"),
        }
        for path, make in self._documentation.items():
            service.add_document(path, make)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        app = self.fastapi if scope["path"] in self._documentation else self._core
        return app(scope, receive, send)

    @cached_property
    def fastapi(self) -> "FastAPI":
        """The API as a FastAPI application with all its routes, which describes itself."""
        from api.application import create_app

        return create_app(self._core)

    def _openapi(self) -> Document:
        from api.docs import openapi_document

        return openapi_document(self.fastapi.openapi())

    def _page(self) -> Document:
        from api.docs import docs_page

        return docs_page(self.fastapi.title)


def _asset(name: str) -> Document:
    from api.docs import docs_asset

    return docs_asset(name)
