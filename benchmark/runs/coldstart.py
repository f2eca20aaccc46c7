"""Cold-start runs: create new instances of endpoints or local programs, and time their first answers.

Only targets that the operator configured are started and contacted. A record selects among them and adds nothing.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from benchmark.coldstart import local
from benchmark.coldstart import plan as plans
from benchmark.coldstart import summary as cold
from benchmark.coldstart.force import ForceError
from benchmark.coldstart.measure import drop_page_cache, execute
from benchmark.coldstart.plan import ColdPlan, ForcedPlan, IdleSweepPlan, SpawnPlan, gap_text
from benchmark.coldstart.printing import print_coldstart
from benchmark.coldstart.program import POLL_S, Command, ProgramError
from benchmark.coldstart.summary import ColdSummary
from benchmark.coldstart.target import Target, chosen_for, served_by
from benchmark.endpoints.bodies import card_for, from_descriptions
from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.execute import make_manifest
from benchmark.record.plan import PlanError, check_count, check_hosts
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import Store
from benchmark.runs.headline import of_cold_starts
from benchmark.runs.kind import Order, ProgressReport, RunBroken, RunKind, RunRefused, Shows, Work
from benchmark.runs.requests import new_run, read_bodies
from benchmark.statistics.text import listed


def check(order: Order[ColdPlan]) -> None:
    """Refuse hosts that are not allowed, unless all targets are local programs. Raises PlanError."""
    if not isinstance(order.plan, SpawnPlan):
        check_count(len(order.endpoints))
        check_hosts(order.endpoints, order.allowed_hosts)


def prepare(order: Order[ColdPlan], store: Store) -> Work:
    """Prepare a run of local programs, or with FORCE_COMMAND. Raises PlanError, RunRefused."""
    plan, force = order.plan, None
    if isinstance(plan, ForcedPlan):
        force = os.environ.get("FORCE_COMMAND")
        if not force:
            raise PlanError("FORCE_COMMAND must hold a command that forces a new instance")
    if isinstance(plan, SpawnPlan) and plan.drop_caches and order.resumed:
        raise PlanError(
            f"run {order.resumed.id} needs an option that is never taken from the record: give --drop-caches again"
        )
    targets = programs(local.programs()) if isinstance(plan, SpawnPlan) else addresses(order.endpoints, plan.timeout_s)
    return prepare_targets(order, targets, store, force=force)


def prepare_targets(order: Order[ColdPlan], targets: Sequence[Target], store: Store, *, force: str | None) -> Work:
    """Ask the operator's `targets` what they serve. Raises PlanError, RunRefused, StoreError."""
    check(order)
    plan, resumed = order.plan, order.resumed
    sent_sha256 = None
    try:
        if resumed:
            targets, sent_sha256 = _resumable(resumed, targets)
        elif isinstance(plan, SpawnPlan):
            plan = with_page_cache(plan)
        with _sigterm_as_sigint():
            served = served_by(targets, plan.timeout_s)
        asked = [target.at("http://127.0.0.1", plan.timeout_s) for target in targets]
        card = card_for(asked, served, order.body_from)
        bodies = read_bodies(order.body_from, card, described=from_descriptions(asked, served))
        if sent_sha256 not in (None, bodies.sha256):
            raise PlanError(f"run {order.run_id} sent different inputs: the model or --body-from has changed")
    except KeyboardInterrupt as error:
        raise RunRefused("it was cancelled before it started") from error
    except ProgramError as error:
        raise RunRefused(str(error)) from error
    manifest = make_manifest(asked, served, plans.to_document(plan), bodies, card)
    for entry, target in zip(manifest["endpoints"], targets, strict=True):
        entry |= target.recorded
    if isinstance(plan, SpawnPlan):
        manifest["port_poll_ms"] = POLL_S * 1000
    run = resumed or new_run(plans.KIND, order.name, manifest, order.run_id)

    def carry_out(report: ProgressReport) -> Run:
        try:
            return execute(run, plan, targets, bodies, card, store, force=force, resume=bool(resumed), report=report)
        except ForceError as error:
            raise RunBroken(
                f"{error}; run {run.id} has the samples so far: resume it with --resume {run.id} and the same "
                "--endpoint and --force"
            ) from error

    return Work(run, plan.probes * len(targets), describe(plan, targets), carry_out)


