"""Runs of cold starts whose record says what is to be started and asked, as an attacker would write them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.coldstart.plan import ColdPlan, IdleSweepPlan, SpawnPlan
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Samples
from tests.benchmark.cold_runs import TrueStart, cold_run

FORGED = "f0f0f0f0"


def touching(file: Path) -> tuple[Run, Samples]:
    """A run that was cut off, the commands of which make `file`."""
    command = ["/bin/sh", "-c", f"touch {file}; sleep 60"]
    return _cut_off(SpawnPlan(3), {"url": None, "command": command, "directory": "/"})


def reaching(url: str) -> tuple[Run, Samples]:
    """A ladder that was cut off, which says that both its endpoints are at `url`."""
    return _cut_off(IdleSweepPlan(3, idle_s=(0.01,)), {"url": url})


def _cut_off(plan: ColdPlan, where: dict[str, Any]) -> tuple[Run, Samples]:
    run, samples = cold_run(plan, {"api": TrueStart(), "function": TrueStart()}, RunState.FAILED, done=1)
    entries = [{**entry, **where} for entry in run.manifest["endpoints"]]
    outcome = {"probes": run.progress["probes"], "instances": [], "failure_details": {}}
    return replace(run, id=FORGED, manifest={**run.manifest, "endpoints": entries}, outcome=outcome), samples
