"""A plan that makes no sense or could hurt somebody is refused in a sentence, and any other one survives its record."""

import json
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.forecast import estimate, estimate_duration_s
from benchmark.record.plan import (
    ABORT_METRICS,
    LOOPBACK_MARGIN_MS,
    REMOTE_MARGIN_MS,
    AbortRule,
    ClosedLoopPlan,
    ComparePlan,
    OpenLoopPlan,
    Plan,
    PlanError,
    ReplayPlan,
    Stage,
    StagedPlan,
    check_limits,
    default_margin_ms,
    from_document,
    read_abort,
    to_document,
)

LOCAL = Endpoint("api", "FastAPI", "http://127.0.0.1:8000")
REMOTE = Endpoint("function", "Cloud Function", "https://Tea.Example.com/predict")

common = {
    "connection": st.sampled_from(["reused", "new"]),
    "margin_ms": st.floats(0, 1e6),
    "margin_pct": st.floats(0, 100),
    "timeout_s": st.floats(0.001, 600),
    "seed": st.integers(0, 2**63 - 1),
}
compares = st.builds(ComparePlan, pairs=st.integers(1, 10**6), warmup=st.integers(0, 1000), **common)
open_loads = st.builds(
    OpenLoopPlan,
    rate=st.floats(1, 1e4),
    duration_s=st.floats(1, 1e4),
    ramp=st.none() | st.floats(0, 1e4),
    arrivals=st.sampled_from(["poisson", "constant"]),
    warmup=st.integers(0, 1000),
    **common,
)
terms = {
    "goodput_ms": st.none() | st.floats(0.1, 1e4),
    "abort": st.lists(st.builds(AbortRule, st.sampled_from(ABORT_METRICS), st.floats(0, 0.99)), max_size=3).map(tuple),
    "abort_window_s": st.floats(1, 3600),
    "correctness": st.booleans(),
}
stages = st.lists(st.builds(Stage, st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=1, max_size=5).map(tuple)
gamma = {"arrivals": st.just("gamma"), "burstiness": st.floats(0.01, 100)}
varied_loads = st.one_of(
    st.builds(StagedPlan, stages, warmup=st.integers(0, 1000), **gamma, **terms, **common),
    st.builds(StagedPlan, stages, arrivals=st.sampled_from(["poisson", "constant"]), **terms),
    st.builds(OpenLoopPlan, rate=st.floats(1, 1e4), **gamma, **terms),
    st.builds(
        ReplayPlan,
        log=st.text(max_size=20),
        sha256=st.just("0" * 64),
        total=st.integers(1, 10**6),
        duration_s=st.floats(0, 86_400),
        peak_rate=st.floats(1, 1e4),
        speed=st.floats(0.1, 100),
        **terms,
    ),
)
closed_loads = st.builds(
    ClosedLoopPlan,
    concurrency=st.integers(1, 1000),
    total=st.integers(1, 10**6),
    warmup=st.integers(0, 1000),
    **common,
)


@given(compares | open_loads | closed_loads | varied_loads)
def test_a_plan_survives_its_record(plan: Plan) -> None:
    assert from_document(json.loads(json.dumps(to_document(plan), allow_nan=False))) == plan


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"pairs": 0}, "at least 1 pair"),
        ({"warmup": -1}, "a warm-up of 0 pairs or more"),
        ({"connection": "borrowed"}, "connections that are reused or new"),
        ({"margin_ms": -0.1}, "a margin of 0 ms or more"),
        ({"margin_ms": nan}, "a margin of 0 ms or more"),
        ({"margin_pct": 101.0}, "a margin from 0 to 100 %"),
        ({"margin_pct": nan}, "a margin from 0 to 100 %"),
        ({"timeout_s": 0.0}, "a timeout above 0 and at most 600 s"),
        ({"timeout_s": inf}, "a timeout above 0 and at most 600 s"),
        ({"seed": -1}, "a seed from 0"),
        ({"seed": 2**63}, "a seed from 0"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(PlanError, match=f"^a run needs {what}$"):
        ComparePlan(**changes)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"rate": 0.0}, "a rate above 0 requests/s"),
        ({"rate": inf}, "a rate above 0 requests/s"),
        ({"duration_s": 0.0}, "a duration above 0 s"),
        ({"duration_s": nan}, "a duration above 0 s"),
        ({"rate": 1e200, "duration_s": 1e200}, "a smaller rate or duration"),
        ({"ramp": 1e200, "duration_s": 1e200}, "a smaller ramp or duration"),
        ({"ramp": -1.0}, "a ramp from 0 requests/s or more"),
        ({"arrivals": "sometimes"}, "arrivals that are poisson, constant or gamma"),
        ({"arrivals": "gamma"}, "a burstiness from 0.01 to 100 for gamma arrivals"),
        ({"arrivals": "gamma", "burstiness": 0.0}, "a burstiness from 0.01 to 100 for gamma arrivals"),
        ({"arrivals": "gamma", "burstiness": nan}, "a burstiness from 0.01 to 100 for gamma arrivals"),
        ({"burstiness": 1.0}, "gamma arrivals for a burstiness"),
        ({"goodput_ms": 0.0}, "a goodput limit above 0 ms"),
        ({"goodput_ms": inf}, "a goodput limit above 0 ms"),
        ({"abort": (AbortRule("error_rate", 1.0),)}, "an error_rate below 1 to abort on"),
        ({"abort": (AbortRule("rate", 1.0),)}, "limits to abort on, of error_rate, p50_ms, p95_ms, p99_ms"),
        ({"abort": (AbortRule("p95_ms", nan),)}, "a limit of 0 or more to abort on"),
        ({"abort": (AbortRule("p95_ms", 1.0),) * 11}, "at most 10 limits to abort on"),
        ({"abort_window_s": 0.5}, "an abort window from 1 to 3600 s"),
        ({"warmup": -1}, "a warm-up of 0 requests or more"),
        ({"timeout_s": nan}, "a timeout above 0 and at most 600 s"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(PlanError, match=f"^a run needs {what}$"):
        OpenLoopPlan(**changes)


@pytest.mark.parametrize(
    ("stages", "what"),
    [
        ((), "from 1 to 100 stages"),
        ((Stage(1, 1),) * 101, "from 1 to 100 stages"),
        ((Stage(0, 1),), "stages that last longer than 0 s"),
        ((Stage(nan, 1),), "stages that last longer than 0 s"),
        ((Stage(1, -1),), "stages with a rate of 0 requests/s or more"),
        ((Stage(1, inf),), "stages with a rate of 0 requests/s or more"),
        ((Stage(1e200, 1e200),), "smaller stages"),
        ((Stage(1, 0), Stage(5, 0)), "a stage with a rate above 0 requests/s"),
    ],
)
def test_stages_that_make_no_sense_are_refused(stages: tuple[Stage, ...], what: str) -> None:
    with pytest.raises(PlanError, match=f"^a run needs {what}$"):
        StagedPlan(stages)


@pytest.mark.parametrize(
    "text", ["", "error_rate", "error_rate<0.1", "error_rate>x", "p42_ms>1", "api.p95_ms>1", "rate>1"]
)
def test_a_limit_to_abort_on_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match=r"must be like error_rate>0\.05 or p95_ms>800"):
        read_abort(text)


