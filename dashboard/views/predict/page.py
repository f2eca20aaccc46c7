"""The Predict page: send one input to all endpoints at once, and see their answers and the history."""

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from benchmark.endpoints.catalog import Served
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Comparison, Sample, utc_now
from benchmark.endpoints.values import shown_all
from benchmark.observation.observe import new_comparison_id, observe
from benchmark.observation.sender import SenderError
from benchmark.record.store import NOBODY, Store, StoreError
from benchmark.reports.export import comparisons_to_csv
from dashboard import resources
from dashboard.components import markup, sample_text
from dashboard.components.grid import cells
from dashboard.components.input_controls import input_controls, set_inputs
from dashboard.components.inputs import outside_training
from dashboard.components.theme import LIGHT
from dashboard.frontend import CHARTS_COOKIE
from dashboard.views.predict import text as say
from inference.card import ModelCard, Value

HISTORY_LENGTH = 500
"""How many comparisons the charts show; the export has all of them."""
_CARD_WAIT_S = 1.5
_PATIENCE_S = 0.2
"""How long the last answers stay while new ones are on their way. Most are there sooner, and until then neither this
process nor the browser takes the processor from what is being measured."""
_BARS_AT_MOST = 6


def page() -> None:
    endpoints = resources.settings().endpoints
    served = resources.catalog().served(endpoints, wait_s=_CARD_WAIT_S)
    card = resources.shown_card(served)
    if card is None:
        _no_model(endpoints, served)
        return
    st.markdown(f"#### {say.title(card, len(endpoints))}\n:gray[:small[{say.introduction(len(endpoints))}]]")
    warning = sample_text.artifact_warning(endpoints, served)
    if warning:
        st.warning(markup.plain(warning), icon=":material/difference:")

    left, right = st.columns([1, 2.15], gap="medium")
    with left:
        inputs, wanted = _inputs(card)
    with right:
        _answers(endpoints, served, card, inputs, wanted)
    _history(endpoints, card, inputs)


def _no_model(endpoints: Sequence[Endpoint], served: Sequence[Served | None]) -> None:
    st.markdown("#### No model to show")
    st.info("Start the endpoints, or train the local artifact with `make train`, and reload this page.")
    for endpoint, entry in zip(endpoints, served, strict=True):
        problem = (entry.problem if entry else None) or "has not answered yet"
        st.caption(markup.plain(f"{endpoint.name} at {endpoint.address} {problem}."))


# --- Inputs


def _inputs(card: ModelCard) -> tuple[tuple[Value, ...], bool]:
    """The values of the controls in the card's order, and whether to compare now."""
    with st.container(border=True, key="inputs"):
        if card.presets:
            st.pills(
                "Examples",
                [preset.label for preset in card.presets],
                format_func=markup.plain,
                key="preset",
                on_change=_apply_preset,
                args=(card,),
                label_visibility="collapsed",
            )
        live = st.session_state.get("live", False)
        inputs = input_controls(card, live=live)
        outside = outside_training(card, inputs)
        with st.container(horizontal=True, vertical_alignment="center", key="go"):
            pressed = st.button(
                "Compare", type="primary", icon=":material/bolt:", shortcut="Ctrl+Enter", width="stretch", key="compare"
            )
            st.toggle("Live", key="live", help="Compare now and after every change.")
        if outside:
            st.caption(f":material/info: Outside the training data: {markup.plain(', '.join(outside))}.")
    changed = live and inputs != st.session_state.get("compared_inputs")
    return inputs, pressed or changed


def _apply_preset(card: ModelCard) -> None:
    chosen = st.session_state.preset
    for preset in card.presets:
        if preset.label == chosen:
            set_inputs(card, preset.values)
    # A preset is a shortcut, not a state: clear it, because the next slider change would make it wrong.
    st.session_state.preset = None


# --- Answers


def _answers(
    endpoints: Sequence[Endpoint],
    served: Sequence[Served | None],
    card: ModelCard,
    inputs: tuple[Value, ...],
    wanted: bool,
) -> None:
    known = {endpoint.key: entry for endpoint, entry in zip(endpoints, served, strict=True)}
    if wanted:
        _new_answers(endpoints, known, card, inputs)
        return
    slots = _slots(endpoints)
    shown: Comparison | None = st.session_state.get("comparison")
    if shown and st.session_state.get("compared_version") == card.version:
        by_key = {endpoint.key: endpoint for endpoint in endpoints}
        for sample in shown.samples:
            _answer_card(slots[sample.endpoint], by_key[sample.endpoint], sample, known[sample.endpoint], card)
        _verdict(say.verdict(endpoints, shown.samples, card), shown.inputs, inputs)
    else:
        for endpoint in endpoints:
            _empty_card(slots[endpoint.key], endpoint, known[endpoint.key])
        with st.container(border=True, key="verdict"):
            st.markdown(f":gray[{say.invitation(len(endpoints))}]")


def _slots(endpoints: Sequence[Endpoint]) -> dict[str, DeltaGenerator]:
    """A place for the card of each endpoint."""
    return {
        endpoint.key: cell.container(border=True, key=f"card-{endpoint.key}", height="stretch").empty()
        for endpoint, cell in zip(endpoints, cells(len(endpoints)), strict=True)
    }


