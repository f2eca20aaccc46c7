"""`python -m tools.raw_requests BODY ADDRESS...`: what a client needs at least.

For each line on standard input, `BODY` is posted to /predict of all addresses at once, over plain sockets that stay
open. The latencies in ms are a line of JSON on standard output.
"""

import json
import random
import selectors
import socket
import sys
from time import perf_counter_ns
from typing import cast


def main() -> None:
    body, addresses = sys.argv[1].encode(), sys.argv[2:]
    requests: dict[socket.socket, bytes] = {}
    with selectors.DefaultSelector() as selector:
        for address in addresses:
            host, _, port = address.rpartition(":")
            connection = socket.create_connection((host, int(port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = f"POST /predict HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n"
            requests[connection] = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
            selector.register(connection, selectors.EVENT_READ)
        for _ in sys.stdin:
            print(json.dumps(exchange(selector, requests)), flush=True)


def exchange(selector: selectors.BaseSelector, requests: dict[socket.socket, bytes]) -> list[float]:
    """Latencies of one request to each, in ms; who leaves first is drawn."""
    sent_ns: dict[socket.socket, int] = {}
    received = dict.fromkeys(requests, b"")
    latencies: list[float] = []
    for connection in random.sample(list(requests), len(requests)):
        sent_ns[connection] = perf_counter_ns()
        connection.sendall(requests[connection])
    while len(latencies) < len(requests):
        for key, _ in selector.select():
            connection = cast(socket.socket, key.fileobj)  # nothing else was registered
            data = connection.recv(65536)
            if not data:
                sys.exit("a server closed the connection")
            received[connection] += data
            if received[connection].endswith(b"}"):  # both answer with one JSON object
                latencies.append((perf_counter_ns() - sent_ns[connection]) / 1e6)
    return latencies


if __name__ == "__main__":
    main()
