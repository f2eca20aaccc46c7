"""The Monitor page: what both endpoints count about themselves, read again every two seconds while it is open."""

from time import monotonic

import streamlit as st

from benchmark.monitor.counts import bucket_quantile
from dashboard import monitor_words as say
from dashboard import resources, words
from dashboard.watched import Watched, Window, watched

EVERY_S = 2.0
_CHARTS_EVERY_S = 10.0
"""Less often than the cards: a chart that is drawn anew loses what the pointer was showing in it."""
_WAIT_S = 0.5
"""How long one look waits for the endpoints: a slow one is shown by the next look, and never holds up the other."""


def page() -> None:
    st.markdown(
        "#### Monitor\n"
        ":gray[:small[What each endpoint counts about itself, read from its `/metrics` every two seconds while this "
        "page is open. Health checks and these readings are not counted as traffic.]]"
    )
    chosen = st.segmented_control(
        "Time", list(Window), default=Window.START, required=True, key="window", label_visibility="collapsed"
    )
    window = Window(chosen or Window.START)
    _cards(window)
    _charts(window)


@st.fragment(run_every=EVERY_S)
def _cards(window: Window) -> None:
    data = _look(window, _WAIT_S)
    now_s = monotonic()
    for one, column in zip(data, st.columns(len(data), gap="medium"), strict=True):
        with column.container(border=True, key=f"card-{one.endpoint.key}", height="stretch"):
            _card(one, now_s)


@st.fragment(run_every=_CHARTS_EVERY_S)
def _charts(window: Window) -> None:
    data = _look(window, 0.0)  # the cards have waited
    if not any(one.snapshots for one in data):
        st.caption("Requests, latency, predictions and drift over time appear here as soon as an endpoint answers.")
        return
    # Imported here: drawing costs most of a second to import, which no other page should pay.
    from dashboard.views.monitor_panels import panels

    panels(data, monotonic())


def _look(window: Window, wait_s: float) -> list[Watched]:
    """Both endpoints, asked again where it is time."""
    endpoints = resources.settings().endpoints
    # A little less than the time between two looks, of which none should find that it came too early.
    readings = resources.watch().look(endpoints, every_s=EVERY_S * 0.75, wait_s=wait_s)
    served = resources.catalog().served(endpoints, wait_s=wait_s)
    result = []
    for endpoint, found, entry in zip(endpoints, readings, served, strict=True):
        one = watched(endpoint, found, window, entry.card if entry else None)
        if one.card is None and entry and entry.card and one.newest:
            resources.catalog().forget(endpoint)  # it serves another model than its card said
        if one.card is None:
            one = watched(endpoint, found, window, resources.local_card())
        result.append(one)
    return result


def _card(one: Watched, now_s: float) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{words.plain(one.endpoint.name)}**", width="content")
        if one.failure:
            st.badge("Not read", icon=":material/close:", color="red")
        elif one.newest:
            st.badge("Answers", icon=":material/check:", color="green")
        else:
            st.badge("Asking", icon=":material/hourglass_empty:", color="gray")
    if one.failure:
        st.markdown(words.plain(say.what_to_try(one.failure, one.endpoint)))
    snapshot = one.newest
    if snapshot is None:
        st.caption(words.plain(f"{one.endpoint.address} has given no metrics yet."))
        return
    if one.failure:
        ago = say.age(max(0.0, now_s - snapshot.taken_s))
        st.caption(f"Last read {ago} ago; the charts show what was counted until then.")
        return
    interval = one.interval
    latency = interval.counts.latency if interval else ()
    with st.container(horizontal=True, key=f"figures-{one.endpoint.key}"):
        st.metric("Requests/s", say.rate(interval.requests_per_s if interval else None))
        st.metric("Failed (%)", say.share(interval.counts.share_of_requests(5) if interval else None))
        st.metric("p50 (ms)", say.latency(bucket_quantile(latency, 0.5)))
        st.metric("p95 (ms)", say.latency(bucket_quantile(latency, 0.95)))
        st.metric("Memory (MiB)", say.memory_mib(snapshot))
        st.metric("Age", say.age(snapshot.age_s))
    lines = (
        [say.traffic(interval.counts), say.resolution(interval.counts)]
        if interval
        else ["Two readings make a rate: one moment."]
    )
    lines.append(say.process(snapshot, interval.cpu_share if interval else None))
    st.caption("  \n".join(words.plain(line) for line in lines if line))
    changed = say.change(one, now_s)
    if changed:
        st.caption(f":material/info: {words.plain(changed)}")
