"""`python -m benchmark.engine.null_server`: an HTTP server that does nothing, to measure the client overhead.

Prints its port. Ends when its standard input closes, so that it never outlives its parent process.
"""

import asyncio
import sys

_BODY = b'{"prediction": 0}'
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: " + str(len(_BODY)).encode() + b"\r\n\r\n"
) + _BODY


class _Answerer(asyncio.Protocol):
    """Answers each request once its body is complete; parses HTTP only to find the end of a request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while True:
            head, end, rest = self._pending.partition(b"\r\n\r\n")
            if not end:
                return
            _, _, length = head.lower().partition(b"content-length:")
            size = int(length.partition(b"\r\n")[0] or 0)
            if len(rest) < size:
                return
            self._pending = rest[size:]
            assert isinstance(self._transport, asyncio.WriteTransport)  # noqa: S101  what TCP gives
            self._transport.write(_ANSWER)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answerer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
