"""The load generator judged by itself: what it costs, whether it kept up, and how fast it could be at best."""

import asyncio
import time
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np

from benchmark.record.samples import Samples

LAG_LIMIT_MS = 10.0
"""An event loop that comes this much late (p99) reads clocks late by as much."""
LATE_LIMIT_MS = 10.0
"""Sends this much behind their schedule (p99) are no longer the load that was asked for."""
CPU_LIMIT = 0.9
RATE_LIMIT = 0.95
_LAG_PERIOD_S = 0.05


@dataclass(frozen=True, slots=True)
class Health:
    """How the generator did in one run; None is not measured or not applicable."""

    floor_ms: float | None
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

    def stop(self) -> tuple[float, float]:
        """The loop's lag in ms (p99), and the CPU used as a share of one core."""
        self._task.cancel()
        wall_s = (perf_counter_ns() - self._started_ns) / 1e9
        cpu = (time.process_time() - self._cpu_s) / wall_s
        return float(np.quantile(self._lags_ms, 0.99)) if self._lags_ms else 0.0, cpu


def judge(samples: Samples, open_loop: bool, floor_ms: float | None, lag_ms: float, cpu: float) -> Health:
    """Which limits were passed. In a closed loop only the loop's lag counts: its pace is that of the endpoints."""
    reasons = []
    late_ms = None
    if lag_ms > LAG_LIMIT_MS:
        reasons.append(f"its event loop was {lag_ms:.0f} ms late (p99)")
    if open_loop and len(samples):
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
    return Health(floor_ms, lag_ms, late_ms, cpu, tuple(reasons))
