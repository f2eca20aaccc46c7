"""An SLO is kept or broken by the measured figure, and the text says how certain that is."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmark.record.plan import ComparePlan, LoadPlan, OpenLoopPlan
from benchmark.record.run import RunState
from benchmark.record.samples import Samples, empty, from_rows
from benchmark.summary.gate import Check, GateError, check_non_inferior, check_slo, flaws, to_junit, to_markdown
from benchmark.summary.summarise import Summary, summarise
from benchmark.synthetic.demo import simulate_run
from benchmark.synthetic.simulate import TrueEndpoint, Truth
from tests.benchmark.runs import make_run, pairs, row

NOISE = np.random.default_rng(1).lognormal(0, 0.1, (2, 400))


def samples(api_ms: float = 100.0, function_ms: float = 110.0, n: int = 400) -> Samples:
    return pairs((api_ms * NOISE[0, :n]).tolist(), (function_ms * NOISE[1, :n]).tolist())


def summary(measured: Samples | None = None, keys: tuple[str, ...] = ("api", "function")) -> Summary:
    return summarise(make_run(keys=keys), samples() if measured is None else measured)


RUN = summary()
P95 = RUN.endpoints[0].service_ms[1]


@pytest.mark.parametrize(
    ("slo", "holds"),
    [
        ("api.p50_ms<150", True),
        ("api.p50_ms<50", False),
        ("api.p95_ms < 150", True),
        ("  api.p99_ms<=1.5e2 ", True),
        ("api.p99_ms<1e-3", False),
        ("function.p50_ms>90", True),
        ("function.p50_ms>=200", False),
        ("api.error_rate<0.01", True),
        ("api.error_rate<=0", True),
        ("api.error_rate<0", False),
        ("api.rate>20", True),
        ("api.rate>30", False),
    ],
)
def test_the_measured_figure_decides(slo: str, holds: bool) -> None:
    check = check_slo(RUN, slo)
    assert (check.objective, check.holds) == (slo, holds)
    assert "n = 400" in check.found


def test_goodput_is_gated_with_its_interval_and_needs_a_limit() -> None:
    plan = OpenLoopPlan(rate=25, duration_s=16, warmup=0, goodput_ms=50.0)
    answers = from_rows([row(0, at, 90.0 if at % 20 == 0 else 10.0) for at in range(400)])
    run = summarise(make_run(plan, keys=("api",)), answers)
    assert check_slo(run, "api.goodput>0.9").holds
    assert check_slo(run, "api.goodput>0.94").holds
    assert not check_slo(run, "api.goodput>0.94", strict=True).holds
    assert not check_slo(run, "api.goodput>0.96").holds
    with pytest.raises(GateError, match="has no goodput: measure it with --goodput-ms"):
        check_slo(RUN, "api.goodput>0.9")


def test_an_slo_at_the_very_figure_is_kept_by_or_equal_alone() -> None:
    assert check_slo(RUN, f"api.p95_ms<={P95.value!r}").holds
    assert not check_slo(RUN, f"api.p95_ms<{P95.value!r}").holds
    assert check_slo(RUN, f"api.p95_ms>={P95.value!r}").holds
    assert not check_slo(RUN, f"api.p95_ms>{P95.value!r}").holds


def test_what_holds_within_the_interval_alone_is_said_and_is_broken_when_strict() -> None:
    assert P95.low is not None and P95.high is not None
    for slo in (f"api.p95_ms<{(P95.value + P95.high) / 2:.6f}", f"api.p95_ms>{(P95.value + P95.low) / 2:.6f}"):
        assert check_slo(RUN, slo).holds
        assert "not certain: more requests would tell" in check_slo(RUN, slo).found
        assert not check_slo(RUN, slo, strict=True).holds
    for slo in (f"api.p95_ms<{P95.high * 1.01:.6f}", f"api.p95_ms>{P95.low * 0.99:.6f}"):
        assert check_slo(RUN, slo, strict=True).holds
        assert "not certain" not in check_slo(RUN, slo).found


def test_errors_are_counted_over_all_measured_requests() -> None:
    failing = samples()
    failing["failure"][(failing["endpoint"] == 1) & (failing["group"] < 20)] = 8
    found = summary(failing)
    assert check_slo(found, "api.error_rate<0.01").holds
    assert not check_slo(found, "function.error_rate<0.05").holds
    assert check_slo(found, "function.error_rate<=0.05").holds
    assert not check_slo(found, "function.error_rate<=0.05", strict=True).holds
    assert check_slo(found, "function.error_rate<0.05").found.startswith("0.05 (")


def test_errors_that_come_together_make_their_rate_less_certain() -> None:
    scattered, outage = samples(), samples()
    scattered["failure"][(scattered["endpoint"] == 1) & (scattered["group"] % 20 == 0)] = 8
    outage["failure"][(outage["endpoint"] == 1) & (outage["group"] < 20)] = 8
    slo = "function.error_rate<0.1"
    for failing, strictly in ((scattered, True), (outage, False)):
        found = summary(failing)
        assert check_slo(found, slo).found.startswith("0.05 ("), "the share is the same"
        assert check_slo(found, slo).holds
        assert check_slo(found, slo, strict=True).holds == strictly


@pytest.mark.parametrize("plan", [None, OpenLoopPlan(rate=25, duration_s=16, warmup=0)])
def test_timeouts_break_an_slo_of_latency_that_the_answers_keep(plan: LoadPlan | None) -> None:
    lost = samples()
    lost["failure"][(lost["endpoint"] == 1) & (lost["group"] % 10 == 0)] = 2
    found = summarise(make_run(plan), lost)
    assert found.endpoints[1].latency_ms[1].value < 200, "what is shown is of answers"
    assert check_slo(found, "function.p50_ms<200", strict=True).holds
    check = check_slo(found, "function.p95_ms<200")
    assert check == Check("function.p95_ms<200", False, "beyond the timeout (interval not estimable, n = 400)")
    lost["failure"][lost["failure"] == 2] = 8
    other = summarise(make_run(plan), lost)
    assert check_slo(other, "function.p95_ms<200", strict=True).holds, "another failure is in the error rate alone"


def test_timeouts_within_the_interval_break_a_strict_slo() -> None:
    lost = samples()
    lost["failure"][(lost["endpoint"] == 1) & (lost["group"] % 25 == 0)] = 2
    found = summary(lost)
    assert check_slo(found, "function.p95_ms<200").holds
    assert not check_slo(found, "function.p95_ms<200", strict=True).holds


def test_a_rate_has_no_interval_and_is_never_strictly_kept() -> None:
    check = check_slo(RUN, "api.rate>20")
    assert check.holds
    assert check.found.endswith("(interval not estimable, n = 400, not certain)")
    assert not check_slo(RUN, "api.rate>20", strict=True).holds


def test_a_sound_run_has_no_flaws() -> None:
    assert list(flaws(RUN)) == []
    assert list(flaws(summarise(replace(make_run(), outcome={}), samples()))) == [], "a simulation has no generator"


def test_a_run_that_goes_on_or_was_lost_is_flawed_and_so_is_a_limited_one() -> None:
    limited = {"generator": {"limited": True, "reasons": ["it was late"]}}
    for state in (RunState.RUNNING, RunState.LOST, RunState.CANCELLED, RunState.FAILED):
        found = list(flaws(summarise(replace(make_run(), state=state, outcome=limited), samples())))
        assert [check.holds for check in found] == [False, False]
        assert [check.found for check in found] == [f"it is {state}", "generator-limited: it was late"]


def test_too_few_requests_keep_an_slo_and_no_strict_one() -> None:
    few = summary(samples(n=20))
    check = check_slo(few, "api.p99_ms<500")
    assert check.holds
    assert "interval not estimable, n = 20, not certain" in check.found
    assert not check_slo(few, "api.p99_ms<500", strict=True).holds


@pytest.mark.parametrize("slo", ["api.p95_ms<200", "api.p95_ms>0", "api.error_rate<0.5", "api.rate>=0"])
def test_what_was_not_measured_is_not_kept(slo: str) -> None:
    assert check_slo(summary(empty()), slo) == Check(slo, False, "not measured")


def test_an_endpoint_that_only_failed_has_no_latency_to_slo() -> None:
    failing = samples()
    failing["failure"] = 3
    found = summary(failing)
    assert check_slo(found, "api.p50_ms<200") == Check("api.p50_ms<200", False, "not measured")
    assert not check_slo(found, "api.error_rate<0.5").holds


def test_of_an_open_loop_the_response_time_is_meant() -> None:
    late = samples()
    late["sent_ms"] += 1000
    opened = summarise(make_run(OpenLoopPlan(rate=25, duration_s=16, warmup=0)), late)
    assert not check_slo(opened, "api.p50_ms<200").holds


@pytest.mark.parametrize(
    "slo",
    ["", "api", "api.p95<200", "api.p95_ms=200", "api.p95_ms<", "api.p95_ms<-1", "api.p95_ms<200ms", "p95_ms<200"],
)
def test_an_slo_that_cannot_be_read_is_refused(slo: str) -> None:
    with pytest.raises(GateError, match=r"must be like api\.p95_ms<200"):
        check_slo(RUN, slo)


def test_an_slo_about_nobody_names_those_there_are() -> None:
    with pytest.raises(GateError, match="run 0123abcd has no endpoint lambda, only api, function"):
        check_slo(RUN, "lambda.p95_ms<200")
    with pytest.raises(GateError, match="has no endpoint lambda"):
        check_non_inferior(RUN, "lambda:api:10%")


@pytest.mark.parametrize(
    ("slo", "holds"),
    [
        ("function:api:20%", True),
        ("function:api:5%", False),
        ("function:api:20ms", True),
        ("function:api:5ms", False),
        ("api:function:0.1%", True),
        ("api:function:0ms", True),
    ],
)
def test_an_endpoint_is_no_worse_than_another_by_more_than_the_limit(slo: str, holds: bool) -> None:
    assert check_non_inferior(RUN, slo).holds == holds


def test_not_being_worse_is_held_against_the_end_of_the_interval_that_is_worse() -> None:
    assert RUN.verdict is not None
    effect = RUN.verdict.pairs[0].effect
    assert effect.low is not None and effect.high is not None
    assert check_non_inferior(RUN, f"function:api:{-effect.low * 1.001:.6f}ms").holds
    assert not check_non_inferior(RUN, f"function:api:{-effect.low * 0.999:.6f}ms").holds
    slower = summary(samples(110.0, 100.0))
    assert slower.verdict is not None and slower.verdict.pairs[0].effect.high is not None
    assert check_non_inferior(slower, f"api:function:{slower.verdict.pairs[0].effect.high * 1.001:.6f}ms").holds
    assert not check_non_inferior(slower, f"api:function:{slower.verdict.pairs[0].effect.high * 0.999:.6f}ms").holds


def test_percent_are_of_the_references_median() -> None:
    limit_ms = RUN.endpoints[0].service_ms[0].value * 0.2
    assert f" of {limit_ms:.4g} ms" in check_non_inferior(RUN, "function:api:20%").found


def test_an_endpoint_is_no_worse_than_one_that_mostly_times_out_and_not_the_other_way_round() -> None:
    lost = samples()
    late = (lost["endpoint"] == 1) & (lost["group"] % 5 < 3)
    lost["failure"][late], lost["service_ms"][late] = 2, 10_000.0
    found = summary(lost)
    assert check_non_inferior(found, "api:function:5ms").holds
    assert not check_non_inferior(found, "function:api:5ms").holds


def test_too_few_pairs_show_nobody_to_be_no_worse() -> None:
    check = check_non_inferior(summary(samples(n=4)), "api:function:1000%")
    assert check == Check("api:function:1000%", False, "interval not estimable (n = 4)")


def test_any_two_of_several_endpoints_are_held_against_each_other() -> None:
    four = tuple(TrueEndpoint(base_ms) for base_ms in (50.0, 80.0, 51.0, 65.0))
    found = summarise(*simulate_run(Truth(four), ComparePlan(pairs=300)))
    assert check_slo(found, "fourth.p50_ms<70").holds
    for text, holds in (
        ("third:first:20%", True),
        ("first:third:20%", True),
        ("second:first:20%", False),
        ("first:second:1ms", True),
        ("fourth:third:10ms", False),
        ("fourth:third:25ms", True),
    ):
        assert check_non_inferior(found, text).holds == holds, text


@pytest.mark.parametrize("slo", ["function:api", "function:api:10", "function:api:-1%", "function:api:10 %", "::1%"])
def test_a_comparison_that_cannot_be_read_is_refused(slo: str) -> None:
    with pytest.raises(GateError, match="must be like function:api:10%"):
        check_non_inferior(RUN, slo)


def test_being_no_worse_takes_two() -> None:
    for found, slo in ((RUN, "api:api:10%"), (summary(keys=("api",)), "api:api:10%")):
        with pytest.raises(GateError, match="needs two endpoints"):
            check_non_inferior(found, slo)


CHECKS = [Check("api.p95_ms<200", True, "116 (114 to 119, n = 400)"), Check("api.rate>30", False, 'only "25" & <30')]


def test_pipelines_read_the_checks_as_tests() -> None:
    suite = ElementTree.fromstring(to_junit(RUN, CHECKS).encode())  # noqa: S314  our own
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "2", "1")
    kept, broken = suite.findall("testcase")
    assert (kept.get("name"), kept.find("failure")) == ("api.p95_ms<200", None)
    failure = broken.find("failure")
    assert failure is not None
    assert failure.get("message") == broken.findtext("system-out") == 'only "25" & <30'


def test_no_checks_are_a_valid_file_too() -> None:
    assert ElementTree.fromstring(to_junit(RUN, []).encode()).get("tests") == "0"  # noqa: S314  our own


def test_people_read_the_checks_as_a_table_and_the_verdict_below() -> None:
    assert RUN.verdict is not None
    assert to_markdown(RUN, CHECKS) == (
        "Run 0123abcd\n\n"
        "| objective | kept | measured |\n|---|---|---|\n"
        "| `api.p95_ms<200` | yes | 116 (114 to 119, n = 400) |\n"
        '| `api.rate>30` | **no** | only "25" & <30 |\n'
        f"\n{RUN.verdict.sentence}\n"
    )
    assert to_markdown(replace(RUN, verdict=None), CHECKS[:1]).endswith("n = 400) |\n")
