"""What a cold start run is to do: how new instances come about, how often, and in which order."""

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
    """What the three plans of cold starts have in common."""

    warm_requests: int = 5
    """sent right after each answer: the warm population"""
    timeout_s: float = 60.0

    kind = KIND
    subject = "cold starts need"
    idle_s = tuple[float, ...]()
    """the idle gaps that are tried; none where new instances are made"""

    def check_cold(self, repeats: int) -> None:
        """Raises PlanError."""
        self.require(1 <= repeats <= MAX_REPEATS, f"from 1 to {MAX_REPEATS} repeats")
        self.require(0 <= self.warm_requests <= 1000, "from 0 to 1000 warm requests after each")
        self.check_terms()


@dataclass(frozen=True, slots=True)
class _NewInstances(_ColdTerms):
    """What the plans have in common that make a new instance for each sample."""

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
    """Programs of this machine are started anew for each sample."""

    caches: str = "warm"
    """the page cache of this machine, in words"""
    drop_caches: bool = False

    mode = "spawn"


@dataclass(frozen=True, slots=True)
class ForcedPlan(_NewInstances):
    """A command of the operator's makes a new instance before each sample."""

    mode = "forced"


@dataclass(frozen=True, slots=True)
class IdleSweepPlan(_ColdTerms):
    """Each endpoint is left alone for each of `idle_s`, then asked once: was an instance still there?"""

    repeats: int
    """probes of each endpoint after each idle gap"""
    idle_s: tuple[float, ...]

    mode = "ladder"
    """as it was called when it was first recorded"""

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
        """How long it waits in all, at least."""
        return self.repeats * sum(self.idle_s)


ColdPlan = SpawnPlan | ForcedPlan | IdleSweepPlan
_PLANS: Mapping[str, Callable[..., ColdPlan]] = {
    SpawnPlan.mode: SpawnPlan,
    ForcedPlan.mode: ForcedPlan,
    IdleSweepPlan.mode: IdleSweepPlan,
}
_FIELDS: Mapping[str, Any] = {"idle_s": [], "caches": "warm", "drop_caches": False}
"""What a record holds for the fields that only one plan has: the three were one plan once, told apart by `mode`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One probe of every endpoint, one after the other in `order`; an idle sweep waits for `idle_s` before."""

    number: int
    order: tuple[int, ...]
    idle_s: float | None


def steps(plan: ColdPlan, endpoints: int) -> list[Step]:
    """All steps in their order, the same for the same seed.

    Every round of an idle sweep has all its gaps in random order: a sweep that is cut short has some of each, and drift
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
    """A gap as people write it: 0.5 s, 90 s, 5 min, 2 h."""
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
        raise PlanError(f"cold starts need a mode among {', '.join(_PLANS)}")
    if document.get("idle_s") and mode != IdleSweepPlan.mode:
        raise PlanError("cold starts need idle gaps for an idle sweep, and for nothing else")
    return read_fields(_PLANS[mode], document, ignore={"mode", *_FIELDS})
