"""Charts as SVG for a page without scripts: two axes, and marks whose colours come from the page's CSS.

Drawings use CSS classes instead of colours, so that one drawing works in light, dark and print.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 30, 44
_NICE = (1, 2, 5)
_DENSE = (1, 1.5, 2, 3, 4, 5, 6, 8)
_LEGEND_LINE = 18
_CHARACTER = 8
"""no digit or letter of a tick is wider"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high`, in the unit of its title. A logarithmic axis begins above 0."""

    title: str
    low: float
    high: float
    log: bool = False
    names: tuple[tuple[float, str], ...] = ()
    """ticks with text instead of numbers"""

    def share(self, value: float) -> float:
        """The position of `value`: 0 at the low end, 1 at the high end."""
        if self.log:
            value, low, high = (math.log(max(one, 1e-12)) for one in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """About five round values with their texts."""
        if self.names:
            return list(self.names)
        if not self.log:
            step = _nice_step((self.high - self.low) / 5)
            first = math.ceil(self.low / step - 1e-9)
            return [
                (index * step, _text(index * step)) for index in range(first, math.floor(self.high / step + 1e-9) + 1)
            ]
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        wide = last - first > 4
        factors = (1,) if wide else _NICE if self.high > 8 * self.low else _DENSE
        values = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        if wide and last - first > 8:
            values = values[::2]
        return [(value, _text(value)) for value in values if self.low * 0.999 <= value <= self.high * 1.001]


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, in the colour of the endpoint at `position`."""

    position: int
    points: tuple[Point, ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Dots:
    """A dot at each point, filled or hollow."""

    position: int
    points: tuple[Point, ...]
    hollow: bool = False
    size: float = 3.0


@dataclass(frozen=True, slots=True)
class Whisker:
    """A value with its interval along x at the height `y`; a dot without bounds."""

    position: int
    y: float
    value: float
    low: float | None
    high: float | None


Mark = Line | Dots | Whisker


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """A logarithmic axis around the positive `values`."""
    positive = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
    return Axis(title, min(positive) / 1.1, max(positive) * 1.1, log=True)


def chart(x: Axis, y: Axis, marks: Sequence[Mark], legend: Sequence[str], alt: str) -> str:
    """The drawing as an SVG element; `legend` names the endpoints in order, `alt` describes the drawing as text."""
    lines = _legend_lines(legend)
    above = _LEGEND_LINE * (len(lines) - 1)  # a longer legend grows upwards, away from the axes
    parts = [
        f'<svg viewBox="0 {-above} {WIDTH} {HEIGHT + above}" role="img" aria-label="{escape(alt)}">',
        *(entry for row, line in enumerate(lines) for entry in _legend_line(line, _LEGEND_LINE * row - above)),
        *_axes(x, y),
    ]
    for mark in marks:
        parts += _drawn(mark, x, y)
    return "".join([*parts, "</svg>"])


def _drawn(mark: Mark, x: Axis, y: Axis) -> list[str]:
    css = f"e{mark.position}"
    if isinstance(mark, Whisker):
        at, height = _x(x, mark.value), _y(y, mark.y)
        dot = f'<circle class="{css} full" cx="{at}" cy="{height}" r="4.5"/>'
        if mark.low is None or mark.high is None:
            return [dot]
        low, high = _x(x, mark.low), _x(x, mark.high)
        return [
            f'<path class="{css} line" d="M{low} {height}H{high}M{low} {height - 5:g}v10M{high} {height - 5:g}v10"/>',
            dot,
        ]
    places = [(_x(x, one), _y(y, other)) for one, other in mark.points]
    if not places:
        return []
    if isinstance(mark, Line):
        path = "M" + "L".join(f"{one} {other}" for one, other in places)
        return [f'<path class="{css} line{" dashed" if mark.dashed else ""}" d="{path}"/>']
    if mark.hollow:
        return [f'<circle class="{css} ring" cx="{one}" cy="{other}" r="{mark.size:g}"/>' for one, other in places]
    # Zero-length strokes with round ends: a dot takes ten bytes instead of fifty.
    path = "".join(f"M{one} {other}h0" for one, other in places)
    return [f'<path class="{css} dots" stroke-width="{2 * mark.size:g}" d="{path}"/>']


def _axes(x: Axis, y: Axis) -> list[str]:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for value, text in x.ticks():
        at = _x(x, value)
        parts.append(f'<path class="grid" d="M{at} {_TOP}V{bottom}"/>')
        # Text that is centred at the right end would go beyond the drawing.
        place, anchor = (WIDTH - 1, "end") if at + _CHARACTER * len(text) / 2 > WIDTH else (at, "middle")
        parts.append(f'<text x="{place}" y="{bottom + 16}" text-anchor="{anchor}">{escape(text)}</text>')
    for value, text in y.ticks():
        at = _y(y, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {at}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4:g}" text-anchor="end">{escape(text)}</text>')
    middle = (_TOP + bottom) / 2
    parts.append(f'<text class="title" x="{right}" y="{HEIGHT - 6}" text-anchor="end">{escape(x.title)}</text>')
    if y.title:
        parts.append(
            f'<text class="title" transform="translate(13 {middle:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(y.title)}</text>"
        )
    return parts


def _legend_lines(names: Sequence[str]) -> list[list[tuple[int, float, str]]]:
    """The names in lines that fit, each with the endpoint's position and its x coordinate."""
    lines: list[list[tuple[int, float, str]]] = [[]]
    at = float(_LEFT)
    for position, name in enumerate(names):
        width = 34 + 7.2 * len(name)
        if lines[-1] and at + width > WIDTH:
            lines.append([])
            at = float(_LEFT)
        lines[-1].append((position, at, name))
        at += width
    return lines


def _legend_line(line: Sequence[tuple[int, float, str]], y: int) -> list[str]:
    parts = []
    for position, at, name in line:
        parts.append(f'<circle class="e{position} full" cx="{at + 5:g}" cy="{y + 12}" r="4.5"/>')
        parts.append(f'<text class="name" x="{at + 14:g}" y="{y + 16}">{escape(name)}</text>')
    return parts


def _x(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.share(value) * (WIDTH - _LEFT - _RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(HEIGHT - _BOTTOM - axis.share(value) * (HEIGHT - _TOP - _BOTTOM), 1)


def _nice_step(rough: float) -> float:
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in _NICE if factor * power >= rough), 10 * power)


def _text(value: float) -> str:
    size = abs(value)
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            return f"{value / (1e3 if letter == 'k' else unit):g}{letter}"
    return f"{value:.6g}"
