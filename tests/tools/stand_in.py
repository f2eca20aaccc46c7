"""A server as small as a program of the launcher can be: it listens on PORT and behaves as its arguments say.

serve            answer 200
busy             answer 503
ignore-term      ignore SIGTERM
worker           start a worker, not its own leader, that outlives this process
stubborn-worker  the same, and the worker ignores SIGTERM
crash            say what is wrong in 20 lines, end with status 3
"""

import os
import signal
import socket
import sys
import time


def worker(*, stubborn: bool) -> None:
    if os.fork() == 0:
        if stubborn:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)


def main(behaviour: list[str]) -> int:
    if "ignore-term" in behaviour:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "worker" in behaviour or "stubborn-worker" in behaviour:
        worker(stubborn="stubborn-worker" in behaviour)
    if "crash" in behaviour:
        for number in range(1, 21):
            print(f"reason {number}")
        return 3
    status = b"503 Service Unavailable" if "busy" in behaviour else b"200 OK"
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
        print("listening", flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
