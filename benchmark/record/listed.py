"""What a list of runs shows of a manifest and an outcome, even of damaged ones."""

from collections.abc import Mapping
from typing import Any

from benchmark.endpoints import readable


def listed_endpoints(manifest: Any) -> list[dict[str, Any]]:
    """`position`, `key` and `name` of each endpoint of `manifest`."""
    entries = manifest.get("endpoints") if isinstance(manifest, Mapping) else None
    return [
        {"position": position, "key": readable.name(one["key"]), "name": readable.name(one["name"])}
        for position, one in enumerate(entries if isinstance(entries, list | tuple) else ())
        if isinstance(one, Mapping) and isinstance(one.get("key"), str) and isinstance(one.get("name"), str)
    ]


def listed_reason(outcome: Any) -> str | None:
    """Why a run ended early, if `outcome` says."""
    reason = outcome.get("reason") if isinstance(outcome, Mapping) else None
    return readable.readable(reason) if isinstance(reason, str) else None
