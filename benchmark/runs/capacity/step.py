"""One step, judged from its samples: whether the endpoint kept all objectives, and would go on keeping them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from benchmark.engine.generator import CPU_LIMIT, LATE_LIMIT_MS, RATE_LIMIT
from benchmark.record.samples import COLD, QUEUED, Floats, Samples, response_ms, temperatures
from benchmark.runs.capacity.plan import CapacityPlan
from benchmark.runs.capacity.search import Told
from benchmark.statistics.percentiles import PERCENTILES

SUSTAINED_S = 60.0
"""A step breaks an objective if its latency grows so fast that this much later it would."""
_BLOCKS = 8
_ANSWERED_S = 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a step is in a run, and how it was carried out."""

    position: int
    """of the endpoint"""
    rate: float
    primer_rate: float | None
    first: int
    """number of the first request after the primer, and"""
    last: int
    """of the one after the last"""
    planned_s: float
    """how long it was to be measured"""
    stopped: str | None = None
    """why it was stopped, if it was"""
    limited: tuple[str, ...] = ()
    """what the client could not keep up with, if anything"""
    late_ms: float = 0.0
    """how late the client was: its loop or its sends, whichever was later (p99)"""
    cpu: float = 0.0
    """what it used of a core"""
    spent: bool = True
    """whether the primer reached an overload"""

    @property
    def document(self) -> dict[str, Any]:
        return {
            "endpoint": self.position,
            "rate": self.rate,
            "primer_rate": self.primer_rate,
            "first": self.first,
            "last": self.last,
            "planned_s": self.planned_s,
            "stopped": self.stopped,
            "limited": list(self.limited),
            "late_ms": self.late_ms,
            "cpu": self.cpu,
            "spent": self.spent,
        }


def read_bounds(document: Any) -> Bounds:
    """The inverse of `Bounds.document`. Raises KeyError, TypeError, ValueError."""
    primer, stopped = document["primer_rate"], document["stopped"]
    return Bounds(
        int(document["endpoint"]),
        _rate(document["rate"]),
        None if primer is None else _rate(primer),
        int(document["first"]),
        int(document["last"]),
        _rate(document["planned_s"]),
        None if stopped is None else str(stopped),
        tuple(map(str, document["limited"])),
        float(document["late_ms"]),
        float(document["cpu"]),
        bool(document["spent"]),
    )


def _rate(value: Any) -> float:
    found = float(value)
    if not 0 < found < 1e12:
        raise ValueError("a step has a rate or a duration out of range")
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """The figures of one step. Latencies are response times in ms, counted from the scheduled send."""

    bounds: Bounds
    n: int
    """requests without the warm-up and without those that waited for a start"""
    errors: int
    cold: int
    """requests that waited for a start"""
    duration_s: float
    percentiles_ms: tuple[float | None, ...]
    """in the order of PERCENTILES; None beyond the timeout or without an answer"""
    goodput: float
    """answers/s within all latency objectives"""
    broken: str | None
    """the first objective that it broke, in a clause"""
    is_client_limited: bool
    """whether the client made the result, so that it says nothing about the endpoint"""
    told: Told | None
    """None if nothing was answered by a started instance, so that the step says nothing"""

    @property
    def held(self) -> bool:
        return self.broken is None


def judge(samples: Samples, bounds: Bounds, plan: CapacityPlan) -> Step:
    """Judge a step from `samples`, which are those of its endpoint and between its numbers, warm-up included."""
    apart = np.isin(temperatures(samples), (COLD, QUEUED))
    mine = samples[~samples["warmup"] & ~apart]
    latencies_ms = response_ms(mine)
    failed = mine["failure"] != 0
    # A request that failed was not answered within any limit.
    latencies_ms[failed] = np.inf
    n, errors = len(mine), int(failed.sum())
    sent_s = max(float(np.ptp(mine["scheduled_ms"])) / 1000, 1e-3) if n > 1 else 0.0
    duration_s = bounds.planned_s if bounds.stopped is None else sent_s
    good = int((latencies_ms <= min((slo.limit for slo in plan.slos if slo.share), default=np.inf)).sum()) - (
        0 if any(slo.share for slo in plan.slos) else errors
    )
    broken = bounds.stopped or _broken(mine, latencies_ms, errors, plan)
    limited = bool(bounds.limited) and _is_client_limited(samples, mine, latencies_ms, broken, bounds, plan)
    told = Told(
        bounds.rate, bounds.primer_rate is not None, broken is None, _answered_rate(samples), limited, bounds.spent
    )
    return Step(
        bounds,
        n,
        errors,
        int(apart.sum()),
        duration_s,
        tuple(_percentile(latencies_ms, share) for share in PERCENTILES.values()),
        good / duration_s if duration_s else 0.0,
        broken,
        limited,
        told if n or bounds.stopped else None,
    )


