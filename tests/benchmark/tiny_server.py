"""`python tiny_server.py`: a server on $PORT that starts in a moment, for tests in which a start is all that matters.

In SAYS: `all` of a real endpoint's evidence and phases, or `nothing`. SLEEP_S is what its start takes longer.
"""

import json
import os
import socket
import time

STARTED_NS = time.monotonic_ns()
time.sleep(float(os.environ.get("SLEEP_S", "0")))


def main() -> None:
    says_all = os.environ.get("SAYS", "all") == "all"
    instance, count = os.urandom(6).hex(), 0
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
                    data += more
                head, _, body = data.partition(b"\r\n\r\n")
                lines = head.decode().lower().split("\r\n")
                length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length")), 0)
                while len(body) < length and (more := connection.recv(65536)):
                    body += more
                if not head:
                    continue
                predicts = lines[0].startswith("post")
                count += predicts
                serving = {
                    "instance_id": instance,
                    "startup_ms": {"imports": 20, "runtime": 1, "model": 2, "server": 1},
                }
                age_ms = (time.monotonic_ns() - STARTED_NS) // 1_000_000
                reply = json.dumps({"prediction": 0} if predicts else {"card": CARD, "serving": serving}).encode()
                headers = f"x-instance-id: {instance}\r\nx-instance-age-ms: {age_ms}\r\nx-request-count: {count}\r\n"
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
                    + (headers.encode() if says_all else b"")
                    + f"content-length: {len(reply)}\r\n\r\n".encode()
                    + reply
                )


CARD = json.loads(os.environ.get("CARD", "null"))

if __name__ == "__main__":
    main()
