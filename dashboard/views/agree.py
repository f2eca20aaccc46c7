"""The Agree page: do both endpoints give the same answers, everywhere that it is worth asking?"""

from collections.abc import Sequence
from itertools import combinations

import streamlit as st

from benchmark.agreement.audit import Audit, audit, survey
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.rows import Row
from benchmark.endpoints.sample import utc_now
from dashboard import agree_words as say
from dashboard import resources, words
from dashboard.background import Report
from dashboard.checked import Checked
from dashboard.views.predict import slider_key
from inference.card import ModelCard

_CARD_WAIT_S = 1.5
_POLL_S = 0.5
_WORST = 10


def page() -> None:
    endpoints = resources.settings().endpoints
    served = resources.catalog().served(endpoints, wait_s=_CARD_WAIT_S)
    card = next((entry.card for entry in served if entry and entry.card), None) or resources.local_card()
    st.markdown(
        "#### Agreement\n"
        ":gray[:small[The training data, a grid over the feature space, its limits, points beside the decision "
        "boundary, and invalid inputs: both endpoints are asked the same and have to answer the same.]]"
    )
    if card is None:
        st.info("Start the endpoints, or train the local artifact with `make train`, and reload this page.")
        return
    _control(endpoints, served, card)
    state = resources.checks().state
    if state.problem:
        st.warning(f"The check was {state.problem}." if state.problem == "cancelled" else f"The check {state.problem}.")
    checked = state.result
    if checked and checked.audit.card.version == card.version:
        _result(checked.audit)
        # Imported here: drawing costs most of a second to import, which no other page should pay.
        from dashboard.views.agree_panels import surface_panels

        surface_panels(checked.surface)
    # Imported here too: the batch needs the reader of files and, for its results, pandas.
    from dashboard.views.agree_batch import batch

    batch(endpoints, card)


def _control(endpoints: Sequence[Endpoint], served: Sequence[Served | None], card: ModelCard) -> None:
    """The button, or the progress of what it began; two features for the map."""
    pairs = list(combinations(range(len(card.features)), 2)) or [(0, 0)]
    running = resources.checks().state.running
    with st.container(horizontal=True, vertical_alignment="bottom", key="check"):
        pressed = st.button(
            "Check agreement", type="primary", icon=":material/rule:", key="check-agreement", disabled=running
        )
        pair = st.selectbox(
            "Features of the map",
            pairs,
            # The last two features first: for Iris the petals, which tell the species apart best.
            index=len(pairs) - 1,
            format_func=lambda pair: f"{card.features[pair[1]].label} over {card.features[pair[0]].label}",
            key="map-features",
            width=300,
        )
        redraw = resources.checks().state.result is not None and st.button(
            "Draw the map", icon=":material/map:", key="draw-map", disabled=running
        )
    if pressed:
        training = resources.training_rows(card.version, card)
        # Line 1 is the header.
        rows = [Row(line, values) for line, values in enumerate(training.inputs, 2)] if training else []
        _start_check(endpoints, served, card, rows, pair or pairs[-1])
    elif redraw:
        _start_map(endpoints, pair or pairs[-1])
    if resources.checks().state.running:
        _progress()


def _start_check(
    endpoints: Sequence[Endpoint],
    served: Sequence[Served | None],
    card: ModelCard,
    rows: Sequence[Row],
    pair: tuple[int, int],
) -> None:
    client, at_utc = resources.client(), utc_now()

    def work(report: Report) -> Checked:
        found = audit(client, endpoints, served, card, rows, at_utc=at_utc, report=report)
        return Checked(found, survey(client, endpoints, card, *pair, report=report))

    resources.checks().start(work)


def _start_map(endpoints: Sequence[Endpoint], pair: tuple[int, int]) -> None:
    client, before = resources.client(), resources.checks().state.result
    if before is None:
        return
    checked = before

    def work(report: Report) -> Checked:
        return Checked(checked.audit, survey(client, endpoints, checked.audit.card, *pair, report=report))

    resources.checks().start(work)