def _new_answers(
    endpoints: Sequence[Endpoint], known: Mapping[str, Served | None], card: ModelCard, inputs: tuple[Value, ...]
) -> None:
    """Ask all endpoints, and show and record their answers."""
    by_key = {endpoint.key: endpoint for endpoint in endpoints}
    found: dict[str, Sample] = {}
    slots: dict[str, DeltaGenerator] = {}
    at_utc = utc_now()
    try:
        observation = observe(resources.sender(), endpoints, card, inputs)
        arrived = observation.wait(_PATIENCE_S)
        slots = _slots(endpoints)
        if not observation.is_complete:
            for endpoint in endpoints:
                _waiting_card(slots[endpoint.key], endpoint)
        while True:
            for sample in arrived:
                found[sample.endpoint] = sample
                _answer_card(slots[sample.endpoint], by_key[sample.endpoint], sample, known[sample.endpoint], card)
            if observation.is_complete:
                break
            arrived = observation.wait()
    except SenderError as error:
        st.session_state.compared_inputs = inputs  # or Live would send it again whatever is clicked next
        slots = slots or _slots(endpoints)
        for endpoint in endpoints:
            _empty_card(slots[endpoint.key], endpoint, known[endpoint.key])
        with st.container(border=True, key="verdict"):
            st.error(markup.plain(f"This comparison failed: {error}. Press Compare to try again."))
        return
    samples = tuple(found[endpoint.key] for endpoint in endpoints)
    shown = Comparison(new_comparison_id(), at_utc, card.name, inputs, samples)
    st.session_state.comparison = shown
    st.session_state.compared_inputs = inputs
    st.session_state.compared_version = card.version
    _verdict(say.verdict(endpoints, samples, card), inputs, inputs)
    _record(shown)
    _notice_other_versions(endpoints, samples, card)


def _waiting_card(slot: DeltaGenerator, endpoint: Endpoint) -> None:
    with slot.container():
        st.markdown(f"**{markup.plain(endpoint.name)}**")
        st.skeleton(height=210)


def _empty_card(slot: DeltaGenerator, endpoint: Endpoint, served: Served | None) -> None:
    with slot.container():
        st.markdown(f"**{markup.plain(endpoint.name)}**")
        st.caption(markup.plain(endpoint.address))
        if served and served.problem:
            st.caption(f":material/error: {markup.plain(markup.sentence(served.problem))}")
        elif served and served.card:
            serves = f"Serves {served.card.title}, {served.card.model_type}, version {served.card.version}."
            st.caption(markup.plain(f"{serves} {served.card.without_onnx}"))
        else:
            st.caption("Has not answered yet.")


def _answer_card(
    slot: DeltaGenerator, endpoint: Endpoint, sample: Sample, served: Served | None, card: ModelCard
) -> None:
    with slot.container():
        with st.container(
            horizontal=True,
            horizontal_alignment="distribute",
            vertical_alignment="center",
            key=f"title-{endpoint.key}",
        ):
            st.markdown(f"**{markup.plain(endpoint.name)}**", width="content")
            if sample.failure:
                st.badge(
                    f"HTTP {sample.status}" if sample.status else "No answer", icon=":material/close:", color="red"
                )
            else:
                st.badge(f"HTTP {sample.status}", icon=":material/check:", color="green")
        if sample.failure:
            in_file = resources.settings().in_file
            st.markdown(markup.plain(sample_text.what_to_try(sample, endpoint, served, card, in_file=in_file)))
            st.caption(f"After {markup.duration(sample.latency_ms)} ms.")
            return
        _metrics(endpoint, sample, card)
        st.caption(f"{sample_text.latency_split(sample)}  \n{markup.plain(sample_text.conditions(sample))}")


def _metrics(endpoint: Endpoint, sample: Sample, card: ModelCard) -> None:
    answer = sample.answer
    assert answer  # a sample without a failure has an answer  # noqa: S101
    with st.container(horizontal=True, key=f"metrics-{endpoint.key}"):
        if answer.label is None:
            st.metric(markup.plain(card.target_title), f"{answer.prediction:.4g}")
        else:
            st.metric(markup.plain(card.target_label), markup.plain(answer.label))
        if answer.confidence is not None:
            st.metric("Confidence (%)", markup.percent(answer.confidence))
        st.metric(
            "Latency (ms)",
            markup.duration(sample.latency_ms),
            help="From sending the request to the last byte of the answer, measured by the dashboard.",
        )
    if answer.probabilities:
        ranked = sorted(enumerate(answer.probabilities), key=lambda item: -item[1])[:_BARS_AT_MOST]
        for index, probability in sorted(ranked):
            with st.container(key=f"bar-{index % len(LIGHT.classes)}-{endpoint.key}-{index}"):
                label = markup.plain(card.classes[index])
                st.progress(min(1.0, probability), text=f"**{markup.plain(markup.percent(probability))} %** {label}")


