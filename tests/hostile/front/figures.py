"""What may not happen on the command line or a page, whatever comes from outside, and how often it did."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "exceptions shown",
    "commands run",
    "files written outside",
    "hosts contacted",
    "sessions lost",
    "markup executed",
    "control characters printed",
    "unbounded",
    "wrong outcome",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that may not happen."""

    kind: Kind
    text: str


Problems = dict[str, list[Problem]]
"""By the name of the case; of most there are none."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How many cases were tried, and in how many of them each kind of problem was found."""

    tried: int
    found: Mapping[str, int]

    @property
    def clean(self) -> bool:
        return not any(self.found.values())

    def __str__(self) -> str:
        return ", ".join([f"tried {self.tried}", *(f"{kind} {count}" for kind, count in self.found.items())])


def summary(problems: Mapping[str, Sequence[Problem]]) -> Figures:
    counts = Counter(kind for found in problems.values() for kind in {problem.kind for problem in found})
    return Figures(len(problems), {kind: counts[kind] for kind in KINDS})
