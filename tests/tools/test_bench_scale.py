"""What the simulation of many workers says follows from the measured costs."""

import pytest

from benchmark.fleet.engine import SILENCE_S
from tools.bench_scale import Costs, reach

COSTS = Costs(call_s=1e-3, byte_s=1e-9, row_s=1e-6, row_bytes=50.0)


def test_few_workers_are_no_load() -> None:
    found = reach(COSTS, 10, 1000.0)
    assert found.scheduler_busy == pytest.approx(10 * (1e-3 + 1000 * 50e-9))
    assert found.coordinator_busy == pytest.approx(0.01)
    assert found.wait_p99_s < 0.01 and found.limit == ""


@pytest.mark.parametrize(
    ("costs", "limit"),
    [
        (Costs(2e-3, 0.0, 1e-9, 50.0), "the scheduler: it holds up to 500 workers at this rate"),
        (Costs(1e-6, 0.0, 2e-6, 50.0), "the coordinator: merging holds up to 500,000 rows/s"),
    ],
)
def test_what_gives_way_first_is_named(costs: Costs, limit: str) -> None:
    assert reach(costs, 1000, 1000.0).limit == limit


def test_a_scheduler_that_falls_behind_lets_words_wait_until_engines_end() -> None:
    assert reach(Costs(2e-3, 0.0, 0.0, 0.0), 1000, 1.0).wait_p99_s > SILENCE_S
    assert reach(Costs(5e-4, 0.0, 0.0, 0.0), 1000, 1.0).wait_p99_s < 0.5
