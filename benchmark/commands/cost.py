"""`cost`: calculate what a month of requests costs, before and after the free tier, with its parts."""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.commands import UsageError, add_results, present, results_store
from benchmark.cost.bill import Configuration, Cost, CostError, Workload, default_concurrency, monthly_cost
from benchmark.cost.prices import BILLINGS, PriceError, Prices, find_prices
from benchmark.cost.traffic import SHAPES, Traffic, TrafficError, read_csv, requests_per_month

_USUAL_ENDPOINT = "api"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--requests-per-month",
        type=int,
        metavar="N",
        help="required unless --shape is a file, which contains the number",
    )
    service = parser.add_mutually_exclusive_group(required=True)
    service.add_argument(
        "--service-ms", type=float, metavar="MS", help="service time: how long an instance is busy with a request"
    )
    service.add_argument("--run", dest="run_id", metavar="ID", help="use the service times measured by this run")
    parser.add_argument(
        "--cpu-ms", type=float, metavar="MS", help="processor time of a request (default: its whole service time)"
    )
    parser.add_argument(
        "--endpoint",
        action="append",
        metavar="KEY",
        help="endpoint of the run; repeat it for several bills (default: api, or all if the run has no api)",
    )
    parser.add_argument("--vcpu", type=float, default=1.0, help="vCPU of an instance (default: 1)")
    parser.add_argument(
        "--memory-gib", type=float, default=0.5, metavar="GIB", help="memory of an instance (default: 0.5)"
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        metavar="N",
        help="concurrent requests of an instance (default: 80, or 1 below 1 vCPU)",
    )
    parser.add_argument("--min-instances", type=int, default=0, metavar="N", help="minimum instances (default: 0)")
    parser.add_argument(
        "--region", help="region (default: as reported by the endpoint of --run, or else a tier 1 region)"
    )
    parser.add_argument("--billing", choices=BILLINGS, default="request", help="billing model (default: request)")
    parser.add_argument(
        "--shape",
        default="steady",
        metavar="|".join((*SHAPES, "FILE.csv")),
        help="steady: evenly spaced; office: 8 hours on 5 days; bursts: the first minute of every hour; "
        "or a file with the requests of each minute (default: steady)",
    )
    parser.add_argument("--startup-ms", type=float, default=0.0, metavar="MS", help="start-up time of an instance")
    parser.add_argument(
        "--cold-fraction",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of requests that wait for a cold start, from 0 to 1",
    )
    add_prices(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON; - for standard output")
    add_results(parser)


def add_prices(parser: argparse.ArgumentParser) -> None:
    """Add the option that selects a price list."""
    parser.add_argument(
        "--prices",
        metavar="NAME|FILE",
        help="price list: a name in benchmark/cost/price_lists, or a file (default: newest)",
    )


@dataclass(frozen=True, slots=True)
class _Bill:
    """One endpoint's month: `endpoint` is its key if its service times were measured."""

    endpoint: str | None
    workload: Workload
    configuration: Configuration
    cost: Cost


def run(arguments: argparse.Namespace) -> int:
    """Compute and print; returns the exit status."""
    traffic, from_file = read_traffic(arguments.shape)
    requests = arguments.requests_per_month if arguments.requests_per_month is not None else from_file
    if requests is None:
        raise UsageError("--requests-per-month is required: the shape does not contain it")
    given: list[tuple[str | None, Measured]] = [(None, ((arguments.service_ms,), None))]
    if arguments.run_id:
        given = list(measured(arguments.results, arguments.run_id, arguments.endpoint).items())
    concurrency = arguments.concurrency
    bills = []
    try:
        prices = find_prices(arguments.prices)
        for endpoint, (services_ms, reported) in given:
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
            bills.append(_Bill(endpoint, workload, configuration, monthly_cost(workload, configuration, prices)))
    except (CostError, PriceError) as error:
        raise UsageError(str(error)) from error
    documents = {
        one.endpoint: document(one.cost, one.workload, one.configuration, prices, arguments.run_id, one.endpoint)
        for one in bills
    }
    present(
        {"endpoints": documents} if len(documents) > 1 else documents[bills[0].endpoint],
        arguments.json,
        lambda: print("\n\n".join(_text(one, prices, arguments.run_id) for one in bills)),
    )
    return 0


Measured = tuple[tuple[float, ...], str | None]
"""Service times in ms, and the region that the endpoint reported."""


def measured(results: Path | None, run_id: str, endpoints: Sequence[str] | None) -> dict[str | None, Measured]:
    """Service times of a run's answers without cold starts, and the region, by endpoint.

    Without `endpoints` those of `api`, or of all endpoints if the run has no `api`. Raises UsageError.
    """
    from benchmark.commands.reading import read_run  # numpy and the record are not needed for a given service time
    from benchmark.endpoints.fairness import region
    from benchmark.record.samples import warm

    run, samples = read_run(results_store(results), run_id)
    usual = (_USUAL_ENDPOINT,) if _USUAL_ENDPOINT in run.endpoint_keys else run.endpoint_keys
    found: dict[str | None, Measured] = {}
    for endpoint in endpoints or usual:
        if endpoint not in run.endpoint_keys:
            raise UsageError(f"run {run.id} has no endpoint {endpoint}, only {', '.join(run.endpoint_keys)}")
        services_ms = warm(samples, run.endpoint_keys.index(endpoint))["service_ms"]
        if not len(services_ms):
            raise UsageError(f"run {run.id} has no answer from {endpoint}")
        found[endpoint] = tuple(services_ms.tolist()), region(run.manifest["facts"].get(endpoint, {}))
    return found


def read_traffic(shape: str) -> tuple[Traffic, int | None]:
    """The traffic, and the number of requests a month that it contains, if any."""
    if shape in SHAPES:
        return SHAPES[shape], None
    path = Path(shape)
    try:
        text = path.read_text(encoding="utf-8")
        return read_csv(text, path.name), round(requests_per_month(text))
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(SHAPES)
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"--shape {shape} is neither {known} nor a file that can be read: {reason}") from error
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
    """The cost with all its inputs, as JSON."""
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


def _text(bill: _Bill, prices: Prices, run_id: str | None) -> str:
    services_ms = bill.workload.services_ms
    source = f"{len(services_ms)} of {bill.endpoint} in run {run_id}" if bill.endpoint else "given"
    median_ms = statistics.median(services_ms)
    billed = f"billed in steps of {prices.rounding_ms:g} ms"
    return "\n".join(
        [
            f"Service times: {source}, median {median_ms:.3g} ms, {billed}",
            _readable(bill.cost, bill.workload, bill.configuration, prices),
        ]
    )


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
            f"{'total':<12}{cost.gross_usd:>12,.4f}{cost.gross_usd - cost.net_usd:>12,.4f}{cost.net_usd:>12,.4f}",
            "",
            f"At most {cost.instances} instance{plural} at a time"
            + (", each for 15 minutes after its last request (an upper bound)" if by_instance else "")
            + f". Prices of {prices.as_of}, tier {prices.tier(configuration.region).number} "
            f"({configuration.region or 'region unknown'}): {prices.source}",
        ]
    )
