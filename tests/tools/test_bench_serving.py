"""What the benchmark says of its numbers, from numbers that are known."""

import pytest

from tools.bench_serving import PARTS, part_costs, part_table


def cycles(log_us: float, counting_us: float, rest_us: float = 80.0) -> list[list[float]]:
    """Forty cycles, in each of which the whole machine is a little slower than in the one before."""
    return [
        [slowness * cost for cost in (rest_us + counting_us + log_us, rest_us + counting_us, rest_us)]
        for slowness in (1 + number / 40 for number in range(40))
    ]


def test_the_cost_of_a_part_is_what_it_adds_to_the_rest() -> None:
    log, counting = part_costs(cycles(log_us=8.2, counting_us=2.0), seed=0)
    assert log.share == pytest.approx(0.1)
    assert counting.share == pytest.approx(0.025)
    # a machine that grows slower does not blur a ratio that is taken within each cycle
    assert counting.interval == pytest.approx((0.025, 0.025))


def test_counting_may_cost_a_twentieth_and_no_more() -> None:
    assert [part.limit for part in PARTS] == [None, 0.05]
    for counting_us, met in ((3.9, True), (4.1, False)):
        costs = part_costs(cycles(8.0, counting_us), seed=0)
        assert [cost.is_met for cost in costs] == [True, met]
        assert part_table(costs)[-1][-1] == ("ok" if met else "MISSED")
