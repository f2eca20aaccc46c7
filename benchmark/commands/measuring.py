"""What the measuring commands share: endpoints and limits from the arguments, one run, and what is printed of it."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from benchmark.commands import UsageError, add_results, present, results_store, write_json
from benchmark.endpoints import configured, readable
from benchmark.endpoints.bodies import Bodies, BodyError, card_of, from_card, from_csv
from benchmark.endpoints.endpoint import Endpoint, EndpointError, env_prefix
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.endpoints.protocols import DEFAULT, PROTOCOLS
from benchmark.endpoints.rows import MAX_BYTES, RowsError, decode
from benchmark.endpoints.sample import utc_now
from benchmark.engine.execute import ask, execute, make_manifest
from benchmark.engine.forecast import Forecast, estimate, typical_ms
from benchmark.record.plan import (
    MARGIN_PCT,
    MAX_RATE,
    MAX_REQUESTS,
    Plan,
    PlanError,
    check_limits,
    default_margin_ms,
)
from benchmark.record.recording import load_samples
from benchmark.record.run import Run, RunState, new_run_id
from benchmark.record.store import Store, StoreError
from benchmark.summary.printing import print_summary
from benchmark.summary.summarise import Summary, summarise, to_document
from benchmark.synthetic.selftest import known_resolution_ms
from inference.card import ModelCard

MakePlan = Callable[[argparse.Namespace, float], Plan]
"""A plan from the arguments and the margin in ms. Raises PlanError."""


TIMEOUT_S = 10.0


def add_endpoints(parser: argparse.ArgumentParser, *, required: bool = True, timeout_s: float = TIMEOUT_S) -> None:
    """The arguments that name endpoints."""
    parser.add_argument(
        "--endpoint",
        action="append",
        required=required and not configured.is_in_a_file(os.environ),
        default=[] if not required else None,
        metavar="NAME=URL",
        help="an endpoint; a URL without a path is a base, to which /predict is added. NAME_TOKEN in the environment "
        "is its bearer token, and GOOGLE_ID_TOKENS=1 sends Google ID tokens. Where ENDPOINTS names a file, NAME alone "
        "is an endpoint of the file" + (", and without this option all of them are measured" if required else ""),
    )
    parser.add_argument(
        "--protocol",
        action="append",
        default=[],
        metavar="NAME=PROTOCOL",
        help=f"what an endpoint speaks: {', '.join(PROTOCOLS)} (default {DEFAULT})",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=None if required else timeout_s,
        metavar="S",
        help=f"per request (default {timeout_s:g}{', or the largest of the ENDPOINTS file' if required else ''})",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="a host that may be measured, beside this machine and those in BENCHMARK_HOSTS",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that every measuring command takes."""
    add_endpoints(parser)
    parser.add_argument("--connection", choices=("reused", "new"), default="reused", help="(default reused)")
    parser.add_argument(
        "--margin-ms", type=float, metavar="MS", help="a difference that matters (default 5, on this machine alone 0.2)"
    )
    parser.add_argument("--margin-pct", type=float, default=MARGIN_PCT, metavar="PCT", help="the same, in percent")
    parser.add_argument("--seed", type=int, default=0, help="of order and arrivals (default 0)")
    parser.add_argument("--body-from", default="card", metavar="card|FILE.csv", help="what is sent (default card)")
    parser.add_argument("--max-requests", type=int, default=MAX_REQUESTS, metavar="N", help="refuse to send more")
    parser.add_argument("--max-rate", type=float, default=MAX_RATE, metavar="N", help="refuse to send faster, per s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures; - for standard output")
    parser.add_argument("--name", default="", help="what the run is called in the record")
    add_results(parser)
    parser.add_argument("--run-id", default=None, help=argparse.SUPPRESS)
    parser.add_argument(
        "--progress",
        choices=("auto", "json", "none"),
        default="auto",
        help="a bar on a terminal, or a JSON object a line on standard output instead of text",
    )


