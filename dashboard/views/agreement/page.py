"""The Agreement page: do the endpoints give the same answers?"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from benchmark.agreement.audit import Audit, Surface, audit, survey
from benchmark.agreement.text import findings
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.rows import Row
from benchmark.endpoints.sample import utc_now
from benchmark.statistics.text import listed
from dashboard import resources
from dashboard.components import markup
from dashboard.components.background import Background, Report
from dashboard.components.feature_pair import Pair, choose_feature_pair, feature_pair
from dashboard.components.panels import command_popover, want_charts
from dashboard.components.progress import progress
from dashboard.views.agreement import text as say
from dashboard.views.agreement.panels import surface_panels
from inference.card import ModelCard

_CARD_WAIT_S = 1.5
_WORST = 10


@dataclass(frozen=True, slots=True)
class Checked:
    """A check and the last decision surface."""

    audit: Audit
    surface: Surface | None
    """None for a model without two numbers"""


@st.cache_resource
def checks() -> Background[Checked]:
    """Shared by all sessions: a check continues when its page is closed, and everyone sees the last one."""
    return Background()


def page() -> None:
    endpoints = resources.settings().endpoints
    served = resources.catalog().served(endpoints, wait_s=_CARD_WAIT_S)
    card = resources.shown_card(served)
    st.markdown(f"#### Agreement\n:gray[:small[{say.introduction(len(endpoints))}]]")
    if card is None:
        st.info("Start the endpoints, or train the local artifact with `make train`, and reload this page.")
        return
    if resources.settings().read_only:
        st.info(f"{markup.READ_ONLY}. A check sends hundreds of requests to each endpoint: run it from a terminal.")
        command = "python -m benchmark agree " + " ".join(f"--endpoint {one.key}=URL" for one in endpoints)
        command_popover("agree", command)
        return
    checked = checks().state.result
    if checked and checked.audit.card.version != card.version:
        checked = None
    _control(endpoints, served, card, checked)
    if problem := checks().state.problem:
        st.warning(f"The check {problem}.")
    if checked:
        _result(checked.audit)
        if checked.surface:
            surface_panels(checked.surface)
        else:
            st.caption("No map of the predictions: it needs two inputs that are numbers.")
    # Imported here too, because results need pandas.
    from dashboard.views.agreement.batch import batch

    batch(endpoints, card)


def _control(
    endpoints: Sequence[Endpoint], served: Sequence[Served | None], card: ModelCard, checked: Checked | None
) -> None:
    """The button or the progress of a check, and the features of the map. `checked` belongs to `card`."""
    running = checks().state.running
    with st.container(horizontal=True, vertical_alignment="bottom", key="check"):
        pressed = st.button(
            "Check agreement", type="primary", icon=":material/rule:", key="check-agreement", disabled=running
        )
        pair = feature_pair(card, "map-features")
        if pair:
            choose_feature_pair(card, "map-features", "Features of the map", width=300)
            pair = feature_pair(card, "map-features")
        redraw = pair and checked and st.button("Draw the map", icon=":material/map:", key="draw-map", disabled=running)
    if pressed:
        want_charts()  # of the map that the check ends with
        training = resources.training_rows(card)
        # Line 1 is the header.
        rows = [Row(line, values) for line, values in enumerate(training.inputs, 2)] if training else []
        _start_check(endpoints, served, card, rows, pair)
    elif checked and pair and redraw:
        _start_map(endpoints, checked.audit, pair)
    progress(checks(), "check", "reading the model cards")


def _start_check(
    endpoints: Sequence[Endpoint],
    served: Sequence[Served | None],
    card: ModelCard,
    rows: Sequence[Row],
    pair: Pair | None,
) -> None:
    client, at_utc = resources.client(), utc_now()

    def work(report: Report) -> Checked:
        found = audit(client, endpoints, served, card, rows, at_utc=at_utc, report=report)
        return Checked(found, survey(client, endpoints, card, *pair, report=report) if pair else None)

    checks().start(work)


def _start_map(endpoints: Sequence[Endpoint], found: Audit, pair: Pair) -> None:
    client = resources.client()

    def work(report: Report) -> Checked:
        return Checked(found, survey(client, endpoints, found.card, *pair, report=report))

    checks().start(work)


def _result(found: Audit) -> None:
    agreement, total = found.agreement, found.total
    verdict = say.verdict(found)
    with st.container(border=True, key="card-verdict"):
        st.markdown(f"{verdict.badge.markdown} {markup.plain(verdict.sentence)}")
        for finding in (*say.failures(found), *findings(agreement, found.names)):
            st.markdown(f":material/arrow_right: {markup.plain(finding)}")
        with st.container(horizontal=True, key="figures-agreement"):
            st.metric("Inputs compared", markup.count(total.compared))
            st.metric("Disagreements", markup.count(total.disagreements))
            st.metric(
                "Largest difference",
                say.gap(agreement.largest_gap) if total.compared else markup.NOTHING,
                help="The largest difference between two probabilities, or between two predicted values relative to "
                "the larger, or to the standard deviation of the target if that is larger. Differences up to 0.00001 "
                "come from rounding in the arithmetic and count as agreement.",
            )
            st.metric("Not compared", markup.count(total.not_compared))
        sent = listed(f"{side.name} as {side.form}" for side in found.endpoints)
        st.caption(markup.plain(f"{found.at_utc[:16].replace('T', ' ')} UTC, {found.card.title}. Sent to {sent}."))
    left, right = st.columns([1, 1.4], gap="medium")
    with left.container(border=True, key="card-asked", height="stretch"):
        st.markdown("**Inputs**")
        st.markdown(say.sources_table(found))
        st.caption(say.sources_note(found))
        if agreement.differing:
            st.markdown(say.kinds_table(agreement))
            st.caption("One input can show several kinds.")
    with right.container(border=True, key="card-invalid", height="stretch"):
        _invalid(found)
    if len(found.endpoints) > 2:
        with st.container(border=True, key="card-pairs"):
            st.markdown("**Pairs of endpoints**")
            st.markdown(say.pairs_table(found))
            if note := say.pairs_note(found):
                st.caption(note)
    if agreement.differing:
        with st.container(border=True, key="card-worst"):
            differing = len(agreement.differing)
            st.markdown(f"**Worst differences** ({min(_WORST, differing)} of {markup.count(differing)})")
            st.markdown(say.worst_table(found, _WORST))
            st.caption(
                "A link opens the Predict page with the sliders at this input, or at the nearest one they can reach."
            )


def _invalid(found: Audit) -> None:
    compared = [one for one in found.invalid if one.compared]
    same = sum(one.same for one in compared)
    badge = markup.agreement_badge(
        "unknown" if not compared else "agree" if same == len(compared) else "disagree",
        f"{same} of {len(compared)} refused{' alike' if len(found.endpoints) > 1 else ''}",
    )
    st.markdown(f"**Invalid inputs** (n = {len(compared)}) {badge.markdown}")
    st.caption(say.invalid_note(found))
    different = [one for one in compared if not one.same]
    if different:
        st.markdown(say.invalid_table(different, found.endpoint_names))
    with st.expander("All replies"):
        st.markdown(say.invalid_table(found.invalid, found.endpoint_names))
