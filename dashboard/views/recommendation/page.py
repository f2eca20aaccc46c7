"""The Recommendation page: which endpoint to choose for your needs, the evidence, and its sensitivity."""

from collections.abc import Sequence
from math import isinf
from typing import Any

import streamlit as st

from benchmark.decision import criteria
from benchmark.decision.answer import Choice
from benchmark.decision.decide import Decision, decide
from benchmark.decision.evidence import Evidence, NoBill
from benchmark.decision.findings import Findings, PassedOver, Side
from benchmark.decision.gather import gather
from benchmark.decision.measurement import Missing
from benchmark.decision.needs import Needs, NeedsError, Percentile
from benchmark.decision.slos import Holds, SloResult
from benchmark.decision.text import no_bill, slo_evidence, slo_name
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import utc_now
from benchmark.record.recording import load_samples
from benchmark.record.run import RunState
from benchmark.record.store import Store, StoreError
from benchmark.reports.document import to_html
from benchmark.reports.redaction import without_secrets
from benchmark.reports.report import build
from benchmark.statistics.estimates import Estimate
from benchmark.statistics.percentiles import PERCENTILES
from dashboard import resources
from dashboard.components import markup, run_text
from dashboard.components.grid import cells
from dashboard.components.markup import Badge
from dashboard.components.panels import command_popover
from dashboard.components.run_actions import run_link
from dashboard.pages import page_at
from dashboard.views.cost import text as cost_text

_DEFAULT = Needs()
_IDS_SHOWN = 6
_PERCENTILES: tuple[Percentile, ...] = ("p95", "p99")
_OUTCOMES = {
    Choice.CHOICE: Badge("Choose", ":material/trophy:", "green"),
    Choice.TIE: Badge("Tie", ":material/equal:", "blue"),
    Choice.NONE: Badge("None", ":material/block:", "red"),
    Choice.NOT_ENOUGH: Badge("Not enough evidence", ":material/help:", "orange"),
    Choice.SINGLE: Badge("One endpoint", ":material/info:", "blue"),
}
_NEITHER = Badge("Neither", ":material/block:", "red")
_HOLDS = {
    Holds.KEPT: Badge("kept", ":material/check:", "green"),
    Holds.BROKEN: Badge("broken", ":material/close:", "red"),
    Holds.UNKNOWN: Badge("unknown", ":material/help:", "gray"),
}


def page() -> None:
    endpoints = resources.settings().endpoints
    st.markdown(
        "#### Which should I choose?\n"
        ":gray[:small[One recommendation from all sound runs of the newest plan for these endpoints, and the values at "
        "which it changes. Nothing is guessed: missing measurements are listed.]]"
    )
    needs = _inputs()
    if needs is None:
        return
    findings = _evidence(endpoints)
    if findings is None:
        return
    decision = decide(needs, findings, resources.prices())
    _answer(decision, findings)
    evidence = Evidence(findings, resources.prices())
    for position, cell in enumerate(cells(len(findings.sides))):
        with cell:
            _card(position, decision, evidence)
    left, right = st.columns(2, gap="medium")
    with left:
        if findings.runs:  # without runs, there is no answer that could change
            _sensitivity(decision)
        _missing(decision.missing)
    with right:
        _sources(decision, findings)
        _passed_over(decision.passed_over)
        _assumptions(decision.assumptions)


# --- Inputs


