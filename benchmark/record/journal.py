"""The way of a run in progress into the record: nothing is lost while the record is away, nothing is written twice."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from benchmark.record.run import RunState
from benchmark.record.spool import End, Spool
from benchmark.record.store import Store, StoreError, UnknownRun

RETRY_S = 5.0
"""How often a record that is away is tried while a run is measured."""
_PATIENCE_S = 30.0
"""How long the end of a run waits for a shared record that is away."""


class Journal:
    """Writes one run. Chunks are numbered, so that one whose answer was lost is not recorded twice.

    While the record cannot be written, chunks are kept in a file on local disk, and in memory where the disk is full.
    They are written when the record is back: by this process, or after its death by `recover`.
    """

    def __init__(self, store: Store, run_id: str, on_cancel: Callable[[], None] = lambda: None) -> None:
        """For a run that this process has created or resumed. Raises UnknownRun, StoreError.

        `on_cancel` is called, from any thread, when someone wants the run to be cancelled.
        """
        recover(store, resuming=run_id)
        self._store = store
        self._run_id = run_id
        self._on_cancel = on_cancel
        self._next = store.last_chunk(run_id) + 1
        self._spool = Spool.of(store.location, run_id)
        self._kept: list[tuple[int, bytes]] = []
        """numbered chunks that are neither in the record nor in the file"""
        self._end: End | None = None
        self._is_away = False
        self._tried_at = 0.0
        self._lock = threading.Lock()

    def append(self, run_id: str, chunk: bytes | None, progress: Mapping[str, Any]) -> None:
        """Write packed samples, or a sign of life, to the record or else to the disk. Raises UnknownRun."""
        with self._lock:
            if chunk:
                self._kept.append((self._next, chunk))
                self._next += 1
            if self._is_away and time.monotonic() - self._tried_at < RETRY_S:
                self._put_aside(progress)
                return
            try:
                self._write(progress)
            except UnknownRun:
                raise
            except StoreError:  # what was not written is kept
                pass

    def drain(self) -> None:
        """Write everything that waits. Raises StoreError if the record stays away."""
        give_up_at = time.monotonic() + (_PATIENCE_S if self._store.is_shared else 0)
        while True:
            try:
                with self._lock:
                    self._write(None)
                return
            except UnknownRun:
                raise
            except StoreError:
                if time.monotonic() >= give_up_at:
                    raise
            time.sleep(1.0)

    def finish(self, state: RunState, outcome: Mapping[str, Any]) -> None:
        """Write what waits, and close the run. Raises StoreError; then the end of the run waits on local disk.

        Called again after that, it tries again: the first end counts, and the second is that it could not be written.
        """
        with self._lock:
            self._end = end = self._end or End(state, outcome)
            try:
                self._write(None)
                self._store.finish(self._run_id, end.state, end.outcome)
            except UnknownRun:
                raise
            except StoreError as error:
                with suppress(StoreError):  # it is over, even if its samples are not recorded yet
                    self._store.finish(self._run_id, RunState.FAILED, end.outcome)
                with suppress(OSError):
                    self._spool.end(end)
                    self._spool.close()
                    kept = f"The rest of run {self._run_id} is in {self._spool.path} until the next command"
                    raise StoreError(f"{error}. {kept} or run writes it to the record.") from error
                raise
            with suppress(OSError):  # its chunks are recorded, so that it is discarded next time
                self._spool.discard()

    def _write(self, progress: Mapping[str, Any] | None) -> None:
        """Write all chunks in order, and then the progress. Raises StoreError, and keeps what was not written."""
        self._tried_at = time.monotonic()
        try:
            for part in self._spool.parts():
                self._store.add_chunks(self._run_id, part)
            if len(self._kept) > 1 or progress is None:
                self._store.add_chunks(self._run_id, self._kept)
                self._kept.clear()
            wanted = False
            if progress is not None:
                position, chunk = self._kept[0] if self._kept else (None, None)
                wanted = self._store.append(self._run_id, chunk, progress, position)
                self._kept.clear()
            self._spool.discard()
        except UnknownRun:  # deleted meanwhile
            with suppress(OSError):
                self._spool.discard()
            raise
        except (StoreError, OSError) as error:
            self._is_away = True
            self._put_aside(progress)
            raise error if isinstance(error, StoreError) else StoreError(str(error)) from error
        self._is_away = False
        if wanted:
            self._on_cancel()

    def _put_aside(self, progress: Mapping[str, Any] | None) -> None:
        with suppress(OSError):  # then they stay in memory
            self._spool.add(self._kept, progress)
            self._kept.clear()


def recover(store: Store, resuming: str | None = None) -> None:
    """Write to the record what processes of this machine that have died left on its disk.

    The run that is `resuming` gets its samples, but not the end that it had before.
    What cannot be written now is left for the next time. Raises nothing.
    """
    if store.read_only:
        return
    for spool in Spool.left(store.location):
        try:
            spool.take()
        except OSError:  # its process lives, or it was written just now
            continue
        try:
            _write_left(store, spool, spool.run_id == resuming)
            spool.discard()
        except (StoreError, OSError, ValueError, KeyError):
            pass
        finally:
            spool.close()


def _write_left(store: Store, spool: Spool, goes_on: bool) -> None:
    try:
        run = store.run(spool.run_id)
        if run.id != spool.run_id:  # another one that begins with its ID
            return
        for part in spool.parts():
            store.add_chunks(run.id, part)
        progress = spool.progress()
        if progress is not None and progress.get("elapsed_s", 0.0) > run.progress.get("elapsed_s", 0.0):
            store.add_chunks(run.id, (), progress)
        end = spool.ended()
        # What could be written of its end says that it failed.
        if end is not None and not goes_on and run.state in (RunState.RUNNING, RunState.LOST, RunState.FAILED):
            store.finish(run.id, end.state, end.outcome)
    except UnknownRun:  # it was deleted
        return
