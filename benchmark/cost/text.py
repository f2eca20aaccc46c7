"""Amounts of money, as sentences, tables and pages say them."""


def usd(low_usd: float, high_usd: float | None = None) -> str:
    """`8.88`, or `0.00 to 2.64` where it lies between two amounts that differ in cents."""
    low, high = f"{low_usd:,.2f}", f"{low_usd if high_usd is None else high_usd:,.2f}"
    return low if low == high else f"{low} to {high}"
