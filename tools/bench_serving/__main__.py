"""`python -m tools.bench_serving`: measure, judge, print, and write everything as JSON."""

import argparse
import json
import os
import platform
import random
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

import tools.bench_serving
from tools.bench_serving import BenchError, align, end_with_status_143, instructions, progress
from tools.bench_serving.candidates import ROOT, Candidate, prepare
from tools.bench_serving.limits import (
    RECORDED,
    TARGETS,
    Instructions,
    PartCost,
    RecordedResult,
    Rounds,
    TargetResult,
    Visit,
    compare_recorded,
    instruction_table,
    judge,
    part_costs,
    part_table,
    server_table,
    target_table,
    values,
)
from tools.bench_serving.load import CONNECTIONS
from tools.bench_serving.visits import two_cores, visit, visit_parts

FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Options:
    """The command-line options."""

    starts: int
    requests: int
    seed: int
    json: Path

    @property
    def part_starts(self) -> int:
        """Processes in which the parts of a request are measured."""
        return max(1, self.starts // 7)

    @property
    def cycles(self) -> int:
        """How often each part is switched off and on in one process."""
        return 10 * min(4, self.starts)


def conditions(options: Options) -> dict[str, object]:
    """The conditions of the measurement."""
    cores = two_cores()
    distributions = ("fastapi", "functions-framework", "gunicorn", "httptools", "joblib", "numpy", "onnxruntime")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
        "pinning": "load and server on a core each" if cores else "none",
        "memory": "PSS" if sys.platform == "linux" else "RSS",
        "environments": "each server has a separate environment with the packages that it needs, byte-compiled",
        "versions": {
            name: version(name) for name in (*distributions, "scikit-learn", "starlette", "uvicorn", "uvloop")
        },
        "connections": CONNECTIONS,
        "n": options.starts,
        "requests": options.requests,
        "seed": options.seed,
    }


def measure(pythons: Mapping[Candidate, Path], options: Options) -> list[dict[str, Visit]]:
    """All rounds. Each visits every server once in a new random order, after one uncounted start of each."""
    draw = random.Random(options.seed)  # noqa: S311  an order, not a secret
    for server, python in pythons.items():
        progress(f"warm start of {server.name}")
        visit(server, python, 0)
    rounds = []
    for number in range(1, options.starts + 1):
        progress(f"round {number} of {options.starts}")
        order = draw.sample(list(pythons), len(pythons))
        rounds.append({server.name: visit(server, pythons[server], options.requests) for server in order})
    return rounds


def count_instructions(pythons: Mapping[Candidate, Path]) -> dict[str, Instructions]:
    """Those of the servers that have a recorded ratio; none where Callgrind is not installed."""
    if not instructions.is_available():
        return {}
    wanted = {name for one in RECORDED for name in (one.subject, one.reference)}
    counted = {}
    for server, python in pythons.items():
        if server.name in wanted:
            progress(f"instructions of {server.name}")
            counted[server.name] = instructions.count(server, python)
    return counted


def report(
    rounds: Rounds,
    results: Sequence[TargetResult],
    names: Sequence[str],
    costs: Sequence[PartCost],
    counted: Mapping[str, Instructions],
    recorded: Sequence[RecordedResult],
    facts: dict[str, object],
) -> str:
    """Everything measured and judged, as JSON."""
    document = {
        "format_version": FORMAT_VERSION,
        "conditions": facts,
        "servers": {
            name: {field: values(rounds, name, field) for field in Visit.__dataclass_fields__} for name in names
        },
        "targets": [
            {**asdict(item.target), "ratio": item.ratio, "interval_95": item.interval, "met": item.is_met}
            for item in results
        ],
        "parts": [{**asdict(cost), "met": cost.is_met} for cost in costs],
        "instructions": {
            "servers": {name: asdict(one) for name, one in counted.items()},
            "ratios": [{**asdict(one.recorded), "counted": one.ratio, "met": one.is_met} for one in recorded],
        },
    }
    return json.dumps(document, indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns 1 if a limit is missed, 2 if nothing could be measured."""
    options = _options(arguments)
    # A terminated run must also come to the `finally` that stops its servers.
    signal.signal(signal.SIGTERM, end_with_status_143)
    facts = conditions(options)
    with tempfile.TemporaryDirectory(prefix="faceoff-bench-") as scratch:
        try:
            pythons = prepare(Path(scratch))
            rounds = measure(pythons, options)
            (api,) = (python for server, python in pythons.items() if server.name == "api")
            cycles = [
                cycle
                for _ in range(options.part_starts)
                for cycle in visit_parts(api, options.requests, options.cycles, options.seed)
            ]
            counted = count_instructions(pythons)
        except BenchError as error:
            print(f"not measured: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
        finally:
            for child in psutil.Process().children(recursive=True):  # interrupted before it was in anybody's care
                with suppress(psutil.NoSuchProcess):
                    child.kill()
    names = [server.name for server in pythons]
    results = [judge(rounds, target, options.seed) for target in TARGETS]
    costs = part_costs(cycles, options.seed)
    recorded = compare_recorded(counted) if counted else []
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(report(rounds, results, names, costs, counted, recorded, facts))
    print(align(server_table(rounds, names)))
    print()
    print(align(target_table(results)))
    print()
    print(align(part_table(costs)))
    print()
    print(align(instruction_table(recorded)) if recorded else "No instructions counted: Valgrind is not installed.")
    print()
    print(f"Medians of {options.starts} processes each; memory is {facts['memory']}; pinning: {facts['pinning']};")
    print(f"{facts['environments']}. Raw numbers: {options.json}")
    is_met = [*(one.is_met for one in results), *(one.is_met for one in costs), *(one.is_met for one in recorded)]
    return 0 if all(is_met) else 1


def _options(arguments: list[str] | None) -> Options:
    description = (tools.bench_serving.__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tools.bench_serving", description=description)
    parser.add_argument("--starts", type=int, help="processes to measure of each server (default 21; quick: 4)")
    parser.add_argument("--requests", type=int, help="requests per process (default 3000; quick: 1000)")
    parser.add_argument("--quick", action="store_true", help="a rough answer in about a minute")
    parser.add_argument("--seed", type=int, default=0, help="seed of the order of the servers (default 0)")
    parser.add_argument("--json", type=Path, default=ROOT / "results" / "bench-serving.json", help="file to write")
    given = parser.parse_args(arguments)
    starts = (4 if given.quick else 21) if given.starts is None else given.starts
    requests = (1000 if given.quick else 3000) if given.requests is None else given.requests
    if starts < 1 or requests < CONNECTIONS:
        parser.error(f"--starts must be at least 1 and --requests at least {CONNECTIONS}")
    return Options(starts, requests, given.seed, given.json)


if __name__ == "__main__":
    sys.exit(main())
