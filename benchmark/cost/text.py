"""Amounts of money and numbers of requests, as sentences, tables and pages say them."""


def usd(low_usd: float, high_usd: float | None = None) -> str:
    """`8.88`, or `0.00 to 2.64` where it lies between two amounts that differ in cents."""
    low, high = f"{low_usd:,.2f}", f"{low_usd if high_usd is None else high_usd:,.2f}"
    return low if low == high else f"{low} to {high}"


def count(value: float, digits: int = 3) -> str:
    """A number of requests, `16.8 million`: three digits from a million on, and all of them below."""
    if value < 1e6:
        return f"{value:,.0f}".replace(",", " ")
    value = float(f"{value:.{digits}g}")
    unit, name = (1e9, "billion") if value >= 1e9 else (1e6, "million")
    return f"{value / unit:.{digits}g} {name}"
