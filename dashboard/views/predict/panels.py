"""The charts below the answers."""

from collections.abc import Sequence

import streamlit as st

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.sample import Comparison
from benchmark.endpoints.values import shown
from benchmark.statistics.text import listed
from dashboard import resources
from dashboard.components.feature_pair import Pair, choose_feature_pair, feature_pair
from dashboard.components.panels import panel
from dashboard.components.training_rows import TrainingRows
from dashboard.views.predict import charts as draw
from inference.card import ModelCard, NumberFeature, Value


def charts(
    endpoints: Sequence[Endpoint],
    card: ModelCard,
    comparisons: Sequence[Comparison],
    total: int,
    inputs: tuple[Value, ...],
) -> None:
    """Draw the history: `comparisons` are the last of `total`, `inputs` are the values of the controls."""
    colors = resources.palette()
    data = draw.series(endpoints, comparisons, first_number=total - len(comparisons) + 1)
    rows = resources.training_rows(card)
    counts = listed(one.label for one in data)
    pair = feature_pair(card, "axes")
    has_curve = len(card.features) == 1 and not card.is_classifier and isinstance(card.features[0], NumberFeature)
    columns = st.columns(3 if rows and (pair or has_curve) else 2, gap="medium")
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
    if rows and pair:
        with columns[2]:
            _training_panel(card, rows, pair, inputs, len(endpoints))
    elif rows and has_curve:
        with columns[2]:
            _curve_panel(endpoints, card, rows, comparisons, inputs)


def _training_panel(card: ModelCard, rows: TrainingRows, pair: Pair, inputs: tuple[Value, ...], endpoints: int) -> None:
    x, y = pair
    drawn = rows.with_values_of(pair)
    left_out = len(rows.inputs) - len(drawn.inputs)
    without = f" ({left_out} without one of them are left out)" if left_out else ""
    if inputs[x] is None or inputs[y] is None:
        yours = "your input has no place, because one of them is missing"
    else:
        yours = f"your input at {shown(inputs[x])} and {shown(inputs[y])}"
    across, up = card.features[x].title, card.features[y].title
    panel(
        "map",
        "Training data",
        lambda: draw.training_map(card, drawn, inputs, x, y, resources.palette(), endpoints),
        f"{len(drawn.inputs)} training rows by {across} and {up}{without}, and {yours}.",
        lambda: draw.training_table(card, rows),
        lambda: choose_feature_pair(card, "axes", "Axes", label_visibility="collapsed"),
    )


def _curve_panel(
    endpoints: Sequence[Endpoint],
    card: ModelCard,
    rows: TrainingRows,
    comparisons: Sequence[Comparison],
    inputs: tuple[Value, ...],
) -> None:
    drawn = rows.with_values_of((0,))
    found = draw.predictions(endpoints, card, comparisons)
    counts = listed(one.label for one in found)
    yours = "your input is missing" if inputs[0] is None else f"your input is at {shown(inputs[0])}"
    panel(
        "map",
        "Predictions",
        lambda: draw.prediction_curve(card, drawn, found, inputs[0], resources.palette()),
        f"{card.target_title} over {card.features[0].title}: {len(drawn.inputs)} training rows, and the predictions of "
        f"{counts}; {yours}.",
        lambda: draw.prediction_table(card, found),
    )
