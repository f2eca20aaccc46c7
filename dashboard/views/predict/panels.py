"""The charts below the answers."""

from collections.abc import Sequence

import streamlit as st

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Comparison
from benchmark.statistics.text import listed
from dashboard import resources
from dashboard.components.feature_pair import choose_feature_pair, feature_pair
from dashboard.components.panels import panel
from dashboard.components.training_rows import TrainingRows
from dashboard.views.predict import charts as draw
from inference.card import ModelCard


def charts(
    endpoints: Sequence[Endpoint],
    card: ModelCard,
    comparisons: Sequence[Comparison],
    total: int,
    inputs: tuple[float, ...],
) -> None:
    """Draw the history: `comparisons` are the last of `total`, `inputs` are the slider values."""
    colors = resources.palette()
    data = draw.series(endpoints, comparisons, first_number=total - len(comparisons) + 1)
    rows = resources.training_rows(card)
    counts = listed(one.label for one in data)
    columns = st.columns(3 if rows else 2, gap="medium")
    with columns[0]:
        panel(
            "latency",
            "Latency per request",
            lambda: draw.latency_per_request(data, colors),
            f"Latency in milliseconds of each request in order, for {counts}.",
            lambda: draw.latency_table(data),
        )
    with columns[1]:
        panel(
            "distribution",
            "Distribution of latency",
            lambda: draw.latency_distribution(data, colors),
            f"Histogram and cumulative distribution of the latency in milliseconds, for {counts}.",
            lambda: draw.quantile_table(data),
        )
    if rows:
        with columns[2]:
            _training_panel(card, rows, inputs, len(endpoints))


def _training_panel(card: ModelCard, rows: TrainingRows, inputs: tuple[float, ...], endpoints: int) -> None:
    x, y = feature_pair(card, "axes")
    across, up = card.features[x].title, card.features[y].title
    panel(
        "map",
        "Training data",
        lambda: draw.training_map(card, rows, inputs, x, y, resources.palette(), endpoints),
        f"{len(rows.inputs)} training rows by {across} and {up}, and your input at {inputs[x]:g} and {inputs[y]:g}.",
        lambda: draw.training_table(card, rows),
        lambda: choose_feature_pair(card, "axes", "Axes", label_visibility="collapsed"),
    )