def test_settings_that_are_not_used_are_not_recorded_so_that_earlier_versions_can_read_the_plan() -> None:
    later = {"goodput_ms", "abort", "abort_window_s", "correctness", "burstiness"}
    for plan in (ComparePlan(), OpenLoopPlan(), ClosedLoopPlan(2, 100)):
        assert not later & to_document(plan).keys()
    assert later & to_document(OpenLoopPlan(goodput_ms=100.0)).keys() == {"goodput_ms"}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"concurrency": 0}, "a concurrency from 1 to 1000"),
        ({"total": 0}, "a number of requests for its closed loop"),
        ({"warmup": -1}, "a warm-up of 0 requests or more"),
        ({"connection": "borrowed"}, "connections that are reused or new"),
    ],
)
def test_callers_that_make_no_sense_are_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(PlanError, match=f"^a run needs {what}$"):
        ClosedLoopPlan(**{"concurrency": 2, "total": 10, **changes})


def test_a_record_tells_the_two_loops_apart_by_its_callers() -> None:
    closed, opened = ClosedLoopPlan(2, 100), OpenLoopPlan(25.0)
    assert to_document(closed).keys() == to_document(opened).keys()  # as when both were one plan
    assert from_document(to_document(closed) | {"rate": 50.0, "arrivals": "constant"}) == closed
    assert to_document(opened)["concurrency"] is None


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (None, "this run has no plan"),
        ([], "this run has no plan"),
        ({}, "kind None is not a comparison or a load"),
        ({"kind": "marathon"}, "kind marathon is not a comparison or a load"),
        ({"kind": "compare", "laps": 3}, "cannot be read"),
        ({"kind": "compare", "pairs": "many"}, "cannot be read"),
        ({"kind": "load", "rate": "fast"}, "cannot be read"),
        ({"kind": "load", "rate": -5}, "a rate above 0"),
        ({"kind": "load", "rate": None}, "rate is out of range"),
        ({"kind": "load", "stages": [[1, 2, 3]]}, "stages is out of range"),
        ({"kind": "load", "stages": [[1, "2"]]}, "stages is out of range"),
        ({"kind": "load", "stages": 3}, "stages is out of range"),
        ({"kind": "load", "abort": [["error_rate", True]]}, "abort is out of range"),
        ({"kind": "load", "correctness": 1}, "correctness is out of range"),
        ({"kind": "load", "speed": 1.0}, "something is missing"),
        ({"kind": "load", "concurrency": 2}, "something is missing"),
        ({"kind": "load", "concurrency": 2, "total": None}, "total is out of range"),
    ],
)
def test_a_plan_that_cannot_be_read_says_so(document: Any, what: str) -> None:
    with pytest.raises(PlanError, match=what):
        from_document(document)


