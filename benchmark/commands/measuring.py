"""Shared by the measuring commands: parse endpoints and limits, carry out a run, and print it."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.commands import UsageError, add_results, present, results_store, write_json
from benchmark.endpoints import configured
from benchmark.endpoints.endpoint import Endpoint, EndpointError, env_prefix
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.endpoints.protocols import DEFAULT, PROTOCOLS
from benchmark.engine.replay import Recording
from benchmark.fleet.cluster import Cluster
from benchmark.record.occupancy import EndpointInUse, occupied
from benchmark.record.plan import MARGIN_PCT, MAX_RATE, MAX_REQUESTS, Plan, PlanError, default_margin_ms
from benchmark.record.recording import load_samples
from benchmark.record.run import RunState, new_run_id
from benchmark.record.store import Store, StoreError
from benchmark.runs import kind_named
from benchmark.runs.headlines import write_headline_of
from benchmark.runs.kind import Order, ProgressReport, RunBroken, RunKind, RunRefused, S, Work

MakePlan = Callable[[argparse.Namespace, float], Plan]
"""A plan from the arguments and the margin in ms. Raises PlanError."""


TIMEOUT_S = 10.0
ABORTED_STATUS = 3
"""The exit status of a run that exceeded a limit of --abort."""


def add_endpoints(parser: argparse.ArgumentParser, *, required: bool = True, timeout_s: float = TIMEOUT_S) -> None:
    """Add the arguments that name endpoints."""
    parser.add_argument(
        "--endpoint",
        action="append",
        required=required and not configured.is_in_a_file(os.environ),
        default=[] if not required else None,
        metavar="NAME=URL",
        help="endpoint to measure; /predict is added to a URL without a path. The variable NAME_TOKEN holds its bearer "
        "token, and GOOGLE_ID_TOKENS=1 sends Google ID tokens. If ENDPOINTS names a file, NAME alone selects an "
        "endpoint of the file" + ("; without this option, all of them are measured" if required else ""),
    )
    parser.add_argument(
        "--protocol",
        action="append",
        default=[],
        metavar="NAME=PROTOCOL",
        help=f"protocol of an endpoint: {', '.join(PROTOCOLS)} (default {DEFAULT}); PROTOCOL:FORM chooses a request "
        "format, and template:FILE.toml names the template",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=None if required else timeout_s,
        metavar="S",
        help=f"timeout per request (default {timeout_s:g}{', or the largest in ENDPOINTS' if required else ''})",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="allow this host, in addition to this machine and those in BENCHMARK_HOSTS",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all measuring commands share."""
    add_endpoints(parser)
    parser.add_argument(
        "--connection",
        choices=("reused", "new"),
        default="reused",
        help="reuse connections, or open one per request (default reused)",
    )
    parser.add_argument(
        "--margin-ms",
        type=float,
        metavar="MS",
        help="minimum relevant difference (default 5, or 0.2 if every endpoint is on this machine)",
    )
    parser.add_argument(
        "--margin-pct",
        type=float,
        default=MARGIN_PCT,
        metavar="PCT",
        help="minimum relevant difference in percent; the larger of both applies (default 5)",
    )
    parser.add_argument(
        "--goodput-ms",
        type=float,
        metavar="MS",
        help="also give the goodput: the share of requests that are answered within this limit; failures are not",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the order and arrivals (default 0)")
    parser.add_argument(
        "--body-from",
        metavar="card|FILE.csv",
        help="inputs to send: card, or a CSV file (default card). Categories are sent as texts and empty cells as "
        "null where the card has such features; without a card, by what a column holds",
    )
    parser.add_argument(
        "--max-requests",
        type=int,
        default=MAX_REQUESTS,
        metavar="N",
        help="maximum number of requests; refuse plans with more",
    )
    parser.add_argument(
        "--max-rate", type=float, default=MAX_RATE, metavar="N", help="maximum rate per second; refuse faster plans"
    )
    add_output(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where a run and its figures go."""
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="write the figures as JSON; - for standard output")
    add("--name", default="", help="name of the run in the record")
    add("--run-id", default=None, help=argparse.SUPPRESS)
    add(
        "--progress",
        choices=("auto", "json", "none"),
        default="auto",
        help="progress as a bar on a terminal, or as JSON lines on standard output",
    )
    add_results(parser)


def parse_endpoints(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> list[Endpoint]:
    """The endpoints of `--endpoint` with their tokens, or else all endpoints of the file that ENDPOINTS names.

    Sets `arguments.timeout` if it was left out. Raises UsageError.
    """
    in_file = _of_the_file(environ)
    texts: Sequence[str] = list(in_file) if arguments.endpoint is None else arguments.endpoint
    endpoints: list[Endpoint] = []
    wanted = (environ.get("GOOGLE_ID_TOKENS") or "0").replace(",", " ").split()
    identity = GoogleIdentity()
    protocols = dict(_protocols(arguments.protocol))
    for text in texts:
        if text in in_file:
            known = in_file[text]
            endpoint = replace(known, timeout_s=arguments.timeout or known.timeout_s)
        else:
            endpoint = _named_here(text, arguments.timeout or TIMEOUT_S, wanted, identity, environ, protocols)
        prefix = env_prefix(endpoint.key)
        for other in endpoints:
            if env_prefix(other.key) == prefix:  # its token would then go to both
                raise UsageError(
                    f"--endpoint {text}: {prefix}_TOKEN is also the token of {other.key}: choose another name"
                )
        endpoints.append(endpoint)
    if protocols:
        key = next(iter(protocols))
        if any(endpoint.key == key for endpoint in endpoints):
            raise UsageError(
                f"--protocol {key}: {configured.VARIABLE} names the file that says its protocol; set it there"
            )
        raise UsageError(f"--protocol {key}: no --endpoint NAME=URL has this name")
    if len(endpoints) > configured.MOST:
        raise UsageError(f"{len(endpoints)} endpoints exceed the maximum of {configured.MOST} for one run")
    if arguments.timeout is None:
        arguments.timeout = max(endpoint.timeout_s for endpoint in endpoints)
    return endpoints


def _protocols(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        key, equals, name = text.partition("=")
        if not equals:
            raise UsageError(f"--protocol {text}: must be NAME=PROTOCOL")
        yield key, name


def _named_here(
    text: str,
    timeout_s: float,
    wanted: Sequence[str],
    identity: GoogleIdentity,
    environ: Mapping[str, str],
    protocols: dict[str, str],
) -> Endpoint:
    """The endpoint of `--endpoint NAME=URL`; removes its protocol from `protocols`. Raises UsageError."""
    key, equals, url = text.partition("=")
    if not equals or not configured.KEY.fullmatch(key):
        names = ", or the name of an endpoint in the file" if configured.is_in_a_file(environ) else ""
        raise UsageError(f"--endpoint {text}: must be NAME=URL, with a NAME that begins with a letter{names}")
    prefix = env_prefix(key)
    protocol, form = configured.split_protocol(protocols.pop(key, DEFAULT))
    template = None
    try:
        if protocol == "template" and form:
            template, form = configured.read_template(Path(form)), None
        return Endpoint(
            key,
            environ.get(f"{prefix}_NAME") or key,
            url.strip(),
            timeout_s,
            environ.get(f"{prefix}_TOKEN") or None,
            identity if "1" in wanted or key in wanted else None,
            protocol,
            form=form,
            template=template,
        )
    except configured.TemplateError as error:
        raise UsageError(f"--protocol {key}: template {error}") from error
    except EndpointError as error:
        raise UsageError(f"--endpoint {key}: {url} {error}") from error


def _of_the_file(environ: Mapping[str, str]) -> dict[str, Endpoint]:
    """The endpoints of the file that ENDPOINTS names, by key; none without a file. Raises UsageError."""
    if not configured.is_in_a_file(environ):
        return {}
    try:
        return {endpoint.key: endpoint for endpoint in configured.configured_endpoints(environ)}
    except configured.ConfigurationError as error:
        raise UsageError(str(error)) from error


def allowed_hosts(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The allowed hosts in addition to this machine: those that the operator lists, and those of the file."""
    listed = (environ.get("BENCHMARK_HOSTS") or "").replace(",", " ").split()
    in_file = (endpoint.host for endpoint in _of_the_file(environ).values())
    return frozenset(host.lower() for host in (*listed, *arguments.allow_host, *in_file))


def request_terms(arguments: argparse.Namespace, margin_ms: float) -> dict[str, Any]:
    """The settings of a plan that `add_arguments` adds."""
    return {
        "connection": arguments.connection,
        "margin_ms": margin_ms,
        "margin_pct": arguments.margin_pct,
        "timeout_s": arguments.timeout,
        "seed": arguments.seed,
        "goodput_ms": arguments.goodput_ms,
    }


def measure(
    arguments: argparse.Namespace,
    kind_name: str,
    make_plan: MakePlan,
    recording: Recording | None = None,
    workers: Cluster | None = None,
) -> int:
    """Carry out, record and print the run of these arguments, with the requests of a `recording` if it has one, sent by
    `workers` if there are any.

    Returns the exit status; raises UsageError.
    """
    endpoints = parse_endpoints(arguments)
    margin_ms = default_margin_ms(endpoints) if arguments.margin_ms is None else arguments.margin_ms
    try:
        plan = make_plan(arguments, margin_ms)
    except PlanError as error:
        raise UsageError(str(error)) from error
    return conduct_plan(kind_named(kind_name), plan, endpoints, arguments, recording, workers)


def conduct_plan(
    kind: RunKind[Any, Any],
    plan: Any,
    endpoints: Sequence[Endpoint],
    arguments: argparse.Namespace,
    recording: Recording | None = None,
    workers: Cluster | None = None,
) -> int:
    """Carry out a run of `plan` as the arguments say. Returns the exit status; raises UsageError."""
    order = Order(
        plan,
        tuple(endpoints),
        arguments.run_id or new_run_id(),
        arguments.name,
        body_from=arguments.body_from or "card",
        recording=recording,
        workers=workers,
        allowed_hosts=allowed_hosts(arguments),
        max_requests=arguments.max_requests,
        max_rate=arguments.max_rate,
    )
    store = results_store(arguments.results)
    return conduct(kind, lambda: kind.prepare(order, store), store, arguments)


def conduct(kind: RunKind[Any, Any], prepare: Callable[[], Work], store: Store, arguments: argparse.Namespace) -> int:
    """Prepare a run, carry it out, and print its summary. Returns the exit status; raises UsageError."""
    try:
        work = prepare()
    except (PlanError, RunRefused) as error:
        raise UsageError(str(error)) from error
    except StoreError as error:
        raise UsageError(f"the record cannot be used: {error}") from error
    if arguments.progress == "auto":
        print(f"{work.announcement}. Run {work.run.id}.", file=sys.stderr)
    broken = None
    try:
        summary = carry_out(kind, work, store, arguments.progress)
    except RunBroken as error:
        broken, summary = error, summary_in(kind, store, work.run.id)
    if arguments.progress == "json":
        print(json.dumps({"run": summary.run.id, "state": summary.run.state.value}), flush=True)
    if arguments.progress == "auto":
        present(kind.document(summary), arguments.json, lambda: kind.print(summary, None))
    elif arguments.json:
        write_json(arguments.json, kind.document(summary))
    if broken:
        raise UsageError(str(broken)) from broken
    if summary.run.state is RunState.ABORTED:
        return ABORTED_STATUS
    return 0 if kind.has_results(summary) else 2


def carry_out(kind: RunKind[Any, S], work: Work, store: Store, progress: str) -> S:
    """Carry out `work` with visible progress, and summarise the recorded run. Raises UsageError, RunBroken.

    Its endpoints are in no other run meanwhile.
    """
    try:
        with occupied(store, work.run), _progress(progress, work.total) as report:
            work.execute(report)
        return summary_in(kind, store, work.run.id)
    except (PlanError, EndpointInUse) as error:
        raise UsageError(str(error)) from error
    except StoreError as error:
        raise UsageError(f"the record cannot be used: {error}") from error


def summary_in(kind: RunKind[Any, S], store: Store, run_id: str) -> S:
    """The summary of a run that has ended. Writes its headline to the record. Raises StoreError."""
    summary = kind.summarise(store.run(run_id), load_samples(store, run_id)[0])
    write_headline_of(store, kind, summary)
    return summary


def _progress(kind: str, total: int) -> AbstractContextManager[ProgressReport]:
    if kind == "json":
        return nullcontext(_print_progress)
    if kind == "none" or not sys.stderr.isatty():
        return nullcontext(lambda _: None)
    return _Bar(total)


def _print_progress(progress: Mapping[str, Any]) -> None:
    print(json.dumps({name: progress[name] for name in ("done", "total", "phase", "elapsed_s")}), flush=True)


class _Bar(AbstractContextManager[ProgressReport]):
    """A progress bar on the terminal with the remaining time."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("measuring", total=total)

    def __enter__(self) -> ProgressReport:
        self._bar.start()
        return lambda progress: self._bar.update(self._task, completed=progress["done"], description=progress["phase"])

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
