"""What the benchmark says of its numbers, from numbers that are known."""

from pathlib import Path

import pytest

from tools.bench_serving import BenchError
from tools.bench_serving.candidates import servers
from tools.bench_serving.instructions import totals
from tools.bench_serving.limits import (
    PARTS,
    RECORDED,
    TARGETS,
    TOLERANCE,
    Instructions,
    compare_recorded,
    instruction_table,
    part_costs,
    part_table,
)


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


def test_counting_may_cost_a_tenth_and_no_more() -> None:
    assert [part.limit for part in PARTS] == [None, 0.1]
    for counting_us, met in ((7.9, True), (8.1, False)):
        costs = part_costs(cycles(8.0, counting_us), seed=0)
        assert [cost.is_met for cost in costs] == [True, met]
        assert part_table(costs)[-1][-1] == ("ok" if met else "MISSED")


def test_a_request_that_has_grown_is_seen_whatever_the_machine_counts() -> None:
    for growth, met in ((1 + TOLERANCE - 0.01, True), (1 + TOLERANCE + 0.01, False)):
        counted = {one.reference: Instructions(2e9, 3e5) for one in RECORDED}
        for name in {one.subject for one in RECORDED}:
            ratios = {one.per: one.ratio for one in RECORDED if one.subject == name}
            counted[name] = Instructions(2e9 * ratios["start"], 3e5 * ratios["request"] * growth)
        results = compare_recorded(counted)
        assert [one.is_met for one in results] == [met or one.recorded.per == "start" for one in results]
        said = ["ok" if one.is_met else "MISSED" for one in results]
        assert [row[-1] for row in instruction_table(results)[1:]] == said


def test_the_instructions_of_each_process_are_read() -> None:
    profile = "# callgrind format\nversion: 1\nevents: Ir\n\nfn=(1) main\n12 345\n\ntotals: %d\n"
    assert totals([profile % 1_000, "events: Ir\n", profile % 23]) == [1000, 23]
    with pytest.raises(BenchError, match="no total"):
        totals(["events: Ir\n"])


def test_each_server_of_a_target_is_measured(tmp_path: Path) -> None:
    names = {candidate.name for candidate in servers(tmp_path)}
    assert {name for target in TARGETS for name in (target.subject, target.reference)} <= names
    assert {name for one in RECORDED for name in (one.subject, one.reference)} <= names
