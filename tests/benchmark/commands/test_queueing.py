"""A load on instances that start while requests queue for them, with servers whose start is known to the moment."""

from pathlib import Path
from typing import Any

import pytest

from benchmark.record.recording import load_samples
from benchmark.record.samples import TEMPERATURES, temperatures
from benchmark.record.store import Store
from tests.benchmark.commands.conftest import Command, document, endpoints
from tests.benchmark.sleeping_platform import SleepingPlatform

START_S = 2.0
CALLERS = 10


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n1,2\n")
    return file


def measure(benchmark: Command, tmp_path: Path, rows: Path, *platforms: SleepingPlatform) -> Any:
    with platforms[0].serve() as first, platforms[1].serve() as second:
        done = benchmark(
            *("load", *endpoints(first, second), "--concurrency", CALLERS, "--requests", 200, "--warmup", 0),
            *("--body-from", rows, "--progress", "none", "--json", tmp_path / "run.json"),
        )
    assert done.returncode == 0, done.stderr
    return document(tmp_path / "run.json")


@pytest.mark.slow
def test_requests_that_queued_for_a_starting_instance_are_no_warm_ones(
    benchmark: Command, tmp_path: Path, rows: Path, results: Path
) -> None:
    found = measure(benchmark, tmp_path, rows, SleepingPlatform(START_S, "aaa1"), SleepingPlatform(START_S, "bbb2"))
    for side in found["endpoints"].values():
        assert (len(side["cold_ms"]), len(side["queued_ms"]), side["n"]) == (1, CALLERS - 1, 200 - CALLERS)
        assert min(side["queued_ms"]) > 0.9 * START_S * 1000
        assert side["service_ms"]["p99"]["value"] < 0.5 * START_S * 1000
        assert (side["state"], side["unknown"], side["errors"]) == ("warm", 0, {})
    assert found["verdict"]["state"] == "warm"
    samples, _ = load_samples(Store(results), found["id"])
    met = [TEMPERATURES[code].value for code in temperatures(samples)]
    slow = samples["service_ms"] > 0.5 * START_S * 1000
    assert {state for state, is_slow in zip(met, slow, strict=True) if is_slow} == {"cold", "queued for a start"}
    assert {state for state, is_slow in zip(met, slow, strict=True) if not is_slow} == {"warm"}
    lines = benchmark("export", found["id"], "--format", "csv").stdout.splitlines()
    assert sum(",queued for a start," in line for line in lines) == 2 * (CALLERS - 1)
    assert "queued for a start (ms)" in benchmark("show", found["id"]).stdout


def test_the_state_of_instances_that_say_nothing_of_themselves_is_unknown(
    benchmark: Command, tmp_path: Path, rows: Path
) -> None:
    silent = [SleepingPlatform(0.01, evidence=False) for _ in range(2)]
    found = measure(benchmark, tmp_path, rows, *silent)
    assert found["verdict"]["state"] == "unknown"
    assert "instance state unknown" in found["verdict"]["sentence"]
    assert "warm" not in found["verdict"]["sentence"]
    for side in found["endpoints"].values():
        assert (side["n"], side["unknown"], side["state"], side["errors"]) == (200, 200, "unknown", {})
