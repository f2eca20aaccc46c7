"""Colours: one meaning each, in every chart and card, for light and dark.

Endpoints are blue and orange; classes are teal, purple and gold in this order, checked for colour blindness
and always labelled in words beside the colour.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme, as CSS hex."""

    text: str
    muted: str
    grid: str
    background: str
    accent: str
    """What is chosen, as text; buttons are of a colour of their own in the dark, as their labels are white."""
    endpoints: Mapping[str, str]
    classes: tuple[str, ...]

    def endpoint_key(self, key: str, position: int) -> str:
        """Whose colour an endpoint has: its own, or as one of the command line's that of its place."""
        return key if key in self.endpoints else tuple(self.endpoints)[position % len(self.endpoints)]

    def endpoint_color(self, key: str, position: int) -> str:
        return self.endpoints[self.endpoint_key(key, position)]

    def class_color(self, index: int) -> str:
        return self.classes[index % len(self.classes)]


LIGHT = Palette(
    text="#1F2430",
    muted="#5F6573",
    grid="#E2E4EA",
    background="#FCFCFD",
    accent="#4F46E5",
    endpoints={"api": "#2563EB", "function": "#D9620B"},
    classes=("#0F8B8D", "#A21CAF", "#B8860B", "#4D7C0F", "#BE123C", "#475569"),
)
DARK = Palette(
    text="#E6E8EE",
    muted="#9BA1AF",
    grid="#2B303B",
    background="#0F1218",
    accent="#AAA4FF",
    endpoints={"api": "#5B9BFF", "function": "#FF9A4D"},
    classes=("#2DD4BF", "#E879F9", "#E3B341", "#A3E635", "#FB7185", "#94A3B8"),
)


def palette(theme_type: str | None) -> Palette:
    """The palette of Streamlit's theme type: `dark`, anything else is light."""
    return DARK if theme_type == "dark" else LIGHT
