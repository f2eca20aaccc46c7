"""What is measured of a server, the limits, and what the numbers say: no input or output."""

import functools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

RESAMPLES = 2000

Metric = Literal["cold_cpu_ms", "throughput_rps", "memory_mib"]


@dataclass(frozen=True, slots=True)
class Visit:
    """The measurements of one process of a server."""

    cold_cpu_ms: float
    """CPU time of all its processes, user and system, from their spawn to the first 200."""
    cold_wall_ms: float
    requests: int
    lost: int
    """Requests whose connection the server closed instead of answering; they were asked again."""
    request_cpu_us: float
    """CPU time of all its processes per request under load."""
    memory_mib: float
    """PSS of all its processes after the load (RSS where the system tells no PSS)."""

    @property
    def throughput_rps(self) -> float:
        """Requests per second of one core's CPU time."""
        return 1e6 / self.request_cpu_us


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio to keep: `subject` over `reference`, at most `limit` (at least, for throughput); `aim` is beyond it."""

    metric: Metric
    subject: str
    reference: str
    limit: float
    aim: float | None = None

    @property
    def more_is_better(self) -> bool:
        return self.metric == "throughput_rps"

    def is_met_by(self, ratio: float, bound: float) -> bool:
        return ratio >= bound if self.more_is_better else ratio <= bound


@dataclass(frozen=True, slots=True)
class TargetResult:
    """A target against what was measured; `interval` is the ratio's 95% bootstrap interval over rounds."""

    target: Target
    ratio: float
    interval: tuple[float, float]

    @property
    def is_met(self) -> bool:
        return self.target.is_met_by(self.ratio, self.target.limit)


@dataclass(frozen=True, slots=True)
class Part:
    """Work of the API for each request that tools/baselines/switched_api.py can switch off."""

    name: str
    limit: float | None
    """The share of a request's other CPU time that it may cost."""


PARTS = (Part("the log line", None), Part("counting for /metrics", 0.1))
"""In the order in which they are switched off, one more each time."""


@dataclass(frozen=True, slots=True)
class PartCost:
    """What a part costs: CPU us a request, and its share of what is left without it, with a 95% interval."""

    part: Part
    cpu_us: float
    share: float
    interval: tuple[float, float]

    @property
    def is_met(self) -> bool:
        return self.part.limit is None or self.share <= self.part.limit


TARGETS = (
    Target("cold_cpu_ms", "api", "fixed-fastapi", limit=0.6, aim=0.5),
    Target("cold_cpu_ms", "api", "common-fastapi", limit=0.16),
    # Importing functions-framework, before any code of ours, is 95% of our start and 98% of the fixed function's.
    Target("cold_cpu_ms", "function", "fixed-function", limit=1.15, aim=0.85),
    Target("cold_cpu_ms", "function", "common-function", limit=0.22, aim=0.16),
    Target("throughput_rps", "api", "fixed-fastapi", limit=1.3, aim=1.5),
    Target("throughput_rps", "api", "common-fastapi", limit=30.0),
    Target("throughput_rps", "api", "bare-asgi", limit=0.26, aim=0.35),
    Target("throughput_rps", "function", "fixed-function", limit=1.25, aim=1.5),
    Target("memory_mib", "api", "common-fastapi", limit=0.35),
    Target("cold_cpu_ms", "api, ONNX", "fixed-fastapi", limit=1.4, aim=1.2),
    Target("cold_cpu_ms", "api, ONNX", "common-fastapi", limit=0.4),
    Target("cold_cpu_ms", "function, ONNX", "fixed-function", limit=1.5, aim=1.25),
    Target("cold_cpu_ms", "function, ONNX", "common-function", limit=0.3),
    Target("throughput_rps", "api, ONNX", "fixed-fastapi", limit=1.1),
    Target("throughput_rps", "api, ONNX", "common-fastapi", limit=30.0),
    Target("throughput_rps", "function, ONNX", "fixed-function", limit=1.2),
    Target("memory_mib", "api, ONNX", "common-fastapi", limit=0.65),
)


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a server's processes execute in user space."""

    start: float
    """From their spawn to the first answer."""
    request: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """A ratio of instructions as it was when the code was last made faster: `subject` over `reference`."""

    per: Literal["start", "request"]
    subject: str
    reference: str
    ratio: float


RECORDED = (
    Recorded("start", "api", "fixed-fastapi", 0.32),
    Recorded("request", "api", "fixed-fastapi", 0.55),
    Recorded("start", "function", "fixed-function", 1.04),
    Recorded("request", "function", "fixed-function", 0.52),
)
TOLERANCE = 0.05
"""A ratio may be so much above the recorded one: another processor or patch release moves it by less. Where it stays
below after a change that makes requests cheaper, record the new one."""


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """A recorded ratio against the one that was counted."""

    recorded: Recorded
    ratio: float

    @property
    def limit(self) -> float:
        return self.recorded.ratio * (1 + TOLERANCE)

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.limit