def parse_endpoints(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> list[Endpoint]:
    """The endpoints of `--endpoint` with their tokens; where it was left out, all of the file that ENDPOINTS names.

    Sets `arguments.timeout` where that was left out too. Raises UsageError.
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
            if env_prefix(other.key) == prefix:  # which its token would then go to
                raise UsageError(f"--endpoint {text}: {prefix}_TOKEN is that of {other.key} too: choose another name")
        endpoints.append(endpoint)
    if protocols:
        raise UsageError(f"--protocol {next(iter(protocols))}: no --endpoint NAME=URL has this name")
    if len(endpoints) > configured.MOST:
        raise UsageError(f"{len(endpoints)} endpoints are more than the {configured.MOST} that are measured at a time")
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
    """The endpoint of `--endpoint NAME=URL`; takes its protocol out of `protocols`. Raises UsageError."""
    key, equals, url = text.partition("=")
    if not equals or not configured.KEY.fullmatch(key):
        names = ", or the name of an endpoint in the file" if configured.is_in_a_file(environ) else ""
        raise UsageError(f"--endpoint {text}: must be NAME=URL, where the name begins with a letter{names}")
    prefix = env_prefix(key)
    try:
        return Endpoint(
            key,
            environ.get(f"{prefix}_NAME") or key,
            url.strip(),
            timeout_s,
            environ.get(f"{prefix}_TOKEN") or None,
            identity if "1" in wanted or key in wanted else None,
            protocols.pop(key, DEFAULT),
        )
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
    """The hosts that may be measured beside this machine: those that the operator lists, and those of the file."""
    listed = (environ.get("BENCHMARK_HOSTS") or "").replace(",", " ").split()
    in_file = (endpoint.host for endpoint in _of_the_file(environ).values())
    return frozenset(host.lower() for host in (*listed, *arguments.allow_host, *in_file))


def measure(arguments: argparse.Namespace, kind: str, make_plan: MakePlan) -> int:
    """Measure as the arguments say, record it, print it. Returns the exit status; raises UsageError."""
    endpoints = parse_endpoints(arguments)
    margin_ms = default_margin_ms(endpoints) if arguments.margin_ms is None else arguments.margin_ms
    try:
        plan = make_plan(arguments, margin_ms)
        check_limits(plan, endpoints, allowed_hosts(arguments), arguments.max_requests, arguments.max_rate)
    except PlanError as error:
        raise UsageError(str(error)) from error
    started = perf_counter()
    served = ask(endpoints)
    asked_ms = (perf_counter() - started) * 1000 / len(endpoints)
    card = card_of([one.card for one in served])
    silent = [f"{one.key} {known.problem}" for one, known in zip(endpoints, served, strict=True) if known.problem]
    bodies = bodies_from(arguments.body_from, card, silent)
    store = results_store(arguments.results)
    manifest = make_manifest(endpoints, served, plan, bodies, card)
    urls = [endpoint.url for endpoint in endpoints]
    try:
        manifest["resolution_ms"] = known_resolution_ms(store, manifest["client"]["host"], urls)
        expected_ms = typical_ms(store.runs(), endpoints, plan) or asked_ms
    except StoreError as error:
        raise UsageError(f"the record cannot be used: {error}") from error
    run = new_run(kind, arguments.name, manifest, arguments.run_id)
    if arguments.progress == "auto":
        print(f"{describe(estimate(plan, endpoints, expected_ms), endpoints)}. Run {run.id}.", file=sys.stderr)
    summary = conduct(run, endpoints, bodies, card, store, arguments.progress)
    if arguments.progress == "json":
        print(json.dumps({"run": summary.run.id, "state": summary.run.state.value}), flush=True)
    if arguments.progress == "auto":
        present(to_document(summary), arguments.json, lambda: print_summary(summary))
    elif arguments.json:
        write_json(arguments.json, to_document(summary))
    return 0 if any(one.n for one in summary.endpoints) else 2


def new_run(kind: str, name: str, manifest: Mapping[str, Any], run_id: str | None = None) -> Run:
    """A run that begins now."""
    return Run(run_id or new_run_id(), kind, readable.name(name), RunState.RUNNING, utc_now(), manifest)


def conduct(
    run: Run, endpoints: Sequence[Endpoint], bodies: Bodies, card: ModelCard | None, store: Store, progress: str
) -> Summary:
    """Carry out `run`, with its progress shown, and read it back from the record. Raises UsageError."""
    try:
        with _progress(progress, run.plan.requests(len(endpoints))) as report:
            run = execute(run, endpoints, bodies, card, store, report)
        samples, _ = load_samples(store, run.id)
    except PlanError as error:
        raise UsageError(str(error)) from error
    except StoreError as error:
        raise UsageError(f"the record cannot be used: {error}") from error
    return summarise(run, samples)


def describe(planned: Forecast, endpoints: Sequence[Endpoint]) -> str:
    """What is about to happen, before it does."""
    cost = "" if planned.cost_usd is None else f", at most USD {planned.cost_usd:.2g}"
    addresses = " and ".join(endpoint.address for endpoint in endpoints)
    return f"{planned.requests} requests to {addresses}, about {planned.duration_s or 0:.0f} s{cost}"


def bodies_from(source: str, card: ModelCard | None, problems: Sequence[str] = ()) -> Bodies:
    """What `--body-from` says is sent; `problems` are why there is no card. Raises UsageError."""
    try:
        if source != "card":
            with Path(source).open("rb") as file:
                return from_csv(decode(file.read(MAX_BYTES + 1)), source, card)
    except OSError as error:
        raise UsageError(f"--body-from {source}: cannot be read ({type(error).__name__})") from error
    except RowsError as error:
        raise UsageError(f"--body-from {source} {error}") from error
    except BodyError as error:
        raise UsageError(f"--body-from {error}") from error
    if card is None:
        why = f" ({'; '.join(problems)})" if problems else ""
        raise UsageError(f"no endpoint gives a model card{why}, so --body-from FILE.csv must say what to send")
    return from_card(card)


class _Report(Protocol):
    def __call__(self, progress: Mapping[str, Any], /) -> None: ...


def _progress(kind: str, total: int) -> AbstractContextManager[_Report]:
    if kind == "json":
        return nullcontext(lambda progress: print(json.dumps(progress), flush=True))
    if kind == "none" or not sys.stderr.isatty():
        return nullcontext(lambda _: None)
    return _Bar(total)


class _Bar(AbstractContextManager[_Report]):
    """A bar on the terminal, with the time left."""

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

    def __enter__(self) -> _Report:
        self._bar.start()
        return lambda progress: self._bar.update(self._task, completed=progress["done"], description=progress["phase"])

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