def _resumable(run: Run, targets: Sequence[Target]) -> tuple[list[Target], str]:
    """The targets of `run` among `targets`, and the hash of its inputs. Raises PlanError."""
    try:
        return chosen_for(run, targets), run.manifest.body_sha256
    except (KeyError, TypeError, AttributeError) as error:
        raise PlanError(f"run {run.id} cannot be read, so it cannot be resumed") from error


def programs(commands: Mapping[str, Command]) -> list[Target]:
    """Local programs by key. Raises RunRefused if a working directory is missing."""
    try:
        local.require_directories(commands)
    except ProgramError as error:
        raise RunRefused(str(error)) from error
    return [Target(key, local.NAMES.get(key, key), command=command) for key, command in commands.items()]


def addresses(endpoints: Sequence[Endpoint], timeout_s: float) -> list[Target]:
    """Remote endpoints, with a timeout that allows for a start."""
    return [Target(one.key, one.name, replace(one, timeout_s=timeout_s)) for one in endpoints]


def with_page_cache(plan: SpawnPlan) -> SpawnPlan:
    """`plan` with the state of this machine's page cache, which is emptied only if permitted."""
    if not plan.drop_caches:
        return replace(plan, caches="warm: each program has been started before")
    if refused := drop_page_cache():
        return replace(plan, caches=f"warm: it could not be emptied ({refused})", drop_caches=False)
    return replace(plan, caches="cold: emptied before each spawn")


def describe_plan(plan: ColdPlan, endpoints: int, count: Callable[[int], str]) -> str:
    """A short description of a plan, the same for any number of endpoints."""
    if isinstance(plan, IdleSweepPlan):
        gaps = listed([gap_text(gap_s) for gap_s in sorted(plan.idle_s)])
        return f"idle sweep, {count(plan.repeats)} probes each after {gaps}"
    how = "local programs" if isinstance(plan, SpawnPlan) else "forced"
    return f"{how}, {count(plan.repeats)} cold starts each"


def describe(plan: ColdPlan, targets: Sequence[Target]) -> str:
    """The announcement of a run."""
    names = listed([target.endpoint.address if target.endpoint else target.key for target in targets])
    waits = f", at least {gap_text(plan.waits_s)} of waiting" if isinstance(plan, IdleSweepPlan) else ""
    return f"{plan.probes} cold start probes of each of {names}{waits}"


@contextmanager
def _sigterm_as_sigint() -> Iterator[None]:
    """Treat SIGTERM as SIGINT, which an event loop handles between steps, so that all started programs are stopped."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),  # an inherited SIGINT may be ignored
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT)),
    }
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _count_probes(samples: Samples, outcome: Mapping[str, Any]) -> int:
    """The number of probes; each has several requests."""
    probes = outcome.get("probes")
    return len(samples) if probes is None else len(probes)


KIND: RunKind[ColdPlan, ColdSummary] = RunKind(
    name=plans.KIND,
    title="cold start",
    read_plan=plans.from_document,
    write_plan=plans.to_document,
    describe=describe_plan,
    check=check,
    prepare=prepare,
    summarise=cold.summarise,
    summary_type=ColdSummary,
    print=print_coldstart,
    document=cold.to_document,
    has_results=lambda summary: any(side.failed < len(side.probes) for side in summary.endpoints),
    headline=of_cold_starts,
    page="coldstart",
    panel="dashboard.views.coldstart.panels",
    unit="probe",
    count=_count_probes,
    needs_idle_endpoints=True,
    shows=Shows.COLD_STARTS,
)
