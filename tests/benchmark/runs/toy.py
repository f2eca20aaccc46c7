"""A kind of run that is not the product's: it counts, and measures nothing."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from benchmark.endpoints.bodies import Bodies
from benchmark.endpoints.catalog import Served
from benchmark.endpoints.sample import utc_now
from benchmark.engine.execute import make_manifest
from benchmark.record.plan import PlanError, read_fields
from benchmark.record.recording import Recorder
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Samples, make_row
from benchmark.record.store import Store
from benchmark.runs.kind import Order, ProgressReport, RunKind, Work


@dataclass(frozen=True, slots=True)
class CountPlan:
    """Count from 1 to `to`."""

    to: int = 3

    kind = "toy"


@dataclass(frozen=True, slots=True)
class Counted:
    """How far a run has counted."""

    run: Run
    highest: int


def check(order: Order[CountPlan]) -> None:
    if order.plan.to > 100:
        raise PlanError("nobody counts further than 100")


def prepare(order: Order[CountPlan], store: Store) -> Work:
    check(order)
    plan = write_plan(order.plan)
    manifest = make_manifest(order.endpoints, [Served()] * len(order.endpoints), plan, Bodies("toy", (b"",)), None)
    run = Run(order.run_id, "toy", order.name, RunState.RUNNING, utc_now(), manifest)

    def execute(report: ProgressReport) -> Run:
        store.create_run(run)
        recorder = Recorder(store, run.id, order.plan.to)
        for number in range(1, order.plan.to + 1):
            recorder.add(make_row(group=number, scheduled_ms=number, sent_ms=number, service_ms=1.0))
        recorder.flush()
        report(recorder.progress)
        store.finish(run.id, RunState.FINISHED, {"ended_at_utc": utc_now()})
        return store.run(run.id)

    return Work(run, order.plan.to, f"Counting to {order.plan.to}", execute)


def read_plan(document: Any) -> CountPlan:
    return read_fields(CountPlan, document)


def write_plan(plan: CountPlan) -> dict[str, Any]:
    return {"kind": plan.kind, **asdict(plan)}


def describe(plan: CountPlan, endpoints: int, count: Callable[[int], str]) -> str:
    return f"to {count(plan.to)}"


def summarise(run: Run, samples: Samples) -> Counted:
    read_plan(run.manifest["plan"])
    return Counted(run, int(samples["group"].max()))


def print_counted(summary: Counted, console: Console | None = None) -> None:
    (console or Console()).print(f"Counted to {summary.highest}.")


KIND: RunKind[CountPlan, Counted] = RunKind(
    name="toy",
    title="toy",
    read_plan=read_plan,
    write_plan=write_plan,
    describe=describe,
    check=check,
    prepare=prepare,
    summarise=summarise,
    summary_type=Counted,
    print=print_counted,
    document=lambda summary: {**summary.run.head, "highest": summary.highest},
    has_results=lambda summary: summary.highest > 0,
    panel="tests.benchmark.runs.toy_panel",
    unit="number",
)
