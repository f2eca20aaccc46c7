"""A figure is read with its interval, or with the reason why it has none."""

from math import inf, nan

import pytest

from benchmark.statistics.estimates import Estimate
from benchmark.statistics.text import alike, interval, listed, ms, number, percent, span


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


def test_the_parts_of_a_sentence_are_written_in_one_place() -> None:
    assert [listed("ABC"[:count]) for count in (0, 1, 2, 3)] == ["", "A", "A and B", "A, B and C"]
    assert span(1.101, 1.389) == "1.10 to 1.39"
    assert span(60, 300, "{:.0f} s".format) == "60 s to 300 s"
    assert span(0.12, 110.0, alike(0.12, 110.0)) == "0 to 110", "as many decimals as the larger one needs"
    assert (ms(5.0), percent(0.95), percent(1 - 0.05 / 3)) == ("5 ms", "95%", "98.3%")
    assert interval(Estimate(1.5, 1.0, 2.0, 9), write=alike(1.0, 2.0)) == "1.50 (1.00 to 2.00)"
