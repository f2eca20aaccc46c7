"""A recorded run: its plan, conditions and outcome. Never edited, only summarised."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from benchmark.record.manifest import Ending, Manifest, Typed
from benchmark.record.plan import Plan, from_document

FORMAT_VERSION = 1
"""Version of manifest and outcome. History: 1 the first."""


class RunState(StrEnum):
    """The state of a run. `aborted`: it exceeded a limit of its plan. `lost`: it is recorded as running, but its
    process has stopped writing."""

    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True)
class Run:
    """One run without its samples. `manifest` is fixed when it starts, `outcome` when it ends."""

    id: str
    kind: str
    name: str
    state: RunState
    started_at_utc: str
    manifest: Typed[Manifest] = Typed(Manifest)  # noqa: RUF009  a descriptor, of which the class has one
    outcome: Typed[Ending] = Typed(Ending)  # noqa: RUF009  the same
    progress: Mapping[str, Any] = field(default_factory=dict)
    """`done` and `total` requests, `phase` and `elapsed_s`"""
    is_imported: bool = False
    """It was imported from a file, which is untrusted. Nothing in it is started or contacted, and it counts as evidence
    only if it is named explicitly."""
    started_by: str = ""
    """who started it; empty if unknown"""

    @property
    def plan(self) -> Plan:
        """Raises PlanError."""
        return from_document(self.manifest.plan)

    @property
    def endpoint_keys(self) -> tuple[str, ...]:
        """In the order of the samples' `endpoint`."""
        return tuple(endpoint.key for endpoint in self.manifest.endpoints)

    @property
    def endpoint_names(self) -> tuple[str, ...]:
        """The display names."""
        return tuple(endpoint.name for endpoint in self.manifest.endpoints)

    @property
    def head(self) -> dict[str, Any]:
        """The run and its conditions as JSON."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "state": self.state.value,
            **({"reason": self.outcome.reason} if self.outcome.reason is not None else {}),
            "started_at_utc": self.started_at_utc,
            "imported": self.is_imported,
            "manifest": dict(self.manifest),
        }

    @property
    def started_text(self) -> str:
        """The start as readable text."""
        return f"{self.started_at_utc[:19].replace('T', ' ')} UTC"

    @property
    def imported_text(self) -> str:
        """The warning for everything based on an imported run; empty for other runs."""
        text = f"Run {self.id} was imported: its data was not measured here and cannot be verified."
        return text if self.is_imported else ""

    @property
    def is_over(self) -> bool:
        return self.state is not RunState.RUNNING


def new_run_id() -> str:
    return secrets.token_hex(4)
