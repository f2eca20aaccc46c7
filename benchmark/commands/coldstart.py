"""`coldstart`: how long the first answer of a new instance takes, and after which idle gap there is none left.

Three ways to a new instance. Without --endpoint, both programs of this repository are spawned here again and again.
With --force, a command makes a new instance before each sample; on Cloud Run, and for a function, which is one too:

    --force 'gcloud run services update NAME-$FORCE_ENDPOINT --region R --update-env-vars COLD=$FORCE_ID --quiet'

A platform that starts the new revision before it sends traffic there gives first requests on a warm instance, which
are counted apart. With --idle, it waits, probes once, and reads from the answer whether it was cold.

With --resume, a run goes on by the plan in the record. What is started or asked is not taken from there: say it again.
"""

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from re import fullmatch
from typing import Any

from benchmark.coldstart import local
from benchmark.coldstart.force import ForceError
from benchmark.coldstart.measure import drop_page_cache, execute
from benchmark.coldstart.plan import (
    KIND,
    ColdPlan,
    Mode,
    from_document,
    parse_gaps,
    to_document,
)
from benchmark.coldstart.printing import print_coldstart
from benchmark.coldstart.program import POLL_S, Command, ProgramError
from benchmark.coldstart.summary import summarise
from benchmark.coldstart.summary import to_document as summary_document
from benchmark.coldstart.target import Target, chosen_for, served_by
from benchmark.commands import ROOT, UsageError, add_results, present, results_store
from benchmark.commands.measuring import add_endpoints, allowed_hosts, bodies_from, new_run, parse_endpoints
from benchmark.endpoints.bodies import card_of
from benchmark.endpoints.configured import is_in_a_file
from benchmark.endpoints.endpoint import Endpoint
from benchmark.engine.execute import make_manifest
from benchmark.record.plan import MARGIN_PCT, REMOTE_MARGIN_MS, PlanError, check_hosts
from benchmark.record.recording import load_samples
from benchmark.record.run import Run
from benchmark.record.store import Store, StoreError

