"""What visitors cost the dashboard's process: CPU for each change under Live, and memory when they have gone."""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import mean

from tools.bench_serving import BenchError
from tools.processes import Server
from tools.sessions import Visitor, visitor

CHANGES = 40
WARM_UP = 5
VISITORS = 20
CHANGES_OF_EACH = 5
_QUIET_S = 0.2
"""How long the process still works after the answer: it writes the record and collects garbage."""
_CLOSED_S = 3.0


@dataclass(frozen=True, slots=True)
class Sessions:
    """What visitors cost."""

    change_cpu_ms: Sequence[float]
    """of each change, with what it leaves to do"""
    change_bytes: float
    """that one change sends, on average"""
    before_mib: float
    """proportional memory of the process after a first visitor"""
    after_mib: float
    """the same when many visitors have come at once and gone"""

    @property
    def mean_change_cpu_ms(self) -> float:
        return mean(self.change_cpu_ms)

    @property
    def growth(self) -> float:
        return self.after_mib / self.before_mib


def measure_sessions(server: Server, url: str, seed: int) -> Sessions:
    """Use the Predict page at `url`, which `server` serves. Raises BenchError if the page shows an exception."""
    draw = random.Random(seed)  # noqa: S311  inputs, not secrets
    with visitor(url) as first:
        first.switch("Live", True)
        for _ in range(WARM_UP):
            _change(first, draw)
        received = first.received_bytes
        costs_ms = []
        for _ in range(CHANGES):
            began_s = server.cpu_s()
            _change(first, draw)
            time.sleep(_QUIET_S)
            costs_ms.append(1000 * (server.cpu_s() - began_s))
        change_bytes = (first.received_bytes - received) / CHANGES
    time.sleep(_CLOSED_S)
    before_mib = server.memory_mib()
    with ExitStack() as open_sessions, ThreadPoolExecutor(VISITORS) as pool:
        visitors = [open_sessions.enter_context(visitor(url)) for _ in range(VISITORS)]
        seeds = [draw.randrange(2**32) for _ in visitors]
        list(pool.map(_use, visitors, seeds))
    time.sleep(_CLOSED_S)
    return Sessions(costs_ms, change_bytes, before_mib, server.memory_mib())


def _use(one: Visitor, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311  inputs, not secrets
    one.switch("Live", True)
    for _ in range(CHANGES_OF_EACH):
        _change(one, draw)


def _change(one: Visitor, draw: random.Random) -> None:
    one.slide_any(draw)
    if one.errors:
        raise BenchError(f"the page shows {one.errors[0]}")
