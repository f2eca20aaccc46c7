"""Many slow clients at once: do they keep others from being served, and how long may they stay?"""

import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.hostile.case import request

_HEAD = request(headers=("Content-Length: 75",), length=False)
KINDS = {"headers": _HEAD[:30], "bodies": _HEAD, "silent": b""}
DRIP_S = 0.2
GIVE_UP_S = 12.0


@dataclass(frozen=True, slots=True)
class SlowClients:
    """How long each slow client was kept, from its connection on; None for one that was never cut."""

    kept_s: Sequence[float | None]


def hold(port: int, count: int) -> SlowClients:
    """Open `count` connections, a third of each kind, drip on those that have begun, and wait until all are cut."""
    kept_s: list[float | None] = [None] * count
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        started_s: dict[int, float] = {}
        beginnings = list(KINDS.values())
        for index in range(count):
            started_s[index] = time.monotonic()
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            connection.setblocking(False)
            beginning = beginnings[index % len(beginnings)]
            _send(connection, beginning)
            selector.register(connection, selectors.EVENT_READ, (index, bool(beginning)))
        next_drip_s = time.monotonic() + DRIP_S
        end_s = time.monotonic() + GIVE_UP_S
        while selector.get_map() and time.monotonic() < end_s:
            for key, _ in selector.select(0.05):
                connection = key.fileobj  # type: ignore[assignment]  # only sockets are registered
                if _is_cut(connection):
                    kept_s[key.data[0]] = time.monotonic() - started_s[key.data[0]]
                    selector.unregister(connection)
            if time.monotonic() > next_drip_s:
                next_drip_s += DRIP_S
                for key in selector.get_map().values():
                    if key.data[1]:
                        _send(key.fileobj, b"a")  # type: ignore[arg-type]
    return SlowClients(kept_s)


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        connection.send(data)
    except OSError:
        return  # cut; the end is seen when it is read


def _is_cut(connection: socket.socket) -> bool:
    try:
        return not connection.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        return True
