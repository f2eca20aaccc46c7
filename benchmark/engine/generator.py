"""Judging the load generator: what it costs, whether it kept up, and how fast it could be at best."""

import asyncio
import time
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmark.record.plan import ClosedLoopPlan, Plan
from benchmark.record.samples import Samples

LAG_LIMIT_MS = 10.0
"""An event loop that comes this much late (p99) reads clocks late by as much."""
LATE_LIMIT_MS = 10.0
"""Sends this much behind their schedule (p99) are no longer the load that was asked for."""
CPU_LIMIT = 0.9
OWN_LIMIT = 0.3
"""A closed loop's callers wait for the client's work on each other's requests too, where their answers come together.
Beside a server of a known delay it shows from about this share of the p50 on."""
RATE_LIMIT = 0.95
_LAG_PERIOD_S = 0.05


@dataclass(frozen=True, slots=True)
class Health:
    """How the generator did in one run; None is not measured or not applicable."""

    overhead_ms: float | None
    """p50 of the same client against a server that does nothing, in the same run"""
    loop_lag_ms: float
    late_ms: float | None
    cpu: float
    """share of one core"""
    reasons: tuple[str, ...]

    @property
    def limited(self) -> bool:
        """Whether the figures are the generator's as much as the endpoints'."""
        return bool(self.reasons)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "floor_ms": self.overhead_ms,
            "loop_lag_ms": self.loop_lag_ms,
            "late_ms": self.late_ms,
            "cpu": self.cpu,
            "reasons": list(self.reasons),
            "limited": self.limited,
        }


@dataclass(frozen=True, slots=True)
class Watched:
    """What this process did while it measured: how late its loop was in ms (p99), its CPU time, and for how long."""

    lag_ms: float
    cpu_s: float
    wall_s: float


class Watch:
    """Measures this process while a run goes on. Start it within the loop that is measured."""

    def __init__(self) -> None:
        self._lags_ms: list[float] = []
        self._cpu_s = time.process_time()
        self._started_ns = perf_counter_ns()
        self._task = asyncio.get_running_loop().create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            before_ns = perf_counter_ns()
            await asyncio.sleep(_LAG_PERIOD_S)
            # Timers are rounded up to a ms by the loop itself, which is no lag.
            self._lags_ms.append(max(0.0, (perf_counter_ns() - before_ns) / 1e6 - _LAG_PERIOD_S * 1000 - 1))

    def stop(self) -> Watched:
        """What was measured since the beginning."""
        self._task.cancel()
        wall_s = (perf_counter_ns() - self._started_ns) / 1e9
        lag_ms = float(np.quantile(self._lags_ms, 0.99)) if self._lags_ms else 0.0
        return Watched(lag_ms, time.process_time() - self._cpu_s, wall_s)


def judge(samples: Samples, plan: Plan, endpoints: int, overhead_ms: float | None, watched: Watched) -> Health:
    """Which limits were passed in a run of `plan` against so many `endpoints`.

    A closed loop keeps the pace of the endpoints, so what counts is the loop's lag, and with callers the client's own
    work in their latency: they are in flight together, so each may wait for the work on all of them. Pairs wait for
    nothing, and share what work there is.
    """
    reasons = []
    late_ms = None
    cpu = watched.cpu_s / watched.wall_s
    if watched.lag_ms > LAG_LIMIT_MS:
        reasons.append(f"its event loop was {watched.lag_ms:.0f} ms late (p99)")
    if plan.is_open_loop and len(samples):
        late_ms = float(np.quantile(samples["sent_ms"] - samples["scheduled_ms"], 0.99))
        if late_ms > LATE_LIMIT_MS:
            reasons.append(f"sends were {late_ms:.0f} ms behind their schedule (p99)")
        if cpu > CPU_LIMIT:
            reasons.append(f"it used {cpu:.0%} of a core")
        span_s = float(samples["sent_ms"].max() - samples["scheduled_ms"].min()) / 1000
        planned_s = float(np.ptp(samples["scheduled_ms"])) / 1000
        # In a run of few requests a moment's delay is a large share, and yet nothing.
        if span_s - planned_s > LATE_LIMIT_MS / 1000 and planned_s / span_s < RATE_LIMIT:
            reasons.append(f"it reached {planned_s / span_s:.0%} of the planned rate")
    elif isinstance(plan, ClosedLoopPlan) and len(answered := samples[samples["failure"] == 0]):
        own_ms = watched.cpu_s * 1000 / len(samples) * plan.in_flight(endpoints)
        medians_ms = [np.median(answered["service_ms"][answered["endpoint"] == at]) for at in {*answered["endpoint"]}]
        p50_ms = float(min(medians_ms))
        if own_ms > OWN_LIMIT * p50_ms:
            reasons.append(f"its own work was up to {min(1.0, own_ms / p50_ms):.0%} of the p50")
    return Health(overhead_ms, watched.lag_ms, late_ms, cpu, tuple(reasons))
