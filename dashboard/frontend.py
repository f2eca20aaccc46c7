"""How Streamlit's own front end is delivered: compressed, where it is sent as it lies on disk otherwise.

The files carry a hash of their content in their names and never change, so each is compressed once and kept.
"""

import asyncio
import gzip
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIX = "/static/"
_COMPRESSIBLE = (".js", ".css", ".svg", ".json", ".html", ".wasm")
_MAX_KEPT_BYTES = 32 * 1024 * 1024

CHARTS_COOKIE = "faceoff_charts"
"""Set with Plotly's bundle, more than half of all bytes: a browser that has it has the bundle in its cache."""
_CHARTS_BUNDLE = "/static/js/PlotlyChart."


class FrontEnd:
    """ASGI middleware: gzip for Streamlit's bundles and first page, everything else untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, tuple[Message, bytes]] = {}
        self._kept_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _wants_compressed(scope):
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        kept = self._kept.get(path)
        if kept is None:
            start, body = await _collect(self._app, scope, receive)
            if start["status"] != 200 or b"content-encoding" in dict(start["headers"]):
                await _reply(start, body, send)
                return
            compressed = await asyncio.to_thread(gzip.compress, body, 9)
            headers = _compressed_headers(start, len(compressed))
            if path.startswith(_CHARTS_BUNDLE):
                cookie = f"{CHARTS_COOKIE}=1; Max-Age=31536000; Path=/; SameSite=Lax; HttpOnly"
                headers.append((b"set-cookie", cookie.encode()))
            kept = ({**start, "headers": headers}, compressed)
            if path.startswith(_PREFIX) and self._kept_bytes + len(compressed) <= _MAX_KEPT_BYTES:
                self._kept[path] = kept
                self._kept_bytes += len(compressed)
        await _reply(*kept, send)


def _wants_compressed(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    path: str = scope["path"]
    if path != "/" and not (path.startswith(_PREFIX) and path.endswith(_COMPRESSIBLE)):
        return False
    headers = dict(scope["headers"])
    # A partial or conditional request is about the bytes as they are stored.
    conditional = {b"range", b"if-none-match", b"if-modified-since"} & headers.keys()
    return _accepts_gzip(headers.get(b"accept-encoding", b"")) and not conditional


def _accepts_gzip(accept_encoding: bytes) -> bool:
    for entry in accept_encoding.split(b","):
        coding, _, weight = entry.partition(b";")
        if coding.strip().lower() == b"gzip":
            return weight.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False


async def _collect(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    start: Message = {}
    chunks: list[bytes] = []

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


def _compressed_headers(start: Message, length: int) -> list[tuple[bytes, bytes]]:
    replaced = (b"content-length", b"content-encoding", b"etag", b"accept-ranges")
    kept = [(name, value) for name, value in start["headers"] if name.lower() not in replaced]
    return [
        *kept,
        (b"content-length", str(length).encode()),
        (b"content-encoding", b"gzip"),
        (b"vary", b"Accept-Encoding"),
    ]
