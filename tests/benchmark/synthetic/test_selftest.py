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
from benchmark.synthetic.selftest import KIND, Resolution, known_resolution_ms, resolution
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


def add(store: Store, scale: float, against: str | None = None, runs: int = 4, **changes: Any) -> float | None:
    """Record a self-test of so many runs; returns what it found."""
    summaries, test = [], new_run_id()
    for seed in range(runs):
        run = make_run(PLAN, keys=("first", "second"), against=against, selftest=test)
        run = replace(run, id=new_run_id(), kind=KIND, **changes)
        samples = against_itself(scale, seed) if scale else empty()
        add_finished_run(store, run, samples)
        summaries.append(summarise(run, samples))
    return resolution(summaries).ms


def known(store: Store, *urls: str, host: str = "bench") -> float | None:
    return known_resolution_ms(store, host, urls)


def test_a_difference_of_one_more_run_exceeds_the_resolution_in_one_of_20() -> None:
    truth = np.random.default_rng(1).normal(0, 0.3, (4000, 9))  # the machine's own, of eight runs and one more
    beyond = [abs(row[8]) > (Resolution(tuple(row[:8])).ms or 0) for row in truth.tolist()]
    assert 0.04 <= np.mean(beyond) <= 0.06


def test_longer_runs_do_not_hide_what_the_machine_does_to_each_of_them() -> None:
    def found(pairs_each: int) -> float:
        summaries = []
        for seed in range(6):
            random = np.random.default_rng(seed)
            shift = random.normal(0, 1.0)  # a core, a cache, a neighbour: the same for a whole run
            both = 50 + random.normal(0, 1.0, (2, pairs_each))
            summaries.append(summarise(make_run(PLAN), pairs((both[0] + shift).tolist(), both[1].tolist())))
        return resolution(summaries).ms or 0.0

    assert found(3000) > 0.7 * found(200) > 0.7


def test_a_real_difference_is_mostly_larger_and_none_is_mostly_smaller() -> None:
    same = Truth((TrueEndpoint(), TrueEndpoint()))
    tests = [summarise(make_run(PLAN), simulate_compare(same, 200, 0, seed)) for seed in range(100, 108)]
    found_ms = resolution(tests).ms
    assert found_ms is not None
    other = Truth((TrueEndpoint(50.0), TrueEndpoint(50.0 + 3 * found_ms)))
    found = summarise(make_run(PLAN, resolution_ms=found_ms), simulate_compare(other, 200, 0, 2))
    assert found.winner_key == "api"
    equal = [
        summarise(make_run(PLAN, resolution_ms=found_ms), simulate_compare(same, 200, 0, seed)) for seed in range(20)
    ]
    assert sum(summary.winner_key is not None for summary in equal) <= 1


def test_too_few_pairs_or_runs_resolve_nothing() -> None:
    sound = summarise(make_run(PLAN), against_itself(1.0))
    few = summarise(make_run(PLAN), against_itself(1.0)[:8])
    alone = summarise(make_run(PLAN, keys=("api",)), against_itself(1.0))
    assert resolution([sound] * 3).ms
    for none in (few, summarise(make_run(PLAN), empty()), alone):
        assert resolution([none] * 8).ms is None
        assert resolution([sound, sound, none]).ms is None


def test_a_machine_that_was_never_tested_is_unknown(store: Store) -> None:
    assert known(store) is None


def test_the_last_self_test_counts(store: Store) -> None:
    add(store, 9.0)
    last = add(store, 1.0)
    assert known(store) == known(store, URL) == last


def test_of_several_the_coarser_one_counts(store: Store) -> None:
    null = add(store, 1.0)
    endpoint = add(store, 5.0, against=URL)
    assert null is not None and endpoint is not None and null < endpoint
    assert known(store, URL) == endpoint
    assert known(store, "http://127.0.0.1:9000") == null, "another endpoint's noise is not this one's"
    assert known(store) == null


def test_another_machines_self_test_says_nothing_here(store: Store) -> None:
    add(store, 1.0)
    assert known(store, host="elsewhere") is None


@pytest.mark.parametrize("changes", [{"state": RunState.CANCELLED}, {"state": RunState.FAILED}, {"is_imported": True}])
def test_a_self_test_that_did_not_end_by_itself_or_was_imported_does_not_count(
    store: Store, changes: dict[str, Any]
) -> None:
    last = add(store, 1.0)
    add(store, 9.0, **changes)
    assert known(store) == last


def test_a_comparison_is_no_self_test(store: Store) -> None:
    for _ in range(4):
        add_finished_run(store, replace(make_run(PLAN), id=new_run_id()), against_itself(1.0))
    assert known(store) is None


def test_one_that_measured_nothing_leaves_the_one_before_it_in_force(store: Store) -> None:
    last = add(store, 1.0)
    assert add(store, 0.0) is None
    assert known(store) == last


def test_one_that_is_damaged_leaves_the_one_before_it_in_force(store: Store) -> None:
    last = add(store, 1.0)
    add(store, 9.0, runs=3)
    store.append(store.runs()[0].id, b"damaged", {})
    assert known(store) == last


@pytest.mark.parametrize("manifest", [{}, {"client": {"host": "bench"}, "plan": {"kind": "compare", "laps": 3}}])
def test_one_of_another_version_leaves_the_one_before_it_in_force(store: Store, manifest: dict[str, Any]) -> None:
    last = add(store, 1.0)
    store.create_run(replace(make_run(), id="ffff", kind=KIND, manifest=manifest))
    assert known(store) == last
