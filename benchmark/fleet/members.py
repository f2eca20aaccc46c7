"""Connect to the workers that are asked for, and see that they are there and alike."""

import importlib
import logging
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmark.endpoints import readable
from benchmark.fleet.cluster import MOST_WORKERS, Cluster
from benchmark.fleet.program import program_version
from benchmark.fleet.worker import describe
from benchmark.record.plan import PlanError

Client: TypeAlias = Any
"""A `distributed.Client`, whose types are not complete."""
_CONNECT_S = 10.0
_ARRIVE_S = 30.0
"""How long to wait for workers that are asked for and not there yet."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker of the cluster."""

    address: str
    name: str
    machine: Mapping[str, Any]
    """its host, machine and CPUs"""


@asynccontextmanager
async def connected(cluster: Cluster) -> AsyncIterator[tuple[Client, list[Member]]]:
    """A client and the workers, ordered by name. Raises PlanError, in one line, if they are not there or not alike."""
    dask: Any = importlib.import_module("distributed")  # optional
    # What Dask has to say of lost workers is said by the run itself.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    async with AsyncExitStack() as stack:
        if cluster.is_local:
            local = dask.LocalCluster(
                n_workers=cluster.count,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                security=True,  # other users of this machine may not submit code
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                asynchronous=True,
            )
            with _without_interrupts():
                await stack.enter_async_context(local)
            client = dask.Client(local, asynchronous=True)
        else:
            client = dask.Client(cluster.address, asynchronous=True, timeout=_CONNECT_S, set_as_default=False)
        try:
            await stack.enter_async_context(client)
        except (OSError, TimeoutError, ValueError) as error:
            raise PlanError(f"the scheduler {cluster.address} does not answer") from error
        yield client, await _members(client, cluster)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which a terminal sends to all of them: the coordinator ends them in order.

    To ignore a signal is inherited, and to handle it is not (execve(2)).
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def _members(client: Client, cluster: Cluster) -> list[Member]:
    wanted = cluster.count or 1
    try:
        await client.wait_for_workers(wanted, timeout=_ARRIVE_S)
    except (OSError, TimeoutError) as error:
        found = len(await _workers(client))
        where = "this machine" if cluster.is_local else cluster.address
        raise PlanError(f"{where} has {found} workers, and {wanted} are needed") from error
    workers = await _workers(client)
    named = sorted((str(known["name"]), address) for address, known in workers.items())
    named = named[: cluster.count or MOST_WORKERS]
    found = await client.run(describe, workers=[address for _, address in named], on_error="return")
    members = []
    for name, address in named:
        machine = found.get(address)
        shown = readable.name(name, 100)
        if not isinstance(machine, dict) or not isinstance(machine.get("host"), str):
            raise PlanError(f"worker {shown} does not have this program: install the same version there")
        if machine.get("program") != program_version():
            raise PlanError(f"worker {shown} has another version of this program: install the same one there")
        host, system = readable.name(machine["host"], 100), readable.name(str(machine.get("machine")), 100)
        members.append(Member(address, shown, {"host": host, "machine": system, "cpus": machine.get("cpus")}))
    return members


async def _workers(client: Client) -> Mapping[str, Mapping[str, Any]]:
    """The workers that the scheduler has now, by address; `client` itself keeps only some of them."""
    found: Mapping[str, Mapping[str, Any]] = (await client.scheduler.identity(n_workers=-1))["workers"]
    return found
