"""`python -m benchmark cost`: what a month of requests costs, gross and net of the free tier, and its parts."""

import argparse
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.commands import UsageError, add_results, results_store, write_json
from benchmark.cost.bill import Configuration, Cost, CostError, Workload, default_concurrency, monthly_cost
from benchmark.cost.prices import BILLINGS, PriceError, Prices, load_prices
from benchmark.cost.traffic import SHAPES, Traffic, TrafficError, read_csv, requests_per_month


def configure(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument(
        "--requests-per-month", type=int, metavar="N", help="needed unless --shape is a file, which says it otherwise"
    )
    service = parser.add_mutually_exclusive_group(required=True)
    service.add_argument("--service-ms", type=float, metavar="MS", help="how long an instance is busy with a request")
    service.add_argument("--run", dest="run_id", metavar="ID", help="take the service times that this run measured")
    parser.add_argument(
        "--cpu-ms", type=float, metavar="MS", help="processor time of a request (default: all of its service time)"
    )
    parser.add_argument("--endpoint", default="api", metavar="KEY", help="whose times of the run (default: api)")
    parser.add_argument("--vcpu", type=float, default=1.0, help="of an instance (default: 1)")
    parser.add_argument("--memory-gib", type=float, default=0.5, metavar="GIB", help="of an instance (default: 0.5)")
    parser.add_argument(
        "--concurrency", type=int, metavar="N", help="requests at a time (default: 80, and 1 below 1 vCPU)"
    )
    parser.add_argument("--min-instances", type=int, default=0, metavar="N", help="kept alive always (default: 0)")
    parser.add_argument(
        "--region", help="where it runs (default: where the endpoint of --run says that it does, else one of tier 1)"
    )
    parser.add_argument("--billing", choices=BILLINGS, default="request", help="what is paid for (default: request)")
    parser.add_argument(
        "--shape",
        default="steady",
        metavar="|".join((*SHAPES, "FILE.csv")),
        help="steady: evenly spaced; office: 8 hours on 5 days; bursts: the first minute of every hour; "
        "or a file with the requests of each minute (default: steady)",
    )
    parser.add_argument("--startup-ms", type=float, default=0.0, metavar="MS", help="how long an instance starts")
    parser.add_argument(
        "--cold-fraction", type=float, default=0.0, metavar="SHARE", help="share of requests that wait for a start"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything; - for standard output alone")
    add_results(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compute and print; returns the exit status."""
    traffic, from_file = read_traffic(arguments.shape)
    requests = arguments.requests_per_month if arguments.requests_per_month is not None else from_file
    if requests is None:
        raise UsageError("--requests-per-month is needed, because the shape does not say it")
    services_ms, reported = (
        measured(arguments.results, arguments.run_id, arguments.endpoint)
        if arguments.run_id
        else ((float(arguments.service_ms),), None)
    )
    try:
        prices = load_prices()
        concurrency = arguments.concurrency
        configuration = Configuration(
            arguments.vcpu,
            arguments.memory_gib,
            default_concurrency(arguments.vcpu) if concurrency is None else concurrency,
            arguments.min_instances,
            arguments.billing,
            arguments.region or reported,
        )
        workload = Workload(
            requests, services_ms, traffic, arguments.startup_ms, arguments.cold_fraction, arguments.cpu_ms
        )
        cost = monthly_cost(workload, configuration, prices)
    except (CostError, PriceError) as error:
        raise UsageError(str(error)) from error
    if str(arguments.json) != "-":
        source = (
            f"{len(services_ms)} of {arguments.endpoint} in run {arguments.run_id}" if arguments.run_id else "given"
        )
        median_ms = statistics.median(services_ms)
        print(f"Service times: {source}, median {median_ms:.3g} ms, billed in steps of {prices.rounding_ms:g} ms")
        print(_readable(cost, workload, configuration, prices))
    if arguments.json:
        write_json(
            arguments.json, document(cost, workload, configuration, prices, arguments.run_id, arguments.endpoint)
        )
    return 0


def measured(results: Path | None, run_id: str, endpoint: str) -> tuple[tuple[float, ...], str | None]:
    """The service times in ms of a run's answers from one endpoint that waited for no start, and its region.

    Raises UsageError.
    """
    from benchmark.commands.reading import read_run  # numpy and all of the record, which a given time needs not
    from benchmark.endpoints.fairness import region
    from benchmark.record.samples import warm

    run, samples = read_run(results_store(results), run_id)
    if endpoint not in run.endpoint_keys:
        raise UsageError(f"run {run.id} has no endpoint {endpoint}, only {', '.join(run.endpoint_keys)}")
    services_ms = warm(samples, run.endpoint_keys.index(endpoint))["service_ms"]
    if not len(services_ms):
        raise UsageError(f"run {run.id} has no answer from {endpoint}")
    return tuple(services_ms.tolist()), region(run.manifest["facts"].get(endpoint, {}))


def read_traffic(shape: str) -> tuple[Traffic, int | None]:
    """The traffic, and how many requests a month it says that there are."""
    if shape in SHAPES:
        return SHAPES[shape], None
    path = Path(shape)
    try:
        text = path.read_text(encoding="utf-8")
        return read_csv(text, path.name), round(requests_per_month(text))
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(SHAPES)
        raise UsageError(f"--shape {shape} is neither {known} nor a file that can be read: {error}") from error
    except TrafficError as error:
        raise UsageError(f"--shape {shape}: {error}") from error


def document(
    cost: Cost,
    workload: Workload,
    configuration: Configuration,
    prices: Prices,
    run_id: str | None = None,
    endpoint: str | None = None,
) -> dict[str, Any]:
    """Everything that the cost was made from, and the cost, for a file."""
    one = workload.services_ms[0] if len(workload.services_ms) == 1 else None
    return {
        "gross_usd": cost.gross_usd,
        "net_usd": cost.net_usd,
        **asdict(cost),
        "inputs": {
            "requests_per_month": workload.requests_per_month,
            "service_ms": one,
            "run": run_id,
            "endpoint": endpoint if run_id else None,
            "service_samples": len(workload.services_ms),
            "shape": workload.traffic.name,
            "startup_ms": workload.startup_ms,
            "cold_fraction": workload.cold_fraction,
            "cpu_ms": workload.cpu_ms,
            **asdict(configuration),
        },
        "prices": {
            "source": prices.source,
            "as_of": prices.as_of,
            "tier": prices.tier(configuration.region).number,
            "currency": prices.currency,
            "rounding_ms": prices.rounding_ms,
            **asdict(prices.tier(configuration.region).tariff(configuration.billing)),
        },
    }


def _readable(cost: Cost, workload: Workload, configuration: Configuration, prices: Prices) -> str:
    lines = [
        ("vCPU", cost.vcpu_usd, cost.free_vcpu_usd, f"{cost.active_s * configuration.vcpu:,.1f} vCPU-s"),
        ("memory", cost.memory_usd, cost.free_memory_usd, f"{cost.active_s * configuration.memory_gib:,.1f} GiB-s"),
        ("requests", cost.requests_usd, cost.free_requests_usd, f"{workload.requests_per_month:,}"),
        ("idle", cost.idle_usd, 0.0, f"{cost.idle_s:,.1f} s of minimum instances"),
    ]
    plural = "" if cost.instances == 1 else "s"
    by_instance = configuration.billing == "instance"
    return "\n".join(
        [
            f"{workload.requests_per_month:,} requests a month ({workload.traffic.name}), {configuration.vcpu:g} vCPU, "
            f"{configuration.memory_gib:g} GiB, concurrency {configuration.concurrency}, {configuration.billing}-based",
            "",
            f"{'USD a month':<12}{'gross':>12}{'free':>12}{'net':>12}",
            *(
                f"{name:<12}{gross:>12,.4f}{free:>12,.4f}{gross - free:>12,.4f}   {of}"
                for name, gross, free, of in lines
            ),
            f"{'together':<12}{cost.gross_usd:>12,.4f}{cost.gross_usd - cost.net_usd:>12,.4f}{cost.net_usd:>12,.4f}",
            "",
            f"At most {cost.instances} instance{plural} at a time"
            + (", each 15 minutes longer than its last request: an upper bound" if by_instance else "")
            + f". Prices of {prices.as_of}, tier {prices.tier(configuration.region).number} "
            f"({configuration.region or 'region not known'}): {prices.source}",
        ]
    )
