"""Shared by the kinds that send requests to running endpoints: prepare a run from a plan."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmark.endpoints import readable
from benchmark.endpoints.bodies import Bodies, BodyError, card_for, from_card, from_csv, from_descriptions
from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.protocols import AUTO, named_body
from benchmark.endpoints.rows import MAX_BYTES, RowsError, decode
from benchmark.endpoints.sample import utc_now
from benchmark.engine.correctness import at_rest_requests
from benchmark.engine.execute import ask, execute, make_manifest
from benchmark.engine.forecast import Forecast, estimate, typical_ms
from benchmark.engine.replay import Recording
from benchmark.fleet import coordinator
from benchmark.fleet.cluster import Cluster
from benchmark.fleet.split import check_workers
from benchmark.record.plan import (
    ComparePlan,
    OpenLoopPlan,
    Plan,
    PlanError,
    ReplayPlan,
    StagedPlan,
    check_count,
    check_limits,
    from_document,
    to_document,
)
from benchmark.record.run import Run, RunState
from benchmark.record.samples import Floats
from benchmark.record.store import Store
from benchmark.runs.headline import of_requests
from benchmark.runs.kind import Order, ProgressReport, RunBroken, RunKind, Shows, Work
from benchmark.statistics.text import listed
from benchmark.summary.printing import print_summary
from benchmark.summary.summarise import Summary, stages_text, summarise, unit_name
from benchmark.summary.summarise import to_document as summary_document
from benchmark.synthetic.selftest import known_resolution_ms
from inference.card import ModelCard


def request_kind(name: str, title: str, shows: Shows | None = None) -> RunKind[Plan, Summary]:
    """A kind whose samples are requests to running endpoints, and whose summary is their latencies."""
    return RunKind(
        name=name,
        title=title,
        read_plan=from_document,
        write_plan=to_document,
        describe=describe_plan,
        check=check,
        prepare=partial(prepare, name),
        summarise=summarise,
        summary_type=Summary,
        print=print_summary,
        document=summary_document,
        has_results=lambda summary: any(one.n for one in summary.endpoints),
        headline=of_requests,
        panel="dashboard.views.benchmark.report",
        shows=shows,
    )


def check(order: Order[Plan]) -> None:
    """Refuse potentially harmful orders, and replays without their log. Raises PlanError."""
    check_count(len(order.endpoints))
    if isinstance(order.plan, ReplayPlan) and (order.recording is None or order.recording.times_s is None):
        raise PlanError(f"a replay needs its log, {order.plan.log}: start it with `load --replay`")
    check_limits(order.plan, order.endpoints, order.allowed_hosts, order.max_requests, order.max_rate)
    if order.workers is not None:
        if isinstance(order.plan, ComparePlan) or order.plan.correctness:
            raise PlanError(
                "--workers send loads, and do not compare answers with those at rest: leave out --correctness"
            )
        check_workers(order.plan, order.workers.count or 1)


def prepare(kind: str, order: Order[Plan], store: Store) -> Work:
    """Contact the endpoints and write the manifest. Raises PlanError, StoreError."""
    if order.resumed:
        raise PlanError(f"run {order.resumed.id} cannot be resumed: start a new one")
    check(order)
    plan, endpoints = order.plan, order.endpoints
    started = perf_counter()
    served = ask(endpoints)
    asked_ms = (perf_counter() - started) * 1000 / len(endpoints)
    card = card_for(endpoints, served, order.body_from)
    silent = [f"{one.key} {known.problem}" for one, known in zip(endpoints, served, strict=True) if known.problem]
    recording = order.recording
    if recording is not None and recording.bodies is not None:
        bodies = recorded_bodies(recording, card)
    else:
        bodies = read_bodies(order.body_from, card, silent, from_descriptions(endpoints, served))
    check_at_rest(order, bodies)
    manifest = make_manifest(endpoints, served, to_document(plan), bodies, card)
    urls = [endpoint.url for endpoint in endpoints]
    is_elsewhere = order.workers is not None and not order.workers.is_local
    # The self-tests of this machine say nothing of others.
    manifest["resolution_ms"] = None if is_elsewhere else known_resolution_ms(store, manifest["client"]["host"], urls)
    expected_ms = typical_ms(store.runs(), endpoints, plan) or asked_ms
    run = new_run(kind, order.name, manifest, order.run_id)
    times_s = recording.times_s if recording is not None else None
    announcement = describe(estimate(plan, endpoints, expected_ms), endpoints) + describe_found(endpoints)
    return work(run, endpoints, bodies, card, store, announcement, times_s, order.workers)


def check_at_rest(order: Order[Plan], bodies: Bodies) -> None:
    """Refuse a plan that sends too many requests together with those at rest. Raises PlanError."""
    plan = order.plan
    if isinstance(plan, ComparePlan) or not plan.correctness:
        return
    requests = plan.requests(len(order.endpoints)) + at_rest_requests(bodies.bodies) * len(order.endpoints)
    if requests > order.max_requests:
        raise PlanError(
            f"{requests} requests, with those at rest, exceed the maximum of {order.max_requests} (--max-requests)"
        )


def recorded_bodies(recording: Recording, card: ModelCard | None) -> Bodies:
    """The bodies of a log, one for each request. The `card` names the values that have no names there.

    Raises PlanError.
    """
    assert recording.bodies is not None  # the caller has checked this  # noqa: S101
    names = card.feature_names if card else None
    named: dict[bytes, bytes] = {}
    for body in dict.fromkeys(recording.bodies):
        document = json.loads(body)
        if isinstance(document, dict):
            named[body] = body
            continue
        if names is None:
            raise PlanError(f"--replay {recording.name}: its bodies have no names, and no endpoint gives a model card")
        if len(document) != len(names):
            raise PlanError(
                f"--replay {recording.name}: a body has {len(document)} values, and the model takes {len(names)}"
            )
        named[body] = named_body(names, document)
    return Bodies(f"log {recording.name}", tuple(named[body] for body in recording.bodies))


def describe_plan(plan: Plan, endpoints: int, count: Callable[[int], str]) -> str:
    """A short description of a plan for a number of endpoints."""
    if isinstance(plan, ComparePlan):
        what = f"{count(plan.pairs)} {'requests' if endpoints == 1 else unit_name(plan, endpoints)}"
    elif isinstance(plan, OpenLoopPlan):
        ramp = "" if plan.ramp is None else f"{plan.ramp:g} to "
        what = f"{ramp}{plan.rate:g}/s for {span(plan.duration_s)}"
    elif isinstance(plan, StagedPlan):
        what = f"{stages_text(plan)} in {span(plan.duration_s)}"
    elif isinstance(plan, ReplayPlan):
        what = f"{count(plan.total)} requests of {plan.log} at {plan.speed:g} times its speed"
    else:
        what = f"{plan.concurrency} callers, {count(plan.total)} requests each"
    return f"{what}, {plan.connection} connections"


def work(
    run: Run,
    endpoints: Sequence[Endpoint],
    bodies: Bodies,
    card: ModelCard | None,
    store: Store,
    announcement: str,
    times_s: Floats | None = None,
    workers: Cluster | None = None,
) -> Work:
    """`run` as prepared work, for these `workers` or else this process; `times_s` as for `execute`."""

    def carry_out(report: ProgressReport) -> Run:
        if workers is not None:
            ended = coordinator.execute(run, endpoints, bodies, card, store, report, workers, times_s=times_s)
            if ended.state is RunState.FAILED:
                raise RunBroken(ended.outcome.reason or "no worker finished")
            return ended
        return execute(run, endpoints, bodies, card, store, report, times_s=times_s)

    return Work(run, run.plan.requests(len(endpoints)), announcement, carry_out)


def new_run(kind: str, name: str, manifest: dict[str, Any], run_id: str) -> Run:
    """A run that starts now."""
    return Run(run_id, kind, readable.name(name), RunState.RUNNING, utc_now(), manifest)


def describe(planned: Forecast, endpoints: Sequence[Endpoint]) -> str:
    """The announcement of a run."""
    cost = "" if planned.cost_usd is None else f", at most USD {planned.cost_usd:.2g}"
    addresses = listed([endpoint.address for endpoint in endpoints])
    return f"{planned.requests} requests to {addresses}, about {planned.duration_s or 0:.0f} s{cost}"


def describe_found(endpoints: Sequence[Endpoint]) -> str:
    """Which protocols were found by asking, as a clause; empty if that was not wanted."""
    found = [
        f"{one.key} {f'speaks {one.speaks}' if one.speaks != AUTO else 'describes itself in no known protocol'}"
        for one in endpoints
        if one.protocol == AUTO
    ]
    return f"; {listed(found)}" if found else ""


def span(duration_s: float) -> str:
    """A readable duration: `8 s`, `2 min`, `1.5 h`."""
    if duration_s < 0.95:
        return "1 s"
    if duration_s < 99.5:
        return f"{duration_s:.0f} s"
    return f"{duration_s / 60:.0f} min" if duration_s < 5400 else f"{duration_s / 3600:.1f} h"


def read_bodies(
    source: str, card: ModelCard | None, problems: Sequence[str] = (), described: Bodies | None = None
) -> Bodies:
    """The inputs of the `card` (or those `described` by the endpoints, without one), or the rows of a CSV file.

    `problems` explain a missing card. Raises PlanError.
    """
    try:
        if source != "card":
            with Path(source).open("rb") as file:
                return from_csv(decode(file.read(MAX_BYTES + 1)), source, card)
    except OSError as error:
        raise PlanError(f"--body-from {source}: cannot be read ({error.strerror or type(error).__name__})") from error
    except RowsError as error:
        raise PlanError(f"--body-from {source} {error}") from error
    except BodyError as error:
        raise PlanError(f"--body-from {error}") from error
    if card is None and described:
        return described
    if card is None:
        why = f" ({'; '.join(problems)})" if problems else ""
        raise PlanError(f"no endpoint gives a model card{why}, so use --body-from FILE.csv to choose the inputs")
    return from_card(card)
