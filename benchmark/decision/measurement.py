"""Proposed runs for missing measurements: the command line, and the page that does the same."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.coldstart.plan import MAX_IDLE_S
from benchmark.decision.evidence import Evidence
from benchmark.decision.findings import Side

IDLE_SWEEP = "--idle 1m,5m,15m,30m"
"""Options of a first idle sweep: gaps around the 15 minutes after which the platforms may end an instance."""
PAIRS = "--pairs 500"


@dataclass(frozen=True, slots=True)
class Missing:
    """A missing measurement, with the command and the page that provide it."""

    what: str
    command: str
    page: str


def command(kind: str, sides: Sequence[Side], options: str = "") -> str:
    """The shell command line of a run of these endpoints."""
    ends = ["--endpoint " + shlex.quote(f"{side.key}={side.url or 'URL'}") for side in sides]
    return " ".join(["python -m benchmark", kind, *ends, options]).strip()


def comparison(sides: Sequence[Side], what: str, options: str = PAIRS) -> Missing:
    """A comparison; with one endpoint it gives only latency and service times."""
    return Missing(what, command("compare", sides, options), "benchmark")


def idle_sweep(evidence: Evidence, what: str) -> Missing:
    """An idle sweep: the first gaps or, after a sweep, the gaps that are still open."""
    options = IDLE_SWEEP
    findings = evidence.findings
    known = [found for position in findings.positions if (found := evidence.turns_cold_s(position))]
    if known:
        low_s, high_s = min(low for low, _ in known), max(high for _, high in known)
        if math.isinf(high_s):
            gaps_s = [min(factor * low_s, MAX_IDLE_S) for factor in (1.5, 2, 4)]
        else:
            low_s = low_s or high_s / 60
            gaps_s = [low_s * (high_s / low_s) ** (step / 4) for step in (1, 2, 3)]
        options = f"--idle {','.join(dict.fromkeys(f'{gap_s:.1f}s' for gap_s in gaps_s))}"
    return Missing(what, command("coldstart", findings.sides, options), "coldstart")
