"""A run on a terminal: errors come first, no figure is without its interval, and nothing said elsewhere is markup."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmark.endpoints.sample import Temperature
from benchmark.record.plan import ComparePlan, OpenLoopPlan
from benchmark.record.run import Run
from benchmark.record.samples import TIMEOUT, Samples, from_rows, join
from benchmark.summary.printing import generator, pairs_table, print_summary, rows
from benchmark.summary.summarise import Summary, summarise
from benchmark.synthetic.demo import DEMO, simulate_run
from benchmark.synthetic.simulate import TrueEndpoint, Truth
from tests.benchmark.runs import make_run, pairs, row, with_facts

NOISE = np.random.default_rng(1).lognormal(0, 0.1, (2, 400))


def samples(n: int = 400) -> Samples:
    return pairs((10 * NOISE[0, :n]).tolist(), (20 * NOISE[1, :n]).tolist())


def printed(summary: Summary) -> str:
    console = Console(file=io.StringIO(), width=400, highlight=False)
    print_summary(summary, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def lines(summary: Summary) -> dict[str, list[str]]:
    return dict(rows(summary.endpoints))


def test_a_run_is_printed_from_its_name_to_its_generator() -> None:
    summary = summarise(make_run(), samples())
    assert summary.verdict is not None
    text = printed(summary)
    assert text.splitlines()[0] == "Run 0123abcd, Nightly (finished, 2026-01-02 03:04:05 UTC)"
    parts = [
        "FastAPI  ",
        "400 measured, 0 warm-up",
        "service p50 (ms)",
        "service p99 (ms)",
        "Differences in ms, FastAPI minus Cloud Function:",
        summary.verdict.sentence,
        "closed loop, one request in flight",
        "Generator: client overhead 0.300 ms, loop 0.2 ms late (p99), 40% of a core.",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert "Different or unknown" not in text


def test_beyond_two_endpoints_every_pair_has_a_line() -> None:
    truth = Truth((TrueEndpoint(50.0), TrueEndpoint(80.0), TrueEndpoint(50.0)))
    for plan, columns in ((ComparePlan(pairs=200), 4), (OpenLoopPlan(rate=20, duration_s=20), 3)):
        summary = summarise(*simulate_run(truth, plan))
        assert summary.verdict is not None
        text = printed(summary)
        assert text.index("service p50 (ms)") < text.index("First (simulated) minus Second") < text.index("are equally")
        heads, lines = pairs_table(summary.verdict, ["A", "B", "C"], summary.differences)
        assert heads[0] == f"{summary.verdict.metric} (ms)"
        assert len(heads) == columns + 1, "no difference is shown twice"
        assert [label for label, _ in lines] == ["A minus B", "A minus C", "B minus C"]
        assert [texts[-1] for _, texts in lines] == ["A faster", "equivalent", "C faster"]
        assert all(len(texts) == len(heads) for _, texts in lines)


def test_errors_come_before_any_figure() -> None:
    failing = samples()
    failing["failure"][:5] = 2
    run = replace(make_run(), outcome={"failure_details": {"api": {"timeout": "after [10] s"}}})
    errors, more = printed(summarise(run, failing)).splitlines()[1:3]
    assert errors == "FastAPI: 3 of 400 timeout (after [10] s)"
    assert more == "Cloud Function: 2 of 400 timeout"


def test_what_is_not_equal_is_named_beside_the_verdict() -> None:
    run = make_run(facts=with_facts("function", memory="1Gi", region=None))
    text = printed(summarise(run, samples()))
    assert "Different or unknown conditions: memory 512Mi against 1Gi; region unknown\n" in text


@given(st.text(max_size=30), st.text(max_size=30))
def test_names_are_text_and_never_markup(name: str, title: str) -> None:
    sides = [{"key": key, "name": f"[{name}]", "url": ""} for key in ("api", "function")]
    run = replace(make_run(endpoints=sides), name=title, started_at_utc=title)
    printed(summarise(run, samples(3)))


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/bold]", "[link=http://a]x[/link]"])
def test_a_name_in_brackets_is_printed_as_it_is(name: str) -> None:
    sides = [{"key": key, "name": name, "url": ""} for key in ("api", "function")]
    run = replace(make_run(endpoints=sides), name=name, started_at_utc="[/bold]")
    text = printed(summarise(run, samples(3)))
    assert text.startswith(f"Run 0123abcd, {name} (finished, [/bold] UTC)")
    assert f"Differences in ms, {name} minus {name}:" in text


def test_a_line_is_there_where_something_was_measured() -> None:
    closed = lines(summarise(make_run(), samples()))
    assert "service p95 (ms)" in closed and "wait, median (ms)" in closed
    assert not [label for label in closed if label.startswith(("response", "dns", "tls", "cold"))]
    opened = lines(summarise(make_run(OpenLoopPlan(rate=25, duration_s=16, warmup=0)), samples()))
    assert "response p95 (ms)" in opened


def test_a_percentile_of_too_few_requests_says_so() -> None:
    few = lines(summarise(make_run(), samples(50)))
    assert "interval" not in few["service p50 (ms)"][0]
    assert all(text.endswith("(interval not estimable, n = 50)") for text in few["service p95 (ms)"])


def test_percentiles_with_timeouts_are_beside_those_of_the_answers() -> None:
    found = samples()
    assert not any("with timeouts" in label for label in lines(summarise(make_run(), found)))
    found["failure"][np.flatnonzero(found["endpoint"] == 0)[::10]] = TIMEOUT
    shown = lines(summarise(make_run(), found))
    assert shown["p95 with timeouts (ms)"][0] == "beyond the timeout (n = 400)"
    assert shown["p95 with timeouts (ms)"][1] == shown["service p95 (ms)"][1]


def test_an_endpoint_that_only_failed_was_not_measured() -> None:
    failing = samples()
    failing["failure"][failing["endpoint"] == 1] = 3
    found = lines(summarise(make_run(), failing))
    assert found["service p50 (ms)"][1] == "not measured"
    assert found["available (%)"][1].startswith("0.000 (")
    assert found["wait, median (ms)"][1] == "-"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "none"),
        (2, "900, 901 (n = 2)"),
        (5, "900, 901, 902, 903, 904 (n = 5)"),
        (7, "900, 901, 902, 903, 904, ... (n = 7)"),
    ],
)
def test_cold_starts_are_shown_with_their_number(count: int, text: str) -> None:
    cold = [row(0, 500 + each, 900.0 + each, temperature=Temperature.COLD) for each in range(count)]
    cold.append(row(1, 600, 800.0, temperature=Temperature.COLD))
    found = lines(summarise(make_run(), join([samples(), from_rows(cold)])))
    assert found["cold starts (ms)"] == [text, "800 (n = 1)"]


def test_instances_that_are_unknown_are_not_none() -> None:
    unseen = samples()
    unseen["instance"][unseen["endpoint"] == 1] = 0
    assert lines(summarise(make_run(), unseen))["instances seen"] == ["1", "unknown"]


def health(**changes: Any) -> Run:
    measured = make_run().outcome["generator"]
    return replace(make_run(), outcome={"generator": measured | changes})


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (health(floor_ms=None), "Generator: client overhead unknown, loop 0.2 ms late (p99), 40% of a core."),
        (
            health(late_ms=1.25),
            "Generator: client overhead 0.300 ms, loop 0.2 ms late (p99), 40% of a core, sends 1.2 ms late (p99).",
        ),
        (
            health(limited=True, reasons=["it was slow", "it was late"]),
            "Generator: client overhead 0.300 ms, loop 0.2 ms late (p99), 40% of a core. "
            "GENERATOR-LIMITED: it was slow; it was late.",
        ),
        (replace(make_run(), outcome={}), "The run did not finish."),
        (simulate_run(DEMO, ComparePlan(pairs=1))[0], "No generator: simulated."),
    ],
)
def test_the_generator_says_how_it_did(run: Run, text: str) -> None:
    assert generator(run) == text


def test_each_worker_is_printed_with_what_it_sent_and_saw_and_its_name_is_no_markup() -> None:
    sent = samples(120)
    sent["worker"] = 1 + sent["group"] % 30
    known = [
        {"name": f"[red]{number}", "sent": 8, "lost": 3 * (number == 2), "limited": number == 4} for number in range(30)
    ]
    known[2]["problem"] = "it left [b]the cluster"
    run = replace(make_run(OpenLoopPlan(60.0, 10.0, warmup=0)), outcome={"workers": known})
    found = summarise(run, sent)
    text = printed(found)
    assert "[red]0   8" in text and "FastAPI p50 / p95 (ms)" in text
    assert "[red]2   8, 3 lost" in text
    assert "[red]4   8, LIMITED" in text
    assert "Worker [red]2 was lost: it left [b]the cluster" in text
    assert "[red]19" in text and "[red]20" not in text
    assert "and 10 more workers, which --json has" in text
    assert [len(one.latency_ms) for one in found.workers] == [2] * 30
    assert sum(one.latency_ms[0][0].n for one in found.workers) == 120
