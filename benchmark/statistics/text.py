"""Figures as short text: three digits, and never a value without its interval or the reason why it has none."""

from math import isfinite

from benchmark.statistics.estimates import Estimate


def interval(estimate: Estimate, factor: float = 1.0) -> str:
    """A figure with its interval, or that it has none; `factor` 100 makes percent of a share."""
    if not estimate.n:
        return "not measured"
    open_end = _open_end(estimate, factor)
    if not isfinite(estimate.value):
        return f"beyond the timeout ({open_end}n = {estimate.n})"
    value = number(estimate.value * factor)
    if open_end:
        return f"{value} ({open_end}n = {estimate.n})"
    if estimate.low is None or estimate.high is None:
        return f"{value} (interval not estimable, n = {estimate.n})"
    return f"{value} ({number(estimate.low * factor)} to {number(estimate.high * factor)})"


def _open_end(estimate: Estimate, factor: float) -> str:
    """The one bound of an interval whose other end lies among timeouts."""
    if estimate.low is not None and estimate.high is None:
        return f"at least {number(estimate.low * factor)}, "
    if estimate.high is not None and estimate.low is None:
        return f"at most {number(estimate.high * factor)}, "
    return ""


def number(value: float) -> str:
    """Three digits, as far as they mean something."""
    size = abs(value)
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{places}f}"
