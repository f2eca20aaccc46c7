"""Sensitivity: where the answer changes when one input does and the others stay.

Each input is looked at on a grid, in both directions up to its ends, and each change is narrowed down. What is shown is
rounded into the span over which it holds.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import islice, pairwise
from typing import Any

from benchmark.cost.bill import grid
from benchmark.decision import criteria
from benchmark.decision.answer import Choice, Label, answer
from benchmark.decision.evidence import Evidence
from benchmark.decision.needs import Needs
from benchmark.statistics.text import count

_MOST_A_DIRECTION = 3
"""What lies beyond three changes of the answer is not advice any more."""
_MOST_DIGITS = 17
"""As many as a floating-point number has: nothing is rounded with them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the answer, and how far it goes.

    `inside`, `at` and `until` are values of the field `input` of `Needs`, as close as it was looked for: at the first
    the answer is not `label` yet, from the second to the third it is. `given` and `then` say so.
    """

    input: str
    inside: Any
    at: Any
    until: Any
    label: Label
    given: str
    then: str

    @property
    def sentence(self) -> str:
        return f"{self.given}: {self.then}."


@dataclass(frozen=True, slots=True)
class Axis:
    """One input: where it is looked at from `start` on, and how it is said.

    tolerance: how closely a change at this value is looked for; None where the values are whole
    decimals: how many places of this value are shown; text: that, with so many digits more than usual
    narrow: a span that ends before this many times its beginning is left out: a bill has steps where an instance is
    added, and what it says just there is nothing to build on
    """

    input: str
    start: float
    values: Sequence[float]
    tolerance: Callable[[float], float] | None
    decimals: Callable[[float], int]
    text: Callable[[Decimal, int], str]
    phrase: Callable[[str], str]
    narrow: float = 1.0

    def span(self, low: float, high: float) -> str:
        """From `low` to `high`, both rounded towards each other: all of what is said is between them."""
        for more in range(_MOST_DIGITS):
            first = _rounded(low, self.decimals(low) + more, ROUND_CEILING)
            last = _rounded(high, self.decimals(high) + more, ROUND_FLOOR)
            if first <= last:
                break
        return " to ".join(dict.fromkeys((self.text(first, more), self.text(last, more))))


def sensitivity(evidence: Evidence, needs: Needs) -> Iterator[Change]:
    """All changes, input by input: downwards from what is asked for, then upwards."""
    asked = answer(evidence, needs).label
    for axis in axes(needs):

        def label(value: float, name: str = axis.input) -> Label:
            varied: dict[str, Any] = {name: value}
            return answer(evidence, replace(needs, **varied)).label

        if label(axis.start) != asked:  # an SLO that is not asked for, and that nothing is known about
            continue
        for upward in (False, True):
            beyond = sorted(
                (value for value in axis.values if value != axis.start and (value > axis.start) is upward),
                reverse=not upward,
            )
            spans = _spans(axis, beyond, label) if beyond else []
            for (_, inside, _), (at, until, now) in islice(pairwise(spans), _MOST_A_DIRECTION):
                given = axis.phrase(axis.span(min(at, until), max(at, until)))
                yield Change(axis.input, inside, at, until, now, given, _label_text(evidence, now))
    if len(evidence.findings.sides) < 2:  # nothing to prefer
        return
    for one in criteria.everyone():
        if one.name != needs.criteria[0]:
            order = (one.name, *(name for name in needs.criteria if name != one.name))
            now = answer(evidence, replace(needs, criteria=order)).label
            if now != asked:
                given = f"If {one.title} mattered most"
                yield Change("criteria", needs.criteria, order, order, now, given, _label_text(evidence, now))


def axes(needs: Needs) -> tuple[Axis, ...]:
    """The inputs. An SLO that is not asked for starts where it asks for nothing."""
    return (
        Axis(
            "requests_per_month",
            needs.requests_per_month,
            grid(1000, 1_000_000_000, 61),
            None,
            lambda value: 0 if value < 1e6 else 2 - _exponent(value),
            lambda value, more: count(float(value), 3 + more),
            lambda span: f"At {span} requests a month",
            narrow=1.05,
        ),
        Axis(
            "latency_ms",
            needs.latency_ms or 60_000.0,
            _geometric(0.1, 60_000.0),
            lambda value: 1e-4 * value,
            lambda value: 3 - _exponent(value),
            lambda value, _: _plain(value),
            lambda span: f"With a {needs.percentile} objective of {span} ms",
        ),
        Axis(
            "availability_pct",
            needs.availability_pct or 50.0,
            [100 - 50 * 10 ** (-step / 12) for step in range(49)],
            lambda value: 1e-4 * (100 - value),
            # One more digit than there are nines.
            lambda value: max(1, 2 - _exponent(100 - value)),
            lambda value, _: _plain(value),
            lambda span: f"With an availability of {span} %",
        ),
        Axis(
            "budget_usd",
            1e6 if needs.budget_usd is None else needs.budget_usd,
            [0.0, *_geometric(0.01, 1e6)],
            lambda _: 0.001,
            lambda _: 2,
            lambda value, _: f"{value:,f}",
            lambda span: f"With a budget of USD {span}",
        ),
        Axis(
            "min_instances",
            needs.min_instances,
            range(11),
            None,
            lambda _: 0,
            lambda value, _: _plain(value),
            lambda span: f"With {span} minimum instance{'' if span == '1' else 's'}",
        ),
    )


def _spans(axis: Axis, beyond: Sequence[float], label: Callable[[float], Label]) -> list[tuple[float, float, Label]]:
    """Where each answer begins, where it ends, and what it is, from the start on."""
    spans: list[tuple[float, float, Label]] = []
    since, now = axis.start, label(axis.start)
    for before, at, then in [*_changes(axis, beyond, label), (beyond[-1], beyond[-1], now)]:
        if spans and max(since, before) < axis.narrow * min(since, before):
            pass
        elif spans and spans[-1][2] == now:
            spans[-1] = (spans[-1][0], before, now)
        else:
            spans.append((since, before, now))
        since, now = at, then
    return spans


def _changes(
    axis: Axis, beyond: Sequence[float], label: Callable[[float], Label]
) -> Iterator[tuple[float, float, Label]]:
    """The last value before each change, the first one after it, and what the answer is there."""
    inside, now = axis.start, label(axis.start)
    for value in beyond:
        while label(value) != now:
            before, at = _narrowed(axis, inside, value, now, label)
            inside, now = at, label(at)
            yield before, at, now
        inside = value


def _narrowed(axis: Axis, inside: float, at: float, now: Label, label: Callable[[float], Label]) -> tuple[float, float]:
    """The two values next to a change, between `inside`, where the answer is `now`, and `at`, where it is another."""
    while abs(at - inside) > (axis.tolerance(at) if axis.tolerance else 1):
        middle = (at + inside) / 2 if axis.tolerance else (at + inside) // 2
        if middle in (inside, at):  # there is no number between them
            break
        inside, at = (middle, at) if label(middle) == now else (inside, middle)
    return inside, at


def _rounded(value: float, decimals: int, how: str) -> Decimal:
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), how)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _exponent(value: float) -> int:
    """Of ten, in scientific notation."""
    return math.floor(math.log10(value))


def _geometric(low: float, high: float, points: int = 61) -> list[float]:
    return [low * (high / low) ** (step / (points - 1)) for step in range(points)]


def _label_text(evidence: Evidence, label: Label) -> str:
    outcome, key = label
    if key:
        return evidence.findings.names[evidence.findings.keys.index(key)]
    nobody = {1: "it does not keep the objectives", 2: "neither keeps the objectives"}
    return {
        Choice.TIE: "a tie",
        Choice.NONE: nobody.get(len(evidence.findings.sides), "none keeps the objectives"),
        Choice.NOT_ENOUGH: "not enough evidence",
        Choice.SINGLE: "it keeps the objectives",
    }[outcome]