@st.fragment(run_every=_POLL_S)
def _progress() -> None:
    state = resources.checks().state
    if not state.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="checking"):
        share = state.done / state.total if state.total else 0.0
        step = state.step or "asking which model is served"
        st.progress(share, text=f"{step.capitalize()}: {state.done} of {state.total}")
        st.button("Cancel", on_click=resources.checks().cancel, key="cancel-check")


def _result(found: Audit) -> None:
    agreement = found.agreement
    verdict = say.verdict(found)
    icon, color = {
        "agree": (":material/check_circle:", "green"),
        "disagree": (":material/warning:", "red"),
        "unknown": (":material/help:", "gray"),
    }[verdict.outcome]
    with st.container(border=True, key="card-verdict"):
        st.markdown(f":{color}-badge[{icon} {verdict.headline}] {words.plain(verdict.sentence)}")
        for finding in (*say.failures(found), *agreement.findings):
            st.markdown(f":material/arrow_right: {words.plain(finding)}")
        with st.container(horizontal=True, key="figures-agreement"):
            st.metric("Inputs compared", f"{words.count(agreement.compared)}")
            st.metric("Disagreements", f"{words.count(len(agreement.differences))}")
            st.metric(
                "At most (%)",
                say.percent(agreement.upper_bound) if agreement.compared else "\N{EN DASH}",
                help="At most this share of inputs drawn as these were disagree: exact one-sided 95% bound "
                "(Clopper and Pearson), about 3/n where none of n does.",
            )
            st.metric(
                "Largest gap",
                say.gap(agreement.largest_gap) if agreement.compared else "\N{EN DASH}",
                help="Of two probabilities, or of two predicted values relative to the larger. "
                "Up to 0.00001 is rounding of the arithmetic, and agreement.",
            )
            st.metric("Not compared", f"{words.count(agreement.not_compared)}")
        sent = " and ".join(f"{name} as {form}" for name, form in zip(found.names, found.forms, strict=True))
        st.caption(words.plain(f"{found.at_utc[:16].replace('T', ' ')} UTC, {found.card.title}. Sent to {sent}."))
    left, right = st.columns([1, 1.4], gap="medium")
    with left.container(border=True, key="card-asked", height="stretch"):
        st.markdown("**What was asked**")
        st.markdown(say.sources_table(found))
        if agreement.differences:
            st.markdown(say.kinds_table(agreement))
            st.caption("One input may show several kinds.")
    with right.container(border=True, key="card-invalid", height="stretch"):
        _invalid(found)
    if agreement.differences:
        with st.container(border=True, key="card-worst"):
            differing = len(agreement.differences)
            st.markdown(f"**Worst differences** ({min(_WORST, differing)} of {words.count(differing)})")
            st.markdown(say.worst_table(found, _WORST, [slider_key(feature) for feature in found.card.features]))
            st.caption(
                "A link opens the Predict page with the sliders at this input, or as near as their steps come to it."
            )


def _invalid(found: Audit) -> None:
    compared = [one for one in found.invalid if one.compared]
    same = sum(one.same for one in compared)
    color, icon = ("green", "check_circle") if same == len(compared) and compared else ("red", "warning")
    if not compared:
        color, icon = "gray", "help"
    st.markdown(
        f"**Invalid inputs** (n = {len(compared)}) "
        f":{color}-badge[:material/{icon}: {same} of {len(compared)} refused alike]"
    )
    st.caption(
        "A test of its own, not counted above: broken JSON, text for numbers, missing and unknown fields, values "
        "beyond the limits, bodies that are too large. Both have to refuse with the same status and error code."
    )
    different = [one for one in compared if not one.same]
    if different:
        st.markdown(say.invalid_table(different, found.names))
    with st.expander("What each answered"):
        st.markdown(say.invalid_table(found.invalid, found.names))
