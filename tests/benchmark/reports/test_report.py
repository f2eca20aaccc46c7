"""The report: whole, self-contained, without secrets, and honest about what was not measured."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.__main__ import main
from benchmark.coldstart.plan import IdleSweepPlan, SpawnPlan
from benchmark.cost.prices import load_prices
from benchmark.cost.text import usd
from benchmark.decision.decide import decide
from benchmark.decision.findings import Findings
from benchmark.decision.gather import find
from benchmark.decision.needs import Needs
from benchmark.record.plan import ComparePlan, OpenLoopPlan
from benchmark.record.recording import add_finished_run
from benchmark.record.run import Run
from benchmark.record.store import Store
from benchmark.reports import palette
from benchmark.reports.document import Code, Document, Section, Table, Text, to_html, to_markdown
from benchmark.reports.redaction import without_secrets
from benchmark.reports.report import Recorded, build, disagreements
from benchmark.reports.svg import Axis, Dots, Whisker, chart, log_axis
from benchmark.synthetic.demo import simulate_run
from benchmark.synthetic.simulate import TrueEndpoint, Truth
from tests.benchmark.cold_runs import TrueStart, cold_run
from tests.benchmark.runs import NAMES, make_run, pairs
from tests.dashboard.runs import simulated, simulated_many

PRICES = load_prices()
UTC = "2026-05-06T07:08:09+00:00"
VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = '<script>alert(1)</script> & "quotes" | `tick` [x](http://evil.example)'


class Reader(HTMLParser):
    """Checks that what is opened is closed in its order, and keeps tags, attributes and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self._heading = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._heading = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self._heading = data
            self.sections[data] = ""
        elif self._heading:
            self.sections[self._heading] += data


def found_in(recorded: list[Recorded]) -> Findings | None:
    samples = {run.id: found for run, found in recorded}
    return find([run for run, _ in recorded], lambda run: samples[run.id])


def report(recorded: list[Recorded]) -> Document:
    return build(recorded, PRICES, UTC, found_in(recorded))


def cold(mode: str) -> Recorded:
    starts = {"api": TrueStart(cold_ms=700, idle_s=900), "function": TrueStart(cold_ms=900, idle_s=900)}
    if mode == "spawn":
        return cold_run(SpawnPlan(20), starts)
    run, samples = cold_run(IdleSweepPlan(5, idle_s=(60.0, 900.0, 1800.0)), starts)
    return replace(run, id="1adde000"), samples


@pytest.fixture(scope="module")
def whole() -> str:
    runs = [simulated(ComparePlan(pairs=400)), simulated(OpenLoopPlan(rate=40.0, duration_s=20.0))]
    assert len({run.id for run, _ in runs}) == 2
    return to_html(report([*runs, cold("spawn"), cold("ladder")]))


def test_it_is_whole_html_with_every_section_measured(whole: str) -> None:
    page = Reader(whole)
    wanted = "Verdict|Latency|Cold start|State|Artifact loading|Reproducibility|Cost|Fairness|Methods|Limits|Manifest"
    assert list(page.sections) == wanted.split("|")
    assert "Not measured" not in whole
    assert "model load" in page.sections["Artifact loading"]
    assert "turns cold after" in page.sections["State"]


