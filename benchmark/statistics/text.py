"""Figures as short text: three digits, always with an interval or the reason for its absence.

All intervals are formatted here; other modules choose the number format (`write`).
"""

from collections.abc import Callable, Iterable
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # scipy takes longer to import than a page may take to open
    from benchmark.statistics.estimates import Estimate

Write = Callable[[float], str]
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six")


def number(value: float) -> str:
    """Three significant digits."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{places}f}"


def interval(estimate: "Estimate", factor: float = 1.0, *, write: Write = number) -> str:
    """A figure with its interval, or the reason for its absence; `factor` 100 converts a share to percent."""
    if not estimate.n:
        return "not measured"
    n, known = f"n = {estimate.n}", bounds(estimate, factor, write=write)
    if not isfinite(estimate.value):
        return f"beyond the timeout ({', '.join(filter(None, (known, n)))})"
    value = write(estimate.value * factor)
    if estimate.estimable:
        return f"{value} ({known})"
    return f"{value} ({known or 'interval not estimable'}, {n})"


def bounds(estimate: "Estimate", factor: float = 1.0, *, write: Write = number) -> str:
    """The interval alone. Where timeouts leave one end open it is `at least 1.10`; empty where there is none."""
    low, high = (None if edge is None else write(edge * factor) for edge in (estimate.low, estimate.high))
    if low is None or high is None:
        return f"at least {low}" if low else f"at most {high}" if high else ""
    return f"{low} to {high}"


def span(low: float, high: float, write: Write = number) -> str:
    """A range: `1.10 to 1.39`."""
    return f"{write(low)} to {write(high)}"


def alike(*values: float) -> Write:
    """A formatter with fixed decimals, so that the larger of `values` has about three digits."""
    size = max(map(abs, values))
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return lambda value: f"{value:.{places}f}"


def ms(value_ms: float) -> str:
    """An exact duration, such as a margin: `0.5 ms`."""
    return f"{value_ms:.3g} ms"


def percent(share: float) -> str:
    """An exact share, such as a confidence: `95%`."""
    return f"{100 * share:.3g}%"


def count(value: float, digits: int = 3) -> str:
    """A number of requests, `16.8 million`: three digits from a million on, and all of them below."""
    if value < 1e6:
        return f"{value:,.0f}".replace(",", " ")
    value = float(f"{value:.{digits}g}")
    unit, name = (1e9, "billion") if value >= 1e9 else (1e6, "million")
    return f"{value / unit:.{digits}g} {name}"


def in_words(number: int) -> str:
    """A number of endpoints: `two`."""
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def listed(names: Iterable[str]) -> str:
    """Names as English lists them: A, B and C. Empty for none."""
    *first, last = [*names] or [""]
    return f"{', '.join(first)} and {last}" if first else last
