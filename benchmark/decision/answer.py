"""The answer to stated needs, without its sentence: objectives first, then what is preferred among what is left.

Nothing is guessed: what has not been measured, or not often enough, is no reason for a choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmark.decision.evidence import Evidence
from benchmark.decision.needs import Needs
from benchmark.decision.objectives import Holds, Objective, objectives
from benchmark.decision.preferences import Preference, preferences


class Outcome(StrEnum):
    CHOICE = "choice"
    TIE = "tie"
    NEITHER = "neither"
    NOT_ENOUGH = "not enough evidence"


Label = tuple[Outcome, str | None]
"""The answer alone: the outcome, and the key of the one that is chosen."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`why` is a clause. A choice is `by_elimination` where the other one breaks an objective."""

    outcome: Outcome
    key: str | None
    why: str
    objectives: tuple[Objective, ...]
    preferences: tuple[Preference, ...] = ()
    by_elimination: bool = False

    @property
    def label(self) -> Label:
        return self.outcome, self.key


def answer(evidence: Evidence, needs: Needs) -> Answer:
    """What can be said."""
    keys = evidence.findings.keys
    names = dict(zip(keys, evidence.findings.names, strict=True))
    asked = tuple(one for position in (0, 1) for one in objectives(evidence, needs, position))
    broken = {key: [one for one in asked if one.key == key and one.holds is Holds.BROKEN] for key in keys}
    unknown = {key: [one for one in asked if one.key == key and one.holds is Holds.UNKNOWN] for key in keys}
    left = [key for key in keys if not broken[key]]
    if not left:
        faults = "; ".join(f"{names[key]} breaks {_listed(broken[key])}" for key in keys)
        return Answer(Outcome.NEITHER, None, faults, asked)
    if len(left) == 1:
        (key,) = left
        other = keys[1 - keys.index(key)]
        fault = f"{names[other]} breaks {_listed(broken[other])}"
        if unknown[key]:
            return Answer(Outcome.NOT_ENOUGH, None, f"{fault}, and of {names[key]} {_doubt(unknown[key])}", asked)
        return Answer(Outcome.CHOICE, key, f"it keeps every objective, and {fault}", asked, by_elimination=True)
    preferred = tuple(preferences(evidence, needs))
    last = preferred[-1]
    if last.key is None and not last.is_tie:
        return Answer(Outcome.NOT_ENOUGH, None, last.reason, asked, preferred)
    doubts = [key for key in keys if unknown[key] and last.key in (key, None)]
    if doubts:
        why = f"of {names[doubts[0]]} {_doubt(unknown[doubts[0]])}"
        return Answer(Outcome.NOT_ENOUGH, None, why, asked, preferred)
    if last.key is None:
        return Answer(Outcome.TIE, None, ", and ".join(one.reason for one in preferred), asked, preferred)
    why = ", and ".join(one.reason for one in reversed(preferred))
    return Answer(Outcome.CHOICE, last.key, why, asked, preferred)


def _listed(asked: Sequence[Objective]) -> str:
    return " and ".join(f"“{one.name}”: {one.found}" for one in asked)


def _doubt(asked: Sequence[Objective]) -> str:
    return "it is not known whether it keeps " + _listed(asked)