@pytest.mark.parametrize("count", [1, 3, 6])
def test_any_number_of_endpoints_have_columns_colours_and_pairs(count: int) -> None:
    truth = Truth(tuple(TrueEndpoint(50.0 + 20 * position) for position in range(count)))
    starts = {key: TrueStart(cold_ms=700 + 200 * position) for position, key in enumerate("abcdef"[:count])}
    runs = [simulate_run(truth, ComparePlan(pairs=100)), simulate_run(truth, OpenLoopPlan(rate=20.0, duration_s=20.0))]
    document = build([*runs, cold_run(SpawnPlan(20), starts)], PRICES, UTC, None)
    page = Reader(to_html(document))
    for section in ("Latency", "Cold start"):
        heads = [table.header for table in tables(document, section) if table.sides]
        assert heads and all(len(head) == count + 1 for head in heads)
    assert all(name in document.title for name in runs[0][0].endpoint_names)
    drawings = re.findall(r"<svg.*?</svg>", to_html(document), re.DOTALL)
    assert len(drawings) == 3 + 3 + 1
    for drawing in drawings:
        colours = set(re.findall(r'class="(e\d)', drawing))
        assert colours == {f"e{position}" for position in range(count)}
        assert inside_its_box(drawing)
    lines = [len(table.rows) for table in tables(document, "Verdict")]
    assert lines == ([] if count < 3 else [count * (count - 1) // 2] * 3)
    assert ("First (simulated) answers faster than" in page.sections["Verdict"]) == (count > 2)
    assert ("Holm" in page.sections["Verdict"]) == (count > 2)


def tables(document: Document, title: str) -> list[Table]:
    (section,) = (one for one in document.sections if one.title == title)
    return [block for block in section.blocks if isinstance(block, Table)]


def inside_its_box(drawing: str) -> bool:
    """Whether each text and circle begins within the drawing."""
    root = ElementTree.fromstring(drawing)  # noqa: S314  our own
    _, top, width, height = map(float, str(root.get("viewBox")).split())
    places = [(one.get("cx") or one.get("x"), one.get("cy") or one.get("y")) for one in root.iter()]
    known = [(float(x), float(y)) for x, y in places if x and y]
    return all(0 <= x <= width and top <= y <= top + height for x, y in known)


def test_a_drawing_has_as_many_lines_of_legend_as_it_needs() -> None:
    names = ["a name that is rather long (n = 500)"] * 6
    drawing = chart(Axis("x", 0, 1), Axis("y", 0, 1), [], names, "nothing")
    heights = [float(y) for y in re.findall(r'class="e\d full" cx="[^"]*" cy="([^"]*)"', drawing)]
    assert heights == sorted(heights) and len(set(heights)) == 3
    assert max(heights) == 12, "the last line is where a single one is"
    assert inside_its_box(drawing)


def test_the_colours_can_be_read_on_every_background() -> None:
    for colours, backgrounds in (
        (palette.LIGHT, palette.LIGHT_BACKGROUNDS),
        (palette.DARK, palette.DARK_BACKGROUNDS),
    ):
        assert len(set(colours)) == 6
        assert min(contrast(one, page) for one in colours for page in backgrounds) >= 4.5


def linear(colour: str) -> NDArray[np.float64]:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_a_verdict_stands_beside_its_rule(whole: str) -> None:
    assert "A winner needs a 95% interval without 0" in Reader(whole).sections["Verdict"]


def test_it_loads_nothing_and_runs_nothing(whole: str) -> None:
    page = Reader(whole)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    addresses = [value for _, given in page.tags for name, value in given.items() if name in ("src", "href", "srcset")]
    assert {one for one in addresses if one and not one.startswith("#")} == {PRICES.source}
    assert not any(name.startswith("on") for _, given in page.tags for name in given)
    assert "@import" not in whole and "url(" not in whole
    assert len(whole.encode()) < 300_000


def test_every_drawing_says_in_words_what_it_shows(whole: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", whole, re.DOTALL)
    assert len(drawings) == 3 + 3 + 2 + 1
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)  # noqa: S314  our own
        assert root.get("role") == "img" and len(root.get("aria-label") or "") > 40


def test_what_was_not_measured_is_marked_with_the_command_that_would() -> None:
    page = Reader(to_html(report([simulated()])))
    for section, command in (
        ("Cold start", "python -m benchmark coldstart"),
        ("State", "--idle"),
        ("Artifact loading", "python -m benchmark coldstart"),
    ):
        assert "Not measured:" in page.sections[section] and command in page.sections[section]
    assert "Not measured" not in page.sections["Latency"]
    alone = Reader(to_html(report([cold("spawn")])))
    for section in ("Latency", "Cost", "Reproducibility"):
        assert "Not measured:" in alone.sections[section] and "python -m benchmark" in alone.sections[section]


def test_figures_of_the_report_are_those_of_the_run() -> None:
    run = make_run(ComparePlan(pairs=40, warmup=0, margin_ms=1.0, margin_pct=0.0))
    page = Reader(to_html(report([(run, pairs([10.0] * 40, [20.0] * 40))])))
    assert "FastAPI answers faster: 10.0 ms less" in page.sections["Verdict"]
    assert "All known conditions are equal." in page.sections["Fairness"]
    # 40 pairs of a few bodies are no sample of inputs: a count without a bound.
    assert "made from 3 inputs, and gave different predictions in 0." in page.sections["Reproducibility"]
    assert "differ in less than" not in page.sections["Reproducibility"]


def at(run: Run, urls: Mapping[str, str]) -> Run:
    """The run of endpoints at these addresses."""
    entries = [{**entry, "url": urls[entry["key"]]} for entry in run.manifest["endpoints"]]
    return replace(run, manifest={**run.manifest, "endpoints": entries})


def test_the_bill_of_the_report_is_the_bill_of_its_decision() -> None:
    run, samples = cold_run(
        IdleSweepPlan(5, idle_s=(60.0, 900.0)), {key: TrueStart(cold_ms=3000, idle_s=30) for key in NAMES}
    )
    urls = {key: f"http://{key}.example" for key in NAMES}
    recorded = [simulated(), (run, samples)]
    recorded = [(at(one, urls), found) for one, found in recorded]
    findings = found_in(recorded)
    assert findings is not None and findings.idle_sweep
    decision = decide(Needs(123_000, budget_usd=1.0), findings, PRICES)
    (bill, _) = decision.bills
    assert bill is not None and bill.high.net_usd > bill.low.net_usd + 1
    page = Reader(to_html(build(recorded, PRICES, UTC, findings, decision)))
    assert f"123 000, request-based{usd(bill.low.net_usd, bill.high.net_usd)}" in page.sections["Cost"]
    assert "the most cold starts" in page.sections["Cost"]


def test_break_evens_of_three_are_within_one_billing_or_one_endpoint() -> None:
    recorded = [simulated_many(3)]
    findings = found_in(recorded)
    assert findings is not None
    text = to_markdown(build(recorded, PRICES, UTC, findings, decide(Needs(1_000_000), findings, PRICES)))
    said = re.findall(r"requests a month on, (.*), (.*)-based costs less than (.*), (.*)-based", text)
    assert said
    assert [one for one in said if one[0] != one[2] and one[1] != one[3]] == []


def test_a_word_too_long_for_its_column_is_broken() -> None:
    table = Table(("", "A", "B"), (("sha256", "0" * 64, "a few words that are many together, and each is short"),))
    page = Reader(to_html(Document("A title", "", (Section("A section", (table,)),))))
    assert [attributes.get("class") for tag, attributes in page.tags if tag == "td"] == ["long", None]


def test_objectives_of_two_with_one_name_stand_in_their_own_columns() -> None:
    run, samples = make_run(ComparePlan(pairs=100, warmup=0)), pairs([10.0] * 100, [20.0] * 100)
    entries = [{**entry, "name": "Twin"} for entry in run.manifest["endpoints"]]
    recorded = [(replace(run, manifest={**run.manifest, "endpoints": entries}), samples)]
    findings = found_in(recorded)
    assert findings is not None
    decision = decide(Needs(latency_ms=15.0, availability_pct=90.0), findings, PRICES)
    text = to_markdown(build(recorded, PRICES, UTC, findings, decision))
    (latency,) = re.findall(r"^\| p95 of at most 15 ms \|(.*)\|(.*)\|$", text, re.MULTILINE)
    assert latency[0].startswith(" kept: 10") and latency[1].startswith(" broken: 20")


def test_a_proposed_command_is_quoted_for_a_shell_and_local_is_any_loopback() -> None:
    run, samples = simulated()
    document = report([(at(run, {"api": "http://[::1]:1/a;b", "function": "http://127.0.0.1:2"}), samples)])
    text = to_markdown(document)
    assert "--endpoint 'api=http://[::1]:1/a;b' --endpoint function=http://127.0.0.1:2 --idle" in text
    assert "measured programs on this machine" in text


def test_disagreements_are_counted_over_pairs_that_both_answered() -> None:
    samples = pairs([10.0] * 5, [20.0] * 5)
    samples["prediction"][[1, 3]] = 2.0  # of the second endpoint
    samples["failure"][4] = 1
    assert disagreements(samples) == (2, 4)


def test_tokens_and_secrets_are_left_out(tmp_path: Path) -> None:
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    planted: Mapping[str, Any] = {
        "token": "s3cret-a",
        "nested": {"Authorization": "s3cret-b", "note": f"sent Bearer s3cret-c and {jwt}"},
        "commands": ["env API_TOKEN=s3cret-d python -m api", "https://user:s3cret-e@host.example/x"],
    }
    run = make_run(ComparePlan(pairs=10, warmup=0), extra=planted)
    store = Store(tmp_path)
    add_finished_run(store, run, pairs([10.0] * 10, [20.0] * 10))
    for name in ("report.html", "report.md"):
        assert main(["report", run.id, "--results", str(tmp_path), "--out", str(tmp_path / name)]) == 0
        text = (tmp_path / name).read_text()
        assert "s3cret" not in text and "eyJ" not in text
        assert "host.example" in text and "removed" in text


def test_a_report_says_which_run_was_imported() -> None:
    run, samples = simulated()
    found = to_markdown(report([(replace(run, is_imported=True), samples)]))
    assert f"Run {run.id}, compare, imported" in found
    assert f"Run {run.id} was imported: its data was not measured here" in found
    assert "imported" not in to_markdown(report([(run, samples)]))


def test_what_others_say_is_escaped_everywhere() -> None:
    entries = [{"key": key, "name": HOSTILE, "url": HOSTILE} for key in ("api", "function")]
    run = make_run(
        ComparePlan(pairs=10, warmup=0), endpoints=entries, client={"host": HOSTILE, "machine": "", "cpus": 1}
    )
    document = report([(replace(run, name=HOSTILE), pairs([10.0] * 10, [20.0] * 10))])
    page = Reader(to_html(document))
    assert "script" not in {tag for tag, _ in page.tags}
    assert {given["href"] for tag, given in page.tags if tag == "a" and not given["href"].startswith("#")} == {  # type: ignore[union-attr]
        PRICES.source
    }
    outside = re.sub(r"```.*?```", "", to_markdown(document), flags=re.DOTALL)
    bare = re.sub(r"\\.", "", outside)
    assert "<script" not in bare and "](http://evil" not in bare


def test_markdown_has_the_same_sections_and_tables_of_one_width() -> None:
    text = to_markdown(report([simulated(), cold("spawn")]))
    assert "## Artifact loading" in text and f"](<{PRICES.source}>)" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_markdown_keeps_its_own_fence_around_text_with_ticks() -> None:
    text = to_markdown(Document("T", "", (Section("S", (Code("a ``` b"), Text("- x"), Table(("", "a|b"), ()))),)))
    assert "````\na ``` b\n````" in text and "\\- x" in text and "a\\|b" in text


def test_a_run_of_one_endpoint_is_reported_too() -> None:
    run = make_run(OpenLoopPlan(rate=10.0, duration_s=2.0), keys=("api",))
    samples = pairs([10.0] * 80, [20.0] * 80)
    page = Reader(to_html(report([(run, samples[samples["endpoint"] == 0])])))
    assert "USD a month after the free tier" in page.sections["Cost"] and "n = 80" in page.sections["Latency"]


@pytest.mark.parametrize("arguments", [["ffff", "--out", "x.html"], ["0123abcd", "--out", "x.pdf"]])
def test_the_command_refuses_unknown_runs_and_forms(tmp_path: Path, arguments: list[str]) -> None:
    add_finished_run(Store(tmp_path), make_run(), pairs([1.0] * 6, [2.0] * 6))
    assert main(["report", *arguments, "--results", str(tmp_path)]) == 2


def test_a_decision_comes_first_where_it_is_wanted(tmp_path: Path) -> None:
    run, samples = simulated()
    add_finished_run(Store(tmp_path), run, samples)
    out = tmp_path / "report.md"
    assert main(["report", run.id, "--results", str(tmp_path), "--out", str(out), "--decide"]) == 0
    assert re.findall(r"^## (.*)", out.read_text(), re.MULTILINE)[:2] == ["Decision", "Verdict"]


def test_secrets_are_found_in_running_text() -> None:
    assert without_secrets("a Bearer abc.def b") == "a Bearer (removed) b"
    assert without_secrets("PASSWORD=x1 y") == "PASSWORD=(removed) y"
    assert without_secrets("seed=4 n=5") == "seed=4 n=5"


# --- Drawing


def test_an_axis_puts_its_ends_at_its_ends_and_its_ticks_between() -> None:
    for axis in (
        Axis("x", 0, 37),
        Axis("x", 3, 4000, log=True),
        log_axis("x", [50.0, 60.0]),
        Axis("x", 1e5, 1e8, True),
    ):
        assert [axis.share(axis.low), axis.share(axis.high)] == pytest.approx([0.0, 1.0])
        ticks = [value for value, _ in axis.ticks()]
        assert 2 <= len(ticks) <= 12 and ticks == sorted(ticks)
        assert axis.low <= ticks[0] * 1.001 and ticks[-1] <= axis.high * 1.001
    assert Axis("x", 5, 5).share(5) == 0.5


def test_the_last_tick_stays_within_the_drawing() -> None:
    def anchors(x: Axis) -> list[str | None]:
        root = ElementTree.fromstring(chart(x, Axis("", 0, 1), [], [], ""))  # noqa: S314  our own
        texts = {one.text: one.get("text-anchor") for one in root if one.tag.endswith("text")}
        return [texts[text] for _, text in x.ticks()]

    assert anchors(Axis("x", 1e5, 1e8, log=True))[-1] == "end"
    assert set(anchors(Axis("x", 0, 10, names=((0, "a"), (5, "b"), (10, "c"))))) == {"middle"}


def test_marks_are_drawn_in_the_colour_of_their_endpoint_and_at_their_place() -> None:
    x, y = Axis("x", 0, 10), Axis("y", 0, 10)
    root = ElementTree.fromstring(  # noqa: S314  our own
        chart(
            x, y, [Dots(0, ((0.0, 0.0), (10.0, 10.0))), Whisker(1, 5.0, 5.0, 4.0, None)], ["A & B"], "what <it> shows"
        )
    )
    (dots,) = (one for one in root if one.get("class") == "e0 dots")
    assert dots.get("d") == "M62.0 226.0h0M706.0 30.0h0"
    assert root.get("aria-label") == "what <it> shows"
    assert [one for one in root if one.get("class") == "e1 line"] == []  # an interval needs both ends
    assert json.dumps([one.text for one in root if one.get("class") == "name"]) == '["A & B"]'
