"""`python bucket_server.py RATE BURST refuses|queues`: a token bucket on a free port, which it prints.

It answers at most RATE requests/s for longer than it takes to spend BURST tokens, which it saves while it is idle.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"prediction": 0}'
_REFUSAL = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


class Bucket:
    """Says how long a request waits for its token."""

    def __init__(self, rate: float, burst: float, queues: bool) -> None:
        self._period_s, self._saved_s, self._queues = 1 / rate, burst / rate, queues
        self._due_s = float("-inf")

    def wait_s(self, now_s: float) -> float | None:
        """None if it is refused."""
        due_s = max(self._due_s, now_s - self._saved_s) + self._period_s
        if due_s > now_s + self._period_s and not self._queues:
            return None
        self._due_s = due_s
        return max(0.0, due_s - now_s - self._period_s)


class Connection(asyncio.Protocol):
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, separator, body = self._data.partition(b"\r\n\r\n")
        if not separator:
            return
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        if len(body) < int(fields.get(b"content-length", b"0")):
            return
        self._data = b""
        loop = asyncio.get_running_loop()
        if not head.startswith(b"POST") or (wait_s := self._bucket.wait_s(loop.time())) is None:
            self._transport.write(_REFUSAL)
        elif wait_s:
            loop.call_later(wait_s, self._transport.write, _ANSWER)
        else:
            self._transport.write(_ANSWER)


async def main(rate: float, burst: float, queues: bool) -> None:
    bucket = Bucket(rate, burst, queues)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(bucket), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def bucket_server(rate: float, burst: float, *, queues: bool = False) -> Iterator[str]:
    """The URL of a server in a process of its own."""
    arguments = [sys.executable, __file__, str(rate), str(burst), "queues" if queues else "refuses"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "queues"))