_LADDER_REPEATS = 5
_SPAWN_REPEATS = 20
_DEFAULT_NAMES = {"api": "FastAPI", "function": "Cloud Function"}


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    add_endpoints(parser, required=False, timeout_s=60.0)
    add = parser.add_argument
    add(
        "--force",
        nargs="?",
        const=os.environ.get("FORCE_COMMAND") or "",
        metavar="COMMAND",
        help="a shell command that makes a new instance of $FORCE_ENDPOINT (default FORCE_COMMAND); never recorded",
    )
    add("--idle", metavar="GAPS", help="a ladder of idle gaps, like 1m,5m,15m,30m")
    add(
        "--repeats",
        type=int,
        metavar="N",
        help=f"cold starts of each endpoint (default {_SPAWN_REPEATS}), or probes after each gap ({_LADDER_REPEATS})",
    )
    add("--warm", type=int, default=5, metavar="N", help="requests right after each answer (default 5)")
    add(
        "--command",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="spawn this instead (it listens on $PORT, and is recorded); default both programs as they are deployed",
    )
    add("--directory", action="append", default=[], metavar="NAME=DIR", help="where the command of NAME runs")
    add("--drop-caches", action="store_true", help="empty the page cache before each spawn, where that is allowed")
    add(
        "--resume",
        metavar="ID",
        help="go on with a run that was cut off; give --endpoint, --command, --directory, --force and --drop-caches "
        "as it was started with",
    )
    add("--margin-ms", type=float, default=REMOTE_MARGIN_MS, metavar="MS", help="a difference that matters (default 5)")
    add("--margin-pct", type=float, default=MARGIN_PCT, metavar="PCT", help="the same, in percent (default 5)")
    add("--seed", type=int, default=0, help="of the order (default 0)")
    add("--body-from", default="card", metavar="card|FILE.csv", help="what is sent (default card)")
    add("--json", type=Path, metavar="FILE", help="write the figures; - for standard output")
    add("--name", default="", help="what the run is called in the record")
    add("--run-id", default=None, help=argparse.SUPPRESS)
    add("--progress", choices=("auto", "json", "none"), default="auto", help="how the progress is shown")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status: 0 where something was measured."""
    store = results_store(arguments.results)
    try:
        found, plan, targets = _resumed(arguments, store) if arguments.resume else _planned(arguments)
        if arguments.progress == "auto":
            _announce(plan, targets)
        with _ended_like_by_ctrl_c():
            served = served_by(targets, plan.timeout_s)
    except KeyboardInterrupt as error:
        raise UsageError("it was cancelled before it began") from error
    except (PlanError, ProgramError) as error:
        raise UsageError(str(error)) from error
    except StoreError as error:
        raise UsageError(f"the record cannot be used: {error}") from error
    card = card_of([one.card for one in served])
    bodies = bodies_from(arguments.body_from, card)
    if found is None:
        manifest = _manifest(targets, served, plan, bodies, card)
        found = new_run(KIND, arguments.name, manifest, arguments.run_id)
    elif found.manifest["bodies"]["sha256"] != bodies.sha256:
        raise UsageError(f"run {found.id} sent something else: the model or --body-from is not what it was")
    failed = None
    try:
        execute(
            found,
            plan,
            targets,
            bodies,
            card,
            store,
            force=arguments.force,
            resume=bool(arguments.resume),
            report=_report(arguments.progress),
        )
    except ForceError as error:
        failed = error
    except StoreError as error:
        raise UsageError(f"the record cannot be used: {error}") from error
    summary = summarise(store.run(found.id), load_samples(store, found.id)[0])
    if arguments.progress == "json":
        print(json.dumps({"run": summary.run.id, "state": summary.run.state.value}), flush=True)
    show = arguments.progress == "auto"
    present(summary_document(summary), arguments.json, lambda: print_coldstart(summary) if show else None)
    if failed:
        raise UsageError(
            f"{failed}; what was measured is in run {found.id}, and --resume {found.id} goes on, with the same "
            "--endpoint and --force"
        )
    return 0 if any(side.failed < len(side.probes) for side in summary.endpoints) else 2


@contextmanager
def _ended_like_by_ctrl_c() -> Iterator[None]:
    """SIGTERM is a SIGINT, which an event loop obeys between two steps: no program is started and then not known."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),  # else it may be ignored
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT)),
    }
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _planned(arguments: argparse.Namespace) -> tuple[None, ColdPlan, list[Target]]:
    mode = _mode(arguments)
    caches = "warm: each program has been started before"
    if arguments.drop_caches:
        if mode != "spawn":
            raise UsageError("--drop-caches is about this machine, where nothing is spawned: leave it out")
        refused = drop_page_cache()
        caches = f"warm: it could not be emptied ({refused})" if refused else "cold: emptied before each spawn"
        if refused:
            print(f"The page cache cannot be emptied ({refused}); cold starts are with a warm one.", file=sys.stderr)
    repeats = arguments.repeats
    if repeats is None:
        repeats = _LADDER_REPEATS if mode == "ladder" else _SPAWN_REPEATS
    plan = ColdPlan(
        mode,
        repeats=repeats,
        idle_s=parse_gaps(arguments.idle) if arguments.idle else (),
        warm_requests=arguments.warm,
        caches=caches,
        drop_caches=caches.startswith("cold"),
        margin_ms=arguments.margin_ms,
        margin_pct=arguments.margin_pct,
        timeout_s=arguments.timeout,
        seed=arguments.seed,
    )
    return None, plan, _commands(arguments) if mode == "spawn" else _addresses(arguments, parse_endpoints(arguments))


def _mode(arguments: argparse.Namespace) -> Mode:
    if arguments.force == "":
        raise UsageError("--force needs a command, here or in FORCE_COMMAND")
    if arguments.force and arguments.idle:
        raise UsageError("--force and --idle are two ways to a new instance: one run takes one")
    if not arguments.endpoint and (arguments.force or arguments.idle) and is_in_a_file(os.environ):
        arguments.endpoint = None  # all of the file
        return "forced" if arguments.force else "ladder"
    if arguments.endpoint:
        if arguments.command:
            raise UsageError("--endpoint is measured where it is, and --command is spawned here: one run takes one")
        if not arguments.force and not arguments.idle:
            raise UsageError("say how --endpoint gets a new instance: --force COMMAND, or --idle 1m,5m,15m,30m")
        return "forced" if arguments.force else "ladder"
    if arguments.force or arguments.idle:
        raise UsageError("--force and --idle need --endpoint NAME=URL")
    return "spawn"


def _addresses(arguments: argparse.Namespace, endpoints: list[Endpoint]) -> list[Target]:
    check_hosts(endpoints, allowed_hosts(arguments))
    return [Target(endpoint.key, endpoint.name, endpoint) for endpoint in endpoints]


