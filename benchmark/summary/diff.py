"""Compare two runs: the differences between their plans, conditions and results."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.statistics.text import interval
from benchmark.summary.printing import rows, stage_rows
from benchmark.summary.summarise import Summary

_PER_RUN = ("resolution_ms",)


@dataclass(frozen=True, slots=True)
class Difference:
    """One line: a name and its value in each run."""

    name: str
    first: str
    second: str


def differences(first: Summary, second: Summary) -> list[Difference]:
    """All differences between two runs of any endpoints: manifests first, then figures by the endpoint's key."""
    one, two = (dict(_flatten(summary.run.manifest)) for summary in (first, second))
    names = [name for name in {**one, **two} if name not in _PER_RUN]
    found = [Difference("state", first.run.state.value, second.run.state.value)]
    found += [Difference(name, one.get(name, "-"), two.get(name, "-")) for name in names]
    sides = {side.key: side for side in second.endpoints}
    for side in first.endpoints:
        if other := sides.get(side.key):
            for label, (before, after) in rows((side, other)):
                found.append(Difference(f"{side.key} {label}", before, after))
            for number, stages in enumerate(zip(side.stages, other.stages, strict=False), 1):
                found += [
                    Difference(f"{side.key} stage {number}: {label}", *both) for label, both in stage_rows(stages)
                ]
    verdicts = [summary.verdict for summary in (first, second)]
    if all(verdicts):
        effects = [_effects(summary) for summary in (first, second)]
        for name in {**effects[0], **effects[1]}:
            label = "difference (ms)" if all(len(one) == 1 for one in effects) else f"{name} (ms)"
            found.append(Difference(label, *(one.get(name, "-") for one in effects)))
        outcomes = [" ".join(filter(None, (verdict.outcome, verdict.winner))) for verdict in verdicts if verdict]
        found += [Difference("verdict", *outcomes), Difference("order", *(_order(one) for one in (first, second)))]
    return [line for line in found if line.first != line.second]


def _effects(summary: Summary) -> dict[str, str]:
    """The differences of each pair, by the keys of both."""
    found = {}
    for pair in summary.verdict.pairs if summary.verdict else ():
        keys = summary.endpoints[pair.first].key, summary.endpoints[pair.second].key
        found[" minus ".join(keys)] = interval(pair.effect)
    return found


def _order(summary: Summary) -> str:
    """The groups by key, with `<` between groups and `=` between ties."""
    groups = summary.verdict.order if summary.verdict and len(summary.endpoints) > 2 else ()
    return " < ".join(" = ".join(summary.endpoints[position].key for position in group) for group in groups)


def _flatten(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{path}.")
        elif isinstance(value, list | tuple) and value and all(isinstance(entry, Mapping) for entry in value):
            for number, entry in enumerate(value, 1):
                yield from _flatten(entry, f"{path}.{entry.get('key', number)}.")
        elif isinstance(value, list | tuple):
            yield path, json.dumps(value)  # tuples become lists once recorded, so treat both alike
        else:
            # A plan may have no ramp; a missing fact is unknown.
            yield path, str(value) if value is not None else "none" if path.startswith("plan.") else "unknown"
