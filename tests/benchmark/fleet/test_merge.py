"""Rows and outcomes of workers become those of one run."""

from typing import Any

import numpy as np
import pytest

from benchmark.endpoints.sample import Temperature
from benchmark.engine.client import Instances
from benchmark.fleet.merge import Part, generator, outcome
from benchmark.record.samples import COLD, QUEUED, ROW, TEMPERATURES, Samples, in_order, join, pack, temperatures
from benchmark.statistics.estimates import quantiles

WARM = TEMPERATURES.index(Temperature.WARM)


def rows(n: int, instance: int = 0, seed: int = 0) -> Samples:
    samples = np.zeros(n, ROW)
    samples["instance"] = instance
    samples["sent_ms"] = samples["scheduled_ms"] = np.arange(n) * 10.0
    samples["service_ms"] = np.random.default_rng(seed).lognormal(1, 0.5, n)
    return samples


def health(*reasons: str, **figures: float | None) -> dict[str, Any]:
    known = {"floor_ms": 0.1, "loop_lag_ms": 1.0, "late_ms": 1.0, "cpu": 0.2, **figures}
    return {"generator": {**known, "reasons": list(reasons), "limited": bool(reasons)}}


def test_instances_are_numbered_by_their_ids_and_rows_know_their_worker() -> None:
    known = Instances()
    one, other = Part("a", 10), Part("b", 10)
    one.meet(["x", "y"], known)
    other.meet(["y"], known)
    other.meet(["z"], known)
    found = [one.rows(pack(rows(3, 2)), 0), other.rows(pack(rows(2, 1)), 1), other.rows(pack(rows(2, 2)), 1)]
    merged = join(found)
    assert merged["worker"].tolist() == [1, 1, 1, 2, 2, 2, 2]
    assert [known.ids[number - 1] for number in merged["instance"]] == ["y"] * 5 + ["z"] * 2
    assert (one.sent, other.sent) == (3, 4)
    assert one.rows(pack(rows(1, 0)), 0)["instance"].tolist() == [0]  # unknown stays unknown


@pytest.mark.parametrize("chunk", [b"", b"rows", pack(rows(2, 9))])
def test_rows_that_cannot_be_are_refused(chunk: bytes) -> None:
    with pytest.raises(ValueError):
        Part("a", 10).rows(chunk, 0)


def test_merged_percentiles_are_those_of_all_rows_to_the_last_bit() -> None:
    parts = [Part(name, 500) for name in "abcd"]
    measured = [rows(500, seed=seed) for seed in range(4)]
    merged = in_order(
        join([part.rows(pack(own), at) for at, (part, own) in enumerate(zip(parts, measured, strict=True))])
    )
    shares = (0.5, 0.95, 0.99)
    assert [one.value for one in quantiles(merged["service_ms"], shares)] == [
        one.value for one in quantiles(np.concatenate([own["service_ms"] for own in measured]), shares)
    ]
    ended_ms = merged["sent_ms"] + merged["service_ms"]
    assert (np.diff(ended_ms) >= 0).all()


def test_a_start_that_one_worker_saw_says_nothing_of_the_times_of_another() -> None:
    # Their clocks began at different moments, so only the answer's own evidence counts.
    samples = np.zeros(2, ROW)
    samples["instance"] = 1
    samples["worker"] = [1, 2]
    samples["temperature"] = [COLD, WARM]
    samples["sent_ms"], samples["service_ms"] = [0.0, 1.0], [500.0, 3.0]
    assert temperatures(samples)[1] == WARM
    same = samples.copy()
    same["worker"] = 1
    same["service_ms"] = [500.0, 498.0]
    assert temperatures(same)[1] == QUEUED


def test_a_lost_worker_costs_its_own_rows_and_they_are_counted() -> None:
    due_ns = np.arange(100) * 10**9
    sound, lost = Part("a", 100, due_ns, sent=100), Part("b", 100, due_ns, sent=30, lost="it left the cluster")
    assert [part.missing(None) for part in (sound, lost)] == [0, 70]
    # Of a run that ended early, what was not due by then is not lost.
    sound.sent = 50
    assert [part.missing(50 * 10**9) for part in (sound, lost)] == [0, 20]
    assert lost.document(None) == {
        "name": "b",
        "sent": 30,
        "lost": 70,
        "limited": False,
        "problem": "it left the cluster",
        "generator": {},
        "collecting_cpu_s": 0.0,
    }


def test_a_limited_worker_limits_the_run_and_is_named() -> None:
    parts = [
        Part("a", 1, outcome=health(late_ms=None)),
        Part("b", 1, outcome=health("it used 95% of a core", cpu=0.95)),
        Part("c", 1, lost="it left the cluster"),
    ]
    found = generator(parts)
    assert found["limited"] and found["reasons"] == ["worker b: it used 95% of a core"]
    assert (found["cpu"], found["late_ms"]) == (0.95, 1.0)
    assert generator(parts[2:]) == {}
    ended = outcome(parts, Instances(["x"]), None)
    assert ended["instances"] == ["x"]
    assert [worker["limited"] for worker in ended["workers"]] == [False, True, False]


def test_each_failure_has_one_example() -> None:
    parts = [
        Part("a", 1, outcome={"failure_details": {"api": {"timeout": "first"}}}),
        Part("b", 1, outcome={"failure_details": {"api": {"timeout": "second", "reset": "x"}, "fn": {"reset": "y"}}}),
    ]
    assert outcome(parts, Instances(), None)["failure_details"] == {
        "api": {"timeout": "first", "reset": "x"},
        "fn": {"reset": "y"},
    }