def _verdict(verdict: markup.Statement, asked: Sequence[Value], inputs: Sequence[Value]) -> None:
    """Show the verdict on the answers to `asked`. The sliders, now at `inputs`, may have moved since."""
    # Always shown, because moving a slider does not rerun this page.
    values = markup.plain(shown_all(asked))
    of = f":gray[:small[For {values}.]]"
    if tuple(asked) != tuple(inputs):
        of = f"**These answers are for {values}. Press Compare to send the new values.**"
    with st.container(border=True, key="verdict"):
        st.markdown(f"{verdict.badge.markdown} {markup.plain(verdict.sentence)} {of}")


def _record(comparison: Comparison) -> None:
    if resources.settings().read_only:  # the history says so
        return
    try:
        resources.store().add(comparison, resources.visitor())
    except StoreError as error:
        st.warning(markup.plain(f"This comparison was not saved: {error}."))


def _notice_other_versions(endpoints: Sequence[Endpoint], samples: Sequence[Sample], card: ModelCard) -> None:
    for endpoint, sample in zip(endpoints, samples, strict=True):
        version = sample.answer.model_version if sample.answer else None
        refused = sample.status == 422
        if refused or (version is not None and version != card.version):
            resources.catalog().forget(endpoint)


# --- History


def _history(endpoints: Sequence[Endpoint], card: ModelCard, inputs: tuple[Value, ...]) -> None:
    store = resources.store()
    above = st.container(key="charts-of-history")  # filled last, because the line below says whose history it is
    with st.container(horizontal=True, vertical_alignment="center", key="record"):
        # In a read-only record nothing is one's own.
        owner = resources.visitor() if not store.read_only and _only_own(store, card) else None
        comparisons, total = _recorded(store, card, owner, above)
        if not comparisons:
            st.caption(
                "After your first comparison, charts of latency and of your input among the training data appear here.",
                width="content",
            )
            return
        counted = markup.counted(total, "comparison")
        said = f"{markup.READ_ONLY}: comparisons are not saved." if store.read_only else f"{counted} in the history."
        st.caption(said, width="content")
        st.download_button(
            "Export CSV",
            lambda: comparisons_to_csv(store.latest(card.name, owner=owner), card.feature_names, card.classes),
            file_name=f"faceoff-{card.name}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            type="tertiary",
        )
        if not store.read_only:
            _clearing(store, card, owner, total)
    with above:
        if _charts_wanted():
            # Imported here, because charts take most of a second to import and the first view needs none.
            from dashboard.views.predict.panels import charts

            charts(endpoints, card, comparisons, total, inputs)


def _only_own(store: Store, card: ModelCard) -> bool:
    """Whether to show the comparisons of this browser alone. One can choose if there are any at all."""
    try:
        if not store.has_comparisons(card.name):
            return True
    except StoreError:  # what reads the history says so
        return True
    chosen = st.segmented_control(
        "Whose comparisons",
        list(say.WHOSE),
        default=say.OWN,
        required=True,
        format_func=say.WHOSE.__getitem__,
        key="history",
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen == say.OWN


def _recorded(store: Store, card: ModelCard, owner: str | None, place: DeltaGenerator) -> tuple[list[Comparison], int]:
    """The last comparisons by `owner`, or everyone, and how many there are; with the one shown if none is recorded.

    A record that cannot be read is said at `place`.
    """
    unrecorded = store.read_only
    try:
        comparisons, total = resources.history(card.name, owner, HISTORY_LENGTH).read(store)
    except StoreError as error:
        place.warning(markup.plain(f"The history cannot be read: {error}. You can still compare."))
        comparisons, total, unrecorded = [], 0, True
    shown = st.session_state.get("comparison")
    if unrecorded and shown and shown.model == card.name:
        comparisons, total = [*comparisons, shown], total + 1
    return comparisons, total


def _clearing(store: Store, card: ModelCard, owner: str | None, total: int) -> None:
    """Offer to delete what is shown, as far as it is this browser's or nobody's."""
    try:
        own = total if owner else store.count(card.name, resources.visitor())
        unowned = 0 if owner else store.count(card.name, NOBODY)
    except StoreError:  # the history says so
        return
    if not own + unowned:
        return
    with st.popover("Clear", icon=":material/delete:", type="tertiary"):
        st.markdown(say.deletion(own, unowned))
        owners = [resources.visitor()] if owner else [resources.visitor(), NOBODY]
        st.button("Delete the history", on_click=_clear, args=(card, owners), key="clear")


def _charts_wanted() -> bool:
    """Charts need 1.4 MB of Plotly: show them if the browser has it already, or after a comparison or on request."""
    if st.session_state.get("comparison") or CHARTS_COOKIE in st.context.cookies or st.session_state.get("charts"):
        return True
    return st.button("Show the charts", icon=":material/monitoring:", key="show-charts", on_click=_show_charts)


def _show_charts() -> None:
    st.session_state.charts = True


def _clear(card: ModelCard, owners: Sequence[str]) -> None:
    try:
        resources.store().clear(card.name, owners)
        st.session_state.pop("comparison", None)
    except StoreError as error:
        st.toast(markup.plain(f"Not cleared: {error}"), icon=":material/error:")
