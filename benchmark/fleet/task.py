"""What one worker gets: its share of a load, with the inputs, the endpoints and their tokens.

It travels as a pickle, as everything that Dask moves, and only from the coordinator through the worker to the engine
that the worker starts. Its plan is a document, which the engine parses like that of any other run.
"""

import pickle
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.endpoints.endpoint import Endpoint
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.engine.schedule import Share
from benchmark.record.plan import PlanError
from inference.card import ModelCard

MAX_BYTES = 8 * 1024 * 1024
"""The largest packed task: it passes through the scheduler."""
MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""Of all tasks, which the scheduler holds at once."""


@dataclass(frozen=True, slots=True)
class Task:
    """The part of one worker in a run."""

    run_id: str
    plan: Mapping[str, Any]
    """the document of its own plan: that of the run, with its own callers"""
    endpoints: tuple[Endpoint, ...]
    """without the sources of tokens"""
    with_identity: tuple[bool, ...]
    """which of the endpoints get Google's tokens, from the identity of the worker's own machine"""
    sends: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint32]]
    """of an open loop: when each is due in ns since the start, its endpoint, and the number of its request"""
    numbers: NDArray[np.uint32]
    """of a closed loop: the requests to each endpoint"""
    bodies: tuple[bytes, ...]
    card: ModelCard | None

    @property
    def share(self) -> Share:
        """The requests to send."""
        due_ns, positions, numbers = (column.tolist() for column in self.sends)
        return Share(list(zip(due_ns, positions, numbers, strict=True)), self.numbers.tolist())

    @property
    def targets(self) -> tuple[Endpoint, ...]:
        """The endpoints with their sources of tokens."""
        identity = GoogleIdentity()
        return tuple(
            replace(endpoint, identity=identity) if wanted else endpoint
            for endpoint, wanted in zip(self.endpoints, self.with_identity, strict=True)
        )

    @property
    def requests(self) -> int:
        """How many requests it sends."""
        return len(self.sends[0]) + len(self.numbers) * len(self.endpoints)


def make_task(
    run_id: str,
    plan: Mapping[str, Any],
    endpoints: Sequence[Endpoint],
    share: Share,
    bodies: Sequence[bytes],
    card: ModelCard | None,
) -> Task:
    """The task of sending `share`."""
    columns = np.array(share.sends, dtype=np.int64).reshape(-1, 3)
    return Task(
        run_id,
        plan,
        tuple(replace(endpoint, identity=None) for endpoint in endpoints),
        tuple(endpoint.identity is not None for endpoint in endpoints),
        (columns[:, 0], columns[:, 1].astype(np.uint8), columns[:, 2].astype(np.uint32)),
        np.array(share.numbers, dtype=np.uint32),
        tuple(bodies),
        card,
    )


def pack(tasks: Sequence[Task]) -> list[bytes]:
    """Each of `tasks` as bytes. Raises PlanError if they are too large to be sent."""
    packed = [zlib.compress(pickle.dumps(task), 1) for task in tasks]
    largest, total = max(map(len, packed)), sum(map(len, packed))
    if largest > MAX_BYTES:
        raise PlanError(
            f"the share of a worker takes {largest / 2**20:.0f} MiB, and one gets at most "
            f"{MAX_BYTES / 2**20:.0f} MiB: use more workers, a shorter load, or fewer inputs"
        )
    if total > MAX_TOTAL_BYTES:
        raise PlanError(
            f"the shares of {len(packed)} workers take {total / 2**20:.0f} MiB, and all get at most "
            f"{MAX_TOTAL_BYTES / 2**20:.0f} MiB: use fewer workers, a shorter load, or fewer inputs"
        )
    return packed


def unpack(packed: bytes) -> Task:
    """The inverse of `pack`, for what this program's own coordinator has sent."""
    task: Task = pickle.loads(zlib.decompress(packed))  # noqa: S301  see the module's docstring
    return task
