"""Remove secrets from texts and documents: tokens, passwords, and values named like secrets."""

import re
from collections.abc import Mapping
from typing import Any

_SECRET_NAME = re.compile(r"token|secret|passw|authori[sz]ation|credential|api.?key|cookie|private.?key", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), "Bearer (removed)"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.?[\w-]*"), "(removed)"),
    (re.compile(r"(https?://)[^/@\s\"'<>]+@"), r"\1"),
    (re.compile(r"(?i)\b(\w*(?:token|secret|passw(?:or)?d|api_?key)\w*)\s*=\s*[^\s\"'<>&,;]+"), r"\1=(removed)"),
)


def without_secrets(text: str) -> str:
    """`text` without bearer tokens, signed tokens, passwords in addresses, and values named like secrets."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def redacted(value: Any) -> Any:
    """`value`, a JSON value, without members named like secrets and without secrets in its texts."""
    if isinstance(value, Mapping):
        return {
            str(name): "(removed)" if _SECRET_NAME.search(str(name)) and entry else redacted(entry)
            for name, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(entry) for entry in value]
    return without_secrets(value) if isinstance(value, str) else value
