"""How often a verdict is found is counted, for the rule as it is and for the one that is stricter."""

import json
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.record.plan import ComparePlan
from benchmark.synthetic.power import count_verdicts, found_names, true_order
from benchmark.synthetic.simulate import TrueEndpoint, Truth

PLAN = ComparePlan(pairs=150, warmup=0, margin_ms=5.0, margin_pct=0.0)


def truth(slower_ms: float) -> Truth:
    return Truth((TrueEndpoint(50.0), TrueEndpoint(50.0 + slower_ms)))


def test_each_run_finds_one_thing_by_either_rule() -> None:
    for slower_ms in (0.0, 8.0):
        found = count_verdicts(truth(slower_ms), PLAN, 40)
        assert list(found.verdict) == list(found.strict) == list(found_names(2))
        assert sum(found.verdict.values()) == sum(found.strict.values()) == found.runs == 40


def test_a_test_against_the_margin_finds_fewer_true_differences() -> None:
    found = count_verdicts(truth(9.0), PLAN, 60)
    assert found.verdict["first"] >= 50
    assert found.strict["first"] < found.verdict["first"]
    large = count_verdicts(truth(25.0), PLAN, 40)
    assert large.verdict["first"] == large.strict["first"] == 40


def test_no_difference_has_no_winner_beyond_the_margin() -> None:
    found = count_verdicts(truth(0.0), PLAN, 60)
    assert found.verdict["first"] + found.verdict["second"] == 0


def test_the_command_line_counts_both_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    options = ["--pairs", "100", "--difference-pct", "40", "--tail", "3", "--burst-share", "0.05"]
    assert main(["simulate", "--runs", "20", *options, "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["runs"] == 20
    assert sum(one["count"] for one in found["verdict"].values()) == 20
    assert "20 simulated runs; the true medians are 50.0 and 70.0 ms." in capsys.readouterr().out
    for wrong in (["--runs", "0"], ["--runs", "5", "--record"]):
        assert main(["simulate", *wrong]) == 2


def test_the_command_line_takes_up_to_six_endpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    slower = ["--difference-pct", "0", "--difference-pct", "40"]
    assert main(["simulate", "--pairs", "100", *slower, "--endpoints", "4", "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert list(found["endpoints"]) == ["first", "second", "third", "fourth"]
    assert found["verdict"]["order"][-1] == ["third"]
    options = ["--pairs", "100", "--endpoints", "3", "--difference-pct", "40", "--runs", "20", "--json", str(out)]
    assert main(["simulate", *options]) == 0
    found = json.loads(out.read_text())
    assert list(found["verdict"]) == ["first", "second", "third", "equivalent", "inconclusive"]
    assert found["any_winner"]["count"] == 20
    text = capsys.readouterr().out
    assert "the true medians are 50.0, 70.0 and 50.0 ms." in text and "true order" in text
    assert main(["simulate", "--endpoints", "1", "--pairs", "50"]) == 0
    for wrong in (
        ["--endpoints", "7"],
        ["--endpoints", "0"],
        ["--difference-pct", "1"] * 6,
        ["--endpoints", "1", "--runs", "5"],
    ):
        assert main(["simulate", *wrong]) == 2


def test_the_true_order_has_equal_endpoints_in_one_group() -> None:
    four = Truth(tuple(TrueEndpoint(base_ms) for base_ms in (60.0, 50.0, 60.0, 80.0)))
    assert true_order(four) == (frozenset({1}), frozenset({0, 2}), frozenset({3}))
    found = count_verdicts(four, PLAN, 20)
    assert found.true_order >= 15
    assert found.verdict["second"] == found.any_winner == 20
