"""Text on the pages: badges, numbers, durations, tables, and escaping of text from elsewhere."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.statistics.text import in_words

NOTHING = "\N{EN DASH}"
"""Shown in place of a missing figure."""
READ_ONLY = ":material/lock: This dashboard is read-only"
"""Markdown. Each page adds what that means there."""

Color = Literal["red", "orange", "blue", "green", "gray", "violet"]


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with an icon and a colour. The word alone carries the meaning."""

    text: str
    icon: str
    color: Color

    @property
    def markdown(self) -> str:
        return f":{self.color}-badge[{self.icon} {self.text}]"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement in a box: a badge with the headline, and a sentence."""

    outcome: Literal["agree", "disagree", "unknown"]
    headline: str
    sentence: str

    @property
    def badge(self) -> Badge:
        return agreement_badge(self.outcome, self.headline)


_AGREEMENT: Mapping[str, tuple[str, Color]] = {
    "agree": (":material/check_circle:", "green"),
    "disagree": (":material/warning:", "red"),
    "unknown": (":material/help:", "gray"),
}


def agreement_badge(outcome: Literal["agree", "disagree", "unknown"], text: str) -> Badge:
    """The badge of agreement with `text`, the same on every page."""
    return Badge(text, *_AGREEMENT[outcome])


def plain(text: str) -> str:
    """Escape `text`, which may come from an endpoint, so that Streamlit's Markdown shows it unchanged."""
    # Escapes do not stop Streamlit from turning bare addresses into links and `:material/...:` into icons, because it
    # searches the rendered text. A zero-width joiner breaks them up.
    text = re.sub(
        r"(?i)https?:(?=//)|www(?=\.)|@|:(?=material/|streamlit:)", "\\g<0>\N{WORD JOINER}", " ".join(text.split())
    )
    # Escape no more than needed: screen readers read the label of a widget aloud, backslashes included.
    text = re.sub(r"([\\`*_{}\[\]#|<>~$:&])", r"\\\1", text)
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", text)


def sentence(text: str) -> str:
    """Turn an error message into a sentence, with a capital letter and a full stop."""
    return f"{capital(text)}."


def capital(text: str) -> str:
    """`text` with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def duration(value_ms: float) -> str:
    """Milliseconds with three significant digits: `4.73`, `24.4`, `1 240`."""
    # The bounds are where rounding reaches the next power of ten.
    digits = 2 if value_ms < 9.995 else 1 if value_ms < 99.95 else 0
    return f"{value_ms:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def count(number: float) -> str:
    """A whole number with separated thousands: `1 681`."""
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(number: int, noun: str) -> str:
    """A counted noun: `1 probe`, `1 681 requests`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def endpoints(number: int) -> str:
    """All `number` endpoints: `the endpoint`, `both endpoints`, `all three endpoints`."""
    return {1: "the endpoint", 2: "both endpoints"}.get(number) or f"all {in_words(number)} endpoints"


def percent(share: float) -> str:
    """A share as bars and metrics show it. An uncertain answer is never rounded up to 100 %."""
    if 0.9995 <= share < 1:
        return "> 99.9"
    if 0 < share < 0.0005:
        return "< 0.1"
    return f"{share * 100:.1f}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A Markdown table. Its last `numbers` columns are right-aligned.

    Streamlit's own tables import pandas.
    """
    rule = ["---"] * (len(header) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))
