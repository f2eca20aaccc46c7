"""Planning on the Benchmark page: every load shape, replays of uploaded logs, and capacity, from control to run."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from benchmark.record.plan import AbortRule, OpenLoopPlan, ReplayPlan, Segment, Stage, StagedPlan
from benchmark.record.recording import load_samples
from benchmark.record.run import RunState
from benchmark.record.store import Store
from benchmark.runs import plan_of
from benchmark.runs.capacity.plan import CapacityPlan, Slo
from benchmark.runs.capacity.printing import sentences
from benchmark.runs.capacity.summary import summarise
from dashboard.components.theme import DARK, LIGHT, Palette
from dashboard.views.benchmark import rate_chart
from dashboard.views.benchmark.load_shapes import read_stages
from inference.card import ModelCard
from tests.benchmark.cards import make_service, tea_outputs
from tests.benchmark.little_server import LittleServer, serving
from tests.dashboard.conftest import Serve
from tests.dashboard.figures import with_validation
from tests.dashboard.page import Page
from tests.dashboard.runs import end_run

draw = with_validation(rate_chart)
Visit = Callable[..., Page]
Twins = tuple[LittleServer, LittleServer]
PATIENCE_S = 60.0


@pytest.fixture
def twins(serve: Serve, tea: ModelCard) -> Twins:
    return serve(serving(make_service(tea, tea_outputs))), serve(serving(make_service(tea, tea_outputs)))


@pytest.fixture
def page(visit: Visit, twins: Twins) -> Iterator[Page]:
    """The page over two healthy endpoints. A run that a test starts is over when the test is."""
    yield visit(*(server.url for server in twins)).at("benchmark")
    end_run(PATIENCE_S)


def choose(page: Page, kind: str, **controls: Any) -> Page:
    """Choose a measurement, then set its controls by their keys (with _ for -)."""
    page.open()
    page.app.session_state["kind"] = kind
    page.rerun()
    for key, value in controls.items():
        page.app.session_state[key.replace("_", "-")] = value
        page.rerun()
    return page


def run_to_its_end(page: Page, store: Store) -> str:
    page.press("Start")
    deadline = time.monotonic() + PATIENCE_S
    while page.app.exception or not page.has("run-head"):
        assert time.monotonic() < deadline, page.read()
        time.sleep(0.1)
        page.rerun()
    (run,) = store.runs()
    return run.id


def errors(page: Page) -> str:
    return "\n".join(text.readable for text in page.texts() if text.kind == "error")


def is_ready(page: Page) -> bool:
    return not page.app.button(key="start").disabled


def bodies(server: LittleServer) -> list[Any]:
    return [json.loads(request.body) for request in server.requests if request.method == "POST"]


# --- Load shapes


def test_a_load_is_steady_unless_another_shape_is_chosen(page: Page) -> None:
    choose(page, "rate")
    assert page.app.selectbox(key="shape").value == "Steady"
    assert not page.has("figure-rate")
    assert "3 000 requests to FastAPI and Cloud Function, about 30 s" in page.read("estimate")


def test_stages_are_a_table_that_the_address_keeps(page: Page) -> None:
    choose(page, "rate", shape="Stages")
    assert "9 600 requests to FastAPI and Cloud Function, about 90 s" in page.read("estimate")
    page.app.number_input(key="stage-1-Requests/s").set_value(200.0)
    page.rerun()
    page.press("Add a stage")
    assert page.app.query_params["stages"] == "30:10,30:200,30:100,30:100"
    page.press("Remove the last")
    page.app.number_input(key="stage-0-Duration (s)").set_value(5.0)
    page.rerun()
    assert page.app.query_params["stages"] == "5:10,30:200,30:100"
    drawn = page.figure("rate")["data"][0]
    assert drawn["x"] == [0, 5, 5, 35, 35, 65]
    assert drawn["y"] == [10, 10, 200, 200, 100, 100]
    assert "18 100 requests" in page.read("estimate")


@pytest.mark.parametrize(
    "text", ["", "x", "30", "30:-1", "nan:1", "30:inf", "30:10,", "0:5", "1:1001", "9999:1", "<b>:1", "1:1;2:2"]
)
def test_an_address_without_sound_stages_has_the_first_ones(page: Page, text: str) -> None:
    assert read_stages(text) == ()
    page.open(stages=text)
    choose(page, "rate", shape="Stages")
    assert page.app.number_input(key="stage-2-Requests/s").value == 100


def test_an_address_cannot_have_more_stages_than_a_plan() -> None:
    assert read_stages("0.5:10,2:0") == (Stage(0.5, 10), Stage(2, 0))
    assert len(read_stages(",".join(["1:1"] * 5000))) == 100


def test_stages_that_send_nothing_are_refused_in_a_sentence(page: Page) -> None:
    page.open(stages="30:0")
    choose(page, "rate", shape="Stages")
    assert "A run needs a stage with a rate above 0 requests/s." in errors(page)
    assert not is_ready(page)


def test_every_setting_of_a_load_reaches_its_run(page: Page, store: Store) -> None:
    page.open(stages="1:30,0.5:60")
    controls = {"abort_error_rate": 50.0, "abort_p95_ms": 9000.0, "goodput_ms": 800.0, "correctness": True}
    choose(page, "rate", shape="Stages", arrivals="gamma", burstiness=0.5, **controls)
    run = store.run(run_to_its_end(page, store))
    plan = plan_of(run)
    assert isinstance(plan, StagedPlan)
    assert plan.stages == (Stage(1, 30), Stage(0.5, 60))
    assert (plan.arrivals, plan.burstiness, plan.goodput_ms, plan.correctness) == ("gamma", 0.5, 800.0, True)
    assert plan.abort == (AbortRule("p95_ms", 9000.0), AbortRule("error_rate", 0.5))
    assert plan.warmup == 6
    assert "compared" in json.dumps(run.outcome["correctness"])


def test_a_spike_is_a_short_stage_between_two_others(page: Page, store: Store) -> None:
    choose(page, "rate", shape="Spike", usual_rate=10.0, around=1, spike_rate=50.0, spike=1)
    assert page.figure("rate")["data"][0]["y"] == [10, 10, 50, 50, 10, 10]
    run_id = run_to_its_end(page, store)
    assert plan_of(store.run(run_id)).stages == (Stage(1, 10), Stage(1, 50), Stage(1, 10))


@pytest.mark.parametrize("look", [LIGHT, DARK])
def test_the_preview_has_the_rate_of_each_part(look: Palette) -> None:
    (trace,) = draw.rate_over_time([Segment(2, 5, 5), Segment(1, 8, 8)], look).data
    assert (list(trace.x), list(trace.y)) == ([0, 2, 2, 3], [5, 5, 8, 8])


def test_the_rates_of_a_log_count_each_request_once() -> None:
    times_s = np.array([0.0, 0.1, 0.2, 3.5, 9.9, 10.0])
    segments = rate_chart.recorded_rates(times_s)
    assert [segment.expected for segment in segments] == pytest.approx([3, 0, 0, 1, 0, 0, 0, 0, 0, 2])
    assert sum(segment.duration_s for segment in segments) == pytest.approx(10)
    assert len(rate_chart.recorded_rates(np.linspace(0, 86_400, 1000))) == 120
    assert rate_chart.recorded_rates(np.zeros(3)) == [Segment(1.0, 3.0, 3.0)]


# --- Replays

BODIES = [{"leaf_length": 3.0 + at / 10, "leaf_width": 1.5, "steep_time": 3.0} for at in range(30)]


def upload(page: Page, data: bytes, name: str = "log.json") -> Page:
    page.app.file_uploader(key="log").set_value((name, data, "application/json"))
    return page.rerun()


def lines(documents: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, documents)).encode()


def own_log(step_s: float = 0.5) -> bytes:
    return lines([{"time": at * step_s, "body": body} for at, body in enumerate(BODIES)])


def test_nothing_can_be_replayed_without_a_log(page: Page) -> None:
    choose(page, "rate", shape="Replay")
    assert not is_ready(page)
    assert not errors(page)


def test_an_uploaded_log_is_sent_again_at_its_speed_with_its_bodies(page: Page, twins: Twins, store: Store) -> None:
    choose(page, "rate", shape="Replay")
    upload(page, own_log(), "evening.jsonl")
    page.app.number_input(key="speed").set_value(10.0)
    page.rerun()
    assert "60 requests to FastAPI and Cloud Function, about 1 s" in page.read("estimate")
    assert page.has("figure-rate")
    run = store.run(run_to_its_end(page, store))
    plan = plan_of(run)
    assert isinstance(plan, ReplayPlan)
    assert (plan.log, plan.total, plan.speed, run.state) == ("evening.jsonl", 30, 10.0, RunState.FINISHED)
    for server in twins:
        assert bodies(server) == BODIES
    scheduled_ms = load_samples(store, run.id)[0]["scheduled_ms"]
    assert float(np.ptp(scheduled_ms)) == pytest.approx(29 * 50, abs=1)


def test_a_replay_can_send_the_inputs_of_the_card(page: Page, twins: Twins, store: Store) -> None:
    choose(page, "rate", shape="Replay")
    upload(page, own_log(0.02))
    page.app.toggle(key="log-bodies").set_value(False)
    page.rerun()
    run = store.run(run_to_its_end(page, store))
    assert run.manifest["bodies"]["source"] == "card of tea"
    assert not any(body in BODIES for body in bodies(twins[0]))


def vegeta_targets() -> bytes:
    encoded = [base64.b64encode(json.dumps(body).encode()).decode() for body in BODIES]
    return lines([{"method": "POST", "url": "http://x", "body": body} for body in encoded])


def test_a_log_without_times_is_sent_at_a_rate(page: Page, twins: Twins, store: Store) -> None:
    choose(page, "rate", shape="Replay")
    upload(page, vegeta_targets())
    assert "It has no times" in page.read("plan")
    page.app.number_input(key="rate").set_value(40.0)
    page.app.number_input(key="duration").set_value(1)
    page.rerun()
    run = store.run(run_to_its_end(page, store))
    assert isinstance(plan_of(run), OpenLoopPlan)
    assert run.manifest["bodies"]["source"] == "log log.json"
    sent = bodies(twins[0])
    assert sent
    assert all(body in BODIES for body in sent)


def cloud_logging() -> bytes:
    def entry(second: int, method: str = "POST") -> dict[str, Any]:
        return {"httpRequest": {"requestMethod": method}, "timestamp": f"2026-01-02T03:04:{second:02}Z"}

    return json.dumps([*(entry(second) for second in range(5)), entry(7, "GET")]).encode()


def vegeta_results() -> bytes:
    result = {"code": 200, "latency": 1000, "method": "POST"}
    return lines([result | {"timestamp": f"2026-01-02T03:04:{second:02}Z"} for second in range(5)])


@pytest.mark.parametrize(("data", "left_out"), [(cloud_logging(), True), (vegeta_results(), False)])
def test_logs_of_other_programs_are_read(page: Page, data: bytes, left_out: bool) -> None:
    choose(page, "rate", shape="Replay")
    upload(page, data)
    assert is_ready(page)
    assert "5 requests in 4 s, at most 1 in a second." in page.read("plan")
    assert ("Left out, because not predictions: 1 request." in page.read("plan")) == left_out
    assert not any(toggle.key == "log-bodies" for toggle in page.app.toggle)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "has no requests"),
        (b"\x1f\x8b0", "is compressed"),
        (b'{"time": 1}\n\xff', "is not UTF-8 text (line 2)"),
        (b'{"time": 1}\n{"time":', "line 2 is not JSON"),
        (b'{"time": "<script>"}', "line 1 has a time"),
        (b"[" * 100_000, "line 1 "),
        (b'{"time": 0}\n{"time": 9e9}', "a log of at most 24 h at this speed"),
        (b" " * (16 * 2**20 + 1), "is larger than 16 MiB: use `load --replay`"),
    ],
    ids=["empty", "gzip", "latin", "cut", "markup", "deep", "years", "large"],
)
def test_a_bad_log_is_one_line_and_nothing_starts(page: Page, data: bytes, said: str) -> None:
    choose(page, "rate", shape="Replay")
    upload(page, data, "<b>bad</b>\u202e.json")
    (shown,) = (text for text in page.texts() if text.kind == "error")
    assert said in shown.readable
    assert "<b>" not in shown.markdown.replace(r"\<", "")
    assert "\u202e" not in shown.markdown
    assert not is_ready(page)
    upload(page, own_log())
    assert is_ready(page) and not errors(page)


# --- Capacity


def test_a_capacity_says_what_it_will_send_and_how_long_it_takes_at_most(page: Page) -> None:
    choose(page, "capacity")
    said = "At most 200 000 requests to FastAPI and Cloud Function in turn, at most 7 min."
    assert said in page.read("estimate")
    page.app.number_input(key="max-rate").set_value(100.0)
    page.rerun()
    assert "At most 40 000 requests" in page.read("estimate")


def test_a_capacity_without_an_objective_is_refused_in_a_sentence(page: Page) -> None:
    choose(page, "capacity", slo_p95_ms=0.0, slo_error_rate=0.0)
    assert "A capacity run needs from 1 to 10 objectives" in errors(page)
    assert not is_ready(page)


def test_a_capacity_needs_a_price_for_every_endpoint_or_none(page: Page) -> None:
    choose(page, "capacity", usd_api=1.0)
    assert "Give a price for every endpoint, or for none." in errors(page)
    assert not is_ready(page)
    page.app.session_state["usd-function"] = 2.0
    page.rerun()
    assert is_ready(page) and not errors(page)


@pytest.mark.parametrize(
    ("text", "value"), [("", 200), ("x", 200), ("-1", 200), ("1e99", 200), ("nan", 200), ("350", 350)]
)
def test_an_address_sets_an_objective_if_it_is_a_sound_one(page: Page, text: str, value: float) -> None:
    page.open(**{"slo-p95-ms": text})
    choose(page, "capacity")
    assert page.app.number_input(key="slo-p95-ms").value == value
    assert is_ready(page)


@pytest.mark.slow
def test_a_capacity_goes_from_its_objectives_to_its_report(page: Page, store: Store) -> None:
    few = {"max_rate": 1500.0, "start_rate": 5.0, "steps": 4, "step_s": 0.5, "seed": 7}
    choose(page, "capacity", slo_p95_ms=0.0, slo_p50_ms=900.0, slo_error_rate=5.0, usd_api=1.5, usd_function=3.0, **few)
    run_id = run_to_its_end(page, store)
    run = store.run(run_id)
    plan = plan_of(run)
    assert isinstance(plan, CapacityPlan)
    assert plan.slos == (Slo("p50_ms", 900.0), Slo("error_rate", 0.05))
    assert (plan.max_rate, plan.start_rate, plan.steps, plan.step_s, plan.seed) == (1500.0, 5.0, 4, 0.5, 7)
    assert plan.usd_per_hour == (1.5, 3.0)
    summary = summarise(run, load_samples(store, run_id)[0])
    assert summary.steps
    for sentence in sentences(summary):
        assert sentence in page.read("verdict")


def test_a_capacity_shows_its_steps_while_it_runs_and_can_be_cancelled(page: Page, store: Store) -> None:
    choose(page, "capacity", slo_p95_ms=None, start_rate=5.0, max_rate=200.0, step_s=1.0)
    page.press("Start")
    deadline = time.monotonic() + PATIENCE_S
    while not page.has("chart-capacity-latency"):
        assert time.monotonic() < deadline, page.read()
        time.sleep(0.2)
        page.rerun()
    assert "of 24 steps" in page.read("progress")
    assert "So far" in page.read("verdict")
    page.press("Cancel")
    while "This run was cancelled" not in page.read():
        assert time.monotonic() < deadline, page.read()
        time.sleep(0.2)
        page.rerun()
    (run,) = store.runs()
    assert run.state is RunState.CANCELLED
    assert run.outcome["steps"]
