"""`load`: send requests at a rate (open loop), or from callers that wait for answers (closed loop)."""

import argparse
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.commands import UsageError
from benchmark.commands.measuring import add_arguments, measure, request_terms
from benchmark.endpoints.readable import readable
from benchmark.engine.correctness import MOST_BODIES
from benchmark.engine.replay import LogError, Recording, read_log
from benchmark.fleet.cluster import Cluster, read_cluster
from benchmark.record.plan import (
    SPEEDS,
    Arrivals,
    ClosedLoopPlan,
    LoadPlan,
    OpenLoopPlan,
    PlanError,
    ReplayPlan,
    Stage,
    StagedPlan,
    read_abort,
)

_WARMUP = 20
_STAGE = re.compile(r"(?P<length>\d+(\.\d+)?)(?P<unit>ms|s|m|h)?:(?P<rate>\d+(\.\d+)?)", re.ASCII)
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_ABORT_WINDOW_S = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--rate", type=float, metavar="N", help="requests/s to each endpoint (default 50)")
    parser.add_argument("--duration", type=float, metavar="S", help="duration (default 30)")
    parser.add_argument("--ramp", type=float, metavar="N", help="start at this rate and rise linearly to --rate")
    parser.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="LENGTH:N",
        help="instead of --rate and --duration: send N requests/s to each endpoint for this long (such as 500ms, 30s, "
        "2m or 1h). Repeat it for further stages; a spike is a short one. Results are also given by stage",
    )
    parser.add_argument(
        "--arrivals",
        default="poisson",
        metavar="poisson|constant|gamma:B",
        help="distribution of the arrivals (default poisson). gamma:B has gamma distributed gaps with the burstiness B "
        "as their shape, as for vLLM's --burstiness: 1 is poisson, 0.25 has gaps that vary twice as much, and the mean "
        "rate is the same",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        metavar="N",
        help="closed loop with this many callers per endpoint, each waiting for its answer; hides stalls",
    )
    parser.add_argument("--requests", type=int, metavar="M", help="requests to each endpoint in the closed loop")
    parser.add_argument(
        "--warmup", type=int, metavar="N", help="warm-up requests to each endpoint (default 20, at most a tenth of all)"
    )
    parser.add_argument(
        "--abort",
        action="append",
        default=[],
        metavar="LIMIT",
        help="stop sending to all endpoints as soon as any of them exceeds this limit in the sliding window, such as "
        "'error_rate>0.05' or 'p95_ms>800'. The run is kept as aborted, and the exit status is 3. Can be repeated",
    )
    parser.add_argument(
        "--abort-window",
        type=float,
        default=_ABORT_WINDOW_S,
        metavar="S",
        help="length of the sliding window of --abort (default 10): the measured requests that ended in it, judged "
        "once a second, and from 20 requests to an endpoint on (100 for p99)",
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="LOG",
        help="send the requests of a log at the times at which they came: a JSON export of Cloud Logging, vegeta's "
        'results as JSON, or lines like {"time": 12.5, "body": {...}} with seconds or RFC 3339 times. Each goes to '
        "every endpoint. Bodies are those of the log if it has any, unless --body-from is given. vegeta's targets "
        "have bodies without times: give --rate or --stage too",
    )
    parser.add_argument(
        "--speed", type=float, metavar="X", help="with --replay: from 0.1 to 100 times the recorded speed (default 1)"
    )
    parser.add_argument(
        "--correctness",
        action="store_true",
        help=f"ask each endpoint for each different input (at most {MOST_BODIES}) twice before the load, and count "
        "how many answers under load differ from those at rest, by instance",
    )
    parser.add_argument(
        "--workers",
        metavar="local:N|tcp://HOST:PORT",
        help="send from the workers of a Dask cluster, each with an equal share of the rate or the callers: N "
        "processes on this machine, or those of the scheduler at this address. Needs `make extras`",
    )
    parser.add_argument(
        "--worker-count",
        type=int,
        metavar="N",
        help="with a scheduler: use N of its workers, and wait up to 30 s for them (default all that are there)",
    )
    add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; returns the exit status."""
    recording = _recording(arguments)
    is_rate = any(value is not None for value in (arguments.rate, arguments.duration, arguments.ramp))
    if arguments.concurrency is not None and (is_rate or arguments.stage):
        raise UsageError("--concurrency is a closed loop without a rate: leave out --rate, --duration and --ramp")
    if arguments.stage and is_rate:
        raise UsageError("--stage has its own rate and duration: leave out --rate, --duration and --ramp")
    if arguments.requests is not None and arguments.concurrency is None:
        raise UsageError("--requests requires --concurrency")
    if recording is not None and recording.times_s is not None and (is_rate or arguments.stage):
        raise UsageError("--replay has its own times: leave out --rate, --duration, --ramp and --stage")
    if recording is not None and recording.times_s is None and not (arguments.rate or arguments.stage):
        raise UsageError(f"--replay {recording.name} has no times: give --rate or --stage too")
    return measure(arguments, "load", partial(_plan, recording), recording, _workers(arguments))


def _workers(arguments: argparse.Namespace) -> Cluster | None:
    """The cluster of --workers. Raises UsageError."""
    if arguments.workers is None:
        if arguments.worker_count is not None:
            raise UsageError("--worker-count requires --workers")
        return None
    try:
        return read_cluster(arguments.workers, arguments.worker_count)
    except PlanError as error:
        raise UsageError(str(error)) from error


def _recording(arguments: argparse.Namespace) -> Recording | None:
    """The log of --replay at its speed, with its bodies unless others are asked for. Raises UsageError."""
    if arguments.replay is None:
        if arguments.speed is not None:
            raise UsageError("--speed requires --replay")
        return None
    if arguments.concurrency is not None:
        raise UsageError("--replay is an open loop: leave out --concurrency")
    speed = 1.0 if arguments.speed is None else arguments.speed
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        raise UsageError(f"--speed {speed:g}: must be from {SPEEDS[0]:g} to {SPEEDS[1]:g}")
    try:
        found = read_log(arguments.replay)
        if found.times_s is not None:
            found = found.at_speed(speed)
        elif arguments.speed is not None:
            raise UsageError(f"--replay {found.name} has no times, so it has no --speed")
    except LogError as error:
        raise UsageError(f"--replay {readable(str(arguments.replay))}: {error}") from error
    if found.left_out and arguments.progress == "auto":
        print(f"{found.left_out} entries of {found.name} are not predictions and are left out.", file=sys.stderr)
    return found if arguments.body_from is None else replace(found, bodies=None)


def _plan(recording: Recording | None, arguments: argparse.Namespace, margin_ms: float) -> LoadPlan:
    terms: dict[str, Any] = {
        **request_terms(arguments, margin_ms),
        "warmup": arguments.warmup or 0,
        "abort": tuple(map(read_abort, arguments.abort)),
        "abort_window_s": arguments.abort_window,
        "correctness": arguments.correctness,
    }
    kind, burstiness = _arrivals(arguments.arrivals)
    plan: LoadPlan
    if arguments.concurrency is not None:
        plan = ClosedLoopPlan(arguments.concurrency, arguments.requests or 0, **terms)
    elif recording is not None and recording.times_s is not None:
        length_s, speed = float(recording.times_s[-1]), arguments.speed or 1.0
        plan = ReplayPlan(
            recording.name, recording.sha256, recording.total, length_s, recording.peak_rate, speed, **terms
        )
    elif arguments.stage:
        plan = StagedPlan(tuple(map(_stage, arguments.stage)), kind, burstiness, **terms)
    else:
        rate = 50.0 if arguments.rate is None else arguments.rate
        duration_s = 30.0 if arguments.duration is None else arguments.duration
        plan = OpenLoopPlan(rate, duration_s, arguments.ramp, kind, burstiness, **terms)
    if arguments.warmup is None:
        plan = replace(plan, warmup=min(_WARMUP, plan.requests(1) // 10))
    return plan


def _stage(text: str) -> Stage:
    """Parse `LENGTH:RATE`. Raises UsageError."""
    found = _STAGE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"--stage {text[:80]}: must be like 30s:10 or 2m:200, a length and requests/s")
    return Stage(float(found["length"]) * _UNITS_S[found["unit"]], float(found["rate"]))


def _arrivals(text: str) -> tuple[Arrivals, float | None]:
    """Parse the distribution and, for gamma, its burstiness. Raises UsageError."""
    if text == "poisson":
        return "poisson", None
    if text == "constant":
        return "constant", None
    name, _, burstiness = text.partition(":")
    try:
        if name == "gamma":
            return "gamma", float(burstiness)
    except ValueError:
        pass
    raise UsageError(f"--arrivals {text[:80]}: must be poisson, constant, or gamma with a burstiness, like gamma:0.25")