Rounds = Sequence[Mapping[str, Visit]]


def values(rounds: Rounds, server: str, metric: str) -> list[float]:
    """One number a round."""
    return [getattr(visits[server], metric) for visits in rounds]


def ratio(rounds: Rounds, target: Target) -> float:
    """The subject's median over the reference's."""
    subject, reference = (median(values(rounds, name, target.metric)) for name in (target.subject, target.reference))
    return subject / reference


def judge(rounds: Rounds, target: Target, seed: int) -> TargetResult:
    """The ratio, and how far it would move had other rounds been drawn: rounds are resampled whole, as they were."""
    draw = random.Random(seed)  # noqa: S311  statistics, not secrets
    resampled = sorted(ratio(draw.choices(rounds, k=len(rounds)), target) for _ in range(RESAMPLES))
    interval = (resampled[round(0.025 * RESAMPLES)], resampled[round(0.975 * RESAMPLES) - 1])
    return TargetResult(target, ratio(rounds, target), interval)


def server_table(rounds: Rounds, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The medians, a row a server; `of bare` is the throughput over that of the bare ASGI application."""
    rows: list[tuple[str, ...]] = [
        ("server", "n", "cold CPU ms", "cold wall ms", "CPU us/request", "throughput", "of bare", "memory MiB")
    ]
    bare = median(values(rounds, "bare-asgi", "throughput_rps"))
    for name in names:
        middle = functools.partial(_median, rounds, name)
        throughput = middle("throughput_rps")
        rows.append(
            (
                name,
                str(len(rounds)),
                f"{middle('cold_cpu_ms'):.0f}",
                f"{middle('cold_wall_ms'):.0f}",
                f"{middle('request_cpu_us'):.1f}",
                f"{throughput:.0f}",
                f"{throughput / bare:.2f}",
                f"{middle('memory_mib'):.1f}",
            )
        )
    return rows


def target_table(results: Sequence[TargetResult]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("target", "ratio", "95% interval", "limit", "aim", "")]
    names = {"cold_cpu_ms": "cold start", "throughput_rps": "throughput", "memory_mib": "memory"}
    for result in results:
        target = result.target
        sign = ">=" if target.more_is_better else "<="
        low, high = result.interval
        aim = "-"
        if target.aim is not None:
            aim = f"{target.aim:g}" + (" reached" if target.is_met_by(result.ratio, target.aim) else "")
        rows.append(
            (
                f"{names[target.metric]}, {target.subject} / {target.reference}",
                f"{result.ratio:.3g}",
                f"{low:.3g} to {high:.3g}",
                f"{sign} {target.limit:g}",
                aim,
                "ok" if result.is_met else "MISSED",
            )
        )
    return rows


def part_costs(cycles: Sequence[Sequence[float]], seed: int) -> list[PartCost]:
    """What each of PARTS costs a request. A cycle has the CPU us a request with the first 0, 1, 2, ... parts off."""
    draw = random.Random(seed)  # noqa: S311  statistics, not secrets
    found = []
    for number, part in enumerate(PARTS):
        pairs = [(cycle[number], cycle[number + 1]) for cycle in cycles]
        shares = [whole / rest - 1 for whole, rest in pairs]
        resampled = sorted(median(draw.choices(shares, k=len(shares))) for _ in range(RESAMPLES))
        interval = (resampled[round(0.025 * RESAMPLES)], resampled[round(0.975 * RESAMPLES) - 1])
        found.append(PartCost(part, median(whole - rest for whole, rest in pairs), median(shares), interval))
    return found


def part_table(costs: Sequence[PartCost]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("part of a request", "CPU us", "on top of the rest", "95% interval", "limit", "")]
    for cost in costs:
        low, high = cost.interval
        limit, result = "-", ""
        if cost.part.limit is not None:
            limit, result = f"<= {cost.part.limit:.0%}", "ok" if cost.is_met else "MISSED"
        row = (cost.part.name, f"{cost.cpu_us:.1f}", f"{cost.share:+.1%}", f"{low:+.1%} to {high:+.1%}", limit, result)
        rows.append(row)
    return rows


def compare_recorded(counted: Mapping[str, Instructions]) -> list[RecordedResult]:
    """Each recorded ratio with the one that `counted` has."""
    return [
        RecordedResult(one, getattr(counted[one.subject], one.per) / getattr(counted[one.reference], one.per))
        for one in RECORDED
    ]


def instruction_table(results: Sequence[RecordedResult]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("instructions", "ratio", "recorded", "limit", "")]
    for result in results:
        one = result.recorded
        name = f"a {one.per}, {one.subject} / {one.reference}"
        limit, met = f"<= {result.limit:.3g}", "ok" if result.is_met else "MISSED"
        rows.append((name, f"{result.ratio:.3g}", f"{one.ratio:.3g}", limit, met))
    return rows


def _median(rounds: Rounds, server: str, metric: str) -> float:
    return median(values(rounds, server, metric))
