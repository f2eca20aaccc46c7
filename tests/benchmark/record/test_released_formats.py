"""What released versions recorded and exported stays readable for ever, to the last bit, whatever is added since."""

import csv
import json
import sqlite3
from contextlib import closing
from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest

from benchmark.coldstart import summary as coldstart
from benchmark.endpoints.sample import Temperature
from benchmark.record.recording import load_samples
from benchmark.record.samples import FAILURES, TEMPERATURES, VERSION, Samples, temperatures
from benchmark.record.store import FILE_NAME, Store
from benchmark.reports.export import run_from_document
from benchmark.summary.summarise import summarise
from tests.servers import ROOT

DATA = ROOT / "tests" / "data"
VERSIONS = tuple(range(1, VERSION + 1))
RUNS = {"compare": "00000001", "load": "00000002", "coldstart": "00000003", "queued": "00000004"}
"""Of each version; in the last, five callers of each endpoint met an instance that had to start."""


def recorded(version: int, directory: Path) -> Store:
    script = (DATA / f"samples-v{version}" / "record.sql").read_text()
    with closing(sqlite3.connect(directory / FILE_NAME)) as database:
        database.executescript(script)
    return Store(directory)


def exported(version: int, name: str) -> Any:
    return json.loads((DATA / f"samples-v{version}" / f"{name}.json").read_text())


def written_then(version: int, name: str) -> list[dict[str, str]]:
    """The requests of a run as the version that recorded it exported them to CSV."""
    with (DATA / f"samples-v{version}" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_today(version: int, samples: Samples, column: str) -> list[Any]:
    if column == "failure":
        return [FAILURES[code - 1].value if code else "" for code in samples[column]]
    # The first version said of each request what its own answer told, and nothing else.
    codes = samples[column] if version == 1 else temperatures(samples)
    return [TEMPERATURES[code].value for code in codes]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", RUNS)
def test_every_request_is_what_it_was_when_it_was_recorded(version: int, name: str, tmp_path: Path) -> None:
    samples, _ = load_samples(recorded(version, tmp_path), RUNS[name])
    lines = written_then(version, name)
    assert len(samples) == len(lines) > 0
    for column in lines[0].keys() - {"run", "endpoint", "instance", "warmup", "response_ms", "worker"}:
        texts = [line[column] for line in lines]
        if column in ("failure", "temperature"):
            assert read_today(version, samples, column) == texts
            continue
        for value, text in zip(samples[column].tolist(), texts, strict=True):
            then = float(text) if text else nan
            assert value == then or (isnan(value) and isnan(then)), column
    assert [str(value) for value in samples["warmup"].tolist()] == [line["warmup"] for line in lines]
    workers = {"a", "b"} if version >= 3 and name == "load" else {"-"}
    assert ["-ab"[number] for number in samples["worker"]] == [line.get("worker", "-") for line in lines]
    assert {line.get("worker", "-") for line in lines} == workers


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", RUNS)
def test_an_exported_file_is_the_recorded_run(version: int, name: str, tmp_path: Path) -> None:
    store = recorded(version, tmp_path)
    kept, (samples, _) = store.run(RUNS[name]), load_samples(store, RUNS[name])
    run, same = run_from_document(exported(version, name))
    assert (run.id, run.kind, run.manifest, run.outcome) == (kept.id, kept.kind, kept.manifest, kept.outcome)
    assert same.tobytes() == samples.tobytes()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_run_can_be_summarised(version: int, tmp_path: Path) -> None:
    store = recorded(version, tmp_path)
    for name, run_id in RUNS.items():
        run, (samples, _) = store.run(run_id), load_samples(store, run_id)
        if name == "coldstart":
            assert [len(side.cold_values_ms) for side in coldstart.summarise(run, samples).endpoints] == [3, 3]
        else:
            assert all(side.n and not side.failed for side in summarise(run, samples).endpoints)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_queued_for_a_start_is_known_in_records_of_every_version(version: int, tmp_path: Path) -> None:
    store = recorded(version, tmp_path)
    samples, _ = load_samples(store, RUNS["queued"])
    summary = summarise(store.run(RUNS["queued"]), samples)
    for side in summary.endpoints:
        assert (len(side.cold_ms), len(side.queued_ms), side.n) == (1, 4, 35)
        assert min(side.queued_ms) > 250  # the instances took 400 and 300 ms to start
        assert side.service_ms[2].value < 250
    if version == 1:  # which took them for warm
        assert Temperature.QUEUED.value not in {line["temperature"] for line in written_then(version, "queued")}
