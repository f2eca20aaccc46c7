"""Recording a run in progress: rows are collected in memory and written twice a second."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np

from benchmark.record.run import Run, RunState
from benchmark.record.samples import ROW, Row, Samples, join, pack, unpack
from benchmark.record.store import Store, StoreError

FLUSH_EVERY_S = 0.5
HEARTBEAT_S = 5.0
"""How often a waiting run writes a sign of life; after three times as long it counts as lost."""


class Log(Protocol):
    """Where a recorder writes: the journal of a run, or what carries rows to one."""

    def append(self, run_id: str, chunk: bytes | None, progress: Mapping[str, Any]) -> object:
        """Write packed rows, or a sign of life. Raises StoreError."""


class Recorder:
    """Collects the rows of one run. Adding one takes about a microsecond, and creates no garbage."""

    def __init__(self, store: Log, run_id: str, total: int, observe: Callable[[Row], None] | None = None) -> None:
        """`total` is the number of planned requests; `observe` is called with each row."""
        self.done = 0
        self.phase = "measuring"
        self._store = store
        self._run_id = run_id
        self._total = total
        self._observe = observe
        self._buffer = np.empty(4096, dtype=ROW)
        self._filled = 0
        self._unwritten: deque[Samples] = deque()
        self._writing = threading.Lock()  # rows are recorded in order of arrival
        self._started_ns = self._flushed_ns = perf_counter_ns()

    def add(self, row: Row) -> None:
        """Keep one row until the next flush."""
        if self._filled == len(self._buffer):
            self._buffer = np.resize(self._buffer, 2 * len(self._buffer))
        self._buffer[self._filled] = row
        self._filled += 1
        self.done += 1
        if self._observe is not None:
            self._observe(row)

    @property
    def unwritten_s(self) -> float:
        """The time since the last flush, or since the start."""
        return (perf_counter_ns() - self._flushed_ns) / 1e9

    def flush(self) -> None:
        """Write the rows since the last flush, or else a sign of life. Raises StoreError."""
        self._put_aside()
        self._write(self.progress)

    async def flush_aside(self) -> None:
        """Flush in another thread, so that the event loop continues. Raises StoreError."""
        self._put_aside()
        await asyncio.to_thread(self._write, self.progress)

    @property
    def progress(self) -> dict[str, Any]:
        """The progress of the run."""
        elapsed_s = (perf_counter_ns() - self._started_ns) / 1e9
        return {"done": self.done, "total": self._total, "phase": self.phase, "elapsed_s": round(elapsed_s, 3)}

    def _write(self, progress: dict[str, Any]) -> None:
        with self._writing:
            rows = join(self._take())
            try:
                self._store.append(self._run_id, pack(rows) if len(rows) else None, progress)
            except StoreError:
                self._unwritten.appendleft(rows)  # the file may be free next time
                raise

    def _take(self) -> Iterator[Samples]:
        # One by one, because the loop's thread may add more meanwhile.
        while self._unwritten:
            yield self._unwritten.popleft()

    def _put_aside(self) -> None:
        # Replaced, not shared: another thread may pack these rows while new ones arrive. Kept here and not passed to
        # that thread, because a cancelled run may never start it.
        self._flushed_ns = perf_counter_ns()
        self._unwritten.append(self._buffer[: self._filled])
        self._buffer = np.empty(4096, dtype=ROW)
        self._filled = 0


def load_samples(store: Store, run_id: str, after: int = 0) -> tuple[Samples, int]:
    """A run's samples from the chunks after number `after`, in the order of completion, and the last number.

    Raises UnknownRun, StoreError, and ValueError for damaged samples.
    """
    chunks = store.chunks(run_id, after)
    return join(unpack(chunk) for _, chunk in chunks), chunks[-1][0] if chunks else after


def add_finished_run(store: Store, run: Run, samples: Samples) -> None:
    """Record a whole run at once, for an import or a simulation.

    Raises StoreError, also if the ID is already recorded.
    """
    state = run.state if run.is_over else RunState.LOST  # no process here continues it
    store.create_run(replace(run, state=state), pack(samples) if len(samples) else None)
