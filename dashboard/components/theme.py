"""Colours: one meaning each, in every chart and card, for light and dark.

Six colours are for endpoints, the same as in a report, and six for classes. Charts tell endpoints apart by marks,
dashes and patterns too, and classes are always named.
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
    """What is chosen, as text; buttons are of a colour of their own in the dark, as their labels are white."""
    positions: tuple[str, ...]
    """of endpoints by their position"""
    classes: tuple[str, ...]
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """of the configured endpoints, by key; of the local twins where nothing else is said"""

    def endpoint_color(self, key: str, position: int) -> str:
        """The colour of an endpoint: its own where it is configured, else that of its position in the run."""
        return self.endpoints.get(key) or self.positions[position % len(self.positions)]

    def class_color(self, index: int) -> str:
        return self.classes[index % len(self.classes)]

    def of(self, endpoints: Sequence[Endpoint]) -> "Palette":
        """This palette for a dashboard that compares `endpoints`."""
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
    """The palette of Streamlit's theme type: `dark`, anything else is light."""
    return DARK if theme_type == "dark" else LIGHT


def edges(keys: Iterable[tuple[str, int]], light: Palette, dark: Palette) -> str:
    """A style element that gives the cards, names and bars of endpoints their colours, by keys and positions.

    A key holds nothing but letters, digits, - and _.
    """
    rules = []
    for key, position in sorted(keys, key=lambda one: len(one[0])):  # `a-b` after `a`, whose rule for bars it meets
        color = f"light-dark({light.endpoint_color(key, position)}, {dark.endpoint_color(key, position)})"
        rules.append(
            f".st-key-card-{key} {{ border-top: 3px solid {color}; }} "
            f".st-key-name-{key} p {{ border-bottom: 3px solid {color}; }} "
            f'[class*="st-key-part-{key}-"] [role="progressbar"] > div > div {{ background: {color}; }}'
        )
    return f"<style>{chr(10).join(rules)}</style>"
