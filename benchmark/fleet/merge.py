"""Make one run of what its workers measured: rows with common numbers of instances, and one outcome. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.engine.client import Instances
from benchmark.record.samples import Samples, unpack

MAX_ROWS = 4_000_000
"""The most rows of one chunk: an engine writes twice a second."""


@dataclass(slots=True)
class Part:
    """What is known of one worker in a run."""

    name: str
    planned: int
    """requests in its share"""
    due_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """when each of them is due since the start, ascending; empty for a closed loop"""
    sent: int = 0
    """requests whose rows have been collected"""
    instances: list[int] = field(default_factory=lambda: [0])
    """the run's number of each of its own instances; 0 is unknown"""
    outcome: Mapping[str, Any] | None = None
    """of its engine, once that has ended"""
    collecting_cpu_s: float = 0.0
    """CPU time of the worker's own process beside the engine"""
    lost: str | None = None
    """why it was lost, in a clause; None if it was not"""

    def meet(self, ids: Sequence[str], known: Instances) -> None:
        """Its next instances have these IDs."""
        self.instances += [known.number(instance_id) for instance_id in ids]

    def rows(self, chunk: bytes, position: int) -> Samples:
        """The rows of a chunk of this worker, which is at `position`, as the run records them.

        Raises ValueError for damaged rows.
        """
        samples = unpack(chunk, MAX_ROWS)
        numbers = np.array(self.instances, dtype=np.uint16)
        if len(samples) and int(samples["instance"].max()) >= len(numbers):
            raise ValueError("rows of an unknown instance")
        samples["instance"] = numbers[samples["instance"]]
        samples["worker"] = position + 1
        self.sent += len(samples)
        return samples

    def missing(self, ended_ns: int | None) -> int:
        """How many requests of its share were sent or due, and have no row. `ended_ns` is when the run ended early
        since its start; None if it did not.

        Nobody knows how many of these a lost worker has sent.
        """
        if ended_ns is None:
            return self.planned - self.sent
        return 0 if self.lost is None else max(0, int(np.searchsorted(self.due_ns, ended_ns)) - self.sent)

    def document(self, ended_ns: int | None) -> dict[str, Any]:
        """The worker in the outcome of a run; `ended_ns` as for `missing`."""
        health = (self.outcome or {}).get("generator", {})
        return {
            "name": self.name,
            "sent": self.sent,
            "lost": self.missing(ended_ns),
            "limited": bool(health.get("limited", False)),
            **({"problem": self.lost} if self.lost is not None else {}),
            "generator": dict(health),
            "collecting_cpu_s": round(self.collecting_cpu_s, 3),
        }


def generator(parts: Sequence[Part]) -> dict[str, Any]:
    """The health of all workers in the form of one generator: the worst of each figure, and the reasons with the
    names of the workers. Empty if no worker has ended."""
    known = [(part.name, part.outcome["generator"]) for part in parts if part.outcome and part.outcome.get("generator")]
    if not known:
        return {}

    def worst(name: str) -> float | None:
        values = [health[name] for _, health in known if health[name] is not None]
        return max(values) if values else None

    return {
        **{name: worst(name) for name in ("floor_ms", "loop_lag_ms", "late_ms", "cpu")},
        "reasons": [f"worker {name}: {reason}" for name, health in known for reason in health["reasons"]][:20],
        "limited": any(health["limited"] for _, health in known),
    }


def outcome(parts: Sequence[Part], instances: Instances, ended_ns: int | None) -> dict[str, Any]:
    """The outcome of a run, but for its end. `ended_ns` as for `Part.missing`."""
    details: dict[str, dict[str, str]] = {}
    for part in parts:
        for key, texts in (part.outcome or {}).get("failure_details", {}).items():
            details[key] = texts | details.get(key, {})
    health = generator(parts)
    return {
        "instances": instances.ids,
        "failure_details": details,
        **({"generator": health} if health else {}),
        "workers": [part.document(ended_ns) for part in parts],
    }