def _inputs() -> Needs | None:
    """The needs, or None if they are invalid; the page then says why."""
    with st.container(border=True, key="inputs-needs"):
        with st.container(horizontal=True, key="needs-first"):
            requests = st.number_input(
                "Requests a month",
                min_value=1,
                max_value=100_000_000_000,
                value=_DEFAULT.requests_per_month,
                step=1_000_000,
                key="requests",
                bind="query-params",
            )
            latency_ms = _optional(
                "Latency objective (ms)",
                "latency_ms",
                0.1,
                600_000.0,
                "The time in which 95 or 99 % of the requests must be answered.",
            )
            availability_pct = _optional(
                "Availability (%)",
                "availability",
                50.0,
                99.999,
                "The share of requests that must be answered.",
                step=0.1,
            )
            budget_usd = _optional(
                "Budget (USD / month)", "budget", 0.0, 1e9, "The most that a month may cost after the free tier."
            )
            min_instances = st.number_input(
                "Min instances",
                min_value=0,
                max_value=1000,
                value=0,
                key="min_instances",
                bind="query-params",
                help="Instances of each endpoint that always run and are paid for. No request waits for the first.",
            )
        with st.container(horizontal=True, key="needs-second"):
            shape = st.segmented_control(
                "Traffic", list(cost_text.SHAPES), default="Steady", required=True, key="traffic", bind="query-params"
            )
            percentile = st.segmented_control(
                "Latency of", _PERCENTILES, default="p95", required=True, key="percentile", bind="query-params"
            )
            known = {markup.capital(one.title): one.name for one in criteria.everyone()}
            chosen = st.multiselect(
                "Criteria, most important first",
                list(known),
                default=["Latency", "Cost"],
                key="matters",
                bind="query-params",
                help="The first criterion decides. Later criteria break ties.",
            )
    if not chosen:
        st.info("Choose at least one criterion. Criteria decide between endpoints that keep every objective.")
        return None
    try:
        return Needs(
            requests,
            cost_text.SHAPES[shape or "Steady"],
            percentile or "p95",
            latency_ms,
            availability_pct,
            budget_usd,
            tuple(known[label] for label in chosen),
            min_instances,
        )
    except NeedsError as error:
        st.warning(markup.plain(markup.sentence(str(error))))
        return None


def _optional(label: str, key: str, low: float, high: float, help_text: str, **more: Any) -> float | None:
    """An optional number."""
    value: float | None = st.number_input(
        label,
        min_value=low,
        max_value=high,
        value=None,
        format="%g",
        placeholder="none",
        key=key,
        bind="query-params",
        help=help_text,
        **more,
    )
    return value


# --- Evidence


def _evidence(endpoints: Sequence[Endpoint]) -> Findings | None:
    store = resources.store()
    try:
        known = tuple((run.id, run.name) for run in store.runs(with_imported=False) if run.state is RunState.FINISHED)
        return _findings(store, tuple(Side(one.key, one.name, one.url) for one in endpoints), known)
    except StoreError as error:
        st.warning(
            markup.plain(f"The record cannot be read: {error}. To start a new one, set RESULTS_DIR to a new directory.")
        )
        return None


@st.cache_resource(max_entries=2, show_spinner="Reading the runs", hash_funcs={Side: repr})
def _findings(_store: Store, sides: tuple[Side, ...], known: tuple[tuple[str, str], ...]) -> Findings | None:
    # Cached, because every change of an input calls it. Read again only if the endpoints or finished runs change.
    return gather(_store, sides)


def _report(store: Store, findings: Findings, decision: Decision) -> str:
    recorded = [(summary.run, load_samples(store, summary.run.id)[0]) for summary in findings.runs]
    document = build(recorded, resources.prices(), utc_now(), findings, decision)
    return without_secrets(to_html(document))


# --- The answer


def _answer(decision: Decision, findings: Findings) -> None:
    with st.container(border=True, key="verdict"):
        badge = _OUTCOMES[decision.outcome]
        if decision.outcome is Choice.NONE and len(findings.sides) == 2:
            badge = _NEITHER
        text = decision.sentence
        if decision.outcome is Choice.NOT_ENOUGH:  # the badge says so, and missing measurements have their own card
            text = markup.sentence(decision.why)
        st.markdown(f"{badge.markdown} {markup.plain(text)}")
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="answer-foot"
        ):
            ids = [source.run_id for source in decision.sources]
            said = f"From {_counted(ids)}." if ids else "No runs yet."
            if not decision.fair and ids:
                many = "two " if len(findings.sides) == 2 else ""
                said += f" Conditions differ or are unknown: this compares {many}deployments, not {many}platforms."
            st.caption(markup.plain(said), width="stretch")
            if findings.runs:
                store = resources.store()
                st.download_button(
                    "Download the report",
                    lambda: _report(store, findings, decision),
                    "faceoff-report.html",
                    "text/html",
                    icon=":material/download:",
                    on_click="ignore",
                    key="report",
                )


def _counted(ids: Sequence[str]) -> str:
    """`run A`, `2 runs: A, B`, or only the number if there are many: they are listed below."""
    if len(ids) == 1:
        return f"run {ids[0]}"
    return f"{len(ids)} runs: {', '.join(ids)}" if len(ids) <= _IDS_SHOWN else f"{len(ids)} runs"


