"""`coldstart`: measure how long the first answer of a new instance takes, and after which idle gap it stops.

There are three modes. Without --endpoint, both programs of this repository are started on this machine for each sample.
With --force, a command creates a new instance before each sample, for example on Cloud Run or for a function:

    --force 'gcloud run services update NAME-$FORCE_ENDPOINT --region R --update-env-vars COLD=$FORCE_ID --quiet'

Some platforms start the new revision before they send traffic to it. First requests to such a warm instance are
counted separately. With --idle, each endpoint is left idle, probed once, and classified as cold or warm by its answer.

With --resume, a run continues with its recorded plan. Give the endpoints and commands again: these are never taken
from the record.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmark.coldstart import local
from benchmark.coldstart.plan import ColdPlan, ForcedPlan, IdleSweepPlan, SpawnPlan, parse_gaps
from benchmark.coldstart.program import Command
from benchmark.coldstart.target import Target
from benchmark.commands import ROOT, UsageError, results_store
from benchmark.commands.measuring import add_endpoints, add_output, allowed_hosts, conduct, parse_endpoints
from benchmark.endpoints.configured import KEY, is_in_a_file
from benchmark.record.plan import MARGIN_PCT, REMOTE_MARGIN_MS, check_count
from benchmark.record.run import Run, new_run_id
from benchmark.record.store import Store
from benchmark.runs.coldstart import KIND, addresses, prepare_targets, programs
from benchmark.runs.kind import Order, Work

_SWEEP_REPEATS = 5
_REPEATS = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    add_endpoints(parser, required=False, timeout_s=60.0)
    add = parser.add_argument
    add(
        "--force",
        nargs="?",
        const=os.environ.get("FORCE_COMMAND") or "",
        metavar="COMMAND",
        help="shell command that creates a new instance of $FORCE_ENDPOINT (default: FORCE_COMMAND); never recorded",
    )
    add("--idle", metavar="GAPS", help="idle sweep: probe after idle gaps such as 1m,5m,15m,30m")
    add(
        "--repeats",
        type=int,
        metavar="N",
        help=f"cold starts of each endpoint (default {_REPEATS}), or probes after each gap ({_SWEEP_REPEATS})",
    )
    add("--warm", type=int, default=5, metavar="N", help="warm requests right after each answer (default 5)")
    add(
        "--command",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="server command to start (it must listen on $PORT; it is recorded); default: both programs as deployed",
    )
    add("--directory", action="append", default=[], metavar="NAME=DIR", help="working directory of the command of NAME")
    add("--drop-caches", action="store_true", help="empty the page cache before each start, if permitted")
    add(
        "--resume",
        metavar="ID",
        help="resume an interrupted run; repeat the --endpoint, --command, --directory, --force and --drop-caches "
        "that it was started with",
    )
    add(
        "--margin-ms",
        type=float,
        default=REMOTE_MARGIN_MS,
        metavar="MS",
        help="minimum relevant difference (default 5)",
    )
    add(
        "--margin-pct",
        type=float,
        default=MARGIN_PCT,
        metavar="PCT",
        help="minimum relevant difference in percent; the larger of both applies (default 5)",
    )
    add("--seed", type=int, default=0, help="seed of the random order (default 0)")
    add(
        "--body-from",
        default="card",
        metavar="card|FILE.csv",
        help="inputs to send: card, or a CSV file (default card)",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status: 0 if anything was measured."""
    store = results_store(arguments.results)

    def prepare() -> Work:
        order, targets = _resumed(arguments, store) if arguments.resume else _planned(arguments)
        work = prepare_targets(order, targets, store, force=arguments.force)
        recorded = work.run.manifest.plan
        if arguments.drop_caches and not recorded["drop_caches"]:
            print(f"Page cache {recorded['caches']}.", file=sys.stderr)
        return work

    return conduct(KIND, prepare, store, arguments)


def _planned(arguments: argparse.Namespace) -> tuple[Order[ColdPlan], list[Target]]:
    plan_type = _plan_type(arguments)
    terms: dict[str, Any] = {
        "warm_requests": arguments.warm,
        "margin_ms": arguments.margin_ms,
        "margin_pct": arguments.margin_pct,
        "timeout_s": arguments.timeout,
        "seed": arguments.seed,
    }
    if arguments.drop_caches and plan_type is not SpawnPlan:
        raise UsageError("--drop-caches applies to programs on this machine: leave out --endpoint")
    repeats = arguments.repeats
    plan: ColdPlan
    if plan_type is IdleSweepPlan:
        plan = IdleSweepPlan(_SWEEP_REPEATS if repeats is None else repeats, parse_gaps(arguments.idle), **terms)
    elif plan_type is ForcedPlan:
        plan = ForcedPlan(_REPEATS if repeats is None else repeats, **terms)
    else:
        plan = SpawnPlan(_REPEATS if repeats is None else repeats, drop_caches=arguments.drop_caches, **terms)
    return _order(arguments, plan, arguments.run_id or new_run_id())


