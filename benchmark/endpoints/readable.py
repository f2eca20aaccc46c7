"""Clean untrusted text before it is stored, printed or displayed."""

import re

# Characters that move a terminal's cursor, ring its bell or reverse text, and lone surrogates, which can be neither
# stored nor sent to a browser.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def readable(text: str) -> str:
    """Replace unreadable characters in `text`; tabs and new lines stay."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def is_readable(text: str) -> bool:
    """Whether `readable` leaves `text` unchanged."""
    return _UNREADABLE.search(text) is None


def name(text: str, most: int = 200) -> str:
    """`text` as a name: on one line, with limited length."""
    return readable(" ".join(text.split()))[:most]
