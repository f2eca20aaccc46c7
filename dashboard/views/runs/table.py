"""The table of runs as HTML: a pure function from rows to a document, which table.js draws.

Streamlit's own tables need pandas, or are drawn on a canvas, which a screen reader cannot read. Elements are built, not
written, so that a name from elsewhere is never markup. Explicit roles keep it a table where the style sheet shows rows
as cards, on a phone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree.ElementTree import Element, SubElement, tostring

from benchmark.endpoints.readable import readable
from benchmark.record.query import FoundRun, SortBy
from dashboard.components import markup, run_text
from dashboard.components.markup import NOTHING, Badge
from dashboard.pages import page_of_run

MOST_ENDPOINTS = 3
"""A row shows so many endpoints, and counts the others."""
_HEADS = (
    (SortBy.NAME, "Run", "run"),
    (SortBy.STATE, "State", "state"),
    (SortBy.KIND, "Kind", "kind"),
    (None, "Endpoints", "endpoints"),
    (SortBy.P50, "p50 (ms)", "numbers"),
    (SortBy.P95, "p95 (ms)", "numbers"),
    (SortBy.VERDICT, "Result", "verdict"),
    (SortBy.STARTED, "Started (UTC)", "started"),
    (SortBy.STARTED_BY, "By", "who"),
)
"""What a click on the head sorts by, the head, and the class of the cells."""
_FROM_THE_LARGEST = (SortBy.STARTED, SortBy.P50, SortBy.P95)
UNREADABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class Table:
    """What one part of the list shows."""

    rows: Sequence[FoundRun]
    total: int
    """how many runs match, on all parts"""
    offset: int
    """how many of them come before these rows"""
    per_page: int
    sort_by: SortBy
    descending: bool
    picked: Collection[str] = ()
    """ids of the runs to compare"""
    can_pick: bool = True
    """whether another run can be added to them"""
    unreadable: Collection[str] = ()
    """ids of runs without figures, because they are damaged"""
    read_only: bool = False

    @property
    def page(self) -> int:
        """From 1."""
        return self.offset // self.per_page + 1

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.per_page))


def to_html(table: Table) -> str:
    """The table with its heads and rows, and the links to other parts of the list."""
    root = Element("div")
    grid = _add(root, "table", {"role": "table", "aria-label": "Runs"})
    _heads(_add(_add(grid, "thead", {"role": "rowgroup"}), "tr", {"role": "row"}), table)
    body = _add(grid, "tbody", {"role": "rowgroup"})
    for run in table.rows:
        _row(_add(body, "tr", {"role": "row", "id": f"run-{run.id}"}), run, table)
    _parts(_add(root, "nav", {"aria-label": "Parts of the list"}), table)
    return tostring(root, "unicode", short_empty_elements=False)


def is_comparable(run: FoundRun) -> bool:
    """Whether its latencies can be compared with those of another run."""
    return run.is_over and run_text.has_latencies(run)


def _heads(row: Element, table: Table) -> None:
    _hidden(_head(row, "pick"), "Compare")
    for sort_by, head, name in _HEADS:
        cell = _head(row, name)
        if sort_by is None:
            cell.text = head
            continue
        is_sorted = sort_by is table.sort_by
        # The first click sorts texts from A, and times and figures from the latest or largest.
        descending = not table.descending if is_sorted else sort_by in _FROM_THE_LARGEST
        button = _button(cell, f"sort-{sort_by}", "sort", f"{'-' if descending else ''}{sort_by}")
        button.text = head
        if is_sorted:
            cell.set("aria-sort", "descending" if table.descending else "ascending")
            _icon(button, "arrow_downward" if table.descending else "arrow_upward")
    _hidden(_head(row, "manage"), _manage(table))


def _row(row: Element, run: FoundRun, table: Table) -> None:
    title, is_picked = run_text.title(run), run.id in table.picked
    box = {"type": "checkbox", "id": f"pick-{run.id}", "value": run.id, "aria-label": f"Compare {run.id}"}
    if is_picked:
        box["checked"] = ""
    if not is_comparable(run) or not (table.can_pick or is_picked):
        box["disabled"] = ""
    _add(_cell(row, "pick"), "input", box)
    line = _add(_add(row, "th", {"role": "rowheader", "scope": "row", "class": "run"}), "div")
    address = f"{page_of_run(run.kind).url_path}?run={run.id}"
    link = {"href": address, "id": f"open-{run.id}", "data-ask": "open", "data-value": run.id, "title": title}
    _add(line, "a", link, title)
    if run.name:
        _add(line, "small", text=run.id)
    cell = _cell(row, "state")
    _badge(cell, run_text.STATES[run.state])
    if run.is_imported:
        _badge(cell, run_text.IMPORTED)
    _cell(row, "kind", run_text.kind(run))
    _endpoints(row, run)
    _cell(row, "verdict", UNREADABLE if run.id in table.unreadable else _result(run))
    _cell(row, "started", run_text.started_to_minute(run))
    _cell(row, "who", run.started_by)
    button = _button(_cell(row, "manage"), f"manage-{run.id}", "manage", run.id)
    button.set("aria-label", _clean(f"{_manage(table)} {title}"))
    button.set("title", _manage(table))
    _icon(button, "download" if table.read_only else "more_horiz")


def _endpoints(row: Element, run: FoundRun) -> None:
    """The names in one cell, and a cell of figures for each percentile, in the same order."""
    shown, others = run.endpoints[:MOST_ENDPOINTS], run.endpoints[MOST_ENDPOINTS:]
    cell = _cell(row, "endpoints", ", ".join(one.name for one in shown) + (f" +{len(others)}" if others else ""))
    if others:
        _hidden(cell, f": {', '.join(one.name for one in others)}")
        cell.set("title", _clean(", ".join(one.name for one in run.endpoints)))
    for label, figures_ms in (("p50", [one.p50_ms for one in shown]), ("p95", [one.p95_ms for one in shown])):
        cell = _add(row, "td", {"role": "cell", "class": "numbers", "data-label": label})
        for value_ms in figures_ms:
            _add(cell, "span", text=NOTHING if value_ms is None else markup.duration(value_ms))


def _result(run: FoundRun) -> str:
    return run.verdict or "" if run.is_over else run_text.share_done(run)


def _parts(nav: Element, table: Table) -> None:
    first, last = table.offset + 1, table.offset + len(table.rows)
    shown = f"{markup.count(first)}\N{EN DASH}{markup.count(last)} of " if table.pages > 1 else ""
    _add(nav, "span", {"role": "status"}, f"{shown}{markup.counted(table.total, 'run')}")
    if table.pages == 1:
        return
    for label, icon, page in (
        ("First", "first_page", 1),
        ("Previous", "chevron_left", table.page - 1),
        ("Next", "chevron_right", table.page + 1),
        ("Last", "last_page", table.pages),
    ):
        button = _button(nav, f"page-{label.lower()}", "page", str(page))
        _icon(button, icon)
        _add(button, "span", text=label)
        if page == table.page or not 1 <= page <= table.pages:
            button.set("disabled", "")


def _manage(table: Table) -> str:
    return "Export" if table.read_only else "Manage"


# --- Elements


def _add(parent: Element, tag: str, attributes: Mapping[str, str] = MappingProxyType({}), text: str = "") -> Element:
    element = SubElement(parent, tag, {name: _clean(value) for name, value in attributes.items()})
    element.text = _clean(text)
    return element


def _head(row: Element, name: str) -> Element:
    return _add(row, "th", {"role": "columnheader", "scope": "col", "class": name})


def _cell(row: Element, name: str, text: str | None = None) -> Element:
    """A cell with this text, or a dash where it is empty; the text is its title too, as it may be cut short."""
    if text is None:
        return _add(row, "td", {"role": "cell", "class": name})
    return _add(row, "td", {"role": "cell", "class": name, "title": text}, text or NOTHING)


def _button(parent: Element, identity: str, ask: str, value: str) -> Element:
    return _add(parent, "button", {"type": "button", "id": identity, "data-ask": ask, "data-value": value})


def _badge(parent: Element, badge: Badge) -> None:
    span = _add(parent, "span", {"class": f"badge {badge.color}", "title": badge.text})
    _icon(span, badge.icon.removeprefix(":material/").rstrip(":"))
    _add(span, "span", text=badge.text)


def _icon(parent: Element, name: str) -> None:
    _add(parent, "i", {"aria-hidden": "true"}, name)


def _hidden(parent: Element, text: str) -> None:
    """Text for screen readers alone."""
    _add(parent, "span", {"class": "spoken"}, text)


def _clean(text: str) -> str:
    return readable(text.replace("\n", " "))
