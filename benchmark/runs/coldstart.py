"""Cold starts: new instances of endpoints or of programs of this machine, and what their first answers cost.

What is started and asked is what the operator configured. A record chooses among that, and adds nothing of its own.
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
from benchmark.endpoints.bodies import card_of
from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.execute import make_manifest
from benchmark.record.plan import PlanError, check_count, check_hosts
from benchmark.record.run import Run
from benchmark.record.samples import Samples
from benchmark.record.store import Store
from benchmark.runs.kind import Order, ProgressReport, RunBroken, RunKind, RunRefused, Shows, Work
from benchmark.runs.requests import new_run, read_bodies
from benchmark.statistics.text import listed


def check(order: Order[ColdPlan]) -> None:
    """Refuse hosts that nobody allowed, unless all that is asked is started here. Raises PlanError."""
    if not isinstance(order.plan, SpawnPlan):
        check_count(len(order.endpoints))
        check_hosts(order.endpoints, order.allowed_hosts)


def prepare(order: Order[ColdPlan], store: Store) -> Work:
    """As the environment says: both programs of this repository, or FORCE_COMMAND. Raises PlanError, RunRefused."""
    plan, force = order.plan, None
    if isinstance(plan, ForcedPlan):
        force = os.environ.get("FORCE_COMMAND")
        if not force:
            raise PlanError("FORCE_COMMAND must say how a new instance is forced")
    if isinstance(plan, SpawnPlan) and plan.drop_caches and order.resumed:
        raise PlanError(f"run {order.resumed.id} needs what is never taken from the record: give --drop-caches again")
    targets = programs(local.programs()) if isinstance(plan, SpawnPlan) else addresses(order.endpoints, plan.timeout_s)
    return prepare_targets(order, targets, store, force=force)


def prepare_targets(order: Order[ColdPlan], targets: Sequence[Target], store: Store, *, force: str | None) -> Work:
    """Ask `targets`, all configured by the operator, what they serve. Raises PlanError, RunRefused, StoreError."""
    check(order)
    plan, resumed = order.plan, order.resumed
    sent_sha256 = None
    try:
        if resumed:
            targets, sent_sha256 = _resumable(resumed, targets)
        elif isinstance(plan, SpawnPlan):
            plan = with_page_cache(plan)
        with _ended_like_by_ctrl_c():
            served = served_by(targets, plan.timeout_s)
        card = card_of([one.card for one in served])
        bodies = read_bodies(order.body_from, card)
        if sent_sha256 not in (None, bodies.sha256):
            raise PlanError(f"run {order.run_id} sent something else: the model or --body-from is not what it was")
    except KeyboardInterrupt as error:
        raise RunRefused("it was cancelled before it began") from error
    except ProgramError as error:
        raise RunRefused(str(error)) from error
    endpoints = [target.at("http://127.0.0.1", plan.timeout_s) for target in targets]
    manifest = make_manifest(endpoints, served, plans.to_document(plan), bodies, card)
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
                f"{error}; what was measured is in run {run.id}, and --resume {run.id} goes on, with the same "
                "--endpoint and --force"
            ) from error

    return Work(run, plan.probes * len(targets), describe(plan, targets), carry_out)


def _resumable(run: Run, targets: Sequence[Target]) -> tuple[list[Target], str]:
    """Those of `targets` that `run` is about, and the hash of what it sent. Raises PlanError."""
    try:
        return chosen_for(run, targets), run.manifest.body_sha256
    except (KeyError, TypeError, AttributeError) as error:
        raise PlanError(f"run {run.id} cannot be read, so it cannot go on") from error


def programs(commands: Mapping[str, Command]) -> list[Target]:
    """Programs of this machine by key. Raises RunRefused where one has no directory to run in."""
    try:
        local.require_directories(commands)
    except ProgramError as error:
        raise RunRefused(str(error)) from error
    return [Target(key, local.NAMES.get(key, key), command=command) for key, command in commands.items()]


def addresses(endpoints: Sequence[Endpoint], timeout_s: float) -> list[Target]:
    """Endpoints where they are, which have as long to answer as a start may take."""
    return [Target(one.key, one.name, replace(one, timeout_s=timeout_s)) for one in endpoints]


def with_page_cache(plan: SpawnPlan) -> SpawnPlan:
    """`plan` with what this machine's page cache will be: it is emptied only where that is allowed."""
    if not plan.drop_caches:
        return replace(plan, caches="warm: each program has been started before")
    if refused := drop_page_cache():
        return replace(plan, caches=f"warm: it could not be emptied ({refused})", drop_caches=False)
    return replace(plan, caches="cold: emptied before each spawn")


def describe_plan(plan: ColdPlan, endpoints: int, count: Callable[[int], str]) -> str:
    """A plan in a few words, which are the same for any number of endpoints."""
    if isinstance(plan, IdleSweepPlan):
        gaps = listed([gap_text(gap_s) for gap_s in sorted(plan.idle_s)])
        return f"idle sweep, {count(plan.repeats)} probes each after {gaps}"
    how = "local programs" if isinstance(plan, SpawnPlan) else "forced"
    return f"{how}, {count(plan.repeats)} cold starts each"


def describe(plan: ColdPlan, targets: Sequence[Target]) -> str:
    """What is about to happen, before it does."""
    names = listed([target.endpoint.address if target.endpoint else target.key for target in targets])
    waits = f", at least {gap_text(plan.waits_s)} of waiting" if isinstance(plan, IdleSweepPlan) else ""
    return f"{plan.probes} cold start probes of each of {names}{waits}"


@contextmanager
def _ended_like_by_ctrl_c() -> Iterator[None]:
    """SIGTERM is a SIGINT, which an event loop obeys between two steps: every program that is started is stopped."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),  # else it may be ignored
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT)),
    }
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _count_probes(samples: Samples, outcome: Mapping[str, Any]) -> int:
    """Each of them is several requests."""
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
    page="coldstart",
    panel="dashboard.views.coldstart.panels",
    unit="probe",
    count=_count_probes,
    needs_idle_endpoints=True,
    shows=Shows.COLD_STARTS,
)
