"""Which workers are asked for: those of an existing Dask cluster, or processes on this machine."""

import importlib.util
import re
from dataclasses import dataclass

from benchmark.endpoints import readable
from benchmark.record.plan import PlanError

MOST_WORKERS = 1000
_ADDRESS = re.compile(r"(tcp|tls)://[^\s/,]+:[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers of a run, as they are asked for."""

    address: str | None
    """of the scheduler; None for processes on this machine"""
    count: int | None
    """how many workers; None for all that the cluster has"""

    @property
    def is_local(self) -> bool:
        """Whether the workers are processes on this machine."""
        return self.address is None


def read_cluster(text: str, count: int | None = None) -> Cluster:
    """Parse `local:N`, or the address of a scheduler. Raises PlanError, also without the packages that it needs."""
    if any(importlib.util.find_spec(name) is None for name in ("distributed", "ddsketch")):
        raise PlanError("--workers needs distributed and ddsketch, which are not installed: run make extras")
    if count is not None and not 1 <= count <= MOST_WORKERS:
        raise PlanError(f"--worker-count {count}: must be from 1 to {MOST_WORKERS}")
    if re.fullmatch("local:[0-9]{1,4}", text, re.ASCII) and 1 <= (local := int(text[6:])) <= MOST_WORKERS:
        if count is not None:
            raise PlanError(f"--workers {text} has its own number: leave out --worker-count")
        return Cluster(None, local)
    if _ADDRESS.fullmatch(text):
        return Cluster(text, count)
    raise PlanError(f"--workers {readable.name(text, 80)}: must be local:N, or a scheduler like tcp://HOST:8786")
