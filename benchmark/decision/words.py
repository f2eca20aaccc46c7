"""Figures and numbers as the sentences of a decision say them."""

from collections.abc import Sequence
from math import isfinite

from benchmark.statistics.estimates import Estimate
from benchmark.statistics.text import number


def count(value: float, digits: int = 3) -> str:
    """A number of requests as one says it, `16.8 million`: three digits, and all of them below a million."""
    if value < 1e6:
        return f"{value:,.0f}".replace(",", " ")
    value = float(f"{value:.{digits}g}")
    unit, name = (1e9, "billion") if value >= 1e9 else (1e6, "million")
    return f"{value / unit:.{digits}g} {name}"


def usd(low_usd: float, high_usd: float) -> str:
    """`8.88`, or `0.00 to 2.64` where it lies between two that differ in cents."""
    low, high = f"{low_usd:,.2f}", f"{high_usd:,.2f}"
    return low if low == high else f"{low} to {high}"


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def figure(estimate: Estimate, factor: float = 1.0, unit: str = "", of: str = "") -> str:
    """An estimate with its interval and n, `81.2 ms (95% 80.9 to 81.7, n = 400)`."""
    if not estimate.n:
        return "not measured"
    n = f"n = {estimate.n}{' ' + of if of else ''}"
    if not isfinite(estimate.value):
        return f"beyond the timeout ({n})"
    places = 3 if factor == 100 else None
    value, low, high = (
        None
        if one is None
        else f"{one * factor:.{places}f}".rstrip("0").rstrip(".")
        if places
        else number(one * factor)
        for one in (estimate.value, estimate.low, estimate.high)
    )
    if low is None or high is None:
        return f"{value}{unit}, interval not estimable ({n})"
    return f"{value}{unit} (95% {low} to {high}, {n})"


def sampled(n: int, runs: int) -> str:
    """`n = 400`, or `n = 1200 in 3 runs`."""
    return f"n = {n}" + (f" in {runs} runs" if runs > 1 else "")


def span_ms(value_ms: float, low_ms: float, high_ms: float) -> str:
    return f"{number(value_ms)} ms (95% {number(low_ms)} to {number(high_ms)})"


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