def _is_client_limited(
    samples: Samples, mine: Samples, latencies_ms: Floats, broken: str | None, bounds: Bounds, plan: CapacityPlan
) -> bool:
    """Whether a client that did not keep up made the result.

    A client that is late makes answers look slower, so a step that holds nevertheless is sound if the rate was reached.
    Refusals are the endpoint's own. So is latency that breaks an objective even without the client's lateness.
    """
    scheduled_ms, sent_ms = samples["scheduled_ms"], samples["sent_ms"]
    planned_ms = float(np.ptp(scheduled_ms)) if len(samples) else 0.0
    behind_ms = float(sent_ms.max() - scheduled_ms.min()) - planned_ms if len(samples) else 0.0
    is_behind = behind_ms > LATE_LIMIT_MS and planned_ms / (planned_ms + behind_ms) < RATE_LIMIT
    if broken is None or is_behind:
        return is_behind
    allowed = [slo.limit for slo in plan.slos if slo.share is None]
    errors = int((mine["failure"] != 0).sum())
    refused = float((samples["status"] >= 400).mean()) if len(samples) else 0.0
    if allowed and refused > min(allowed):
        return False
    kept = _broken(mine, latencies_ms - bounds.late_ms, errors, plan) is None
    return bounds.cpu > CPU_LIMIT or kept


def _broken(mine: Samples, latencies_ms: Floats, errors: int, plan: CapacityPlan) -> str | None:
    n = len(mine)
    if not n:
        return "nothing was answered by a started instance"
    for slo in plan.slos:
        if slo.share is None:
            if errors / n > slo.limit:
                return f"{slo.text}: {errors} of {n} failed"
            continue
        over = int((latencies_ms > slo.limit).sum())
        if over / n > 1 - slo.share + 1e-9:
            return f"{slo.text}: {over} of {n} were slower or failed"
        if growth := _growth(mine["scheduled_ms"], latencies_ms, slo.limit):
            return f"{slo.text}: latency grew by {growth:.3g} ms/s"
    return None


def _growth(scheduled_ms: Floats, latencies_ms: Floats, limit_ms: float) -> float | None:
    """By how many ms/s the latency grew, if it would exceed the limit within a minute; None otherwise.

    The medians of eighths of the step, with a regression line: its slope must exceed 0 with 97.5 % confidence.
    """
    answered = np.isfinite(latencies_ms)
    if answered.sum() < 4 * _BLOCKS:
        return None
    times_s, values_ms = scheduled_ms[answered] / 1000, latencies_ms[answered]
    order = np.argsort(times_s, kind="stable")
    blocks = np.array_split(order, _BLOCKS)
    medians_ms = [np.median(values_ms[one]) for one in blocks]
    (slope, _), covariance = np.polyfit([times_s[one].mean() for one in blocks], medians_ms, 1, cov=True)
    if slope - stdtrit(_BLOCKS - 2, 0.975) * np.sqrt(covariance[0, 0]) <= 0:
        return None
    later_ms = medians_ms[-1] + slope * SUSTAINED_S
    return float(slope) if later_ms > limit_ms else None


def _answered_rate(samples: Samples) -> float:
    """Good answers/s in the last seconds in which the step was sent."""
    if len(samples) < 2:
        return 0.0
    ended_ms = samples["sent_ms"] + samples["service_ms"]
    last_ms, first_ms = float(samples["scheduled_ms"].max()), float(samples["scheduled_ms"].min())
    from_ms = max(first_ms, last_ms - _ANSWERED_S * 1000)
    if last_ms <= from_ms:
        return 0.0
    good = (samples["failure"] == 0) & (ended_ms > from_ms) & (ended_ms <= last_ms)
    return float(good.sum()) / (last_ms - from_ms) * 1000


def _percentile(latencies_ms: Floats, share: float) -> float | None:
    if not len(latencies_ms):
        return None
    value = float(np.quantile(latencies_ms, share, method="inverted_cdf"))
    return value if np.isfinite(value) else None


def judge_all(samples: Samples, steps: Sequence[Bounds], plan: CapacityPlan) -> list[Step]:
    """Every step of a run."""
    found = []
    for bounds in steps:
        numbers = samples["group"]
        mine = (samples["endpoint"] == bounds.position) & (numbers >= bounds.first) & (numbers < bounds.last)
        found.append(judge(samples[mine], bounds, plan))
    return found
