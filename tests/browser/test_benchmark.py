"""Real runs against the real endpoints, started, watched, cancelled, compared and deleted from the page."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from benchmark.record.plan import ComparePlan, Stage, StagedPlan
from benchmark.record.recording import add_finished_run, load_samples
from benchmark.record.run import RunState
from benchmark.runs.capacity.printing import sentences
from benchmark.runs.capacity.summary import summarise as summarise_capacity
from benchmark.summary.summarise import summarise
from dashboard.components.theme import DARK, LIGHT
from tests.benchmark.capacity_runs import capacity_run
from tests.browser.benchmark_page import BenchmarkPage
from tests.browser.conftest import NewVisitor, Stack, Visitor
from tests.browser.settling import DESKTOP, PHONE, Size, cut_off, picture, rerun, settle
from tests.dashboard.runs import simulated


@pytest.fixture(autouse=True)
def no_runs(stack: Stack) -> Iterator[None]:
    """Runs of one test are nothing to the next."""
    yield
    for run in stack.store.runs():
        stack.store.delete_run(run.id)


def test_a_comparison_of_the_real_endpoints_ends_in_a_verdict(visitor: Visitor, stack: Stack) -> None:
    page = BenchmarkPage(visitor.open("benchmark"))
    expect(page.page.locator(".st-key-estimate")).to_contain_text("1 040 requests to FastAPI and Cloud Function, about")
    before = stack.requests_served()
    page.fill("Pairs", 120)
    page.fill("Warm-up pairs", 10)
    run_id = page.start()

    page.expect_report()
    run = stack.store.run(run_id)
    samples, _ = load_samples(stack.store, run_id)
    summary = summarise(run, samples)
    assert (run.state, len(samples)) == (RunState.FINISHED, 260)
    assert [after - earlier for earlier, after in zip(before, stack.requests_served(), strict=True)] == [130, 130]
    assert summary.verdict
    expect(page.verdict).to_contain_text(summary.verdict.sentence)
    # Warm requests and the warm-up of either endpoint, all of them drawn.
    assert sum(page.points("time")) == 260
    for name in ("shares", "distribution", "tail", "phases"):
        expect(page.figure(name).locator(".main-svg").first).to_be_visible()

    with page.page.expect_download() as started:
        page.page.get_by_role("button", name="Export").click()
        page.page.get_by_role("button", name="Requests (CSV)").click()
    assert len(started.value.path().read_text().splitlines()) == 261


@pytest.mark.slow
def test_a_run_outlives_a_refresh_and_a_closed_tab_and_can_be_cancelled(
    visitor: Visitor, new_visitor: NewVisitor, stack: Stack
) -> None:
    page = BenchmarkPage(visitor.open("benchmark"))
    page.choose("Load")
    page.fill("Requests/s to each", 40)
    page.fill("Duration (s)", 600)
    expect(page.page.locator(".st-key-estimate")).to_contain_text("48 000 requests")
    run_id = page.start()
    expect(page.progress).to_contain_text("left")
    expect(page.figure("time").locator(".main-svg").first).to_be_visible()
    expect(page.page.get_by_role("button", name="Start")).to_be_disabled()

    page.page.reload()
    expect(page.progress).to_contain_text("left")
    assert run_id in page.page.url
    page.page.close()
    done = stack.store.run(run_id).progress["done"]

    other = BenchmarkPage(new_visitor().new_page())
    other.page.goto(f"{stack.dashboard.url}/benchmark")  # without the id: whoever comes sees what goes on
    expect(other.progress).to_contain_text("left")
    assert stack.store.run(run_id).progress["done"] > done
    other.page.get_by_role("button", name="Cancel").click()
    other.expect_report("Cancelled")

    assert stack.store.run(run_id).state is RunState.CANCELLED
    kept = len(load_samples(stack.store, run_id)[0])
    expect(other.page.get_by_text("This run was cancelled")).to_be_visible()
    expect(other.page.get_by_role("button", name="Start")).to_be_enabled()
    assert kept > 0


def test_the_plan_outlives_a_refresh(visitor: Visitor) -> None:
    page = BenchmarkPage(visitor.open("benchmark"))
    page.choose("Load")
    page.fill("Requests/s to each", 40)
    page.fill("Duration (s)", 12)
    page.page.reload()
    settle(page.page)
    for name, value in (("Requests/s to each", "40"), ("Duration (s)", "12")):
        expect(page.page.get_by_role("spinbutton", name=name, exact=True)).to_have_value(value)


@pytest.mark.slow
def test_two_runs_are_compared_renamed_and_deleted(visitor: Visitor, stack: Stack) -> None:
    for pairs in (8, 16):
        run, samples = simulated(ComparePlan(pairs=pairs, warmup=0))
        add_finished_run(stack.store, replace(run, name=f"{pairs} pairs"), samples)
    newest, oldest = stack.store.runs()
    page = visitor.open("runs")
    for run in (oldest, newest):
        with rerun(page):
            page.get_by_role("checkbox", name=f"Compare {run.id}").check()
    compared = page.locator(".st-key-compared")
    expect(compared.get_by_role("row", name="plan.pairs")).to_have_text("plan.pairs816")
    expect(compared.get_by_text("plan.seed")).to_have_count(0)

    row = page.locator(f"#run-{oldest.id}")
    with rerun(page):
        row.get_by_role("button", name="Manage").click()
    name = page.locator(f".st-key-name-{oldest.id}").get_by_role("textbox")
    name.fill("the first")
    with rerun(page):
        name.press("Enter")
    expect(row.get_by_text("the first")).to_be_visible()
    delete = page.get_by_role("button", name="Delete this run")
    expect(delete).to_be_disabled()
    with rerun(page):
        page.get_by_text("Delete this run and all its samples").click()
    with rerun(page):
        delete.click()
    expect(row).to_have_count(0)
    assert [run.id for run in stack.store.runs()] == [newest.id]

    page.get_by_role("link", name="16 pairs").click()
    BenchmarkPage(page).expect_report()


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"])
def test_the_report_fits_the_window_in_both_themes(new_visitor: NewVisitor, scheme: str, size: Size) -> None:
    visitor = new_visitor(color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, is_mobile=size == PHONE)
    page = BenchmarkPage(visitor.open("benchmark"))
    page.page.get_by_role("button", name="Show a simulated run").click()
    page.expect_report()
    expect(page.verdict).to_contain_text("First (simulated) answers faster")
    colors = {"light": LIGHT, "dark": DARK}[scheme]
    drawn = page.page.locator(".st-key-chart-time .js-plotly-plot").evaluate("plot => plot.data[0].marker.color")
    assert drawn == colors.endpoints["api"]
    picture(page.page, f"benchmark-{scheme}", size)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_aborted_load_in_stages_is_readable_at_any_size(new_visitor: NewVisitor, stack: Stack, scheme: str) -> None:
    plan = StagedPlan((Stage(20.0, 20.0), Stage(5.0, 100.0), Stage(10.0, 20.0)), goodput_ms=80.0)
    run, samples = simulated(plan)
    counts = [{"id": "00c61b117c", "compared": 300, "changed": 4}, {"id": "00c61b117d", "compared": 290, "changed": 0}]
    correctness = {key: {"bodies": 4, "unstable": 0, "instances": counts} for key in run.endpoint_keys}
    reason = "error_rate>0.05: FastAPI had 0.12 in the last 10 s (n = 240)"
    outcome = {**run.outcome, "reason": reason, "correctness": correctness}
    samples = samples[samples["scheduled_ms"] < 23_000]
    add_finished_run(stack.store, replace(run, state=RunState.ABORTED, outcome=outcome), samples)
    visitor = new_visitor(color_scheme=scheme)
    for size in (DESKTOP, PHONE):
        page = visitor.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(f"{stack.dashboard.url}/benchmark?run={run.id}")
        settle(page)
        expect(page.get_by_text(f"Limit: {reason}.")).to_be_visible()
        stages = page.locator(".st-key-stages")
        expect(stages).to_contain_text("2: 100/s for 5 s, ended after 3.0 s")
        expect(page.locator(".st-key-card-api")).to_contain_text("within 80 ms")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        picture(page, f"benchmark-stages-{scheme}", size)


@pytest.mark.slow
def test_a_capacity_is_searched_from_the_page(visitor: Visitor, stack: Stack) -> None:
    page = BenchmarkPage(visitor.open("benchmark?steps=4&step-s=1"))
    page.choose("Capacity")
    estimate = page.page.locator(".st-key-estimate")
    expect(estimate).to_contain_text("At most 200 000 requests to FastAPI and Cloud Function in turn, at most 7 min.")
    page.fill("p95 (ms)", 0)
    page.fill("p50 (ms)", 500)
    page.fill("Requests/s at most", 300)
    page.fill("Requests/s at first", 5)
    expect(estimate).to_contain_text("At most 120 000 requests")
    run_id = page.start()
    expect(page.progress).to_contain_text("of 8 steps")
    expect(page.verdict).to_contain_text("So far")
    expect(page.figure("capacity-latency").locator(".main-svg").first).to_be_visible()
    page.page.reload()
    expect(page.progress).to_contain_text("of 8 steps")

    expect(page.page.locator(".st-key-run-head").get_by_text("Finished")).to_be_visible(timeout=120_000)
    settle(page.page)
    run = stack.store.run(run_id)
    summary = summarise_capacity(run, load_samples(stack.store, run_id)[0])
    assert max(step.bounds.rate for step in summary.steps) <= 300
    for sentence in sentences(summary):
        expect(page.verdict).to_contain_text(sentence)
    for chart in ("capacity-latency", "capacity-goodput"):
        expect(page.figure(chart).locator(".main-svg").first).to_be_visible()
    assert sum(page.points("capacity-goodput")) == len(summary.steps)


@pytest.mark.slow
def test_stages_are_edited_previewed_and_kept_by_the_address(visitor: Visitor) -> None:
    page = BenchmarkPage(visitor.open("benchmark"))
    page.choose("Load")
    page.shape("Stages")
    page.fill("Requests/s of stage 2", 80)
    with rerun(page.page):
        page.page.get_by_role("button", name="Add a stage").click()
    page.fill("Duration (s) of stage 4", 5)
    page.page.reload()
    settle(page.page)
    expect(page.page.get_by_role("spinbutton", name="Requests/s of stage 2")).to_have_value("80")
    expect(page.page.locator(".st-key-estimate")).to_contain_text("12 400 requests to FastAPI and Cloud Function")
    expect(page.page.locator(".st-key-figure-rate .main-svg").first).to_be_visible()


@pytest.mark.slow
def test_an_uploaded_log_is_replayed(visitor: Visitor, stack: Stack) -> None:
    page = BenchmarkPage(visitor.open("benchmark"))
    page.choose("Load")
    page.shape("Replay")
    chooser = page.page.locator(".st-key-log input[type=file]")
    body = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2, "padding": "x" * 60_000}
    large = "\n".join(json.dumps({"time": at, "body": body}) for at in range(40))
    with rerun(page.page):
        chooser.set_input_files({"name": "large.jsonl", "mimeType": "text/plain", "buffer": large.encode()})
    expect(page.page.locator(".st-key-estimate")).to_contain_text(
        "80 requests to FastAPI and Cloud Function, about 39 s"
    )
    with rerun(page.page):
        chooser.set_input_files({"name": "<b>.json", "mimeType": "text/plain", "buffer": b"no log"})
    expect(page.page.get_by_text("<b>.json line 1 is not JSON.")).to_be_visible()
    expect(page.page.get_by_role("button", name="Start")).to_be_disabled()
    del body["padding"]
    sound = "\n".join(json.dumps({"time": at / 20, "body": body}) for at in range(40))
    with rerun(page.page):
        chooser.set_input_files({"name": "log.jsonl", "mimeType": "text/plain", "buffer": sound.encode()})
    run_id = page.start()
    page.expect_report()
    run = stack.store.run(run_id)
    assert (run.state, run.manifest["bodies"]["source"]) == (RunState.FINISHED, "log log.jsonl")
    assert len(load_samples(stack.store, run_id)[0]) == 80


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_plan_fits_the_window(new_visitor: NewVisitor, stack: Stack, scheme: str) -> None:
    visitor = new_visitor(color_scheme=scheme)
    plans = {
        "capacity": "kind=Capacity",
        "stages": "kind=Load&shape=Stages&stages=30:10,5:200,30:10",
        "spike": "kind=Load&shape=Spike",
        "replay": "kind=Load&shape=Replay",
    }
    for size in (DESKTOP, PHONE):
        for name, query in plans.items():
            page = visitor.new_page()
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.goto(f"{stack.dashboard.url}/benchmark?{query}")
            settle(page)
            page.locator(".st-key-advanced summary").click()
            expect(page.get_by_role("spinbutton", name="Random seed")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            tops = page.locator(".st-key-kind [role=radio]").evaluate_all(
                "all => all.map(one => one.getBoundingClientRect().top)"
            )
            assert len(tops) == 4
            assert len(set(tops)) == 1
            assert cut_off(page.locator(".st-key-plan label")) == []
            cut = "all => all.filter(one => one.value && one.scrollWidth > one.clientWidth).map(one => one.value)"
            assert page.locator(".st-key-plan input").evaluate_all(cut) == []
            picture(page, f"plan-{name}-{scheme}", size)
            page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_capacity_is_readable_at_any_size(new_visitor: NewVisitor, stack: Stack, scheme: str) -> None:
    run, samples = capacity_run()
    add_finished_run(stack.store, run, samples)
    visitor = new_visitor(color_scheme=scheme)
    for size in (DESKTOP, PHONE):
        page = visitor.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(f"{stack.dashboard.url}/benchmark?run={run.id}")
        settle(page)
        expect(page.locator(".st-key-verdict")).to_contain_text("Per dollar it carries")
        expect(page.locator(".st-key-figure-capacity-latency .main-svg").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        picture(page, f"benchmark-capacity-{scheme}", size)
