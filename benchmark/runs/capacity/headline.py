"""What a list says of a capacity run: which endpoint carries more, and the latencies at the highest rate it held."""

from benchmark.runs.capacity.search import Range
from benchmark.runs.capacity.summary import Capacity, CapacitySummary
from benchmark.runs.headline import INCONCLUSIVE, LIMITED, Headline, Pair, line, short
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import number


def of_capacity(summary: CapacitySummary) -> Headline:
    """`FastAPI carries 1.40 x`: the ratio of the first two endpoints; the capacity, with one."""
    latencies_ms = tuple(map(_held_ms, summary.endpoints))
    if summary.limits:
        return Headline(LIMITED, latencies_ms)
    if summary.ratio is None:
        return Headline(_alone(summary.endpoints[0].range), latencies_ms)
    first, second = summary.endpoints[:2]
    return Headline(line(_of_ratio(summary.ratio, first.name, second.name)), latencies_ms)


def _alone(found: Range) -> str:
    if found.value is not None:
        return f"carries {number(found.value)}/s"
    if found.low is not None:
        return f"carries at least {number(found.low)}/s"
    return INCONCLUSIVE if found.high is None else f"carries less than {number(found.high)}/s"


def _of_ratio(ratio: Range, first: str, second: str) -> str:
    """Only an interval without 1 names the endpoint that carries more."""
    if ratio.low is not None and ratio.low > 1:
        return f"{short(first)} carries {_times(ratio.value, ratio.low)}"
    if ratio.high is not None and ratio.high < 1:
        value = None if ratio.value is None else 1 / ratio.value
        return f"{short(second)} carries {_times(value, 1 / ratio.high)}"
    return INCONCLUSIVE


def _times(value: float | None, low: float) -> str:
    return f"at least {number(low)} x" if value is None else f"{number(value)} x"


def _held_ms(one: Capacity) -> Pair:
    """p50 and p95 of the fastest step that held all objectives."""
    held = [step for step in one.steps if step.held]
    if not held:
        return None, None
    figures_ms = dict(zip(PERCENTILES, max(held, key=lambda step: step.bounds.rate).percentiles_ms, strict=True))
    return figures_ms.get("p50"), figures_ms.get("p95")
