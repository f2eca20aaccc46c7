"""The two features of a map, chosen in the header of a chart."""

from itertools import combinations
from typing import Any

import streamlit as st

from inference.card import ModelCard, NumberFeature

Pair = tuple[int, int]


def feature_pair(card: ModelCard, key: str) -> Pair | None:
    """The chosen pair as the indices of x and y. The default is the last two numbers among the features of the card.

    For Iris these are the petals, which separate the species best. None if the card has fewer than two numbers.
    """
    pairs = _pairs(card)
    if not pairs:
        return None
    chosen: Pair | None = st.session_state.get(key)  # may belong to another card
    return chosen if chosen in pairs else pairs[-1]


def choose_feature_pair(card: ModelCard, key: str, label: str, **look: Any) -> None:
    """The control that chooses the pair of a card that has one; `look` is passed to Streamlit."""
    st.session_state[key] = feature_pair(card, key)
    st.selectbox(
        label,
        _pairs(card),
        format_func=lambda pair: f"{card.features[pair[1]].label} over {card.features[pair[0]].label}",
        key=key,
        **look,
    )


def _pairs(card: ModelCard) -> list[Pair]:
    numbers = [place for place, feature in enumerate(card.features) if isinstance(feature, NumberFeature)]
    return list(combinations(numbers, 2))
