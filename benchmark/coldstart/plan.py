"""Plans of cold-start runs: how new instances are created, how often, and in which order."""

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from re import fullmatch
from typing import Any

from benchmark.record.plan import PlanError, Terms, read_fields

KIND = "coldstart"
MAX_REPEATS = 1000
MAX_IDLE_S = 86_400.0
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ColdTerms(Terms):
    """The settings that all three cold-start plans share."""

    warm_requests: int = 5
    """requests sent right after each answer: the warm population"""
    timeout_s: float = 60.0

    kind = KIND
    subject = "a cold-start run needs"
    idle_s = tuple[float, ...]()
    """the idle gaps to test; empty for the other modes"""

    def check_cold(self, repeats: int) -> None:
        """Raises PlanError."""
        self.require(1 <= repeats <= MAX_REPEATS, f"from 1 to {MAX_REPEATS} repeats")
        self.require(0 <= self.warm_requests <= 1000, "from 0 to 1000 warm requests after each")
        self.check_terms()


@dataclass(frozen=True, slots=True)
class _NewInstances(_ColdTerms):
    """The common part of plans that create a new instance for each sample."""

    repeats: int = 20
    """cold starts of each endpoint"""

    def __post_init__(self) -> None:
        self.check_cold(self.repeats)

    @property
    def probes(self) -> int:
        """How many probes each endpoint gets."""
        return self.repeats


@dataclass(frozen=True, slots=True)
class SpawnPlan(_NewInstances):
    """Local programs, restarted for each sample."""

    caches: str = "warm"
    """the state of this machine's page cache, as text"""
    drop_caches: bool = False

    mode = "spawn"


@dataclass(frozen=True, slots=True)
class ForcedPlan(_NewInstances):
    """A command from the operator creates a new instance before each sample."""

    mode = "forced"


@dataclass(frozen=True, slots=True)
class IdleSweepPlan(_ColdTerms):
    """An idle sweep: each endpoint is left idle for each of `idle_s`, then probed once."""

    repeats: int
    """probes of each endpoint after each idle gap"""
    idle_s: tuple[float, ...]

    mode = "ladder"
    """the name of an idle sweep in recorded runs"""

    def __post_init__(self) -> None:
        self.check_cold(self.repeats)
        self.require(bool(self.idle_s), "idle gaps for an idle sweep")
        self.require(all(0 < gap_s <= MAX_IDLE_S for gap_s in self.idle_s), "idle gaps above 0 and at most 24 hours")
        self.require(len(set(self.idle_s)) == len(self.idle_s) <= 50, "at most 50 idle gaps, each once")

    @property
    def probes(self) -> int:
        """How many probes each endpoint gets."""
        return self.repeats * len(self.idle_s)

    @property
    def waits_s(self) -> float:
        """The minimum total waiting time."""
        return self.repeats * sum(self.idle_s)


ColdPlan = SpawnPlan | ForcedPlan | IdleSweepPlan
_PLANS: Mapping[str, Callable[..., ColdPlan]] = {
    SpawnPlan.mode: SpawnPlan,
    ForcedPlan.mode: ForcedPlan,
    IdleSweepPlan.mode: IdleSweepPlan,
}
_FIELDS: Mapping[str, Any] = {"idle_s": [], "caches": "warm", "drop_caches": False}
"""Defaults of fields that only one plan has. Records keep the format of one common plan with a `mode`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One probe of every endpoint in `order`; an idle sweep first waits for `idle_s`."""

    number: int
    order: tuple[int, ...]
    idle_s: float | None


def steps(plan: ColdPlan, endpoints: int) -> list[Step]:
    """All steps in their order, the same for the same seed.

    Every round of an idle sweep has all gaps in random order, so an interrupted sweep has some of each gap, and drift
    does not look like a difference between gaps.
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
    """A readable gap: 0.5 s, 90 s, 5 min, 2 h."""
    if gap_s < 120:
        return f"{gap_s:.3g} s"
    return f"{gap_s / 60:.3g} min" if gap_s < 7200 else f"{gap_s / 3600:.3g} h"


def to_document(plan: ColdPlan) -> dict[str, Any]:
    """`plan` as JSON holds it."""
    return {"kind": KIND, "mode": plan.mode, **_FIELDS, **asdict(plan), "idle_s": list(plan.idle_s)}


def from_document(document: Any) -> ColdPlan:
    """The inverse of `to_document`. Raises PlanError."""
    if not isinstance(document, Mapping) or document.get("kind") != KIND:
        raise PlanError("this is not a cold-start run")
    mode = document.get("mode")
    if not isinstance(mode, str) or mode not in _PLANS:
        raise PlanError(f"a cold-start run needs one of these modes: {', '.join(_PLANS)}")
    if document.get("idle_s") and mode != IdleSweepPlan.mode:
        raise PlanError("a cold-start run needs idle gaps for an idle sweep, and only then")
    return read_fields(_PLANS[mode], document, ignore={"mode", *_FIELDS})
