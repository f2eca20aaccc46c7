"""Who a browser is: a cookie that nobody can guess, by which it finds its own history again.

The record keeps only a hash of it: whoever reads the record cannot pass for a browser.
"""

import hashlib
import re
import secrets
from typing import TypeGuard

VISITOR_COOKIE = "faceoff_visitor"
_SECRET = re.compile(r"[\w-]{22}", re.ASCII)


def new_secret() -> str:
    """128 random bits."""
    return secrets.token_urlsafe(16)


def is_secret(text: object) -> TypeGuard[str]:
    """Whether `text` looks like one of ours; a browser can send anything."""
    return isinstance(text, str) and _SECRET.fullmatch(text) is not None


def owner_of(secret: str) -> str:
    """The owner of this browser's comparisons, as the record knows it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]
