"""Between a run and its record nothing is lost: not by a full buffer, a locked file, nor a cancel at a bad moment."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from benchmark.record import database, recording
from benchmark.record.recording import FLUSH_EVERY_S, Recorder, add_finished_run, load_samples
from benchmark.record.run import Run, RunState
from benchmark.record.samples import ROW, Samples, empty
from benchmark.record.store import Store, StoreError, UnknownRun
from tests.benchmark.runs import make_run, pairs, row


@pytest.fixture
def run(store: Store) -> Run:
    started = replace(make_run(), state=RunState.RUNNING, outcome={})
    store.create_run(started)
    return started


def groups(store: Store, run: Run) -> list[int]:
    found: list[int] = load_samples(store, run.id)[0]["group"].tolist()
    return found


def test_what_is_added_is_recorded_at_the_next_flush(store: Store, run: Run) -> None:
    recorder = Recorder(store, run.id, 10)
    recorder.add(row(0, 0))
    assert groups(store, run) == []
    recorder.flush()
    recorder.add(row(1, 1))
    recorder.flush()
    assert groups(store, run) == [0, 1]
    (first, second), last = load_samples(store, run.id)
    assert (first.tolist(), last) == (pytest.approx(row(0, 0), nan_ok=True), 2)
    assert second["endpoint"] == 1


def test_a_buffer_that_is_full_grows(store: Store, run: Run) -> None:
    recorder = Recorder(store, run.id, 10_000)
    for group in range(10_000):
        recorder.add(row(0, group))
    recorder.flush()
    assert groups(store, run) == list(range(10_000))
    assert recorder.done == 10_000


def test_a_flush_says_how_far_the_run_is_also_with_nothing_new(store: Store, run: Run) -> None:
    recorder = Recorder(store, run.id, 10)
    recorder.phase = "warming up"
    recorder.flush()
    assert store.chunks(run.id) == []
    progress = store.run(run.id).progress
    assert {name: progress[name] for name in ("done", "total", "phase")} == {
        "done": 0,
        "total": 10,
        "phase": "warming up",
    }
    recorder.add(row(0, 0))
    recorder.flush()
    assert store.run(run.id).progress["done"] == 1
    assert store.run(run.id).progress["elapsed_s"] >= progress["elapsed_s"] >= 0


def test_a_flush_is_due_twice_a_second(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 1_000
    monkeypatch.setattr(recording, "perf_counter_ns", lambda: now_ns)
    recorder = Recorder(store, run.id, 10)
    assert recorder.unwritten_s < FLUSH_EVERY_S
    now_ns += 500_000_000
    assert recorder.unwritten_s >= FLUSH_EVERY_S
    recorder.flush()
    assert recorder.unwritten_s < FLUSH_EVERY_S


@contextmanager
def locked(store: Store) -> Iterator[None]:
    """Another process writes, and does not end."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_what_a_locked_file_did_not_take_is_written_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run = Store(tmp_path), replace(make_run(), state=RunState.RUNNING, outcome={})
    store.create_run(run)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    recorder = Recorder(store, run.id, 10)
    for group in range(3):
        recorder.add(row(0, group))
        with locked(store), pytest.raises(StoreError, match="locked"):
            recorder.flush()
    assert groups(store, run) == []
    recorder.add(row(0, 3))
    recorder.flush()
    assert groups(store, run) == [0, 1, 2, 3]


def test_requests_that_end_while_the_record_is_written_are_in_the_next_flush(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    append = Store.append

    def slow(self: Store, *arguments: object) -> None:
        writing.set()
        assert go_on.wait(10)
        append(self, *arguments)  # type: ignore[arg-type]

    async def measure(recorder: Recorder) -> None:
        monkeypatch.setattr(Store, "append", slow)
        recorder.add(row(0, 0))
        flush = asyncio.create_task(recorder.flush_aside())
        while not writing.is_set():
            await asyncio.sleep(0.001)
        recorder.add(row(0, 1))  # the loop is not held up meanwhile
        go_on.set()
        await flush
        recorder.flush()

    asyncio.run(measure(Recorder(store, run.id, 2)))
    assert groups(store, run) == [0, 1]


def test_a_flush_that_is_cancelled_before_it_began_loses_nothing(store: Store, run: Run) -> None:
    async def measure(recorder: Recorder) -> None:
        occupied, free = threading.Event(), threading.Event()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))

        def occupy() -> None:
            occupied.set()
            assert free.wait(10)

        busy = loop.run_in_executor(None, occupy)
        while not occupied.is_set():
            await asyncio.sleep(0.001)
        recorder.add(row(0, 0))
        flush = asyncio.create_task(recorder.flush_aside())
        await asyncio.sleep(0.01)
        flush.cancel()
        await asyncio.wait({flush})
        free.set()
        await busy

    recorder = Recorder(store, run.id, 1)
    asyncio.run(measure(recorder))
    assert groups(store, run) == []
    recorder.flush()
    assert groups(store, run) == [0]


