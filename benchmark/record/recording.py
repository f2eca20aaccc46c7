"""Recording a run in progress: rows are collected in memory and written twice a second."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmark.record.run import Run, RunState
from benchmark.record.samples import ROW, Row, Samples, join, pack, unpack
from benchmark.record.store import Store, StoreError

FLUSH_EVERY_S = 0.5
HEARTBEAT_S = 5.0
"""How often a run that waits for an answer writes a sign of life; after three times as long it counts as lost."""


class Recorder:
    """Collects the rows of one run. Adding one costs about a microsecond, and makes no garbage to collect."""

    def __init__(self, store: Store, run_id: str, total: int) -> None:
        """`total` is how many requests are planned."""
        self.done = 0
        self.phase = "measuring"
        self._store = store
        self._run_id = run_id
        self._total = total
        self._buffer = np.empty(4096, dtype=ROW)
        self._filled = 0
        self._unwritten: deque[Samples] = deque()
        self._writing = threading.Lock()  # rows are recorded in the order in which they came
        self._started_ns = self._flushed_ns = perf_counter_ns()

    def add(self, row: Row) -> None:
        """Keep one row until the next flush."""
        if self._filled == len(self._buffer):
            self._buffer = np.resize(self._buffer, 2 * len(self._buffer))
        self._buffer[self._filled] = row
        self._filled += 1
        self.done += 1

    @property
    def unwritten_s(self) -> float:
        """How long ago the last flush was, or the beginning."""
        return (perf_counter_ns() - self._flushed_ns) / 1e9

    def flush(self) -> None:
        """Write the rows since the last flush, or only a sign of life. Raises StoreError."""
        self._put_aside()
        self._write(self.progress)

    async def flush_aside(self) -> None:
        """The same in another thread, so that the event loop goes on. Raises StoreError."""
        self._put_aside()
        await asyncio.to_thread(self._write, self.progress)

    @property
    def progress(self) -> dict[str, Any]:
        """How far the run is."""
        elapsed_s = (perf_counter_ns() - self._started_ns) / 1e9
        return {"done": self.done, "total": self._total, "phase": self.phase, "elapsed_s": round(elapsed_s, 3)}

    def _write(self, progress: dict[str, Any]) -> None:
        with self._writing:
            rows = join(self._take())
            try:
                self._store.append(self._run_id, pack(rows) if len(rows) else None, progress)
            except StoreError:
                self._unwritten.appendleft(rows)  # the file may be free again the next time
                raise

    def _take(self) -> Iterator[Samples]:
        # One by one, as the loop's thread may put more aside meanwhile.
        while self._unwritten:
            yield self._unwritten.popleft()

    def _put_aside(self) -> None:
        # Replaced, not shared: another thread may pack these rows while new ones come in. Kept here and not handed to
        # that thread, as a cancelled run may never start it.
        self._flushed_ns = perf_counter_ns()
        self._unwritten.append(self._buffer[: self._filled])
        self._buffer = np.empty(4096, dtype=ROW)
        self._filled = 0


def load_samples(store: Store, run_id: str, after: int = 0) -> tuple[Samples, int]:
    """A run's samples from the chunks after number `after`, in the order in which they ended, and the last number.

    Raises UnknownRun, StoreError, and ValueError for damaged samples.
    """
    chunks = store.chunks(run_id, after)
    return join(unpack(chunk) for _, chunk in chunks), chunks[-1][0] if chunks else after


def add_finished_run(store: Store, run: Run, samples: Samples) -> None:
    """Record a whole run at once: one that was measured elsewhere, or simulated.

    Raises StoreError, also where a run of this id is there already.
    """
    state = run.state if run.is_over else RunState.LOST  # nobody here goes on with it
    store.create_run(replace(run, state=state), pack(samples) if len(samples) else None)
