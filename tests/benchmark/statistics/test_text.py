"""A figure is read with its interval, or with the reason why it has none."""

from math import inf, nan

import pytest

from benchmark.statistics.estimates import Estimate
from benchmark.statistics.text import interval, number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (0.1234, "0.123"), (1.236, "1.24"), (-12.34, "-12.3"), (123.6, "124"), (12345.0, "12345")],
)
def test_a_figure_has_about_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_figure_is_shown_with_its_interval() -> None:
    assert interval(Estimate(12.34, 11.0, 13.5, 100)) == "12.3 (11.0 to 13.5)"
    assert interval(Estimate(0.99, 0.95, 1.0, 100), 100) == "99.0 (95.0 to 100)"
    assert interval(Estimate(12.34, None, None, 5)) == "12.3 (interval not estimable, n = 5)"
    assert interval(Estimate(nan, None, None, 0)) == "not measured"
    assert interval(Estimate(inf, 9950.0, None, 100)) == "beyond the timeout (at least 9950, n = 100)"
    assert interval(Estimate(-12.0, None, -8.5, 100)) == "-12.0 (at most -8.50, n = 100)"
    assert interval(Estimate(-inf, None, None, 100)) == interval(Estimate(nan, None, None, 100))
    assert interval(Estimate(-inf, None, None, 100)) == "beyond the timeout (n = 100)"
