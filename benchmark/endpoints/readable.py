"""Text that somebody else wrote, as it may be kept, printed and shown."""

import re

# What moves a terminal's cursor, rings, or turns the order of a line around; and halves of characters, which can be
# neither stored nor sent to a browser.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def readable(text: str) -> str:
    """`text` with a replacement character for each that is no character to read; tabs and new lines stay."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def is_readable(text: str) -> bool:
    """Whether `readable` leaves `text` as it is."""
    return _UNREADABLE.search(text) is None


def name(text: str, most: int = 200) -> str:
    """`text` as a name: on one line, with at most so many characters."""
    return readable(" ".join(text.split()))[:most]
