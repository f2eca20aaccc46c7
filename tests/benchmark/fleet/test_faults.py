"""Whatever dies or stops in the middle costs its own rows at most, and nothing sends on."""

import os
import signal
import time
from time import perf_counter

import psutil
import pytest

from tests.benchmark.fleet.conftest import Asked, Dask, Load, StartLoad, engines, is_gone, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]
WITHIN_S = 5.0
"""Nothing is sent any more after this."""
RATE = ("--rate", 100, "--duration", 16, "--warmup", 0)


@pytest.fixture
def under_way(dask: Dask, load: StartLoad, asked: Asked) -> tuple[Dask, Load, list[psutil.Process]]:
    """A load on three workers, and their engines."""
    for name in ("a", "b", "c"):
        dask.add(name)
    run = load(dask.address, "--worker-count", 3, *RATE)
    wait_until(lambda: len(asked.times_s) > 600, "requests")
    found = [engine for worker in dask.workers for engine in engines(worker)]
    assert len(found) == 3
    return dask, run, found


UnderWay = tuple[Dask, Load, list[psutil.Process]]


def check_one_lost(run: Load, asked: Asked, problem: str) -> None:
    """Worker a is lost with its own rows, and the others finished."""
    status, out, errors = run.end()
    assert status == 0, errors
    document = run.document
    assert document["state"] == "finished"
    lost, *others = document["workers"]
    assert lost["name"] == "a" and problem in lost["problem"]
    assert lost["lost"] > 100 and lost["sent"] > 20
    assert [(worker["lost"], worker["problem"]) for worker in others] == [(0, None), (0, None)]
    # Every request of the plan is a row, or is counted as lost.
    planned = sum(worker["sent"] + worker["lost"] for worker in document["workers"])
    recorded = sum(side["attempts"] for side in document["endpoints"].values())
    assert recorded == planned - lost["lost"]
    assert "from 2 of 3 workers (b and c)" in " ".join(out.split())
    assert f"Worker a was lost: {lost['problem']}" in " ".join(out.split())


def test_a_killed_worker_costs_its_own_rows(under_way: UnderWay, asked: Asked) -> None:
    dask, run, found = under_way
    dask.workers[0].kill()
    wait_until(lambda: is_gone(found[0]), "the end of its engine")
    check_one_lost(run, asked, "it ")


def test_a_frozen_worker_costs_its_own_rows_and_its_engine_ends(under_way: UnderWay, asked: Asked) -> None:
    dask, run, found = under_way
    os.kill(dask.workers[0].pid, signal.SIGSTOP)
    stopped_s = perf_counter()
    wait_until(lambda: is_gone(found[0]), "the end of its engine")
    assert perf_counter() - stopped_s < WITHIN_S
    check_one_lost(run, asked, "it did not answer within 5 s")


def test_a_frozen_engine_costs_its_own_rows_and_never_sends_again(under_way: UnderWay, asked: Asked) -> None:
    _, run, found = under_way
    found[0].suspend()
    time.sleep(WITHIN_S)
    found[0].resume()  # everything is overdue now
    wait_until(lambda: is_gone(found[0]), "the end of the engine")
    check_one_lost(run, asked, "its engine ended: it heard nothing for 4 s")


def test_a_killed_engine_costs_its_own_rows(under_way: UnderWay, asked: Asked) -> None:
    _, run, found = under_way
    found[0].kill()
    check_one_lost(run, asked, "its engine ended: it was ended by signal 9")


@pytest.mark.parametrize("who", ["coordinator", "scheduler"])
def test_without_coordinator_or_scheduler_nothing_sends_on(under_way: UnderWay, asked: Asked, who: str) -> None:
    dask, run, found = under_way
    (run.process if who == "coordinator" else dask.scheduler).kill()
    killed_s = perf_counter()
    for engine in found:
        wait_until(lambda engine=engine: is_gone(engine), "the end of the engines")  # type: ignore[misc]
    assert max(asked.times_s) - killed_s < WITHIN_S
    sent = len(asked.times_s)
    if who == "scheduler":
        status, _, errors = run.end()
        assert run.document["state"] == "failed"
        assert run.document["reason"] == "lost contact with all 3 workers"
        assert sum(worker["sent"] for worker in run.document["workers"]) > 200
        assert status == 2
        assert errors.endswith("python -m benchmark load: lost contact with all 3 workers\n")
    time.sleep(1.0)
    assert len(asked.times_s) == sent


def test_a_frozen_engine_without_coordinator_is_ended_too(under_way: UnderWay) -> None:
    _, run, found = under_way
    for engine in found:
        engine.suspend()
    run.process.kill()
    for engine in found:
        wait_until(lambda engine=engine: is_gone(engine), "the end of the engines")  # type: ignore[misc]


def test_the_last_worker_that_is_lost_fails_the_run(under_way: UnderWay, asked: Asked) -> None:
    dask, run, found = under_way
    for worker in dask.workers:
        worker.kill()
    for engine in found:
        wait_until(lambda engine=engine: is_gone(engine), "the end of the engines")  # type: ignore[misc]
    run.end()
    assert run.document["state"] == "failed"
    assert run.document["reason"] == "lost contact with all 3 workers"
