"""A run is aborted where a limit is exceeded in the window, and only there. Simulated time: nothing waits."""

import re
from dataclasses import replace
from math import inf

import pytest

from benchmark.engine.abort import FEWEST, Watchdog
from benchmark.record.plan import AbortRule, read_abort
from benchmark.record.samples import Samples, from_rows, join
from benchmark.synthetic.simulate import TrueEndpoint, Truth, simulate_load
from tests.benchmark.runs import row

HEALTHY = TrueEndpoint(base_ms=20.0, spread=0.1)


def watch(samples: Samples, *limits: str, window_s: float = 10.0, open_loop: bool = True) -> tuple[str | None, float]:
    """Why the run was aborted, and the time of the last row that it took, in s; infinite if it went on to the end."""
    stops: list[float] = []
    now_s = 0.0
    rules = tuple(map(read_abort, limits))
    watchdog = Watchdog(rules, window_s, ("FastAPI", "Function"), open_loop=open_loop, stop=lambda: stops.append(now_s))
    ended_ms = samples["sent_ms"] + samples["service_ms"]
    for at in ended_ms.argsort(kind="stable").tolist():
        now_s = float(ended_ms[at]) / 1000
        watchdog.add(samples[at].item())
    assert len(stops) == (watchdog.reason is not None)  # stopped once
    return watchdog.reason, stops[0] if stops else inf


def load(*endpoints: TrueEndpoint, rate: float = 50.0, duration_s: float = 60.0) -> Samples:
    return simulate_load(Truth(endpoints), rate, duration_s, 1)


def test_a_sound_run_is_not_aborted() -> None:
    samples = load(HEALTHY, replace(HEALTHY, error_share=0.01))
    assert watch(samples, "error_rate>0.1", "p95_ms>800", "p99_ms>800", "p50_ms>800") == (None, inf)


def test_one_failing_endpoint_of_two_aborts_the_run_within_seconds() -> None:
    reason, stopped_s = watch(load(HEALTHY, replace(HEALTHY, error_share=0.3)), "error_rate>0.05")
    assert reason is not None
    found = re.fullmatch(r"error_rate>0.05: Function had 0.\d+ in the last 10 s \(n = (\d+)\)", reason)
    assert found and int(found[1]) >= FEWEST
    assert stopped_s < 3


def test_errors_begin_late_and_are_judged_by_the_window_alone() -> None:
    before, after = load(HEALTHY, duration_s=600), load(replace(HEALTHY, error_share=0.5), duration_s=60)
    after["scheduled_ms"] += 600_000
    after["sent_ms"] += 600_000
    # Over the whole run, 5 % are never reached within these seconds.
    reason, stopped_s = watch(join([before, after]), "error_rate>0.05")
    assert reason and 600 < stopped_s < 604


def test_what_left_the_window_is_forgotten() -> None:
    burst = [row(0, at, scheduled_ms=100.0 * at, sent_ms=100.0 * at, failure=2) for at in range(FEWEST - 1)]
    calm = [row(0, at, scheduled_ms=100.0 * at, sent_ms=100.0 * at) for at in range(200, 600)]
    assert watch(from_rows([*burst, *calm]), "error_rate>0.01", window_s=10)[0] is None
    assert watch(from_rows([*burst, *calm]), "error_rate>0.01", window_s=60)[0]


def test_a_percentile_counts_response_time_and_takes_a_timeout_for_longer_than_any_answer() -> None:
    slow = load(replace(HEALTHY, base_ms=2000.0, instances=1, timeout_ms=5000.0), rate=2)
    reason, _ = watch(slow, "p95_ms>100000")
    assert reason and "FastAPI had beyond the timeout" in reason
    late = load(HEALTHY)
    late["sent_ms"] += 900
    assert watch(late, "p95_ms>800")[0]
    assert watch(late, "p95_ms>800", open_loop=False)[0] is None


def test_other_failures_have_no_latency() -> None:
    rows = [row(0, at, failure=4, service_ms=5000.0) for at in range(100)]
    assert watch(from_rows(rows), "p95_ms>100")[0] is None


def test_few_requests_and_the_warm_up_decide_nothing() -> None:
    few = [row(0, at, failure=2) for at in range(FEWEST - 1)]
    assert watch(from_rows([*few, row(1, 5000)]), "error_rate>0.05", window_s=3600)[0] is None
    warmup = [row(0, at, failure=2, warmup=True) for at in range(200)]
    assert watch(from_rows(warmup), "error_rate>0.05")[0] is None
    slow = [row(0, at, service_ms=999.0) for at in range(99)]
    assert watch(from_rows([*slow, row(1, 5000)]), "p99_ms>100", window_s=3600)[0] is None
    assert watch(from_rows([*slow, row(1, 5000)]), "p95_ms>100", window_s=3600)[0]


@pytest.mark.parametrize("text", ["error_rate>0.05", " p95_ms > 800 ", "p99_ms>1e3", "p50_ms>0.5"])
def test_a_limit_is_read_and_written(text: str) -> None:
    rule = read_abort(text)
    assert read_abort(rule.text) == rule == AbortRule(text.split(">")[0].strip(), float(text.split(">")[1]))
