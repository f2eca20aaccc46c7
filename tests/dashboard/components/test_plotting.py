"""The pieces that charts are made of: bins and ticks that cover every value."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.components import plotting


@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=50))
def test_bins_have_one_ratio_and_cover_every_latency(values: list[float]) -> None:
    edges = plotting.log_edges(values)
    assert edges[0] <= min(values) * (1 + 1e-6)
    assert edges[-1] >= max(values) * (1 - 1e-6)
    ratios = [high / low for low, high in pairwise(edges)]
    assert ratios == pytest.approx([10 ** (1 / 12)] * len(ratios))


@given(st.lists(st.floats(1e-4, 1e8), min_size=2, max_size=2))
def test_ticks_are_ones_twos_and_fives_around_the_range(ends: list[float]) -> None:
    low, high = sorted(ends)
    ticks = plotting.log_ticks(low, high)
    assert ticks == sorted(ticks)
    assert ticks[0] <= low * (1 + 1e-9)
    assert ticks[-1] >= high * (1 - 1e-9)
    assert len(ticks) <= 16
    for tick in ticks:
        assert f"{tick:e}"[0] in "125"
        assert math.isclose(float(f"{tick:g}"), tick)
