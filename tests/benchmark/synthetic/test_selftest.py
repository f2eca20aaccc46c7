"""What this machine has shown that it cannot tell apart is remembered, and nothing else is taken for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.record.plan import ComparePlan
from benchmark.record.recording import add_finished_run
from benchmark.record.run import RunState, new_run_id
from benchmark.record.samples import Samples, empty
from benchmark.record.store import Store
from benchmark.summary.summarise import summarise
from benchmark.synthetic.selftest import KIND, known_resolution_ms, resolution_ms
from benchmark.synthetic.simulate import TrueEndpoint, Truth, simulate_compare
from tests.benchmark.runs import make_run, pairs

URL = "http://127.0.0.1:8000"
PLAN = ComparePlan(pairs=200, warmup=0, margin_ms=0, margin_pct=0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def against_itself(scale: float, seed: int = 1) -> Samples:
    """Pairs of one server with itself whose differences are `scale` times as large."""
    noise = np.random.default_rng(seed).normal(0, 1, (2, 200))
    return pairs((50 + scale * noise[0]).tolist(), (50 + scale * noise[1]).tolist())


def add(store: Store, samples: Samples, against: str | None = None, **changes: Any) -> float | None:
    """Record a self-test; returns what it found."""
    run = make_run(PLAN, keys=("first", "second"), against=against)
    run = replace(run, id=new_run_id(), kind=KIND, **changes)
    add_finished_run(store, run, samples)
    return resolution_ms(summarise(run, samples))


def known(store: Store, *urls: str, host: str = "bench") -> float | None:
    return known_resolution_ms(store, host, urls)


def test_the_resolution_is_the_end_of_the_interval_that_is_farther_from_none() -> None:
    summary = summarise(make_run(PLAN), against_itself(1.0))
    assert summary.verdict is not None
    effect = summary.verdict.effect
    assert effect.low is not None and effect.high is not None
    assert resolution_ms(summary) == max(-effect.low, effect.high) > 0


def test_a_real_difference_is_mostly_larger_and_none_is_mostly_smaller() -> None:
    same = Truth((TrueEndpoint(), TrueEndpoint()))
    resolution = resolution_ms(summarise(make_run(PLAN), simulate_compare(same, 200, 0, 1)))
    assert resolution is not None
    other = Truth((TrueEndpoint(50.0), TrueEndpoint(50.0 + 3 * resolution)))
    found = summarise(make_run(PLAN, resolution_ms=resolution), simulate_compare(other, 200, 0, 2))
    assert found.winner_key == "api"
    equal = [
        summarise(make_run(PLAN, resolution_ms=resolution), simulate_compare(same, 200, 0, seed)) for seed in range(20)
    ]
    assert sum(summary.winner_key is not None for summary in equal) <= 1


def test_too_few_pairs_resolve_nothing() -> None:
    assert resolution_ms(summarise(make_run(PLAN), against_itself(1.0)[:8])) is None
    assert resolution_ms(summarise(make_run(PLAN), empty())) is None
    assert resolution_ms(summarise(make_run(PLAN, keys=("api",)), against_itself(1.0))) is None


def test_a_machine_that_was_never_tested_is_unknown(store: Store) -> None:
    assert known(store) is None


def test_the_last_self_test_counts(store: Store) -> None:
    add(store, against_itself(9.0))
    last = add(store, against_itself(1.0))
    assert known(store) == known(store, URL) == last


def test_of_several_the_coarser_one_counts(store: Store) -> None:
    null = add(store, against_itself(1.0))
    endpoint = add(store, against_itself(5.0), against=URL)
    assert null is not None and endpoint is not None and null < endpoint
    assert known(store, URL) == endpoint
    assert known(store, "http://127.0.0.1:9000") == null, "another endpoint's noise is not this one's"
    assert known(store) == null


def test_another_machines_self_test_says_nothing_here(store: Store) -> None:
    add(store, against_itself(1.0))
    assert known(store, host="elsewhere") is None


@pytest.mark.parametrize("changes", [{"state": RunState.CANCELLED}, {"state": RunState.FAILED}, {"is_imported": True}])
def test_a_self_test_that_did_not_end_by_itself_or_was_imported_does_not_count(
    store: Store, changes: dict[str, Any]
) -> None:
    last = add(store, against_itself(1.0))
    add(store, against_itself(9.0), **changes)
    assert known(store) == last


def test_a_comparison_is_no_self_test(store: Store) -> None:
    add_finished_run(store, make_run(PLAN), against_itself(1.0))
    assert known(store) is None


def test_one_that_measured_nothing_leaves_the_one_before_it_in_force(store: Store) -> None:
    last = add(store, against_itself(1.0))
    assert add(store, empty()) is None
    assert known(store) == last


def test_one_that_is_damaged_leaves_the_one_before_it_in_force(store: Store) -> None:
    last = add(store, against_itself(1.0))
    add(store, against_itself(9.0))
    store.append(store.runs()[0].id, b"damaged", {})
    assert known(store) == last


@pytest.mark.parametrize("manifest", [{}, {"client": {"host": "bench"}, "plan": {"kind": "compare", "laps": 3}}])
def test_one_of_another_version_leaves_the_one_before_it_in_force(store: Store, manifest: dict[str, Any]) -> None:
    last = add(store, against_itself(1.0))
    store.create_run(replace(make_run(), id="ffff", kind=KIND, manifest=manifest))
    assert known(store) == last