def _card(position: int, decision: Decision, evidence: Evidence) -> None:
    side, needs = evidence.findings.sides[position], decision.needs
    with st.container(border=True, key=f"card-{side.key}", height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{markup.plain(side.name)}**", width="content")
            if decision.key == side.key:
                st.badge("Chosen", icon=":material/check:", color="green")
        bill = decision.bills[position]
        with st.container(horizontal=True, key=f"metrics-{side.key}"):
            share = PERCENTILES[needs.percentile]
            _metric(f"{needs.percentile} (ms)", evidence.latency_ms(position, share))
            _metric("Cold p50 (ms)", evidence.start_ms(position))
            with st.container(gap=None):
                net = cost_text.usd(bill.low.net_usd, bill.high.net_usd) if bill else markup.NOTHING
                st.metric("Net (USD / month)", net)
                st.caption(f":small[{markup.plain(_bill_note(position, decision, evidence))}]")
        slos = [one for one in decision.slos if one.key == side.key]
        for one in slos:
            _slo(one)
        if not slos:
            st.caption("No objective is set. You can set latency, availability and budget above.")


def _bill_note(position: int, decision: Decision, evidence: Evidence) -> str:
    """The note below a bill, or why there is none."""
    bill = evidence.bill(decision.needs, position)
    if isinstance(bill, NoBill):
        return no_bill(bill)
    region = evidence.findings.sides[position].configuration.region
    return f"gross {cost_text.usd(bill.low.gross_usd, bill.high.gross_usd)}, {region or 'at tier 1 prices'}"


def _metric(label: str, figure: Estimate | None) -> None:
    with st.container(gap=None):
        if figure is None or not figure.n:
            value, note = markup.NOTHING, "not measured"
        elif isinf(figure.value):
            value, note = markup.NOTHING, f"beyond the timeout, n = {markup.count(figure.n)}"
        else:
            value, note = run_text.value(figure), f"{run_text.bounds(figure)}, n = {markup.count(figure.n)}"
        st.metric(label, value)
        st.caption(f":small[{note}]")


def _slo(one: SloResult) -> None:
    name, evidence = markup.plain(slo_name(one.slo)), markup.plain(slo_evidence(one))
    st.markdown(f"{_HOLDS[one.holds].markdown} {name}  \n:gray[:small[{evidence}]]")


def _sensitivity(decision: Decision) -> None:
    with st.container(border=True, key="note-sensitivity"):
        st.markdown("**Sensitivity**")
        if not decision.sensitivity and decision.outcome is Choice.NOT_ENOUGH:
            st.caption("There is not enough evidence for an answer at any value of a single input.")
        elif not decision.sensitivity:
            st.caption("The answer stays the same at every value of a single input.")
        for change in decision.sensitivity:
            st.markdown(f"{markup.plain(change.given)}: **{markup.plain(change.then)}**")


def _assumptions(texts: Sequence[str]) -> None:
    if texts:
        with st.container(border=True, key="note-assumptions"):
            st.markdown("**Assumptions**")
            for text in texts:
                st.caption(markup.plain(text))


def _missing(missing: Sequence[Missing]) -> None:
    if not missing:
        return
    with st.container(border=True, key="note-missing"):
        st.markdown("**Missing measurements**")
        for index, one in enumerate(missing):
            st.markdown(markup.plain(one.what))
            page = page_at(one.page)
            with st.container(horizontal=True, vertical_alignment="center", key=f"measure-{index}"):
                st.page_link(page.link(), label=f"Open the {page.title} page", icon=":material/arrow_forward:")
                command_popover(str(index), one.command)


def _passed_over(passed_over: Sequence[PassedOver]) -> None:
    if passed_over:
        with st.container(border=True, key="note-passed-over"):
            st.markdown("**Runs not used**")
            for one in passed_over:
                st.caption(markup.plain(f"Run {one.run_id}, {one.kind}: {one.why}."))


def _sources(decision: Decision, findings: Findings) -> None:
    with st.container(border=True, key="note-evidence"):
        st.markdown("**Evidence**")
        if not decision.sources:
            st.caption("The record has no finished run of these endpoints yet.")
        for one, summary in zip(decision.sources, findings.runs, strict=True):
            run_link(summary.run, f"Run {one.run_id}, {one.kind}: {one.samples}")
            st.caption(markup.plain(" · ".join(one.conditions)))
