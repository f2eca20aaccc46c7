"""The limit of uvicorn: an ASGI application that reads the body and answers fixed bytes.

uvicorn bare_asgi:app
"""

from collections.abc import Awaitable, Callable
from typing import Any

BODY = (
    b'{"prediction":0,"prediction_label":"setosa","confidence":0.98,'
    b'"probabilities":{"setosa":0.98,"versicolor":0.01,"virginica":0.01},"model_version":"1"}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
