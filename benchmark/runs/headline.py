"""What a list says of a run: the p50 and p95 of each endpoint, and the result in a few words.

Each kind of run has a function here or beside its summary. They are pure; `headlines.py` keeps what they say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from benchmark.endpoints import readable
from benchmark.statistics.percentiles import PERCENTILES
from benchmark.statistics.text import number

if TYPE_CHECKING:  # scipy takes longer to import than a list may take to open
    from benchmark.coldstart.summary import ColdSummary
    from benchmark.statistics.estimates import Estimate
    from benchmark.statistics.verdict import Verdict
    from benchmark.summary.summarise import Summary

MAX_CHARACTERS = 120
LIMITED = "the client was the limit"
EQUIVALENT = "no relevant difference"
INCONCLUSIVE = "inconclusive"
NOTHING = "nothing measured"
_NAME_CHARACTERS = 40

Pair = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Headline:
    """What a list says of a run."""

    verdict: str
    """the result in a few words, on one line; empty if the run has none"""
    latencies_ms: tuple[Pair, ...] = ()
    """p50 and p95 of each endpoint in the order of the run, None where nothing was measured; empty for a kind without
    latencies"""


def of_requests(summary: "Summary") -> Headline:
    """Latencies of the answers, and the verdict of a comparison, a load or a self-test."""
    latencies_ms = tuple(pair(PERCENTILES, one.latency_ms) for one in summary.endpoints)
    if summary.run.outcome.generator.get("limited"):
        return Headline(LIMITED, latencies_ms)
    if not any(one.attempts for one in summary.endpoints):
        return Headline(NOTHING, latencies_ms)
    silent = [one.name for one in summary.endpoints if one.attempts and one.failed == one.attempts]
    if silent:
        return Headline(line(f"{short(silent[0])} never answered"), latencies_ms)
    return Headline(of_verdict(summary.verdict, [one.name for one in summary.endpoints]), latencies_ms)


def of_cold_starts(summary: "ColdSummary") -> Headline:
    """Durations of the cold starts, and which endpoint starts faster."""
    sides = summary.endpoints
    latencies_ms = tuple(pair(("p50", "p95"), one.cold_ms) for one in sides)
    if not any(one.cold_values_ms for one in sides):
        return Headline("no cold start", latencies_ms)
    if len(sides) == 1:
        return Headline(f"median start {number(sides[0].cold_ms[0].value)} ms", latencies_ms)
    return Headline(of_verdict(summary.verdict, [one.name for one in sides]), latencies_ms)


def of_verdict(verdict: "Verdict | None", names: Sequence[str]) -> str:
    """A verdict in a few words: `FastAPI faster by 3.12 ms`; empty without a verdict."""
    if verdict is None:
        return ""
    if verdict.winner_position is None:
        return EQUIVALENT if verdict.outcome == "equivalent" else INCONCLUSIVE
    winner = short(names[verdict.winner_position])
    if len(names) > 2:
        return line(f"{winner} faster than {len(names) - 1} others")
    effect = verdict.pairs[0].effect
    lead_ms, prefix = abs(effect.value), ""
    if not isfinite(lead_ms):  # timeouts, whose true duration is unknown: the end of the interval that is known
        known = [abs(edge) for edge in (effect.low, effect.high) if edge is not None and isfinite(edge)]
        lead_ms, prefix = min(known, default=0.0), "at least "
    return line(f"{winner} faster by {prefix}{number(lead_ms)} ms")


def pair(names: Iterable[str], figures: "Sequence[Estimate]") -> Pair:
    """The p50 and p95 among figures in the order of `names`."""
    by_name = dict(zip(names, figures, strict=False))
    p50, p95 = (by_name.get(name) for name in ("p50", "p95"))
    return _measured(p50), _measured(p95)


def _measured(figure: "Estimate | None") -> float | None:
    return figure.value if figure is not None and figure.n and isfinite(figure.value) else None


def short(name: str) -> str:
    """A name as it fits into a headline."""
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def line(text: str) -> str:
    """`text`, which may name endpoints of an imported run, as one readable line of limited length."""
    return readable.name(text, MAX_CHARACTERS)
