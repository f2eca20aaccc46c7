"""The Monitor page: what the endpoints count about themselves, now and over time."""

from time import monotonic

import streamlit as st

from benchmark.monitor.counts import Traffic, bucket_quantile
from benchmark.monitor.sampler import OPEN_S, Sampler, When
from benchmark.monitor.scrape import metrics_urls
from dashboard import resources
from dashboard.components import markup
from dashboard.components.grid import cells
from dashboard.views.monitor import text as say
from dashboard.views.monitor.panels import panels
from dashboard.views.monitor.snapshot import EndpointSnapshot, Window, endpoint_snapshot

_CHARTS_EVERY_S = 10.0
"""Less often than the cards: drawing a chart again closes its tooltip."""
_WAIT_S = 0.5
"""How long a refresh waits for the endpoints; a slower one appears with the next refresh."""
_TRAFFIC = {Traffic.USER: "Users", Traffic.TEST: "Tests"}


def page() -> None:
    st.markdown(
        "#### Monitor\n"
        ":gray[:small[What each endpoint counts about itself. Benchmarks, cold starts and audits are counted "
        "separately as tests. Health checks and these readings are not counted.]]"
    )
    with st.container(horizontal=True, vertical_alignment="center", key="monitor-controls"):
        chosen = st.segmented_control(
            "Time", list(Window), default=Window.START, required=True, key="window", label_visibility="collapsed"
        )
        traffic = st.segmented_control(
            "Traffic",
            list(Traffic),
            default=Traffic.USER,
            required=True,
            key="traffic",
            format_func=lambda one: _TRAFFIC[one],
            label_visibility="collapsed",
        )
        _readings()
    window, kind = Window(chosen or Window.START), Traffic(traffic or Traffic.USER)
    _cards(window, kind)
    _charts(window, kind)


def _readings() -> None:
    """When to read the endpoints. One choice for all sessions, because readings cost the endpoints the same."""
    sampler = resources.sampler()
    if not resources.settings().read_only:  # otherwise only MONITOR_READINGS decides
        _choose(sampler)
    if sampler.when is When.OFF:
        st.button("Read now", icon=":material/refresh:", key="read-now", on_click=sampler.read_now, kwargs=_PATIENCE)
        sampler.read_first(wait_s=_WAIT_S)


def _choose(sampler: Sampler) -> None:
    with st.popover(f"Readings: {say.READINGS[sampler.when][0].lower()}", icon=":material/schedule:", key="readings"):
        st.session_state["read-when"] = sampler.when
        st.radio(
            "Read the metrics",
            list(When),
            format_func=lambda one: say.READINGS[one][0],
            captions=[text for _, text in say.READINGS.values()],
            key="read-when",
            on_change=lambda: sampler.set(When(st.session_state["read-when"])),
        )
        st.caption(
            "Applies to everyone who uses this dashboard, until it restarts. The last 24 hours are kept in memory: all "
            "readings for 10 minutes, then one every 30 s for 2 hours, then one every 5 minutes."
        )


_PATIENCE = {"wait_s": 2.0}


@st.fragment(run_every=OPEN_S)
def _cards(window: Window, traffic: Traffic) -> None:
    data = _look(window, traffic, _WAIT_S)
    now_s = monotonic()
    sampler = resources.sampler()
    are_local = all(one.endpoint.is_local for one in data)
    st.caption(say.readings(sampler.when, sampler.is_paused, are_local))
    for one, column in zip(data, cells(len(data)), strict=True):
        with column.container(border=True, key=f"card-{one.endpoint.key}", height="stretch"):
            _card(one, traffic, now_s)


@st.fragment(run_every=_CHARTS_EVERY_S)
def _charts(window: Window, traffic: Traffic) -> None:
    data = _look(window, traffic, 0.0)  # the cards have already waited
    if not any(one.snapshots for one in data):
        st.caption("Requests, latency, predictions and drift over time appear here as soon as an endpoint answers.")
        return
    panels(data, traffic, monotonic())


