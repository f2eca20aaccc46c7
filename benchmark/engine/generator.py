"""Judge the load generator: its overhead, and whether it kept up with the plan."""

import asyncio
import time
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmark.record.plan import ClosedLoopPlan, Plan
from benchmark.record.samples import Samples

LAG_LIMIT_MS = 10.0
"""An event loop that is this late (p99) also reads clocks this late."""
LATE_LIMIT_MS = 10.0
"""Sends this far behind schedule (p99) no longer match the planned load."""
CPU_LIMIT = 0.9
OWN_LIMIT = 0.3
"""Callers of a closed loop also wait for the client's work on simultaneous answers to other callers. With a server of
known delay, this is visible from about this share of the p50."""
RATE_LIMIT = 0.95
_LAG_PERIOD_S = 0.05


@dataclass(frozen=True, slots=True)
class Health:
    """The generator's health in one run; None is not measured or not applicable."""

    overhead_ms: float | None
    """client overhead: p50 of the same client against a server that does nothing, in the same run"""
    loop_lag_ms: float
    late_ms: float | None
    cpu: float
    """share of one core"""
    reasons: tuple[str, ...]

    @property
    def limited(self) -> bool:
        """Whether the generator, not only the endpoints, determines the figures."""
        return bool(self.reasons)

    @property
    def document(self) -> dict[str, Any]:
        """The health as JSON."""
        return {
            "floor_ms": self.overhead_ms,
            "loop_lag_ms": self.loop_lag_ms,
            "late_ms": self.late_ms,
            "cpu": self.cpu,
            "reasons": list(self.reasons),
            "limited": self.limited,
        }


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """A snapshot of this process during the measurement: loop lag in ms (p99), CPU time, and duration."""

    lag_ms: float
    cpu_s: float
    wall_s: float


class Watch:
    """Measures this process during a run. Start it inside the measured event loop."""

    def __init__(self) -> None:
        self._lags_ms: list[float] = []
        self._cpu_s = time.process_time()
        self._started_ns = perf_counter_ns()
        self._task = asyncio.get_running_loop().create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            before_ns = perf_counter_ns()
            await asyncio.sleep(_LAG_PERIOD_S)
            # The loop itself rounds timers up to a ms, which is not lag.
            self._lags_ms.append(max(0.0, (perf_counter_ns() - before_ns) / 1e6 - _LAG_PERIOD_S * 1000 - 1))

    def stop(self) -> ProcessSnapshot:
        """The snapshot since the start."""
        self._task.cancel()
        wall_s = (perf_counter_ns() - self._started_ns) / 1e9
        lag_ms = float(np.quantile(self._lags_ms, 0.99)) if self._lags_ms else 0.0
        return ProcessSnapshot(lag_ms, time.process_time() - self._cpu_s, wall_s)


def judge(samples: Samples, plan: Plan, endpoints: int, overhead_ms: float | None, snapshot: ProcessSnapshot) -> Health:
    """Check which limits a run of `plan` against this number of `endpoints` exceeded.

    A closed loop runs at the pace of the endpoints, so only the loop's lag counts and, with several callers, the
    client's own work: their requests are in flight together, so each may wait for the work on all of them. Requests of
    pairs do not overlap.
    """
    reasons = []
    late_ms = None
    cpu = snapshot.cpu_s / snapshot.wall_s
    if snapshot.lag_ms > LAG_LIMIT_MS:
        reasons.append(f"its event loop was {snapshot.lag_ms:.0f} ms late (p99)")
    if plan.is_open_loop and len(samples):
        late_ms = float(np.quantile(samples["sent_ms"] - samples["scheduled_ms"], 0.99))
        if late_ms > LATE_LIMIT_MS:
            reasons.append(f"sends were {late_ms:.0f} ms behind their schedule (p99)")
        if cpu > CPU_LIMIT:
            reasons.append(f"it used {cpu:.0%} of a core")
        span_s = float(samples["sent_ms"].max() - samples["scheduled_ms"].min()) / 1000
        planned_s = float(np.ptp(samples["scheduled_ms"])) / 1000
        # In a run with few requests, a short delay is a large but irrelevant share.
        if span_s - planned_s > LATE_LIMIT_MS / 1000 and planned_s / span_s < RATE_LIMIT:
            reasons.append(f"it reached {planned_s / span_s:.0%} of the planned rate")
    elif isinstance(plan, ClosedLoopPlan) and len(answered := samples[samples["failure"] == 0]):
        own_ms = snapshot.cpu_s * 1000 / len(samples) * plan.in_flight(endpoints)
        medians_ms = [np.median(answered["service_ms"][answered["endpoint"] == at]) for at in {*answered["endpoint"]}]
        p50_ms = float(min(medians_ms))
        if own_ms > OWN_LIMIT * p50_ms:
            reasons.append(f"its own work was up to {min(1.0, own_ms / p50_ms):.0%} of the p50")
    return Health(overhead_ms, snapshot.lag_ms, late_ms, cpu, tuple(reasons))
