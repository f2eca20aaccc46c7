"""The live view: a second of any rate in kilobytes, within a percent of the truth, however it is merged."""

import json

import numpy as np
import pytest

from benchmark.fleet.sketch import ACCURACY, LiveView, by_second
from benchmark.record.samples import ROW, Samples


def answered(n: int, *, second: int = 3, seed: int = 0, failed: int = 0) -> Samples:
    samples = np.zeros(n, ROW)
    samples["sent_ms"] = samples["scheduled_ms"] = 1000.0 * second
    samples["service_ms"] = np.minimum(np.random.default_rng(seed).lognormal(3, 0.7, n), 999.0)
    samples["failure"][:failed] = 1
    return samples


def test_a_second_of_a_hundred_thousand_requests_is_kilobytes_and_exact_to_a_percent() -> None:
    parts = [answered(25_000, seed=seed) for seed in range(4)]
    view = LiveView(1)
    for part in parts:
        found = by_second(part, open_loop=True)
        assert len(json.dumps(found)) < 16_000
        view.add(json.loads(json.dumps(found)))  # as it travels
    (second,) = view.document
    known = second["endpoints"][0]
    latencies_ms = np.concatenate([part["service_ms"] for part in parts])
    assert (second["second"], known["n"], known["failed"]) == (3, 100_000, 0)
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95)):
        assert known[name] == pytest.approx(np.quantile(latencies_ms, share, method="lower"), rel=1.01 * ACCURACY)


def test_failures_are_counted_and_have_no_latency() -> None:
    view = LiveView(2)
    view.add(by_second(answered(10, failed=10), open_loop=True))
    first, second = view.document[0]["endpoints"]
    assert first == {"n": 0, "failed": 10, "p50_ms": None, "p95_ms": None}
    assert second == {"n": 0, "failed": 0, "p50_ms": None, "p95_ms": None}


def test_only_the_last_seconds_are_kept() -> None:
    view = LiveView(1)
    for second in range(100):
        view.add(by_second(answered(5, second=second), open_loop=False))
    assert [one["second"] for one in view.document] == list(range(70, 100))
    view.add(by_second(answered(5, second=2), open_loop=False))  # a straggler of long ago
    assert len(view.document) == 30
    view.add([(5, 7, 0, [])])  # of no endpoint of this run
    assert by_second(np.zeros(0, ROW), open_loop=True) == []
