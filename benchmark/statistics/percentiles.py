"""The percentiles of every run, in summaries, JSON, tables, gates and reports."""

PERCENTILES: dict[str, float] = {f"p{percent:g}": percent / 100 for percent in (50, 95, 99)}
"""By name, the share of requests that are at most as slow. To add one everywhere, such as p99.9, add it here."""
