"""A run that one machine carries out is watched and cancelled from another, and its endpoints are its own."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmark import launch
from benchmark.endpoints.endpoint import Endpoint
from benchmark.launch import Launcher
from benchmark.record.plan import ComparePlan, OpenLoopPlan
from benchmark.record.recording import load_samples
from benchmark.record.run import RunState
from benchmark.record.spool import Spool
from benchmark.record.store import Location, Store, UnknownRun
from inference.card import ModelCard
from tests.benchmark.cards import make_service, tea_outputs
from tests.benchmark.conftest import Serve
from tests.benchmark.little_server import LittleServer, serving
from tests.postgres import Postgres, serving_postgres

PATIENCE_S = 60.0
LONG = OpenLoopPlan(rate=20.0, duration_s=600.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "sqlite":
        return Location(tmp_path)
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.new_record(tmp_path)


@pytest.fixture
def servers(serve: Serve, tea: ModelCard) -> list[LittleServer]:
    return [serve(serving(make_service(tea, tea_outputs))) for _ in range(2)]


@pytest.fixture
def sides(servers: list[LittleServer]) -> list[Endpoint]:
    return [Endpoint(key, key.upper(), server.url) for key, server in zip(("api", "function"), servers, strict=True)]


@pytest.fixture
def here(location: Location) -> Iterator[Launcher]:
    with closing(Store(location)) as store, closing(Launcher(store)) as launcher:
        yield launcher


@pytest.fixture
def there(location: Location) -> Iterator[Launcher]:
    """Another machine's."""
    with closing(Store(location)) as store, closing(Launcher(store)) as launcher:
        yield launcher


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on, the runs in progress are another machine's."""
    return lambda: monkeypatch.setattr(launch, "is_here", lambda _: False)


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def has_samples(store: Store, run_id: str) -> bool:
    try:
        return bool(store.chunks(run_id))
    except UnknownRun:
        return False


def test_a_run_is_watched_and_cancelled_from_another_machine(
    here: Launcher, there: Launcher, location: Location, sides: list[Endpoint], elsewhere: Callable[[], None]
) -> None:
    with closing(Store(location)) as store:
        run_id = here.start(LONG, sides, "Evening", user="ann")
        wait_for(lambda: has_samples(store, run_id))
        assert there.running() == run_id
        elsewhere()
        assert there.cancel(run_id)
        wait_for(lambda: not here.is_alive(run_id))
        run = store.run(run_id)
        assert (run.state, run.started_by, run.name) == (RunState.CANCELLED, "ann", "Evening")
        assert len(load_samples(store, run_id)[0]) > 0
        assert not there.cancel(run_id)


def test_an_endpoint_that_is_in_a_run_is_refused_to_another_machine(
    here: Launcher, there: Launcher, location: Location, sides: list[Endpoint], elsewhere: Callable[[], None]
) -> None:
    with closing(Store(location)) as store:
        run_id = here.start(LONG, sides)
        wait_for(lambda: has_samples(store, run_id))
        if store.is_shared:
            elsewhere()
            refused = there.start(ComparePlan(pairs=1, warmup=0), sides)
            wait_for(lambda: there.problem(refused) is not None)
            assert there.problem(refused) in [
                f"{side.name} is in use by run {run_id}: an endpoint can be in one run at a time" for side in sides
            ]
        else:
            with pytest.raises(launch.LaunchError, match=f"run {run_id} is in progress"):
                there.start(ComparePlan(pairs=1, warmup=0), sides)
        assert here.cancel(run_id)
        wait_for(lambda: not here.is_alive(run_id))


@pytest.mark.slow
def test_a_run_whose_database_is_killed_twice_records_every_request_once(
    tmp_path: Path, sides: list[Endpoint], servers: list[LittleServer]
) -> None:
    with serving_postgres() as postgres:
        location = postgres.new_record(tmp_path)
        with closing(Store(location)) as store, closing(Launcher(store)) as launcher:
            run_id = launcher.start(OpenLoopPlan(rate=50.0, duration_s=12.0, warmup=0), sides)
            wait_for(lambda: has_samples(store, run_id))
            postgres.kill()
            time.sleep(3)
            postgres.start()
            time.sleep(2)
            postgres.kill()
            wait_for(lambda: bool(list((tmp_path / "spool").glob("*"))))
            postgres.start()
            wait_for(lambda: not launcher.is_alive(run_id))
            assert store.run(run_id).state is RunState.FINISHED
            samples, _ = load_samples(store, run_id)
            sent = sum(request.method == "POST" for server in servers for request in server.requests)
            assert len(samples) == len(np.unique(samples[["endpoint", "group"]])) == sent > 500
            assert list((tmp_path / "spool").glob("*")) == []


@pytest.mark.slow
def test_a_run_that_is_killed_with_its_database_keeps_what_it_has_spooled(
    tmp_path: Path, sides: list[Endpoint]
) -> None:
    with serving_postgres() as postgres:
        location = postgres.new_record(tmp_path)
        with closing(Store(location)) as store, closing(Launcher(store)) as launcher:
            run_id = launcher.start(LONG, sides)
            wait_for(lambda: has_samples(store, run_id))
            process = store.process(run_id)
            assert process is not None
            postgres.kill()
            wait_for(lambda: bool(list((tmp_path / "spool").glob("*"))))
            time.sleep(2)
            os.kill(process, signal.SIGKILL)
            wait_for(lambda: not launcher.is_alive(run_id))
            (spool,) = Spool.left(location)
            spool.take()
            spooled = [chunk for part in spool.parts() for chunk in part]
            spool.close()
            assert spooled
            postgres.start()
            assert launcher.close_dead(store.run(run_id))
            assert store.run(run_id).state is RunState.FAILED
            chunks = store.chunks(run_id)
            assert chunks[-len(spooled) :] == spooled
            assert [position for position, _ in chunks] == list(range(1, len(chunks) + 1))
            samples, _ = load_samples(store, run_id)
            assert len(samples) == len(np.unique(samples[["endpoint", "group"]]))
