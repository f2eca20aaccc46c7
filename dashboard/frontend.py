"""Serve Streamlit's own front end compressed, and tell it the address of its server.

The names of bundles contain a hash of their content, so bundles never change: each is compressed once and kept. The
document is the same at the address of every page.
"""

import asyncio
import gzip
import re
from collections.abc import MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.visitor import VISITOR_COOKIE, is_secret, new_secret

_PREFIX = "/static/"
_COMPRESSIBLE = (".js", ".css", ".svg", ".json", ".html", ".wasm")
_MAX_KEPT_BYTES = 32 * 1024 * 1024
# Headers that concern the bytes as they are on disk.
_CONDITIONAL = {b"range", b"if-none-match", b"if-modified-since"}
_NEGOTIATING = {*_CONDITIONAL, b"accept-encoding"}
_OF_STORED_BYTES = {b"content-length", b"content-encoding", b"etag", b"accept-ranges", b"last-modified"}

CHARTS_COOKIE = "faceoff_charts"
"""Set together with Plotly's bundle, which is more than half of all bytes: a browser with this cookie has cached it."""
_CHARTS_BUNDLE = "/static/js/PlotlyChart."

_PAGE = re.compile(r"/[\w-]*")
"""The address of a page: one segment without a dot."""
_HEAD = b"<head>"
SERVER = b"<script>window.__streamlit = {BACKEND_BASE_URL: new URL('.', location.href).href}</script>"
"""Without it, the front end first looks for its server below the page's own address: two 404s on every direct link.

All pages are in one folder, which also holds the document's `./static/`, even behind a proxy's prefix.
"""


class FrontEnd:
    """ASGI middleware: compress Streamlit's bundles and document, add the server's address to the document, and give
    every browser a name of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, tuple[Message, bytes]] = {}
        self._kept_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            path: str = scope["path"]
            if _PAGE.fullmatch(path):
                await self._document(scope, send)
                return
            conditional = _CONDITIONAL & dict(scope["headers"]).keys()
            if path.startswith(_PREFIX) and path.endswith(_COMPRESSIBLE) and _accepts_gzip(scope) and not conditional:
                await self._bundle(scope, send)
                return
        await self._app(scope, receive, send)

    async def _document(self, scope: Scope, send: Send) -> None:
        # Request the whole, uncompressed document, because its bytes are changed here.
        headers = [(name, value) for name, value in scope["headers"] if name not in _NEGOTIATING]
        start, body = await _collect(self._app, {**scope, "headers": headers})
        if start["status"] == 200:
            body = body.replace(_HEAD, _HEAD + SERVER, 1)
            encoded = _accepts_gzip(scope)
            if encoded:
                body = await asyncio.to_thread(gzip.compress, body, 9)
            headers = _changed_headers(start, len(body), encoded=encoded)
            if not is_secret(Request(scope).cookies.get(VISITOR_COOKIE)):
                headers.append((b"set-cookie", _visitor_cookie(scope)))
            start = {**start, "headers": headers}
        await _reply(start, body, send)

    async def _bundle(self, scope: Scope, send: Send) -> None:
        path: str = scope["path"]
        kept = self._kept.get(path)
        if kept is None:
            start, body = await _collect(self._app, scope)
            if start["status"] != 200 or b"content-encoding" in dict(start["headers"]):
                await _reply(start, body, send)
                return
            compressed = await asyncio.to_thread(gzip.compress, body, 9)
            headers = _changed_headers(start, len(compressed), encoded=True)
            if path.startswith(_CHARTS_BUNDLE):
                cookie = f"{CHARTS_COOKIE}=1; Max-Age=31536000; Path=/; SameSite=Lax; HttpOnly"
                headers.append((b"set-cookie", cookie.encode()))
            kept = ({**start, "headers": headers}, compressed)
            if self._kept_bytes + len(compressed) <= _MAX_KEPT_BYTES:
                self._kept[path] = kept
                self._kept_bytes += len(compressed)
        await _reply(*kept, send)


def _visitor_cookie(scope: Scope) -> bytes:
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{VISITOR_COOKIE}={new_secret()}; Max-Age=31536000; Path=/; SameSite=Lax; HttpOnly{secure}".encode()


def _accepts_gzip(scope: Scope) -> bool:
    for entry in dict(scope["headers"]).get(b"accept-encoding", b"").split(b","):
        coding, _, weight = entry.partition(b";")
        if coding.strip().lower() == b"gzip":
            return bool(weight.replace(b" ", b"").rstrip(b"0.") != b"q=")
    return False


async def _collect(app: ASGIApp, scope: Scope) -> tuple[Message, bytes]:
    """The whole answer of `app` to a GET request.

    It is not told when the client leaves: it could stop in the middle, and the next client would get the part.
    """
    start: Message = {}
    chunks: list[bytes] = []
    is_read = False

    async def receive() -> Message:
        nonlocal is_read
        if is_read:
            await asyncio.Event().wait()
        is_read = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def gather(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    await app(scope, receive, gather)
    return start, b"".join(chunks)


async def _reply(start: Message, body: bytes, send: Send) -> None:
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _changed_headers(start: Message, length: int, *, encoded: bool) -> list[tuple[bytes, bytes]]:
    """The headers of the changed bytes, without those that describe the bytes on disk."""
    kept = [(name, value) for name, value in start["headers"] if name.lower() not in _OF_STORED_BYTES]
    encoding = [(b"content-encoding", b"gzip")] if encoded else []
    return [*kept, (b"content-length", str(length).encode()), *encoding, (b"vary", b"Accept-Encoding")]
