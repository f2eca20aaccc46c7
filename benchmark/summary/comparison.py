"""Two runs side by side: only what differs, in what was asked for, under which conditions, and in what came out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.statistics.text import interval
from benchmark.summary.printing import rows
from benchmark.summary.summarise import Summary

_PER_RUN = ("resolution_ms",)


@dataclass(frozen=True, slots=True)
class Difference:
    """One line: what it is, and what it is in either run."""

    name: str
    first: str
    second: str


def differences(first: Summary, second: Summary) -> list[Difference]:
    """All differences between two runs: of the manifests first, then of the figures of each endpoint by its key."""
    one, two = (dict(_flatten(summary.run.manifest)) for summary in (first, second))
    names = [name for name in {**one, **two} if name not in _PER_RUN]
    found = [Difference("state", first.run.state.value, second.run.state.value)]
    found += [Difference(name, one.get(name, "-"), two.get(name, "-")) for name in names]
    sides = {side.key: side for side in second.endpoints}
    for side in first.endpoints:
        if other := sides.get(side.key):
            for label, (before, after) in rows((side, other)):
                found.append(Difference(f"{side.key} {label}", before, after))
    verdicts = [summary.verdict for summary in (first, second)]
    if all(verdicts):
        effects = [interval(verdict.effect) for verdict in verdicts if verdict]
        outcomes = [" ".join(filter(None, (verdict.outcome, verdict.winner))) for verdict in verdicts if verdict]
        found += [Difference("difference (ms)", *effects), Difference("verdict", *outcomes)]
    return [line for line in found if line.first != line.second]


def _flatten(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{path}.")
        elif isinstance(value, list | tuple) and value and all(isinstance(entry, Mapping) for entry in value):
            for number, entry in enumerate(value, 1):
                yield from _flatten(entry, f"{path}.{entry.get('key', number)}.")
        elif isinstance(value, list | tuple):
            yield path, json.dumps(value)  # the same for a tuple as for the list that it is once recorded
        else:
            # A plan without a ramp has none; a fact that is not there is not known.
            yield path, str(value) if value is not None else "none" if path.startswith("plan.") else "unknown"
