"""Between a run and its record nothing is lost and nothing is doubled, whatever dies and whenever."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmark.record import journal as journal_module
from benchmark.record import spool as spool_module
from benchmark.record.journal import Journal, recover
from benchmark.record.run import Run, RunState
from benchmark.record.spool import Spool, SpoolInUse
from benchmark.record.store import Location, Store, StoreError, UnknownRun
from tests.benchmark.record.processes import as_arguments, start
from tests.postgres import Postgres, serving_postgres

RUN = "0123abcd"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "RETRY_S", 0.0)
    monkeypatch.setattr(journal_module, "_PATIENCE_S", 0.0)


@pytest.fixture
def begun(store: Store) -> Store:
    store.create_run(Run(RUN, "compare", "", RunState.RUNNING, "now", {}))
    return store


class Away:
    """Makes the record fail, before or after a write has taken effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away, self.after = False, False
        for name in ("append", "add_chunks", "finish", "run"):
            monkeypatch.setattr(Store, name, self._failing(getattr(Store, name)))

    def _failing(self, found: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if self.is_away and not self.after:
                raise StoreError("the server is away")
            result = found(*arguments, **options)
            if self.is_away:
                raise StoreError("the connection was lost")
            return result

        return call


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    return Away(monkeypatch)


def chunks(store: Store) -> list[tuple[int, bytes]]:
    return store.chunks(RUN)


def test_chunks_go_straight_to_the_record(begun: Store) -> None:
    journal = Journal(begun, RUN)
    for samples in (b"one", None, b"two"):
        journal.append(RUN, samples, {"done": 1})
    assert chunks(begun) == [(1, b"one"), (2, b"two")]
    journal.finish(RunState.FINISHED, {"ended": True})
    assert (begun.run(RUN).state, begun.run(RUN).outcome) == (RunState.FINISHED, {"ended": True})
    assert not Spool.of(begun.location, RUN).exists


def test_what_the_record_did_not_take_is_on_disk_and_written_later_in_order(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    journal.append(RUN, b"one", {})
    away.is_away = True
    for samples in (b"two", None, b"three"):
        journal.append(RUN, samples, {})
    assert chunks(begun) == [(1, b"one")]
    assert Spool.of(begun.location, RUN).path.stat().st_size > len(b"twothree")
    away.is_away = False
    journal.append(RUN, b"four", {"done": 4})
    assert chunks(begun) == [(1, b"one"), (2, b"two"), (3, b"three"), (4, b"four")]
    assert begun.run(RUN).progress == {"done": 4}
    assert not Spool.of(begun.location, RUN).path.exists()


def test_a_write_whose_answer_was_lost_is_not_repeated(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    away.is_away = away.after = True
    journal.append(RUN, b"one", {})
    assert chunks(begun) == [(1, b"one")]  # the writer does not know
    away.is_away = False
    journal.append(RUN, b"two", {})
    assert chunks(begun) == [(1, b"one"), (2, b"two")]


def test_where_the_disk_is_full_chunks_stay_in_memory(
    begun: Store, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Spool, "_append", full)
    journal = Journal(begun, RUN)
    away.is_away = True
    for samples in (b"one", b"two"):
        journal.append(RUN, samples, {})
    away.is_away = False
    journal.append(RUN, b"three", {})
    assert chunks(begun) == [(1, b"one"), (2, b"two"), (3, b"three")]


def test_other_samples_never_take_the_number_of_recorded_ones(begun: Store) -> None:
    first, second = Journal(begun, RUN), Journal(begun, RUN)
    first.append(RUN, b"one", {})
    second.append(RUN, b"other", {})
    with pytest.raises(StoreError, match="chunk 1 of this run is recorded with other samples"):
        second.drain()
    assert chunks(begun) == [(1, b"one")]
    second._spool.discard()


def test_a_run_that_ends_while_the_record_is_away_is_closed_by_the_next_process(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    away.is_away = True
    journal.append(RUN, b"one", {})
    with pytest.raises(StoreError, match="the server is away"):
        journal.drain()
    with pytest.raises(StoreError, match=rf"the server is away\. The rest of run {RUN} is in .*{RUN}"):
        journal.finish(RunState.CANCELLED, {"reason": "enough"})
    journal._spool.close()  # the process ends
    recover(begun)
    assert Spool.of(begun.location, RUN).path.exists()
    away.is_away = False
    recover(begun)
    assert chunks(begun) == [(1, b"one")]
    ended = begun.run(RUN)
    assert (ended.state, ended.outcome) == (RunState.CANCELLED, {"reason": "enough"})
    assert not Spool.of(begun.location, RUN).path.exists()


def test_the_first_end_counts_also_where_a_second_one_cannot_be_written(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    away.is_away = True
    for state in (RunState.FINISHED, RunState.FAILED):
        with pytest.raises(StoreError, match="the server is away"):
            journal.finish(state, {"state": state.value})
    away.is_away = False
    recover(begun)
    assert (begun.run(RUN).state, begun.run(RUN).outcome) == (RunState.FINISHED, {"state": "finished"})


def test_the_first_end_counts_also_where_the_second_one_can_be_written(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    away.is_away = True
    with pytest.raises(StoreError):
        journal.finish(RunState.FINISHED, {"reason": "all is done"})
    away.is_away = False
    journal.append(RUN, None, {})
    journal.finish(RunState.FAILED, {})
    recover(begun)
    assert (begun.run(RUN).state, begun.run(RUN).outcome.reason) == (RunState.FINISHED, "all is done")


def test_progress_is_recovered_with_its_chunks(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    journal.append(RUN, b"first", {"done": 1, "elapsed_s": 1.0})
    away.is_away = True
    journal.append(RUN, b"second", {"done": 2, "elapsed_s": 2.0})
    journal._spool.close()  # its process died
    away.is_away = False
    recover(begun)
    assert [chunk for _, chunk in begun.chunks(RUN)] == [b"first", b"second"]
    assert begun.run(RUN).progress["done"] == 2


def test_a_run_that_was_deleted_leaves_nothing(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    away.is_away = True
    journal.append(RUN, b"one", {})
    away.is_away = False
    begun.delete_run(RUN)
    begun.create_run(Run(RUN + "5678", "compare", "", RunState.RUNNING, "now", {}))
    journal._spool.close()
    recover(begun)
    assert begun.chunks(RUN + "5678") == []
    assert not Spool.of(begun.location, RUN).path.exists()


def test_a_deleted_run_is_said(begun: Store) -> None:
    journal = Journal(begun, RUN)
    begun.delete_run(RUN)
    uses: tuple[Callable[[], object], ...] = (
        lambda: journal.append(RUN, b"one", {}),
        journal.drain,
        lambda: journal.finish(RunState.FINISHED, {}),
    )
    for use in uses:
        with pytest.raises(UnknownRun):
            use()


def test_a_spool_that_was_cut_off_gives_what_is_whole(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    away.is_away = True
    for samples in (b"one", b"two", b"three"):
        journal.append(RUN, samples, {})
    journal._spool.close()
    path = Spool.of(begun.location, RUN).path
    progress = spool_module._FRAME.size + len(b"{}")  # follows its chunk
    path.write_bytes(path.read_bytes()[: -progress - 2])
    away.is_away = False
    recover(begun)
    assert chunks(begun) == [(1, b"one"), (2, b"two")]


def test_a_spool_of_a_living_process_is_its_own(begun: Store, away: Away) -> None:
    journal = Journal(begun, RUN)
    away.is_away = True
    journal.append(RUN, b"one", {})
    away.is_away = False
    with pytest.raises(SpoolInUse):
        Spool.of(begun.location, RUN).take()
    recover(begun)
    assert chunks(begun) == []
    journal.append(RUN, b"two", {})
    assert chunks(begun) == [(1, b"one"), (2, b"two")]


def test_spools_of_different_records_in_one_directory_are_kept_apart(tmp_path: Path) -> None:
    one, other = (Location(tmp_path, f"postgresql://db.example/{name}") for name in ("one", "other"))
    locations = (one, other, Location(tmp_path))
    for location in locations:
        spool = Spool.of(location, "a/b.c")
        spool.add([(1, b"x")])
        spool.close()
    for location in locations:
        (left,) = Spool.left(location)
        assert (left.path, left.run_id) == (Spool.of(location, "a/b.c").path, "a/b.c")
        assert left.path.parent == tmp_path / "spool"


def test_a_wish_to_cancel_reaches_the_process_with_its_next_write(begun: Store) -> None:
    asked: list[bool] = []
    journal = Journal(begun, RUN, lambda: asked.append(True))
    journal.append(RUN, b"one", {})
    assert not asked
    Store(begun.location).wish_cancel(RUN)
    journal.append(RUN, None, {})
    assert asked == [True]


# --- kill -9

WRITER = """
import sys
from pathlib import Path
from benchmark.record import journal
from benchmark.record.journal import Journal
from benchmark.record.run import Run, RunState
from benchmark.record.store import Location, Store

journal.RETRY_S, journal._PATIENCE_S = 0.0, 20.0
store = Store(Location(Path(sys.argv[1]), sys.argv[2] or None))
store.create_run(Run(sys.argv[3], "compare", "", RunState.RUNNING, "now", {}))
writer = Journal(store, sys.argv[3])
for number, line in enumerate(sys.stdin, 1):
    if line == "end\\n":
        writer.drain()
        writer.finish(RunState.FINISHED, {"done": number})
        break
    writer.append(sys.argv[3], line.encode() * 1000, {"done": number})
    print(number, flush=True)
"""


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server to be killed."""
    with serving_postgres() as server:
        yield server


def write(process: "subprocess.Popen[str]", lines: range) -> None:
    """Let the process write so many lines, and wait for each."""
    assert process.stdin is not None
    assert process.stdout is not None
    for number in lines:
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        process.stdout.readline()


def test_a_server_that_is_killed_in_the_middle_of_a_run_loses_and_doubles_nothing(
    server: Postgres, tmp_path: Path
) -> None:
    location = server.new_record(tmp_path)
    process = start(WRITER, *as_arguments(location), RUN)
    write(process, range(5))
    server.kill()
    write(process, range(5, 10))
    server.start()
    write(process, range(10, 15))
    server.kill()
    server.start()
    _, errors = process.communicate("end\n", timeout=60)
    assert process.returncode == 0, errors
    with closing(Store(location)) as store:
        assert chunks(store) == [(number + 1, f"{number}\n".encode() * 1000) for number in range(15)]
        assert store.run(RUN).state is RunState.FINISHED


@pytest.mark.parametrize("server_first", [True, False])
def test_a_server_and_a_run_that_are_both_killed_lose_nothing_that_was_spooled(
    server: Postgres, tmp_path: Path, server_first: bool
) -> None:
    location = server.new_record(tmp_path)
    process = start(WRITER, *as_arguments(location), RUN)
    write(process, range(5))
    kept = 5
    if server_first:
        server.kill()
        write(process, range(5, 12))
        kept = 12
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    if not server_first:
        server.kill()
    server.start()
    with closing(Store(location)) as store:
        recover(store)
        recover(store)
        assert chunks(store) == [(number + 1, f"{number}\n".encode() * 1000) for number in range(kept)]
        assert list((tmp_path / "spool").glob("*")) == []


def test_a_run_that_is_killed_again_and_again_keeps_every_chunk_that_it_said_was_written(
    location: Location,
) -> None:
    with closing(Store(location)) as store:
        for attempt in range(5):
            run_id = f"{RUN}{attempt}"
            process = start(WRITER, *as_arguments(location), run_id)
            write(process, range(attempt * 3 + 1))
            assert process.stdin is not None
            process.stdin.write("more\n" * 20)
            process.stdin.flush()
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            recover(store)
            found = store.chunks(run_id)
            assert [position for position, _ in found] == list(range(1, len(found) + 1))
            assert len(found) >= attempt * 3 + 1
