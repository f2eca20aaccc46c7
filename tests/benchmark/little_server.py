"""A little HTTP server on the loopback that answers, or misbehaves, exactly as its conversation says."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from inference.contract import MAX_BODY_BYTES, too_large
from inference.service import Service

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One accepted connection, seen from the server's side."""

    def __init__(self, accepted: socket.socket, number: int, server: "LittleServer") -> None:
        self.number = number
        """0 for the first connection that the server accepted."""
        self._socket = accepted
        self._server = server
        self._rest = b""

    def receive(self) -> Request | None:
        """The next request, or None where the client has closed the connection."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._rest) < length:
            if not self._more():
                return None
        body, self._rest = self._rest[:length], self._rest[length:]
        request = Request(method, path, headers, body)
        self._server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def drip(self, data: bytes, every_s: float = 0.05) -> None:
        """Send `data` again and again until the server is closed or the client goes away."""
        while not self._server.closing.wait(every_s):
            self.send(data)

    def hold(self) -> None:
        """Neither send nor close anything until the server is closed."""
        self._server.closing.wait()

    def reset(self) -> None:
        """End the connection with a TCP reset instead of an orderly close."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def _more(self) -> bool:
        data = self._socket.recv(65536)
        self._rest += data
        return bool(data)


Conversation = Callable[[Connection], None]
"""What happens on a connection, from its acceptance to its end."""


class LittleServer:
    """Listens on a free port; every connection has a thread of its own. Use it in a `with` block."""

    def __init__(self, conversation: Conversation) -> None:
        self.requests: list[Request] = []
        """All requests so far, of all connections."""
        self.closing = threading.Event()
        self._conversation = conversation
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name="accept", daemon=True)
        self._acceptor.start()

    def paths(self, method: str) -> list[str]:
        """The paths of all requests with this method."""
        return [request.path for request in self.requests if request.method == method]

    def close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                accepted, _ = self._listener.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(accepted, len(self._connections), self)
                self._connections.append(accepted)
                thread = threading.Thread(target=self._serve, args=(accepted, connection), name="serve", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, accepted: socket.socket, connection: Connection) -> None:
        with accepted, suppress(OSError):  # the client may go away at any moment
            self._conversation(connection)


@contextmanager
def closed_port() -> Iterator[str]:
    """The URL of a port on which nothing listens, and which nobody else gets meanwhile."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


def reply(body: bytes, status: int = 200, headers: Headers = (), content_type: str = "application/json") -> bytes:
    """A finished HTTP answer that leaves the connection open."""
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"content-type: {content_type}",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def json_reply(document: Any, status: int = 200, headers: Headers = ()) -> bytes:
    return reply(json.dumps(document).encode(), status, headers)


def answering(answer: Callable[[Request], bytes]) -> Conversation:
    """A server that behaves: `answer` to one request after the other, until the client closes the connection."""

    def conversation(connection: Connection) -> None:
        while (request := connection.receive()) is not None:
            connection.send(answer(request))

    return conversation


def always(data: bytes) -> Conversation:
    """The same answer to every request."""
    return answering(lambda _: data)


def serving(service: Service) -> Conversation:
    """The real service, as both endpoints put it behind HTTP."""
    one_at_a_time = threading.Lock()

    def answer(request: Request) -> bytes:
        with one_at_a_time:
            if len(request.body) > MAX_BODY_BYTES:
                made = service.refuse(too_large(), request.method, request.path)
            else:
                made = service.respond(request.method, request.path, request.body, request.headers.get("content-type"))
        kept = [(name, value) for name, value in made.headers if name != "content-type"]
        return reply(made.body, made.status, kept, dict(made.headers)["content-type"])

    return answering(answer)
