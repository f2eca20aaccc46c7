"""The colours of charts and cards, for light and dark. Each colour has one meaning.

Six colours are for endpoints, as in reports, and six for classes. Colour is never the only difference: endpoints also
have marks, dashes and patterns, and classes are always named.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmark.endpoints.endpoint import Endpoint
from benchmark.reports import palette as colours


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme, as CSS hex."""

    text: str
    muted: str
    grid: str
    background: str
    accent: str
    """the colour of selected text; dark buttons use another one, because their labels are white"""
    positions: tuple[str, ...]
    """of endpoints, by position"""
    classes: tuple[str, ...]
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """of the configured endpoints, by key; by default of the two local endpoints"""

    def endpoint_color(self, key: str, position: int) -> str:
        """The configured colour of an endpoint, else the one for its position in the run."""
        return self.endpoints.get(key) or self.positions[position % len(self.positions)]

    def class_color(self, index: int) -> str:
        return self.classes[index % len(self.classes)]

    def of(self, endpoints: Sequence[Endpoint]) -> "Palette":
        """This palette with the colours of the configured `endpoints`."""
        own = {one.key: one.colour or self.positions[place] for place, one in enumerate(endpoints)}
        return replace(self, endpoints=own)


LIGHT = Palette(
    text="#1F2430",
    muted="#5F6573",
    grid="#E2E4EA",
    background="#FCFCFD",
    accent="#4F46E5",
    positions=colours.LIGHT,
    classes=("#0F8B8D", "#A21CAF", "#B8860B", "#4D7C0F", "#BE123C", "#475569"),
    endpoints={"api": colours.LIGHT[0], "function": colours.LIGHT[1]},
)
DARK = Palette(
    text="#E6E8EE",
    muted="#9BA1AF",
    grid="#2B303B",
    background="#0F1218",
    accent="#AAA4FF",
    positions=colours.DARK,
    classes=("#2DD4BF", "#E879F9", "#E3B341", "#A3E635", "#FB7185", "#94A3B8"),
    endpoints={"api": colours.DARK[0], "function": colours.DARK[1]},
)


def palette(theme_type: str | None) -> Palette:
    """The palette for Streamlit's theme type: `dark`, or light for anything else."""
    return DARK if theme_type == "dark" else LIGHT


def edges(keys: Iterable[tuple[str, int]], light: Palette, dark: Palette) -> str:
    """A style element that colours the cards, names and bars of endpoints, by keys and positions.

    A key contains only letters, digits, - and _.
    """
    rules = []
    for key, position in sorted(keys, key=lambda one: len(one[0])):  # `a-b` after `a`, whose rule matches it too
        color = f"light-dark({light.endpoint_color(key, position)}, {dark.endpoint_color(key, position)})"
        rules.append(
            f".st-key-card-{key} {{ border-top: 3px solid {color}; }} "
            f".st-key-name-{key} p {{ border-bottom: 3px solid {color}; }} "
            f'[class*="st-key-part-{key}-"] [role="progressbar"] > div > div {{ background: {color}; }}'
        )
    return f"<style>{chr(10).join(rules)}</style>"
