"""What is said about runs: figures with their units, nothing made up where nothing is known."""

from dataclasses import replace

import pytest

from benchmark.engine.forecast import Forecast
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, OpenLoopPlan, Plan
from benchmark.record.run import Run, RunState
from benchmark.runs.requests import span
from benchmark.statistics.estimates import Estimate as Figure
from benchmark.statistics.verdict import Outcome
from dashboard.components import run_text as say
from tests.dashboard.runs import LOAD, simulated, summary_of

THIN = "\N{NARROW NO-BREAK SPACE}"


def test_the_estimate_says_requests_duration_and_the_cost_where_it_is_known() -> None:
    names = ["FastAPI", "Cloud Function"]
    assert say.estimate(Forecast(1040, 12.3, None), names) == (
        f"1{THIN}040 requests to FastAPI and Cloud Function, about 12 s"
    )
    assert (
        say.estimate(Forecast(10, 0.1, 0.00042), names[:1]) == "10 requests to FastAPI, about 1 s, at most USD 0.00042"
    )
    assert "unknown" in say.estimate(Forecast(10, None, None), names)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        ({}, (0.0, "0 of 0 requests")),
        ({"done": 0, "total": 10, "elapsed_s": 1.0}, (0.0, "0 of 10 requests")),
        ({"done": 500, "total": 2000, "elapsed_s": 10.0}, (0.25, f"500 of 2{THIN}000 requests, about 30 s left")),
        ({"done": 12, "total": 10, "elapsed_s": 10.0}, (1.0, "12 of 10 requests")),
    ],
)
def test_progress_says_how_long_it_still_takes(progress: dict[str, float], expected: tuple[float, str]) -> None:
    run = Run("ab", "load", "", RunState.RUNNING, "", {}, progress=progress)
    assert say.progress(run) == expected


@pytest.mark.parametrize(
    ("plan", "endpoints", "expected"),
    [
        (ComparePlan(pairs=1500), 2, f"1{THIN}500 pairs, reused connections"),
        (ComparePlan(pairs=100), 1, "100 requests, reused connections"),
        (ComparePlan(pairs=100), 3, "100 blocks, reused connections"),
        (OpenLoopPlan(rate=12.5, ramp=1, connection="new"), 2, "1 to 12.5/s for 30 s, new connections"),
        (ClosedLoopPlan(concurrency=4, total=50), 3, "4 callers, 50 requests each, reused connections"),
    ],
)
def test_a_plan_in_a_few_words(plan: Plan, endpoints: int, expected: str) -> None:
    assert say.describe(plan, endpoints) == expected


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (59.6, "60 s"), (100, "2 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_spans_of_time(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_every_state_and_outcome_has_a_word_an_icon_and_a_colour() -> None:
    assert set(say.STATES) == set(RunState) and set(say.OUTCOMES) == set(Outcome)
    assert set(say.ENDINGS) == set(RunState) - {RunState.RUNNING, RunState.FINISHED}


def test_a_run_is_called_by_its_name_or_by_its_kind_and_id() -> None:
    run, _ = simulated()
    run = replace(run, id="abcd", started_at_utc="2026-01-02T03:04:05.678+00:00")
    assert say.headline(run) == "Compare abcd · finished · 2026-01-02 03:04:05 UTC"
    assert say.headline(replace(run, name="Mine")) == "Mine · compare · finished · 2026-01-02 03:04:05 UTC"
    assert say.started(replace(run, started_at_utc="some day")) == "some day"


def test_a_figure_without_an_interval_says_so() -> None:
    assert say.bounds(Figure(4.0, 3.5, 4.567, 20)) == "3.50 to 4.57"
    assert say.bounds(Figure(4.0, None, None, 3)) == "no interval: too few"
    assert (say.bounds(Figure(float("nan"), None, None, 0)), say.value(Figure(float("nan"), None, None, 0))) == (
        "not measured",
        "\N{EN DASH}",
    )


def test_rows_are_the_figures_of_the_summary() -> None:
    summary, _ = summary_of(LOAD)
    rows = {(row["endpoint"], row["figure"]): row for row in say.percentiles(summary)}
    p50 = summary.endpoints[0].response_ms[0]
    row = rows["FastAPI", "response p50"]
    assert (row["value (ms)"], row["n"]) == (round(p50.value, 3), p50.n)
    assert {figure for _, figure in rows} >= {"response p99", "service p50", "server p50"}


def test_conditions_say_what_is_equal_what_differs_and_what_is_unknown() -> None:
    run, _ = simulated()
    found = {name: (values, verdict) for name, values, verdict in say.fairness(run)}
    assert found["vCPU"] == (("1", "2"), "differs")
    assert found["region"] == (("unknown", "unknown"), "unknown")
    assert found["memory"][1] == "equal"
    nothing = replace(run, manifest={**run.manifest, "facts": {"api": {}, "function": {}}})
    assert say.fairness(nothing) == []