def _look(window: Window, traffic: Traffic, wait_s: float) -> list[EndpointSnapshot]:
    """Every endpoint, read again when due."""
    endpoints, sampler, catalog = resources.settings().endpoints, resources.sampler(), resources.catalog()
    readings = sampler.look(wait_s=wait_s)
    # Fetching a card is a request too: it is done only if readings are.
    asks = sampler.when is not When.OFF and not sampler.is_paused
    served = catalog.served(endpoints, wait_s=wait_s) if asks else catalog.known(endpoints)
    result = []
    for position, (endpoint, found, entry) in enumerate(zip(endpoints, readings, served, strict=True)):
        one = endpoint_snapshot(endpoint, position, found, window, entry.card if entry else None, traffic)
        if one.card is None and entry and entry.card and one.newest:
            catalog.forget(endpoint)  # it serves a different model from the one in its card
        if one.card is None:
            one = endpoint_snapshot(endpoint, position, found, window, resources.local_card(), traffic)
        result.append(one)
    return result


def _card(one: EndpointSnapshot, traffic: Traffic, now_s: float) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{markup.plain(one.endpoint.name)}**", width="content")
        if not metrics_urls(one.endpoint):
            st.badge("Unknown", icon=":material/question_mark:", color="gray")
        elif one.lacks_metrics:
            st.badge("No metrics here", icon=":material/do_not_disturb_on:", color="gray")
        elif one.failure:
            st.badge("Not read", icon=":material/close:", color="red")
        elif one.newest:
            st.badge("Answers", icon=":material/check:", color="green")
        else:
            st.badge("Not read yet", icon=":material/hourglass_empty:", color="gray")
    if not metrics_urls(one.endpoint):
        st.caption(f"The protocol {markup.plain(one.endpoint.speaks)} has no metrics: what it counts is unknown.")
        return
    if one.lacks_metrics:
        st.caption(markup.plain(say.no_metrics(one.endpoint)))
        return
    if one.failure:
        st.markdown(markup.plain(say.what_to_try(one.failure, one.endpoint, in_file=resources.settings().in_file)))
    snapshot = one.newest
    if snapshot is None:
        st.caption(markup.plain(f"{one.endpoint.address} has not returned any metrics yet."))
        return
    ago_s = max(0.0, now_s - snapshot.taken_s)
    if one.failure:
        st.caption(f"Last read {say.age(ago_s)} ago. The charts show the counts up to then.")
        return
    interval = one.interval
    latency = interval.counts.latency if interval else ()
    with st.container(horizontal=True, key=f"figures-{one.endpoint.key}"):
        if one.window is Window.START:  # an average over the life of a process says little about any moment of it
            st.metric("Requests", markup.count(interval.counts.request_count) if interval else markup.NOTHING)
        else:
            st.metric("Requests/s", say.rate(interval.requests_per_s if interval else None))
        st.metric("Failed (%)", say.share(interval.counts.share_of_requests(5) if interval else None))
        st.metric("p50 (ms)", say.latency(bucket_quantile(latency, 0.5)))
        st.metric("p95 (ms)", say.latency(bucket_quantile(latency, 0.95)))
        st.metric("Memory (MiB)", say.memory_mib(snapshot))
        st.metric("Age", say.age(snapshot.age_s))
    lines = (
        [say.requests(interval.counts, traffic), say.tests(one), say.resolution(interval.counts)]
        if interval
        else ["Rates appear after the second reading."]
    )
    lines.append(say.process(snapshot, interval.cpu_share if interval else None))
    if ago_s > _STALE_S:
        lines.append(f"Last read {say.age(ago_s)} ago.")
    st.caption("  \n".join(markup.plain(line) for line in lines if line))
    changed = say.change(one, now_s)
    if changed:
        st.caption(f":material/info: {markup.plain(changed)}")


_STALE_S = 15.0
