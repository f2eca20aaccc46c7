"""Figures as short text: three digits, and never a value without its interval or the reason why it has none.

The one place where intervals are written: other modules choose how many digits their numbers have (`write`).
"""

from collections.abc import Callable, Iterable
from math import isfinite

from benchmark.statistics.estimates import Estimate

Write = Callable[[float], str]


def number(value: float) -> str:
    """Three digits, as far as they mean something."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{places}f}"


def interval(estimate: Estimate, factor: float = 1.0, *, write: Write = number) -> str:
    """A figure with its interval, or that it has none; `factor` 100 makes percent of a share."""
    if not estimate.n:
        return "not measured"
    open_end = _open_end(estimate, factor, write)
    if not isfinite(estimate.value):
        return f"beyond the timeout ({open_end}n = {estimate.n})"
    value = write(estimate.value * factor)
    if open_end:
        return f"{value} ({open_end}n = {estimate.n})"
    if estimate.low is None or estimate.high is None:
        return f"{value} (interval not estimable, n = {estimate.n})"
    return f"{value} ({span(estimate.low * factor, estimate.high * factor, write)})"


def span(low: float, high: float, write: Write = number) -> str:
    """From where to where: `1.10 to 1.39`."""
    return f"{write(low)} to {write(high)}"


def alike(*values: float) -> Write:
    """Writes numbers with the same decimals, so that the larger of `values` has about three digits."""
    size = max(map(abs, values))
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return lambda value: f"{value:.{places}f}"


def ms(value_ms: float) -> str:
    """A duration that is exact, such as a margin: `0.5 ms`."""
    return f"{value_ms:.3g} ms"


def percent(share: float) -> str:
    """A share that is exact, such as a confidence: `95%`."""
    return f"{100 * share:.3g}%"


def listed(names: Iterable[str]) -> str:
    """Names as English lists them: A, B and C."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _open_end(estimate: Estimate, factor: float, write: Write) -> str:
    """The one bound of an interval whose other end lies among timeouts."""
    if estimate.low is not None and estimate.high is None:
        return f"at least {write(estimate.low * factor)}, "
    if estimate.high is not None and estimate.low is None:
        return f"at most {write(estimate.high * factor)}, "
    return ""
