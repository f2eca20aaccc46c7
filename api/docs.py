"""The documentation page /docs with all files that it needs, so that it works offline."""

import html
import json
from importlib.resources import files
from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html

from inference.service import Document

_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

# An empty image: the page must not fetch an icon from elsewhere.
_NO_ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"


def docs_page(title: str) -> Document:
    """Swagger UI over /openapi.json. Addresses are relative, so it also works behind a path prefix."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=html.escape(title),
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url=_NO_ICON,
    )
    return Document(bytes(page.body), "text/html; charset=utf-8")


def docs_asset(name: str) -> Document:
    """One of Swagger UI's own files, from the package that ships them."""
    data = (files("fastapi_offline") / "static" / name).read_bytes()
    suffix = name[name.rindex(".") :]
    return Document(data, _MEDIA_TYPES[suffix], cache_control="public, max-age=86400")


def openapi_document(description: dict[str, Any]) -> Document:
    return Document(json.dumps(description).encode())