def test_samples_are_read_from_where_the_last_reading_ended(store: Store, run: Run) -> None:
    recorder = Recorder(store, run.id, 10)
    recorder.add(row(0, 0))
    recorder.flush()
    _, last = load_samples(store, run.id)
    assert [len(part) if isinstance(part, np.ndarray) else part for part in load_samples(store, run.id, last)] == [0, 1]
    recorder.add(row(0, 1))
    recorder.flush()
    more, last = load_samples(store, run.id, last)
    assert (more["group"].tolist(), last) == ([1], 2)


def test_a_damaged_chunk_is_told_from_a_run_that_is_not_there(store: Store, run: Run) -> None:
    store.append(run.id, b"damaged", {})
    with pytest.raises(ValueError, match="damaged samples"):
        load_samples(store, run.id)
    with pytest.raises(UnknownRun):
        load_samples(store, "ffff")


def test_a_whole_run_is_recorded_at_once(store: Store) -> None:
    samples = pairs([10.0, 11.0], [20.0, 21.0])
    add_finished_run(store, make_run(), samples)
    assert load_samples(store, "0123abcd")[0].tobytes() == samples.tobytes()
    assert store.run("0123abcd") == make_run()
    with pytest.raises(StoreError, match="0123abcd is already in the record"):
        add_finished_run(store, make_run(), samples)


def test_a_run_that_was_going_on_elsewhere_is_lost_here(store: Store) -> None:
    add_finished_run(store, replace(make_run(), state=RunState.RUNNING), empty())
    assert store.run("0123abcd").state is RunState.LOST
    assert len(load_samples(store, "0123abcd")[0]) == 0


# --- A million requests


@pytest.fixture(scope="module")
def million() -> Samples:
    """As a load of 1000/s to two endpoints would leave them, with noise in all that is measured."""
    random = np.random.default_rng(1)
    samples = np.zeros(1_000_000, ROW)
    samples["endpoint"] = random.integers(0, 2, len(samples))
    samples["group"] = np.arange(len(samples)) // 2
    samples["scheduled_ms"] = np.sort(random.uniform(0, 500_000, len(samples)))
    samples["sent_ms"] = samples["scheduled_ms"] + random.exponential(0.05, len(samples))
    for name in ("service_ms", "server_ms", "wait_ms", "receive_ms"):
        samples[name] = random.lognormal(3, 0.3, len(samples))
    for name in ("dns_ms", "connect_ms", "tls_ms"):
        samples[name] = np.nan
    samples["status"], samples["temperature"] = 200, 1
    samples["instance"] = random.integers(1, 9, len(samples))
    samples["prediction"] = random.integers(0, 3, len(samples))
    return samples


def size_bytes(store: Store) -> int:
    """What the record takes on its disk."""
    if not store.is_shared:
        return sum(path.stat().st_size for path in store.path.parent.glob(f"{store.path.name}*"))
    with store.database.read() as connection:
        return int(connection.execute(text("SELECT pg_total_relation_size('chunk')")).scalar_one())


def test_a_million_requests_take_less_than_60_mb(store: Store, run: Run, million: Samples) -> None:
    recorder = Recorder(store, run.id, len(million))
    for rows in np.split(million, 50):
        recorder._buffer, recorder._filled = rows.copy(), len(rows)
        recorder.flush()
    assert 1e6 < size_bytes(store) < 60e6
    assert load_samples(store, run.id)[0].tobytes() == million.tobytes()