@pytest.mark.parametrize(
    ("plan", "requests", "duration_s"),
    [
        (ComparePlan(pairs=500, warmup=20), 1040, 1040 * 0.05),
        (OpenLoopPlan(rate=50, duration_s=30), 3000, 30),
        (OpenLoopPlan(rate=50, duration_s=30, ramp=10), 1800, 30),
        (OpenLoopPlan(rate=0.1, duration_s=1, warmup=0), 2, 1),
        (StagedPlan((Stage(30, 10), Stage(2, 200))), 1400, 32),
        (ReplayPlan("log", "", 1000, 12.5, 90.0), 2000, 12.5),
        (ClosedLoopPlan(concurrency=4, total=400), 800, 800 * 0.05 / 8),
    ],
)
def test_what_a_run_will_be_is_known_before(plan: Plan, requests: int, duration_s: float) -> None:
    assert plan.requests(2) == requests
    assert estimate_duration_s(plan, 2, typical_ms=50.0) == pytest.approx(duration_s)


def check(plan: Plan, *endpoints: Endpoint, hosts: frozenset[str] = frozenset(), rate: float = 100.0) -> None:
    check_limits(plan, endpoints, hosts, max_requests=1000, max_rate=rate)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://127.9.9.9"])
def test_this_machine_may_always_be_measured(url: str) -> None:
    check(ComparePlan(pairs=10), Endpoint("api", "FastAPI", url))


@pytest.mark.parametrize("host", ["tea.example.com", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1"])
def test_another_host_may_be_measured_where_it_is_listed(host: str) -> None:
    endpoint = Endpoint("api", "FastAPI", f"https://{host}")
    with pytest.raises(PlanError, match=f"^{host} is not an allowed host.*BENCHMARK_HOSTS"):
        check(ComparePlan(pairs=10), LOCAL, endpoint, hosts=frozenset({"example.com"}))
    check(ComparePlan(pairs=10), LOCAL, endpoint, hosts=frozenset({host}))


def test_a_host_is_the_same_in_capitals() -> None:
    check(ComparePlan(pairs=10), REMOTE, hosts=frozenset({"tea.example.com"}))


def test_too_many_requests_are_refused_the_warm_up_included() -> None:
    check(ComparePlan(pairs=480, warmup=20), LOCAL, LOCAL)
    with pytest.raises(PlanError, match=r"1002 requests exceed the maximum of 1000 \(--max-requests\)"):
        check(ComparePlan(pairs=481, warmup=20), LOCAL, LOCAL)
    with pytest.raises(PlanError, match="--max-requests"):
        check(ClosedLoopPlan(concurrency=1, total=1001), LOCAL)


SPIKE = StagedPlan((Stage(50, 1), Stage(1, 51)))
REPLAY = ReplayPlan("log", "", 400, 60.0, 51.0)


def test_too_high_a_rate_is_refused_counting_all_endpoints_and_the_ramp() -> None:
    check(OpenLoopPlan(rate=50, duration_s=5), LOCAL, LOCAL)
    for plan in (OpenLoopPlan(rate=51, duration_s=5), OpenLoopPlan(rate=10, ramp=51, duration_s=5), SPIKE, REPLAY):
        with pytest.raises(PlanError, match=r"102 requests/s in total exceed the maximum of 100 \(--max-rate\)"):
            check(plan, LOCAL, LOCAL)


def test_a_load_that_is_all_warm_up_is_refused() -> None:
    check(ClosedLoopPlan(concurrency=2, total=21), LOCAL, LOCAL)
    for plan in (ClosedLoopPlan(concurrency=2, total=20), OpenLoopPlan(rate=4, duration_s=5)):
        with pytest.raises(
            PlanError, match=r"20 requests to each endpoint are all warm-up \(the first 20\): .*lower --warmup"
        ):
            check(plan, LOCAL, LOCAL)


def test_a_smaller_difference_matters_on_this_machine_than_across_a_network() -> None:
    assert default_margin_ms([LOCAL, LOCAL]) == LOOPBACK_MARGIN_MS
    assert default_margin_ms([LOCAL, REMOTE]) == REMOTE_MARGIN_MS


def test_only_what_runs_elsewhere_is_charged() -> None:
    here, there = Endpoint("a", "A", "http://127.0.0.1:1"), Endpoint("b", "B", "https://example.com")
    plan = ComparePlan(pairs=980, warmup=20)
    assert estimate(plan, [here, here], 10.0).cost_usd is None
    # In which region is not known, so at most: 1000 requests of 100 ms at the prices of tier 2 are 100 s of 1 vCPU at
    # 0.0000336, of 0.5 GiB at 0.0000035, and 0.40 for a million.
    assert estimate(plan, [here, there], 10.0).cost_usd == pytest.approx(100 * (0.0000336 + 0.5 * 0.0000035) + 0.0004)
    assert estimate(plan, [here, there], None).duration_s is None
