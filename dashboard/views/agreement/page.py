"""The Agreement page: do both endpoints give the same answers, everywhere that it is worth asking?"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from benchmark.agreement.audit import Audit, Surface, audit, survey
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.rows import Row
from benchmark.endpoints.sample import utc_now
from dashboard import resources
from dashboard.components import markup
from dashboard.components.background import Background, Report
from dashboard.components.feature_pair import Pair, choose_feature_pair, feature_pair
from dashboard.components.progress import progress
from dashboard.views.agreement import text as say
from dashboard.views.predict.page import slider_key
from inference.card import ModelCard

_CARD_WAIT_S = 1.5
_WORST = 10


@dataclass(frozen=True, slots=True)
class Checked:
    """One check, and the decision surface that was drawn last."""

    audit: Audit
    surface: Surface


@st.cache_resource
def checks() -> Background[Checked]:
    """Shared: a check outlives the page that began it, and whoever looks next sees the last one."""
    return Background()


def page() -> None:
    endpoints = resources.settings().endpoints
    served = resources.catalog().served(endpoints, wait_s=_CARD_WAIT_S)
    card = resources.shown_card(served)
    st.markdown(
        "#### Agreement\n"
        ":gray[:small[Random inputs, the training data, a grid over the feature space, its limits, points beside the "
        "decision boundary, and invalid inputs: both endpoints are asked the same and have to answer the same.]]"
    )
    if card is None:
        st.info("Start the endpoints, or train the local artifact with `make train`, and reload this page.")
        return
    if resources.settings().read_only:
        st.info(
            f"{markup.READ_ONLY}: a check, which sends hundreds of requests to each endpoint, is run from a terminal."
        )
        command = "python -m benchmark agree --endpoint api=URL --endpoint function=URL"
        st.code(command, language="bash", wrap_lines=True)
        return
    checked = checks().state.result
    if checked and checked.audit.card.version != card.version:
        checked = None
    _control(endpoints, served, card, checked)
    if problem := checks().state.problem:
        st.warning(f"The check {problem}.")
    if checked:
        _result(checked.audit)
        # Imported here: drawing costs most of a second to import, which no other page should pay.
        from dashboard.views.agreement.panels import surface_panels

        surface_panels(checked.surface)
    # Imported here too: the batch needs the reader of files and, for its results, pandas.
    from dashboard.views.agreement.batch import batch

    batch(endpoints, card)


def _control(
    endpoints: Sequence[Endpoint], served: Sequence[Served | None], card: ModelCard, checked: Checked | None
) -> None:
    """The button, or the progress of what it began; two features for the map. `checked` is of this card."""
    running = checks().state.running
    with st.container(horizontal=True, vertical_alignment="bottom", key="check"):
        pressed = st.button(
            "Check agreement", type="primary", icon=":material/rule:", key="check-agreement", disabled=running
        )
        choose_feature_pair(card, "map-features", "Features of the map", width=300)
        pair = feature_pair(card, "map-features")
        redraw = checked and st.button("Draw the map", icon=":material/map:", key="draw-map", disabled=running)
    if pressed:
        training = resources.training_rows(card)
        # Line 1 is the header.
        rows = [Row(line, values) for line, values in enumerate(training.inputs, 2)] if training else []
        _start_check(endpoints, served, card, rows, pair)
    elif checked and redraw:
        _start_map(endpoints, checked.audit, pair)
    progress(checks(), "check", "asking which model is served")


def _start_check(
    endpoints: Sequence[Endpoint],
    served: Sequence[Served | None],
    card: ModelCard,
    rows: Sequence[Row],
    pair: Pair,
) -> None:
    client, at_utc = resources.client(), utc_now()

    def work(report: Report) -> Checked:
        found = audit(client, endpoints, served, card, rows, at_utc=at_utc, report=report)
        return Checked(found, survey(client, endpoints, card, *pair, report=report))

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
        for finding in (*say.failures(found), *agreement.findings):
            st.markdown(f":material/arrow_right: {markup.plain(finding)}")
        with st.container(horizontal=True, key="figures-agreement"):
            st.metric("Inputs compared", markup.count(total.compared))
            st.metric("Disagreements", markup.count(total.disagreements))
            st.metric(
                "Largest gap",
                say.gap(agreement.largest_gap) if total.compared else markup.NOTHING,
                help="Of two probabilities, or of two predicted values relative to the larger. "
                "Up to 0.00001 is rounding of the arithmetic, and agreement.",
            )
            st.metric("Not compared", markup.count(total.not_compared))
        sent = " and ".join(f"{name} as {form}" for name, form in zip(found.names, found.forms, strict=True))
        st.caption(markup.plain(f"{found.at_utc[:16].replace('T', ' ')} UTC, {found.card.title}. Sent to {sent}."))
    left, right = st.columns([1, 1.4], gap="medium")
    with left.container(border=True, key="card-asked", height="stretch"):
        st.markdown("**What was asked**")
        st.markdown(say.sources_table(found))
        st.caption(
            f"Random inputs (seed {found.seed}) are drawn from the training range and a quarter beyond it, within the "
            "limits, and from the training rows with noise of a tenth of a standard deviation. Of all inputs like them "
            "at most this share disagrees (exact one-sided bound, Clopper and Pearson; about 3/n for none of n). The "
            "others are chosen, not drawn: they are counts."
        )
        if agreement.differences:
            st.markdown(say.kinds_table(agreement))
            st.caption("One input may show several kinds.")
    with right.container(border=True, key="card-invalid", height="stretch"):
        _invalid(found)
    if agreement.differences:
        with st.container(border=True, key="card-worst"):
            differing = len(agreement.differences)
            st.markdown(f"**Worst differences** ({min(_WORST, differing)} of {markup.count(differing)})")
            st.markdown(say.worst_table(found, _WORST, [slider_key(feature) for feature in found.card.features]))
            st.caption(
                "A link opens the Predict page with the sliders at this input, or as near as their steps come to it."
            )


def _invalid(found: Audit) -> None:
    compared = [one for one in found.invalid if one.compared]
    same = sum(one.same for one in compared)
    badge = markup.agreement_badge(
        "unknown" if not compared else "agree" if same == len(compared) else "disagree",
        f"{same} of {len(compared)} refused alike",
    )
    st.markdown(f"**Invalid inputs** (n = {len(compared)}) {badge.markdown}")
    st.caption(
        "A test of its own, not counted above: broken JSON, text for numbers, missing and unknown fields, values "
        "beyond the limits, bodies that are too large. Both have to refuse with the same status and error code."
    )
    different = [one for one in compared if not one.same]
    if different:
        st.markdown(say.invalid_table(different, found.names))
    with st.expander("What each answered"):
        st.markdown(say.invalid_table(found.invalid, found.names))
