"""Format amounts of money for sentences, tables and pages."""


def usd(low_usd: float, high_usd: float | None = None) -> str:
    """`8.88`, or `0.00 to 2.64` for a range whose ends differ in cents."""
    low, high = f"{low_usd:,.2f}", f"{low_usd if high_usd is None else high_usd:,.2f}"
    return low if low == high else f"{low} to {high}"
