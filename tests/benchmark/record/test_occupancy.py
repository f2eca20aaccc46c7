"""No endpoint is in two runs at once, on any machine that shares the record, and no lock outlives its process."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.record.occupancy import EndpointInUse, occupied
from benchmark.record.run import Run
from benchmark.record.store import Location, Store, StoreError
from tests.benchmark.record.processes import as_arguments, start
from tests.benchmark.runs import make_run
from tests.postgres import PASSWORD


def run_of(run_id: str, *urls: str | None) -> Run:
    endpoints = [{"key": f"k{at}", "name": f"Endpoint {at}", "url": url} for at, url in enumerate(urls)]
    return replace(make_run(), id=run_id, manifest={"endpoints": endpoints})


API, FUNCTION = "https://api.example/predict", "https://function.example"

HOLDER = """
import sys
from pathlib import Path
from benchmark.record.occupancy import occupied
from benchmark.record.run import Run, RunState
from benchmark.record.store import Location, Store

store = Store(Location(Path(sys.argv[1]), sys.argv[2] or None))
endpoints = [{"key": "a", "name": "A", "url": sys.argv[3]}]
with occupied(store, Run("abcd1234", "compare", "", RunState.RUNNING, "now", {"endpoints": endpoints})):
    print("ready", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def other(location: Location) -> Iterator[Store]:
    """The record as another process sees it."""
    with closing(Store(location)) as store:
        yield store


def test_an_endpoint_is_free_before_and_after_a_run(store: Store) -> None:
    with other(store.location) as elsewhere:
        for _ in range(2):
            with occupied(store, run_of("aaaa", API, FUNCTION)):
                with pytest.raises(EndpointInUse) as raised, occupied(elsewhere, run_of("bbbb", FUNCTION)):
                    pass
                assert str(raised.value).startswith("Endpoint 0 is in use by run aaaa: ")
        with occupied(elsewhere, run_of("bbbb", FUNCTION)):
            pass


def test_a_run_that_is_resumed_while_it_is_running_is_told_so(store: Store) -> None:
    with (
        other(store.location) as elsewhere,
        occupied(store, run_of("aaaa", API)),
        pytest.raises(EndpointInUse, match="run aaaa is running, so there is nothing to resume"),
        occupied(elsewhere, run_of("aaaa", API)),
    ):
        pass


def test_runs_on_different_endpoints_are_carried_out_at_the_same_time(store: Store) -> None:
    with (
        other(store.location) as elsewhere,
        occupied(store, run_of("aaaa", API)),
        occupied(elsewhere, run_of("bbbb", FUNCTION)),
    ):
        pass


def test_a_refused_run_keeps_none_of_its_endpoints(store: Store) -> None:
    with other(store.location) as elsewhere:
        with (
            occupied(store, run_of("aaaa", FUNCTION)),
            pytest.raises(EndpointInUse),
            occupied(elsewhere, run_of("bbbb", API, FUNCTION)),
        ):
            pass
        with occupied(store, run_of("cccc", API)):
            pass


def test_a_run_of_one_endpoint_against_itself_and_of_programs_is_not_refused(store: Store) -> None:
    with occupied(store, run_of("aaaa", API, API)), occupied(store, run_of("bbbb", None, None)):
        pass


def test_loopback_addresses_of_different_machines_are_different_endpoints(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = "http://127.0.0.1:8080"
    with other(store.location) as elsewhere, occupied(store, run_of("aaaa", local)):
        with pytest.raises(EndpointInUse), occupied(elsewhere, run_of("bbbb", local)):
            pass
        monkeypatch.setattr("benchmark.record.occupancy.socket.gethostname", lambda: "another")
        with occupied(elsewhere, run_of("bbbb", local)):
            pass


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_ends_with_its_process(store: Store, sign: signal.Signals) -> None:
    process = start(HOLDER, *as_arguments(store.location), API)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with pytest.raises(EndpointInUse, match="run abcd1234"), occupied(store, run_of("bbbb", API)):
        pass
    os.kill(process.pid, sign)
    process.communicate()
    for _ in range(200):  # the server notices a moment later
        try:
            with occupied(store, run_of("bbbb", API)):
                return
        except EndpointInUse:
            pass
    pytest.fail("the lock has outlived its process")


def test_a_directory_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("")
    with pytest.raises(StoreError, match="locks: File exists"), occupied(Store(tmp_path), run_of("aaaa", API)):
        pass


def test_a_server_that_is_away_is_one_line_without_the_password(tmp_path: Path) -> None:
    store = Store(Location(tmp_path, f"postgresql://ann:{PASSWORD[:4]}@127.0.0.1:1/faceoff?connect_timeout=2"))
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/faceoff") as raised, occupied(store, run_of("aaaa", API)):
        pass
    assert "\n" not in str(raised.value)
