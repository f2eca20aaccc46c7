"""`load --workers` from the command line to the record: the same requests as one process, and all rows of them."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from benchmark.__main__ import main
from benchmark.record.recording import load_samples
from benchmark.record.samples import Samples
from benchmark.record.store import Store
from tests.benchmark.fleet.conftest import Asked, Dask, Load, StartLoad, wait_until
from tests.servers import ROOT

RATE = ("--rate", 100, "--duration", 3, "--warmup", 5, "--seed", 4)


def rows_of(load: Load, results: Path) -> Samples:
    return load_samples(Store(results), load.document["id"])[0]


def sends(samples: Samples) -> list[tuple[int, int, float, bool]]:
    """What was sent and when it was due."""
    return sorted(
        zip(*(samples[name].tolist() for name in ("endpoint", "group", "scheduled_ms", "warmup")), strict=True)
    )


@pytest.mark.slow
def test_workers_send_exactly_what_one_process_sends(load: StartLoad, asked: Asked, tmp_path: Path) -> None:
    together = load("local:2", *RATE)
    status, out, errors = together.end()
    assert status == 0, errors
    assert len(errors.splitlines()) == 1  # the announcement; Dask says nothing
    samples = rows_of(together, tmp_path / "results")
    document = together.document
    assert set(samples["worker"].tolist()) == {1, 2}
    workers = document["workers"]
    assert [(worker["name"], worker["lost"], worker["problem"]) for worker in workers] == [
        ("0", 0, None),
        ("1", 0, None),
    ]
    assert [worker["sent"] for worker in workers] == np.bincount(samples["worker"])[1:].tolist()
    assert sum(worker["sent"] for worker in workers) == len(samples) == len(asked.times_s)
    assert document["generator"]["floor_ms"] > 0
    progress = Store(tmp_path / "results").run(document["id"]).progress
    assert progress["done"] == progress["total"] == len(samples)
    assert "live" not in progress  # which is only for a run in progress
    assert "from 2 workers (0 and 1)" in " ".join(out.split())
    assert "api p50 / p95 (ms)" in out
    alone = load(None, *RATE)
    assert alone.end()[0] == 0
    assert sends(samples) == sends(rows_of(alone, tmp_path / "results"))
    # What is shown, exported and imported knows the workers.
    shown = tmp_path / "shown.json"
    main(["export", document["id"], "--format", "json", "--results", str(tmp_path / "results"), "--out", str(shown)])
    main(["import", str(shown), "--results", str(tmp_path / "other")])
    main(["show", document["id"], "--results", str(tmp_path / "other"), "--json", str(tmp_path / "again.json")])
    assert json.loads((tmp_path / "again.json").read_text())["workers"] == workers


@pytest.mark.slow
def test_callers_are_divided_among_the_workers_of_a_scheduler(dask: Dask, load: StartLoad, tmp_path: Path) -> None:
    for name in ("zoe", "ada", "[red]bob"):
        dask.add(name)
    run = load(dask.address, "--worker-count", 3, "--concurrency", 4, "--requests", 300, "--warmup", 0)
    status, _, errors = run.end()
    assert status == 0, errors
    assert [(one["name"], one["sent"]) for one in run.document["workers"]] == [
        ("[red]bob", 300),  # 2 of 4 callers of 2 endpoints
        ("ada", 150),
        ("zoe", 150),
    ]
    samples = rows_of(run, tmp_path / "results")
    for position in (0, 1):
        assert sorted(samples["group"][samples["endpoint"] == position].tolist()) == list(range(300))


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_load_keeps_its_rows_and_ends_its_engines(
    load: StartLoad, asked: Asked, tmp_path: Path, sign: signal.Signals
) -> None:
    run = load("local:2", "--rate", 100, "--duration", 60)
    wait_until(lambda: len(asked.times_s) > 300, "requests")
    if sign == signal.SIGINT:
        os.killpg(run.process.pid, sign)  # as a terminal sends Ctrl-C: to the local workers too
    else:
        run.process.send_signal(sign)
    status, _, errors = run.end()
    assert status == 0, errors
    assert len(errors.splitlines()) == 1  # the announcement
    sent = len(asked.times_s)
    document = run.document
    assert document["state"] == "cancelled"
    assert sum(worker["sent"] for worker in document["workers"]) == len(rows_of(run, tmp_path / "results")) > 200
    assert [(worker["lost"], worker["problem"]) for worker in document["workers"]] == [(0, None), (0, None)]
    assert len(asked.times_s) == sent  # nothing sends on


@pytest.mark.slow
def test_a_broken_limit_ends_all_workers(load: StartLoad, asked: Asked) -> None:
    run = load("local:2", "--rate", 100, "--duration", 60, "--abort", "p50_ms>0.0001", "--abort-window", 2)
    status, _, errors = run.end()
    assert status == 3, errors
    assert run.document["state"] == "aborted"
    assert "p50_ms>0.0001" in run.document["reason"]
    assert len(asked.times_s) < 6000
    # What was not due when the run ended is not lost.
    assert [(worker["lost"], worker["problem"]) for worker in run.document["workers"]] == [(0, None), (0, None)]


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_one_line(load: StartLoad, asked: Asked, nobody: str) -> None:
    address = nobody.replace("http", "tcp")
    status, _, errors = load(address, "--rate", 1).end()
    assert status == 2
    assert errors.splitlines()[1:] == [f"python -m benchmark load: the scheduler {address} does not answer"]
    assert not asked.times_s


@pytest.mark.slow
@pytest.mark.parametrize("there", [0, 1])
def test_fewer_workers_than_asked_for_are_refused(dask: Dask, load: StartLoad, there: int, asked: Asked) -> None:
    for number in range(there):
        dask.add(f"w{number}")
    wanted = ("--worker-count", there + 1) if there else ()
    status, _, errors = load(dask.address, "--rate", 1, *wanted).end()
    assert status == 2
    assert errors.splitlines()[1:] == [
        f"python -m benchmark load: {dask.address} has {there} workers, and {there + 1} are needed"
    ]
    assert not asked.times_s


@pytest.mark.slow
def test_a_worker_with_another_program_or_none_is_refused(
    dask: Dask, load: StartLoad, tmp_path: Path, asked: Asked
) -> None:
    other = tmp_path / "other"
    for package in ("benchmark", "inference"):
        for path in (ROOT / package).rglob("*.py"):
            copy = other / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (other / "benchmark" / "__init__.py").write_text('"""Another version."""\n')
    for name, path, problem in (
        ("old", other, "has another version of this program: install the same one there"),
        ("bare", tmp_path / "nowhere", "does not have this program: install the same version there"),
    ):
        worker = dask.add(name, PYTHONPATH=str(path))
        status, _, errors = load(dask.address, "--worker-count", 1, "--rate", 1).end()
        assert status == 2
        assert errors.splitlines()[1:] == [f"python -m benchmark load: worker {name} {problem}"]
        worker.kill()
        worker.wait()
    assert not asked.times_s


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("local:2", "--correctness"), "--workers send loads, and do not compare answers with those at rest"),
        (("local:0",), "--workers local:0: must be local:N, or a scheduler like tcp://HOST:8786"),
        (("http://x\x1b[31m:1",), "--workers http://x\N{REPLACEMENT CHARACTER}[31m:1: must be local:N"),
        (("local:2", "--worker-count", "2"), "--workers local:2 has its own number: leave out --worker-count"),
        (("tcp://127.0.0.1:9", "--worker-count", "0"), "--worker-count 0: must be from 1 to 1000"),
        (
            ("local:2", "--rate", "3000"),
            "3000 requests/s in total exceed the maximum of 2000 (--max-rate)",
        ),
        (("local:2", "--rate", "500", "--duration", "1e3"), "500000 requests exceed the maximum of 200000"),
        (("local:2", "--concurrency", "1", "--requests", "9"), "2 workers need at least as many callers"),
    ],
)
def test_what_workers_cannot_do_is_refused_in_one_line(
    arguments: tuple[str, ...], problem: str, asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a\n1\n")
    order = ["load", "--endpoint", f"api={asked.server.url}", "--body-from", str(rows), "--results", str(tmp_path)]
    assert main([*order, "--workers", *arguments]) == 2
    errors = capsys.readouterr().err
    assert len(errors.splitlines()) == 1
    assert problem in errors
    assert not asked.times_s


def test_a_worker_count_needs_workers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "--endpoint", "api=http://127.0.0.1:9", "--worker-count", "2"]) == 2
    assert capsys.readouterr().err == "python -m benchmark load: --worker-count requires --workers\n"
