"""The charts of the Monitor page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from benchmark.monitor.categories import odd_values
from benchmark.monitor.counts import Traffic, training_prior
from benchmark.monitor.drift import Drift, drift
from benchmark.statistics.text import listed
from dashboard import resources
from dashboard.components import markup
from dashboard.components.figure import Figure
from dashboard.components.grid import cells
from dashboard.components.panels import charts_wanted, empty_panel, panel
from dashboard.components.theme import Palette
from dashboard.views.monitor import charts as draw
from dashboard.views.monitor import text as say
from dashboard.views.monitor.snapshot import EndpointSnapshot
from inference.card import ModelCard


@dataclass(frozen=True, slots=True)
class _Chart:
    key: str
    title: str
    draw: Callable[[Sequence[EndpointSnapshot], float, Palette], Figure]
    alt: str


_OVER_TIME = (
    _Chart("requests", "Requests", draw.requests_over_time, "Prediction requests per second over time,"),
    _Chart(
        "server-latency",
        "Latency inside the server",
        draw.latency_over_time,
        "Estimated 50th and 95th percentile of the server's own time in milliseconds over time,",
    ),
    _Chart(
        "failures",
        "Failed and refused",
        draw.failures_over_time,
        "Share of the prediction requests that failed and that were refused, over time,",
    ),
    _Chart("memory", "Memory", draw.memory_over_time, "Resident memory of the process in MiB over time,"),
)


def panels(data: Sequence[EndpointSnapshot], traffic: Traffic, now_s: float) -> None:
    """Draw requests, latency, failures and memory over time, then the predictions and inputs of the chosen time."""
    colors, is_shown = resources.palette(), charts_wanted()
    read = [one for one in data if one.snapshots]
    for row in (_OVER_TIME[:2], _OVER_TIME[2:]):
        for chart, column in zip(row, st.columns(2, gap="medium"), strict=True):
            with column:
                panel(
                    chart.key,
                    chart.title,
                    partial(chart.draw, read, now_s, colors),
                    f"{chart.alt} {_over_time(read, traffic)}",
                    lambda: draw.time_table(read, now_s),
                    is_shown=is_shown,
                )
    if unplaced := say.unplaced(read):
        st.caption(markup.plain(unplaced))
    card = next((one.card for one in read if one.card), None)
    if card is None:
        st.caption("Predictions by class and drift need the model card, which no endpoint has returned yet.")
        return
    alike = [one for one in read if one.card and one.card.version == card.version]
    if len(alike) < len(read):
        names = listed(one.endpoint.name for one in alike)
        st.caption(f"The charts below show only {markup.plain(names)}: the endpoints serve different models.")
    charts = iter(cells(2 + card.is_classifier + bool(card.categories)))
    if card.is_classifier:
        with next(charts):
            _predictions(alike, card, traffic, colors, is_shown)
    if card.categories:
        with next(charts):
            _categories(alike, card, traffic, colors, is_shown)
    with next(charts):
        _drift(alike, card, colors, is_shown)
    with next(charts):
        _out_of_range(alike, card, traffic, colors, is_shown)


def _predictions(
    data: Sequence[EndpointSnapshot], card: ModelCard, traffic: Traffic, colors: Palette, is_shown: bool
) -> None:
    prior = training_prior(card.document, card.classes)
    if not _predicted(data):
        empty_panel("predictions", "Predictions", say.nothing_asked(traffic))
        return
    panel(
        "predictions",
        "Predictions",
        lambda: draw.predictions(data, card, prior, colors),
        f"Share of each class among the predictions, next to its share of the training rows: {_counts(data)}.",
        lambda: draw.prediction_table(data, card, prior),
        is_shown=is_shown,
    )


def _categories(
    data: Sequence[EndpointSnapshot], card: ModelCard, traffic: Traffic, colors: Palette, is_shown: bool
) -> None:
    if not _predicted(data):
        empty_panel("categories", "Categories", say.nothing_asked(traffic))
        return
    features = [feature for _, feature in card.categories]
    titles = {feature.name: feature.title for feature in features}
    chosen = st.session_state.get("monitor-category")  # may belong to another card
    feature = next((one for one in features if one.name == chosen), features[0])

    def choose() -> None:
        st.session_state["monitor-category"] = feature.name
        st.selectbox(
            "Feature",
            list(titles),
            format_func=titles.__getitem__,
            key="monitor-category",
            label_visibility="collapsed",
            width=200,
        )

    panel(
        "categories",
        "Categories",
        lambda: draw.category_shares(data, feature, colors),
        f"Share of each category of {feature.title} among the values, next to its share of the training rows: "
        f"{_counts(data)}.",
        lambda: draw.category_table(data, feature),
        choose if len(features) > 1 else None,
        is_shown=is_shown,
    )


def _odd_values(data: Sequence[EndpointSnapshot], card: ModelCard) -> str:
    """The missing and unknown values of each endpoint as Markdown; empty if there are none."""
    labels = {feature.name: feature.label for feature in card.features}
    said = [
        say.odd_values(one.endpoint.name, odd_values(card, one.interval.counts.binned), labels)
        for one in data
        if one.interval
    ]
    return "  \n".join(markup.plain(sentence) for sentence in said if sentence)


def _drift(data: Sequence[EndpointSnapshot], card: ModelCard, colors: Palette, is_shown: bool) -> None:
    found: list[tuple[EndpointSnapshot, Sequence[Drift]]] = [
        (one, drift(card, one.interval.counts.binned if one.interval else {})) for one in data
    ]
    if not any(each.psi is not None for _, several in found for each in several):
        empty_panel("drift", "Drift of the inputs", say.no_drift([each for _, several in found for each in several]))
        return
    labels = {feature.name: feature.label for feature in card.features}
    states = "; ".join(
        f"{one.endpoint.name} {each.feature}: {say.drift_state(each)}" for one, several in found for each in several
    )
    panel(
        "drift",
        "Drift of the inputs",
        lambda: draw.drift(found, card, colors),
        f"Population stability index of each feature against the training data. {states}.",
        lambda: draw.drift_table(found),
        note="  \n".join(
            [
                *(markup.plain(say.drift_sentence(one.endpoint.name, several, labels)) for one, several in found),
                say.PSI_METHOD,
            ]
        ),
        is_shown=is_shown,
    )


def _out_of_range(
    data: Sequence[EndpointSnapshot], card: ModelCard, traffic: Traffic, colors: Palette, is_shown: bool
) -> None:
    if not _predicted(data):
        empty_panel("range", "Inputs out of range", say.nothing_asked(traffic))
        return
    odd = _odd_values(data, card)
    if not any(sum(one.interval.counts.out_of_range.values()) for one in data if one.interval):
        empty_panel(
            "range",
            "Inputs out of range",
            "  \n".join(filter(None, [f"Every value was inside the training range: {_counts(data)}.", odd])),
        )
        return
    panel(
        "range",
        "Inputs out of range",
        lambda: draw.out_of_range(data, card, colors),
        f"Share of the inputs outside the training range, by feature: {_counts(data)}.",
        lambda: draw.range_table(data, card),
        note=odd,
        is_shown=is_shown,
    )


def _predicted(data: Sequence[EndpointSnapshot]) -> int:
    return sum(one.interval.counts.prediction_count for one in data if one.interval)


def _over_time(data: Sequence[EndpointSnapshot], traffic: Traffic) -> str:
    return f"{traffic} traffic, for " + listed([f"{one.endpoint.name} (n = {one.timeline.counts:,})" for one in data])


def _counts(data: Sequence[EndpointSnapshot]) -> str:
    return listed(
        [f"{one.endpoint.name} (n = {one.interval.counts.prediction_count if one.interval else 0:,})" for one in data]
    )