def _order(
    arguments: argparse.Namespace, plan: ColdPlan, run_id: str, resumed: Run | None = None
) -> tuple[Order[ColdPlan], list[Target]]:
    endpoints = tuple(parse_endpoints(arguments))
    order = Order(
        plan,
        endpoints,
        run_id,
        arguments.name,
        body_from=arguments.body_from,
        allowed_hosts=allowed_hosts(arguments),
        resumed=resumed,
    )
    return order, _commands(arguments) if isinstance(plan, SpawnPlan) else addresses(endpoints, plan.timeout_s)


def _plan_type(arguments: argparse.Namespace) -> type[ColdPlan]:
    if arguments.force == "":
        raise UsageError("--force needs a command, here or in FORCE_COMMAND")
    if arguments.force and arguments.idle:
        raise UsageError("--force and --idle cannot be combined: choose one way to get a new instance")
    if not arguments.endpoint and (arguments.force or arguments.idle) and is_in_a_file(os.environ):
        arguments.endpoint = None  # all endpoints of the file
        return ForcedPlan if arguments.force else IdleSweepPlan
    if arguments.endpoint:
        if arguments.command:
            raise UsageError(
                "--endpoint and --command cannot be combined: an endpoint already runs, a command is started here"
            )
        if not arguments.force and not arguments.idle:
            raise UsageError("choose how --endpoint gets a new instance: --force COMMAND, or --idle 1m,5m,15m,30m")
        return ForcedPlan if arguments.force else IdleSweepPlan
    if arguments.force or arguments.idle:
        raise UsageError("--force and --idle need --endpoint NAME=URL")
    return SpawnPlan


def _commands(arguments: argparse.Namespace) -> list[Target]:
    directories = {key: Path(value).absolute() for key, value in _pairs(arguments.directory, "--directory").items()}
    texts = _pairs(arguments.command, "--command")
    check_count(len(texts) or len(local.NAMES))
    found = {}
    for key, text in texts.items():
        try:
            argv = tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"--command {key}: {error}") from error
        if not argv:
            raise UsageError(f"--command {key}: the command is empty")
        found[key] = Command(argv, directories.pop(key, ROOT))
    if not found:
        found = local.programs(os.environ, {key: directories.pop(key) for key in local.NAMES if key in directories})
        if not local.serve_the_same_model(found):
            print(
                "The API and the staged function have different models: set MODEL_DIR=artifacts/NAME.", file=sys.stderr
            )
    if directories:
        raise UsageError(f"--directory {next(iter(directories))}: no command has this name")
    return programs(found)


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not KEY.fullmatch(key) or key in found:
            raise UsageError(f"{option} {text}: must be NAME=VALUE, each name once")
        found[key] = value
    return found


def _resumed(arguments: argparse.Namespace, store: Store) -> tuple[Order[ColdPlan], list[Target]]:
    """A recorded run and its plan of numbers only; everything started or contacted comes from `arguments`."""
    if arguments.idle or arguments.run_id:
        raise UsageError("--resume uses the recorded plan: leave out --idle")
    found = store.run(arguments.resume)
    if found.is_imported:
        raise UsageError(f"run {found.id} was imported: only runs measured here can be resumed")
    plan = KIND.read_plan(found.manifest.plan)
    _require_again(arguments, found.id, plan)
    return _order(arguments, plan, found.id, found)


def _require_again(arguments: argparse.Namespace, run_id: str, plan: ColdPlan) -> None:
    """Refuse options of another mode, and missing options that the plan needs."""
    spawned = isinstance(plan, SpawnPlan)
    if not spawned and not arguments.endpoint and is_in_a_file(os.environ):
        arguments.endpoint = None  # all endpoints of the file
    for option, given, wanted in (
        ("--endpoint", arguments.endpoint is None or arguments.endpoint, not spawned),
        ("--force", arguments.force, isinstance(plan, ForcedPlan)),
        ("--drop-caches", arguments.drop_caches, isinstance(plan, SpawnPlan) and plan.drop_caches),
    ):
        if wanted and not given:
            raise UsageError(f"run {run_id} needs an option that is never taken from the record: give {option} again")
        if given and not wanted:
            raise UsageError(f"run {run_id} does not use {option}: leave it out")
    if arguments.command and not spawned:
        raise UsageError(f"run {run_id} does not use --command: leave it out")
