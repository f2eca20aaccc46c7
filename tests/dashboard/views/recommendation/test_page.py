"""The Recommendation page in a session without a browser."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from benchmark.coldstart.plan import IdleSweepPlan
from benchmark.decision import criteria
from benchmark.decision.findings import Side, sides_of
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import ComparePlan, OpenLoopPlan, Plan
from benchmark.record.recording import add_finished_run, load_samples
from benchmark.record.store import Store
from dashboard import resources
from dashboard.components import markup
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.benchmark.decision import toy_criterion
from tests.benchmark.decision.test_many import measured
from tests.dashboard.page import Page, Text
from tests.dashboard.runs import simulated

Visit = Callable[..., Page]
URLS = {"api": "http://127.0.0.1:9", "function": "http://127.0.0.1:10"}


class DecidePage(Page):
    """A session that shows the Recommendation page alone."""

    def __init__(self) -> None:
        self.app = AppTest.from_string(
            "from dashboard.views.recommendation import page; page.page()", default_timeout=60
        )

    def set(self, key: str, value: float | None) -> "DecidePage":
        self.app.number_input(key=key).set_value(value)
        self.rerun()
        return self

    def links_in(self, key: str) -> list[tuple[str, str, str]]:
        """Page, query and label of each link in the keyed part of the page."""
        part: Any = self.app.get_by_key(key)
        protos = [link.proto for link in part.get("page_link")]
        return [(proto.page, proto.query_string, Text("link", proto.label).readable) for proto in protos]


@pytest.fixture
def empty(visit: Visit) -> DecidePage:
    """The page over an empty record and no endpoint: it needs none."""
    visit(*URLS.values())
    return DecidePage()


@pytest.fixture
def page(empty: DecidePage, results_dir: Path) -> DecidePage:
    """The page over a comparison and a load of its two endpoints."""
    store = Store(results_dir)
    plans: list[Plan] = [ComparePlan(pairs=400), OpenLoopPlan(rate=40.0, duration_s=20.0)]
    for index, plan in enumerate(plans):
        run, samples = simulated(plan)
        entries = [{**entry, "url": URLS[entry["key"]]} for entry in run.manifest["endpoints"]]
        manifest = {**run.manifest, "endpoints": entries}
        add_finished_run(store, replace(run, id=f"feed000{index}", manifest=manifest), samples)
    return empty


def test_without_runs_it_says_what_to_run_and_where(empty: DecidePage) -> None:
    empty.open()
    assert "Not enough evidence" in empty.read("verdict")
    assert "no comparison has been measured" in empty.read("verdict").lower()
    assert empty.links_in("note-missing") == [("benchmark", "", "Open the Benchmark page")]
    assert not empty.app.code
    empty.open_popover("command-0")
    (command,) = [code.value for code in empty.app.code]
    assert command == (
        f"python -m benchmark compare --endpoint api={URLS['api']} --endpoint function={URLS['function']} --pairs 500"
    )
    assert not empty.app.get("download_button")
    # Without an answer there is nothing that could change it, and nothing that it takes for granted.
    assert not empty.has("note-sensitivity") and not empty.has("note-assumptions")


def test_a_run_that_was_passed_over_is_named_with_the_reason(page: DecidePage, results_dir: Path) -> None:
    run, samples = simulated(ComparePlan(pairs=400, seed=3))
    entries = [{**entry, "url": URLS[entry["key"]]} for entry in run.manifest["endpoints"]]
    generator = {"limited": True, "reasons": ["sends were late"]}
    newer = replace(
        run,
        id="feed0009",
        started_at_utc="2030-01-01T00:00:00+00:00",
        manifest={**run.manifest, "endpoints": entries},
        outcome={**run.outcome, "generator": generator},
    )
    add_finished_run(Store(results_dir), newer, samples)
    page.open()
    assert "Run feed0009, compare: its client was the limit (sends were late)." in page.read("note-passed-over")
    assert "feed0009" not in page.read("verdict")


def test_the_sentence_rests_on_the_runs_that_it_links_to(page: DecidePage) -> None:
    page.open()
    assert "Choose" in page.read("verdict") and "FastAPI at 5 million requests a month" in page.read("verdict")
    assert "two deployments" in page.read("verdict")
    (paired, paired_run, said), (_, load_run, _) = page.links_in("note-evidence")
    assert (paired, paired_run, load_run) == ("benchmark", "run=feed0000", "run=feed0001")
    assert said.startswith("Run feed0000, compare: 400 answers")
    assert page.metrics("api")["Net (USD / month)"] == "8.88"
    assert page.metrics("api")["Cold p50 (ms)"] == markup.NOTHING


def test_other_endpoints_have_other_findings(page: DecidePage, results_dir: Path) -> None:
    from dashboard.views.recommendation.page import _findings

    store = Store(results_dir)
    known = (("feed0000", ""), ("feed0001", ""))
    mine, others = (
        _findings(store, tuple(Side(key, key, url + path) for key, url in URLS.items()), known)
        for path in ("", "/else")
    )
    assert mine is not None and others is not None
    assert (len(mine.runs), len(others.runs)) == (2, 0)


def test_an_imported_run_decides_nothing_also_where_it_replaces_one_that_did(
    page: DecidePage, results_dir: Path
) -> None:
    before = page.open().read("verdict")
    store = Store(results_dir)
    run, samples = store.run("feed0000"), load_samples(store, "feed0000")[0]
    slower = samples.copy()
    slower["service_ms"][slower["endpoint"] == 0] *= 100
    add_finished_run(store, replace(run, id="bad00000", is_imported=True), slower)
    assert page.rerun().read("verdict") == before
    store.delete_run("feed0000")
    add_finished_run(store, replace(run, is_imported=True), slower)  # under the same id and name
    page.rerun()
    assert [link[1] for link in page.links_in("note-evidence")] == ["run=feed0001"]


def test_a_bill_that_lies_between_two_is_shown_as_both(page: DecidePage, results_dir: Path) -> None:
    starts = {key: TrueStart(cold_ms=3000.0, idle_s=30.0) for key in URLS}
    run, samples = cold_run(IdleSweepPlan(5, idle_s=(60.0, 300.0)), starts)
    entries = [{**entry, "url": URLS[entry["key"]]} for entry in run.manifest["endpoints"]]
    add_finished_run(Store(results_dir), replace(run, manifest={**run.manifest, "endpoints": entries}), samples)
    page.open(requests="100000", traffic="Bursts", budget="1")
    low, to, high = page.metrics("api")["Net (USD / month)"].split()
    assert (low, to) == ("0.00", "to") and float(high) > 1
    assert "unknown" in page.read("card-api")
    assert ("coldstart", "run=c01dc01d") in [link[:2] for link in page.links_in("note-evidence")]


def test_an_slo_is_shown_for_both_with_its_figure(page: DecidePage) -> None:
    page.open()
    page.set("latency_ms", 85.0)
    assert "kept" in page.read("card-api") and "p95 of at most 85 ms" in page.read("card-api")
    assert "broken" in page.read("card-function")
    assert "Chosen" in page.read("card-api")
    page.set("latency_ms", 1.0)
    assert "Neither" in page.read("verdict")
    assert "Chosen" not in page.read("card-api")


def test_the_sensitivity_is_listed_and_what_is_missing_has_its_command(page: DecidePage) -> None:
    page.open()
    assert "With a p95 objective of" in page.read("note-sensitivity")
    page.set("availability", 99.9)
    assert "Not enough evidence" in page.read("verdict")
    page.open_popover("command-0")
    assert any("benchmark load" in code.value for code in page.app.code)


def test_nothing_that_matters_is_asked_about(page: DecidePage) -> None:
    page.open()
    page.app.multiselect(key="matters").set_value([])
    page.rerun()
    assert "Choose at least one criterion" in "".join(one.value for one in page.app.info)


def test_an_address_restores_its_values(page: DecidePage) -> None:
    page.open(requests="1000000", latency_ms="200", percentile="p99", traffic="Bursts", min_instances="1")
    assert page.app.number_input(key="latency_ms").value == 200.0
    assert "p99 of at most 200 ms" in page.read("card-api")
    assert "at 1 million requests a month" in page.read("verdict")
    assert page.metrics("api")["Net (USD / month)"] != "0.00"


def test_the_report_of_the_page_is_the_report_of_its_runs(page: DecidePage, results_dir: Path) -> None:
    from benchmark.cost.prices import load_prices
    from benchmark.decision.decide import decide
    from benchmark.decision.gather import gather
    from benchmark.decision.needs import Needs
    from dashboard.views.recommendation.page import _report

    page.open()
    store = Store(results_dir)
    findings = gather(store, [Endpoint(key, key, url) for key, url in URLS.items()])
    assert findings is not None
    decision = decide(Needs(), findings, load_prices())
    html = _report(store, findings, decision)
    assert "feed0000" in html and "feed0001" in html and "<h2>Decision</h2>" in html
    assert page.app.get("download_button")


# --- Other numbers of endpoints, other criteria


def of_many(visit: Visit, monkeypatch: pytest.MonkeyPatch, results_dir: Path, *middles_ms: float) -> DecidePage:
    """The page over a comparison of so many endpoints, A, B and so on, which take so long."""
    visit(*URLS.values())
    run, samples = measured(*middles_ms)
    entries = [{**entry, "name": entry["name"].upper()} for entry in run.manifest["endpoints"]]
    run = replace(run, manifest={**run.manifest, "endpoints": entries})
    add_finished_run(Store(results_dir), run, samples)
    endpoints: Any = tuple(Endpoint(side.key, side.name, side.url or "") for side in sides_of(run))
    usual = resources.settings()
    monkeypatch.setattr(resources, "settings", lambda: replace(usual, endpoints=endpoints))
    page = DecidePage()
    page.open()
    return page


@pytest.mark.parametrize("count", [1, 3, 6])
def test_every_endpoint_has_its_card(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, results_dir: Path, count: int
) -> None:
    page = of_many(visit, monkeypatch, results_dir, *[50.0 + 20 * place for place in range(count)])
    page.set("latency_ms", 60.0)
    for place, key in enumerate("abcdef"[:count]):
        assert page.metrics(key)["Net (USD / month)"] != markup.NOTHING
        assert ("kept" if place == 0 else "broken") in page.read(f"card-{key}")
        assert ("Chosen" in page.read(f"card-{key}")) == (place == 0 and count > 1)
    assert not page.has("card-" + "abcdefg"[count])
    expected = "It is the only endpoint." if count == 1 else "Choose A at 5 million requests"
    assert expected in page.read("verdict")
    page.set("latency_ms", 1.0)
    assert ("None of these" if count > 1 else "A does not keep") in page.read("verdict")


def test_a_criterion_that_is_registered_is_an_option(page: DecidePage) -> None:
    page.open()
    assert page.app.multiselect(key="matters").options == ["Latency", "Cost", "Cold starts"]
    criteria.register(toy_criterion.CRITERION)
    try:
        page.rerun()
        assert page.app.multiselect(key="matters").options[-1] == "Short names"
        page.app.multiselect(key="matters").set_value(["Short names"])
        page.rerun()
        assert "its name is shorter" in page.read("verdict")
    finally:
        criteria.unregister(toy_criterion.CRITERION.name)
