"""The controls that several measurements share, and the plan that they all end in."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from benchmark.record.plan import Connection, Plan
from benchmark.runs.capacity.plan import CapacityPlan
from benchmark.runs.job import Log
from benchmark.statistics.percentiles import PERCENTILES

_CONNECTIONS: tuple[Connection, ...] = ("reused", "new")
_ERROR_RATE = "error_rate"
_MAX_MS = 600_000.0


@dataclass(frozen=True, slots=True)
class Draft:
    """What Start would start."""

    plan: Plan | CapacityPlan
    log: Log | None = None
    """the log whose requests are sent again"""


def connection() -> Connection:
    """Whether connections are reused."""
    return st.segmented_control(
        "Connections",
        _CONNECTIONS,
        default="reused",
        required=True,
        format_func=str.capitalize,
        width="stretch",
        key="connection",
        bind="query-params",
        help="New: each request opens its own connection, which is part of its latency.",
    )


def seed() -> int:
    """The seed of everything random."""
    return st.number_input("Random seed", 0, 2**31, 0, key="seed", bind="query-params")


def limits(key: str, defaults: Mapping[str, float]) -> list[tuple[str, float]]:
    """The limits of percentiles and of the error rate that are given: metrics as plans name them, in ms or as a share.

    The widgets have keys that begin with `key`, and are empty without a default; with one, 0 is no limit.
    """
    metrics = [*(f"{name}_ms" for name in PERCENTILES), _ERROR_RATE]
    columns = [column for _ in range(0, len(metrics), 2) for column in st.columns(2)]
    found = []
    for metric, column in zip(metrics, columns, strict=False):
        with column:
            limit = _limit(f"{key}-{metric.replace('_', '-')}", metric, defaults.get(metric))
        if limit is not None:
            found.append((metric, limit))
    return found


def _limit(key: str, metric: str, default: float | None) -> float | None:
    """The limit of one metric."""
    is_share = metric == _ERROR_RATE
    unit, most = (0.01, 100.0) if is_share else (1.0, _MAX_MS)
    value = st.number_input(
        "Error rate (%)" if is_share else f"{metric.removesuffix('_ms')} (ms)",
        0.0,
        most,
        None if default is None else round(default / unit, 6),
        0.1 if is_share else 10.0,
        format="%g",
        placeholder="none",
        key=key,
        bind="query-params",
        help=None if default is None else "0: no objective.",
    )
    if value is None or (default is not None and not value):  # a control with a default cannot be emptied
        return None
    return round(value * unit, 9)
