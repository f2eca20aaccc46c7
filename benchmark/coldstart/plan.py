"""What a cold start run is to do: how new instances come about, how often, and in which order."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from re import fullmatch
from typing import Any, Literal

from benchmark.record.plan import MARGIN_PCT, REMOTE_MARGIN_MS, PlanError, read_fields

KIND = "coldstart"
Mode = Literal["spawn", "forced", "ladder"]
MODES: tuple[Mode, ...] = ("spawn", "forced", "ladder")
MAX_REPEATS = 1000
MAX_IDLE_S = 86_400.0
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class ColdPlan:
    """`spawn`: programs of this machine; `forced`: a command makes a new instance before each sample; `ladder`: wait
    for each of `idle_s` in turn, probe once, and see whether it was cold."""

    mode: Mode
    repeats: int = 20
    """cold starts of each endpoint; in a ladder, probes of each endpoint after each idle gap"""
    idle_s: tuple[float, ...] = ()
    warm_requests: int = 5
    """sent right after each answer: the warm population"""
    caches: str = "warm"
    """the page cache of this machine, in words; of spawned programs alone"""
    drop_caches: bool = False
    margin_ms: float = REMOTE_MARGIN_MS
    margin_pct: float = MARGIN_PCT
    timeout_s: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.mode in MODES, f"a mode among {', '.join(MODES)}")
        _require(1 <= self.repeats <= MAX_REPEATS, f"from 1 to {MAX_REPEATS} repeats")
        _require(bool(self.idle_s) == (self.mode == "ladder"), "idle gaps for a ladder, and for nothing else")
        _require(all(0 < gap_s <= MAX_IDLE_S for gap_s in self.idle_s), "idle gaps above 0 and at most 24 hours")
        _require(len(set(self.idle_s)) == len(self.idle_s) <= 50, "at most 50 idle gaps, each once")
        _require(0 <= self.warm_requests <= 1000, "from 0 to 1000 warm requests after each")
        _require(isfinite(self.margin_ms) and self.margin_ms >= 0, "a margin of 0 ms or more")
        _require(0 <= self.margin_pct <= 100, "a margin from 0 to 100 %")
        _require(0 < self.timeout_s <= 600, "a timeout above 0 and at most 600 s")
        _require(0 <= self.seed < 2**63, "a seed from 0")

    @property
    def probes(self) -> int:
        """How many probes each endpoint gets."""
        return self.repeats * max(1, len(self.idle_s))

    @property
    def waits_s(self) -> float:
        """How long a ladder waits in all, at least."""
        return self.repeats * sum(self.idle_s)


@dataclass(frozen=True, slots=True)
class Step:
    """One probe of every endpoint, one after the other in `order`; a ladder waits for `idle_s` before."""

    number: int
    order: tuple[int, ...]
    idle_s: float | None


def steps(plan: ColdPlan, endpoints: int) -> list[Step]:
    """All steps in their order, the same for the same seed.

    Every round of a ladder has all its gaps in random order: a ladder that is cut short has some of each, and what
    drifts meanwhile is no difference between gaps.
    """
    random_ = random.Random(plan.seed)  # noqa: S311  an order, no secret
    found: list[Step] = []
    for _ in range(plan.repeats):
        gaps: list[float | None] = list(plan.idle_s) or [None]
        random_.shuffle(gaps)
        for gap_s in gaps:
            order = list(range(endpoints))
            random_.shuffle(order)
            found.append(Step(len(found), tuple(order), gap_s))
    return found


def parse_gaps(text: str) -> tuple[float, ...]:
    """Idle gaps such as `30s,1m,5m,1h`, in seconds. Raises PlanError."""
    gaps_s = []
    for part in text.split(","):
        found = fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*", part)
        if not found:
            raise PlanError(f"idle gaps are like 1m,5m,30m, with ms, s, m or h, not {part.strip()!r}")
        gaps_s.append(float(found[1]) * _UNITS_S[found[2] or "s"])
    return tuple(gaps_s)


def gap_text(gap_s: float) -> str:
    """A gap as people write it: 0.5 s, 90 s, 5 min, 2 h."""
    if gap_s < 120:
        return f"{gap_s:.3g} s"
    return f"{gap_s / 60:.3g} min" if gap_s < 7200 else f"{gap_s / 3600:.3g} h"


def to_document(plan: ColdPlan) -> dict[str, Any]:
    """`plan` as JSON holds it."""
    return {"kind": KIND, **asdict(plan), "idle_s": list(plan.idle_s)}


def from_document(document: Mapping[str, Any]) -> ColdPlan:
    """The inverse of `to_document`. Raises PlanError."""
    values = dict(document)
    if values.pop("kind", None) != KIND:
        raise PlanError("this is no run of cold starts")
    plan = read_fields(ColdPlan, values)
    return replace(plan, idle_s=tuple(plan.idle_s))


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise PlanError(f"cold starts need {what}")
