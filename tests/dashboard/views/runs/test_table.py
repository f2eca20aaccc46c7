"""The table of runs: what it says of each run, and that nothing in a run becomes markup."""

from dataclasses import replace
from typing import Any

import pytest

from benchmark.record.run import RunState
from benchmark.record.store import FoundEndpoint, FoundRun, SortBy
from dashboard.views.runs.table import Table, to_html
from tests.dashboard.runs_grid import parse

RUN = FoundRun(
    "aaaa0001",
    "compare",
    "evening",
    RunState.FINISHED,
    "2026-01-02T03:04:05+00:00",
    "ada",
    False,
    "A faster by 3.12 ms",
    None,
    {},
    (FoundEndpoint("a", "A", 4.0, 1234.5), FoundEndpoint("b", "B", None, 8.25)),
)


def table(*runs: FoundRun, **changes: Any) -> Table:
    made = Table(runs or (RUN,), max(1, len(runs)), offset=0, per_page=25, sort_by=SortBy.STARTED, descending=True)
    return replace(made, **changes)


def texts(made: Table) -> list[list[str]]:
    """The cells of all rows, heads included."""
    return [[" ".join(cell.itertext()) for cell in row] for row in parse(to_html(made)).iter("tr")]


def test_a_row_says_everything_of_a_run() -> None:
    head, row = texts(table())
    assert [text.removesuffix(" arrow_downward") for text in head] == [
        "Compare",
        "Run",
        "State",
        "Kind",
        "Endpoints",
        "p50 (ms)",
        "p95 (ms)",
        "Result",
        "Started (UTC)",
        "By",
        "Manage",
    ]
    assert row == [
        "",
        "evening aaaa0001",
        "check_circle Finished",
        "compare",
        "A, B",
        "4.00 \N{EN DASH}",
        "1\N{NARROW NO-BREAK SPACE}234 8.25",
        "A faster by 3.12 ms",
        "2026-01-02 03:04",
        "ada",
        "more_horiz",
    ]


def test_more_endpoints_than_fit_are_counted_and_still_read_aloud() -> None:
    many = tuple(FoundEndpoint(name, name, 1.0, 2.0) for name in "abcdef")
    _, row = texts(table(replace(RUN, endpoints=many)))
    assert row[4] == "a, b, c +3 : d, e, f"
    assert row[5] == "1.00 1.00 1.00"


def test_what_is_not_known_is_a_dash() -> None:
    _, row = texts(table(replace(RUN, endpoints=(), verdict="", started_by="", started_at_utc="soon")))
    assert [row[at] for at in (4, 7, 8, 9)] == ["\N{EN DASH}", "\N{EN DASH}", "soon", "\N{EN DASH}"]


def test_it_is_a_table_for_assistive_technology() -> None:
    root = parse(to_html(table(RUN, replace(RUN, id="aaaa0002", name=""))))
    (grid,) = root.iter("table")
    assert grid.get("aria-label") == "Runs"
    roles = {one.tag: one.get("role") for one in grid.iter() if one.tag in ("table", "thead", "tbody", "tr", "td")}
    assert roles == {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
    rows = list(grid.iter("tr"))
    assert {len(row) for row in rows} == {len(rows[0])}
    named = [one.get("aria-label") or "".join(one.itertext()) for one in grid.iter() if one.tag in ("button", "input")]
    assert all(named) and "Manage evening" in named and "Compare aaaa0002" in named
    identities = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(identities) == len(set(identities))


@pytest.mark.parametrize(("sort_by", "descending", "asked"), [("name", False, "-name"), ("p50", True, "p50")])
def test_a_second_click_on_a_head_turns_the_order_round(sort_by: str, descending: bool, asked: str) -> None:
    root = parse(to_html(table(sort_by=SortBy(sort_by), descending=descending)))
    (button,) = (one for one in root.iter("button") if one.get("id") == f"sort-{sort_by}")
    assert button.get("data-value") == asked


def test_a_first_click_begins_with_a_for_texts_and_with_the_latest_for_times() -> None:
    root = parse(to_html(table(sort_by=SortBy.KIND)))
    asked = {one.get("data-value") for one in root.iter("button") if one.get("data-ask") == "sort"}
    assert {"name", "-started", "-p50", "verdict", "started_by"} <= asked


HOSTILE = [
    "</td></tr><script>pwned=1</script>",
    '"><img src=x onerror=pwned=1>',
    "&lt;b&gt;",
    "\x1b[2J\u202e\x00",
    "a\nb",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_run_becomes_markup(text: str) -> None:
    hostile = replace(
        RUN,
        id=text,
        name=text,
        kind=text,
        started_at_utc=text,
        started_by=text,
        verdict=text,
        endpoints=tuple(FoundEndpoint(text, text, 1.0, 2.0) for _ in range(5)),
    )
    html = to_html(table(hostile))
    endpoints = tuple(FoundEndpoint("k", "n", 1.0, 2.0) for _ in range(5))
    harmless = to_html(table(replace(RUN, kind="of a later version", endpoints=endpoints)))
    tags = [[(one.tag, *one.attrib) for one in parse(each).iter()] for each in (html, harmless)]
    assert tags[0] == tags[1]
    assert not {"\x1b", "\u202e", "\x00", "\n"} & set(html)
    assert all(str(one.get("href")).startswith("benchmark?run=") for one in parse(html).iter("a"))
