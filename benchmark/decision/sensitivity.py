"""Sensitivity: where the answer changes when one input changes and the others stay the same.

Each input is searched on a grid in both directions, and each change is narrowed down. Displayed values are rounded
inwards, so that the answer holds over the whole displayed span.
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
"""The most changes to report for one direction; further ones are not useful advice."""
_MOST_DIGITS = 17
"""The digits of a floating-point number, so that nothing is rounded."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the answer, and its span.

    `inside`, `at` and `until` are values of the field `input` of `Needs`, within the search tolerance: at `inside` the
    answer is not yet `label`; from `at` to `until` it is. `given` and `then` are the text.
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
    """One input: the grid to search from `start`, and its text.

    tolerance: the search tolerance for a change at this value; None for whole numbers
    decimals: the number of displayed decimals; text: the value with this many additional digits
    narrow: spans that end before this multiple of their start are omitted, because a bill has steps where an instance
        is added, which are no basis for a choice
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
        """`low` to `high` as text, both rounded inwards."""
        for more in range(_MOST_DIGITS):
            first = _rounded(low, self.decimals(low) + more, ROUND_CEILING)
            last = _rounded(high, self.decimals(high) + more, ROUND_FLOOR)
            if first <= last:
                break
        return " to ".join(dict.fromkeys((self.text(first, more), self.text(last, more))))


def sensitivity(evidence: Evidence, needs: Needs) -> Iterator[Change]:
    """All changes by input: first below the given value, then above it."""
    asked = answer(evidence, needs).label
    for axis in axes(needs):

        def label(value: float, name: str = axis.input) -> Label:
            varied: dict[str, Any] = {name: value}
            return answer(evidence, replace(needs, **varied)).label

        if label(axis.start) != asked:  # an SLO that is not set and has no evidence
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
    if len(evidence.findings.sides) < 2:  # no preference with one endpoint
        return
    for one in criteria.everyone():
        if one.name != needs.criteria[0]:
            order = (one.name, *(name for name in needs.criteria if name != one.name))
            now = answer(evidence, replace(needs, criteria=order)).label
            if now != asked:
                given = f"With {one.title} as the first criterion"
                yield Change("criteria", needs.criteria, order, order, now, given, _label_text(evidence, now))


def axes(needs: Needs) -> tuple[Axis, ...]:
    """The inputs. An SLO that is not set starts at a value that every endpoint keeps."""
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
            # One digit more than the number of nines.
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
    """The start, end and label of each answer, beginning at the axis start."""
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
    """The last value before each change, the first one after it, and the new answer."""
    inside, now = axis.start, label(axis.start)
    for value in beyond:
        while label(value) != now:
            before, at = _narrowed(axis, inside, value, now, label)
            inside, now = at, label(at)
            yield before, at, now
        inside = value


def _narrowed(axis: Axis, inside: float, at: float, now: Label, label: Callable[[float], Label]) -> tuple[float, float]:
    """Bisect to the two values next to a change, between `inside` with the answer `now` and `at` with another."""
    while abs(at - inside) > (axis.tolerance(at) if axis.tolerance else 1):
        middle = (at + inside) / 2 if axis.tolerance else (at + inside) // 2
        if middle in (inside, at):  # no representable number between them
            break
        inside, at = (middle, at) if label(middle) == now else (inside, middle)
    return inside, at


def _rounded(value: float, decimals: int, how: str) -> Decimal:
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), how)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _exponent(value: float) -> int:
    """The exponent of ten in scientific notation."""
    return math.floor(math.log10(value))


def _geometric(low: float, high: float, points: int = 61) -> list[float]:
    return [low * (high / low) ** (step / (points - 1)) for step in range(points)]


def _label_text(evidence: Evidence, label: Label) -> str:
    outcome, key = label
    if key:
        return evidence.findings.names[evidence.findings.keys.index(key)]
    none_keeps = {1: "it does not keep the objectives", 2: "neither keeps the objectives"}
    return {
        Choice.TIE: "a tie",
        Choice.NONE: none_keeps.get(len(evidence.findings.sides), "none keeps the objectives"),
        Choice.NOT_ENOUGH: "not enough evidence",
        Choice.SINGLE: "it keeps the objectives",
    }[outcome]
