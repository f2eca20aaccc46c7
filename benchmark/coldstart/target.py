"""Targets of cold starts: an address, or a program that is started for each sample."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.coldstart.program import Command, LocalProgram, ProgramError
from benchmark.endpoints.bounded import new_client
from benchmark.endpoints.catalog import Served, fetch
from benchmark.endpoints.endpoint import Endpoint
from benchmark.record.plan import PlanError
from benchmark.record.run import Run


@dataclass(frozen=True, slots=True)
class Target:
    """An address, or a command that is restarted for each sample."""

    key: str
    name: str
    endpoint: Endpoint | None = None
    command: Command | None = None

    def at(self, url: str, timeout_s: float) -> Endpoint:
        """The endpoint at `url`, where its program listens."""
        return self.endpoint or Endpoint(self.key, self.name, url, timeout_s)

    @property
    def recorded(self) -> dict[str, Any]:
        """Its location for the manifest. For people and `chosen_for` only; never started or contacted."""
        if self.command:
            return {"url": None, "command": list(self.command.argv), "directory": str(self.command.directory)}
        return {"url": self.endpoint.url if self.endpoint else None}


def chosen_for(run: Run, targets: Sequence[Target]) -> list[Target]:
    """Select the targets of `run`, in its order, among the `targets` that the operator configured.

    The record only selects among them: its text is untrusted, and is never started or contacted. Raises PlanError if a
    target of the run is not configured.
    """
    configured = {target.key: target for target in targets}
    chosen = []
    for entry in run.manifest["endpoints"]:
        target = configured.get(entry["key"])
        if target is None or any(entry.get(name) != value for name, value in target.recorded.items()):
            options = "--command and --directory" if "command" in entry else "--endpoint"
            raise PlanError(
                f"run {run.id} does not match the configured targets: give {options} as when it was started"
            )
        chosen.append(target)
    return chosen


def served_by(targets: Sequence[Target], timeout_s: float) -> list[Served]:
    """Ask each target what it serves; a program is started once for this. Raises ProgramError."""

    async def ask() -> list[Served]:
        return [await _ask_started(target, target.command, timeout_s) for target in targets if target.command]

    if all(target.command for target in targets):
        return asyncio.run(ask())
    with new_client() as client:
        return [fetch(client, target.endpoint) for target in targets if target.endpoint]


async def _ask_started(target: Target, command: Command, timeout_s: float) -> Served:
    """Start a program once, unmeasured, to ask what it serves. Afterwards its files are in the page cache."""
    try:
        program = LocalProgram(command)
        try:
            await program.wait_until_open(timeout_s)
            with new_client() as client:
                return await asyncio.to_thread(fetch, client, target.at(program.url, timeout_s))
        finally:
            await asyncio.to_thread(program.stop)
    except ProgramError as error:
        raise ProgramError(f"{target.key} {error}") from error
