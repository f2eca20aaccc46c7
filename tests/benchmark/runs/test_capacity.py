"""A capacity run: its summary, its place in the record, and one run on real sockets."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.record.recording import add_finished_run, load_samples
from benchmark.record.store import Store
from benchmark.runs import KINDS, kind_of_run, plan_of
from benchmark.runs.capacity.printing import cost_text, print_capacity, sentences
from benchmark.runs.capacity.search import Range
from benchmark.runs.capacity.summary import summarise, to_document
from tests.benchmark.bucket_server import bucket_server
from tests.benchmark.capacity_runs import PLAN, RATES, capacity_run
from tests.benchmark.commands.conftest import Command, benchmark, document, environ, results
from tests.docs.test_documents import check

__all__ = ["benchmark", "environ", "results"]  # fixtures of the command line
SLOS = ("--slo", "p95_ms<200", "--slo", "error_rate<0.001")


def test_the_summary_has_capacities_their_ratio_and_what_they_cost() -> None:
    run, samples = capacity_run(replace(PLAN, usd_per_hour=(4.0, 1.0)))
    summary = summarise(run, samples)
    for one, rate in zip(summary.endpoints, RATES, strict=True):
        assert one.range.low is not None and one.range.high is not None
        assert one.range.low <= rate <= one.range.high
        assert not one.client_limited
    assert summary.ratio is not None and summary.ratio.low is not None and summary.ratio.high is not None
    assert summary.ratio.low <= 2 <= summary.ratio.high
    per_usd = summary.ratio_per_usd
    assert per_usd is not None and per_usd.low is not None and per_usd.high is not None
    assert per_usd.low <= 0.5 <= per_usd.high
    found = summary.endpoints[1].requests_per_usd
    assert found is not None
    assert found.value == pytest.approx(RATES[1] * 3600, rel=0.05)


def test_it_is_written_as_its_schema_says() -> None:
    for run, samples in (capacity_run(), capacity_run(replace(PLAN, max_rate=20.0), (80.0,))):
        written = json.loads(json.dumps(to_document(summarise(run, samples)), allow_nan=False))
        check(written, "capacity")
    assert written["ratio"] is None
    only = written["capacity"]["api"]
    assert (only["value"], only["low"], only["high"], only["capped"]) == (20, 20, None, True)


def test_it_is_printed_with_its_sentences_and_steps() -> None:
    text = io.StringIO()
    print_capacity(summarise(*capacity_run()), Console(file=text, width=200))
    printed = text.getvalue()
    assert "FastAPI holds p95_ms<200 and error_rate<0.001 up to" in printed
    assert "times as much as Cloud Function." in printed
    assert "broke p95_ms<200" in printed


def test_the_sentences_say_only_what_is_known() -> None:
    summary = summarise(*capacity_run())
    first, second = summary.endpoints
    unknown = replace(first, range=Range(None, None, None), client_limited=True)
    found = replace(summary, endpoints=(unknown, second), ratio=Range(None, None, None), ratio_per_usd=None)
    assert [sentence.partition(" up to ")[0] for sentence in sentences(found)] == [
        "Cloud Function holds p95_ms<200 and error_rate<0.001",
        "The capacity of FastAPI was not found: the client was the limit.",
    ]
    assert "requests per dollar" not in cost_text(unknown)
    bounded = replace(summary, ratio=Range(None, None, 0.5), ratio_per_usd=Range(None, 1.5, None))
    assert sentences(bounded)[2:] == [
        "FastAPI carries less than 0.500 times as much as Cloud Function.",
        "Per dollar it carries at least 1.50 times as much.",
    ]


def test_a_limited_client_is_printed_with_its_reason() -> None:
    summary = summarise(*capacity_run())
    steps = tuple(
        replace(step, is_client_limited=True, bounds=replace(step.bounds, limited=("sends were late",)))
        for step in summary.endpoints[0].steps
    )
    limited = replace(summary.endpoints[0], steps=steps, client_limited=True)
    text = io.StringIO()
    print_capacity(replace(summary, endpoints=(limited, summary.endpoints[1])), Console(file=text, width=200))
    assert "GENERATOR-LIMITED: sends were late." in text.getvalue()


def test_a_run_without_an_outcome_is_read_from_its_progress() -> None:
    run, samples = capacity_run()
    steps = run.outcome["steps"]
    lost = replace(run, outcome={}, progress={**run.progress, "steps": steps[:5]})
    assert len(summarise(lost, samples).steps) == 5


@pytest.mark.parametrize("wrong", [{"rate": -1}, {"rate": "x"}, {"first": None}, {"planned_s": float("nan")}])
def test_a_damaged_step_is_refused(wrong: dict[str, object]) -> None:
    run, samples = capacity_run()
    steps = [{**run.outcome["steps"][0], **wrong}]
    with pytest.raises((KeyError, TypeError, ValueError)):
        summarise(replace(run, outcome={"steps": steps}), samples)


@pytest.mark.slow
def test_it_survives_export_and_import(benchmark: Command, tmp_path: Path, results: Path) -> None:
    run, samples = capacity_run()
    add_finished_run(Store(results), run, samples)
    whole, shown = tmp_path / "whole.json", []
    assert benchmark("export", run.id, "--format", "json", "--output", whole).returncode == 0
    other = tmp_path / "other"
    imported = benchmark("import", whole, "--results", other)
    assert imported.returncode == 0, imported.stderr
    for directory in (results, other):
        done = benchmark("show", run.id, "--json", "-", "--results", directory)
        assert done.returncode == 0, done.stderr
        shown.append(json.loads(done.stdout))
    assert {**shown[1], "imported": False} == shown[0]
    listed = json.loads(benchmark("runs", "--json").stdout)
    assert [entry["kind"] for entry in listed] == ["capacity"]


@pytest.mark.slow
def test_on_real_sockets_the_true_capacity_is_in_the_interval(
    benchmark: Command, tmp_path: Path, results: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n1,2\n")
    with bucket_server(60, 30) as url:
        done = benchmark(
            *("capacity", "--endpoint", f"api={url}", "--slo", "error_rate<0.001", "--start-rate", 30),
            *("--step-s", 2, "--max-rate", 150, "--body-from", rows, "--progress", "none"),
            *("--json", tmp_path / "run.json"),
        )
    assert done.returncode == 0, done.stderr
    found = document(tmp_path / "run.json")
    check(found, "capacity")
    one = found["capacity"]["api"]
    assert one["low"] <= 60 <= one["high"]
    assert not one["client_limited"]
    assert max(step["rate"] for step in found["steps"]) <= 150
    run = Store(results).run(found["id"])
    assert kind_of_run(run).name in KINDS
    assert plan_of(run).max_rate == 150
    samples, _ = load_samples(Store(results), run.id)
    assert len(summarise(run, samples).steps) == len(found["steps"]) <= 12


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--slo", "speed<3"),
        (*SLOS, "--max-rate", "0"),
        (*SLOS, "--usd-per-hour", "other=1"),
        (*SLOS, "--steps", "1"),
    ],
)
def test_a_wrong_command_is_refused_before_anything_is_sent(benchmark: Command, wrong: tuple[str, ...]) -> None:
    done = benchmark("capacity", "--endpoint", "api=http://127.0.0.1:1", *wrong)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
