"""How long a run will take is known from the runs before it."""

from dataclasses import replace

from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.forecast import typical_ms
from benchmark.record.plan import ClosedLoopPlan, ComparePlan, OpenLoopPlan, Plan, to_document
from benchmark.record.run import Run, RunState

SIDES = (Endpoint("api", "The API", "https://api.example"), Endpoint("function", "F", "https://function.example"))


def test_the_last_run_of_the_same_kind_tells_how_long_a_request_takes() -> None:
    def run(plan: Plan, elapsed_s: float, done: int, state: RunState = RunState.FINISHED) -> Run:
        endpoints = [{"key": one.key, "name": one.name, "url": one.url} for one in SIDES]
        manifest = {"plan": to_document(plan), "endpoints": endpoints}
        return Run("ab", plan.kind, "", state, "", manifest, progress={"done": done, "elapsed_s": elapsed_s})

    newest_first = [
        replace(run(ComparePlan(), 1.0, 10), kind="coldstart", manifest={"plan": {"kind": "coldstart"}}),
        run(ComparePlan(), 1.0, 10, RunState.CANCELLED),
        run(OpenLoopPlan(), 30.0, 3000),  # at a rate that was given, which says nothing
        run(ComparePlan(connection="new"), 9.0, 100),
        run(ClosedLoopPlan(concurrency=4, total=100), 2.0, 200),
        run(ComparePlan(), 1.0, 200),
    ]
    assert typical_ms(newest_first, SIDES, ComparePlan()) == 2.0 * 1000 * 8 / 200
    assert typical_ms(newest_first, SIDES, ComparePlan(connection="new")) == 90.0
    assert typical_ms(newest_first[5:], SIDES, OpenLoopPlan()) == 5.0
    assert typical_ms(newest_first, SIDES[:1], ComparePlan()) is None
    assert typical_ms([], SIDES, ComparePlan()) is None
    newest = newest_first[-1]
    of_tomorrow = replace(newest, manifest={**newest.manifest, "plan": {"kind": "of tomorrow"}})
    without_endpoints = replace(newest, manifest={"plan": newest.manifest["plan"]})
    assert typical_ms([of_tomorrow, without_endpoints, newest], SIDES, ComparePlan()) == 5.0
    from_elsewhere = replace(newest, is_imported=True, progress={"done": 1, "elapsed_s": 3600.0})
    assert typical_ms([from_elsewhere, newest], SIDES, ComparePlan()) == 5.0
