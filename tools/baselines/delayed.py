"""A server whose answer takes a fixed time: what a client measures beyond it is the client's.

python -m tools.baselines.delayed MILLISECONDS; prints its port.
"""

import asyncio
import sys

from tools.baselines.bare_asgi import BODY

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


class Delayed(asyncio.Protocol):
    """One request after the other; knows of HTTP only where a request ends."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # what TCP gives  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head, end, body = self._pending.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
        if end and len(body) >= int(length or 0):
            self._pending = b""
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, ANSWER)


async def serve(delay_s: float) -> None:
    """Until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Delayed(delay_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000))