def _commands(arguments: argparse.Namespace) -> list[Target]:
    directories = {key: Path(value).absolute() for key, value in _pairs(arguments.directory, "--directory").items()}
    texts = _pairs(arguments.command, "--command")
    if len(texts) > 2:
        raise UsageError("one or two programs are spawned in a run")
    found = {}
    for key, text in texts.items():
        try:
            argv = tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"--command {key}: {error}") from error
        if not argv:
            raise UsageError(f"--command {key}: there is no command")
        found[key] = Command(argv, directories.pop(key, ROOT))
    if not found:
        found = local.programs(os.environ, {key: directories.pop(key) for key in _DEFAULT_NAMES if key in directories})
    if directories:
        raise UsageError(f"--directory {next(iter(directories))}: there is no such command")
    local.require_directories(found)
    return [Target(key, _DEFAULT_NAMES.get(key, key), command=command) for key, command in found.items()]


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", key) or key in found:
            raise UsageError(f"{option} {text}: must be NAME=VALUE, each name once")
        found[key] = value
    return found


def _manifest(targets: list[Target], served: Any, plan: ColdPlan, bodies: Any, card: Any) -> dict[str, Any]:
    endpoints = [target.at("http://127.0.0.1", plan.timeout_s) for target in targets]
    manifest = make_manifest(endpoints, served, None, bodies, card)
    for entry, target in zip(manifest["endpoints"], targets, strict=True):
        entry |= target.recorded
    if plan.mode == "spawn":
        manifest["port_poll_ms"] = POLL_S * 1000
    return manifest | {"plan": to_document(plan)}


def _resumed(arguments: argparse.Namespace, store: Store) -> tuple[Run, ColdPlan, list[Target]]:
    """A run of the record with its own plan, which is numbers; all that acts on the world comes from `arguments`."""
    if arguments.idle or arguments.run_id:
        raise UsageError("--resume takes the plan from the record: leave out --idle")
    found = store.run(arguments.resume)
    if found.is_imported:
        raise UsageError(f"run {found.id} was imported: only what was measured here can go on")
    try:
        plan = from_document(found.manifest["plan"])
        _require_again(arguments, found.id, plan)
        arguments.timeout = plan.timeout_s
        configured = _commands(arguments) if plan.mode == "spawn" else _addresses(arguments, parse_endpoints(arguments))
        return found, plan, chosen_for(found, configured)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"run {found.id} cannot be read, so it cannot go on") from error


def _require_again(arguments: argparse.Namespace, run_id: str, plan: ColdPlan) -> None:
    """Refuse a way to new instances that is not the plan's, or that the plan needs and the operator has not given."""
    spawned = plan.mode == "spawn"
    if not spawned and not arguments.endpoint and is_in_a_file(os.environ):
        arguments.endpoint = None  # all of the file
    for option, given, wanted in (
        ("--endpoint", arguments.endpoint is None or arguments.endpoint, not spawned),
        ("--force", arguments.force, plan.mode == "forced"),
        ("--drop-caches", arguments.drop_caches, plan.drop_caches),
    ):
        if wanted and not given:
            raise UsageError(f"run {run_id} needs what is never taken from the record: give {option} again")
        if given and not wanted:
            raise UsageError(f"run {run_id} has no use for {option}: leave it out")
    if arguments.command and not spawned:
        raise UsageError(f"run {run_id} has no use for --command: leave it out")


def _announce(plan: ColdPlan, targets: list[Target]) -> None:
    names = " and ".join(target.endpoint.address if target.endpoint else target.key for target in targets)
    waits = f", at least {plan.waits_s / 60:.3g} min of waiting" if plan.waits_s else ""
    print(f"{plan.probes} cold start probes of each of {names}{waits}.", file=sys.stderr)


def _report(kind: str) -> Any:
    def as_json(progress: Mapping[str, Any]) -> None:
        print(json.dumps({name: progress[name] for name in ("done", "total", "phase", "elapsed_s")}), flush=True)

    def as_line(progress: Mapping[str, Any]) -> None:
        print(f"\r\033[K{progress['done']} of {progress['total']}: {progress['phase']}", end="", file=sys.stderr)

    if kind == "json":
        return as_json
    return as_line if kind == "auto" and sys.stderr.isatty() else lambda _: None
