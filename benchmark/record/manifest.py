"""The recorded conditions and outcome of a run: JSON documents with typed access.

Both keep all members, including those of other versions, so that exporting a run again loses nothing. Members are
parsed on access: a damaged run can be listed, and access to a damaged member raises KeyError, TypeError or ValueError.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

D = TypeVar("D", bound=dict[str, Any])


@dataclass(frozen=True, slots=True)
class RecordedEndpoint:
    """An endpoint of a run. Its address and command are for display: nothing in a record is contacted or started."""

    key: str
    name: str
    url: str | None
    """None for a program that is restarted for each sample"""


@dataclass(frozen=True, slots=True)
class RecordedClient:
    """The machine that sent the requests."""

    host: str
    machine: str
    cpus: int | None

    @property
    def text(self) -> str:
        """The machine as text."""
        return f"{self.host} ({self.machine}, {self.cpus} CPUs)"


@dataclass(frozen=True, slots=True)
class RecordedWorker:
    """One of several workers that sent the requests of a run."""

    name: str
    sent: int
    """requests whose rows were recorded"""
    lost: int
    """requests of its share without a row"""
    limited: bool
    problem: str | None
    """why it was lost, in a clause; None if it was not"""


class Manifest(dict[str, Any]):
    """The conditions of a run, fixed when it starts."""

    @cached_property
    def plan(self) -> Any:
        """The document of the plan, which its kind parses; None without a plan."""
        return self.get("plan")

    @cached_property
    def endpoints(self) -> tuple[RecordedEndpoint, ...]:
        """In the order of the samples' `endpoint`."""
        return tuple(RecordedEndpoint(one["key"], one["name"], one.get("url")) for one in self["endpoints"])

    @cached_property
    def facts(self) -> tuple[Mapping[str, str | None], ...]:
        """Each endpoint's report of its deployment, in the order of the endpoints."""
        return tuple(self["facts"].get(endpoint.key, {}) for endpoint in self.endpoints)

    @cached_property
    def client(self) -> RecordedClient:
        """The machine that sent the requests."""
        known = self["client"]
        return RecordedClient(known["host"], known["machine"], known["cpus"])

    @cached_property
    def workers(self) -> tuple[str, ...]:
        """The names of the workers that send the requests; empty if the client itself does."""
        return tuple(one["name"] for one in self.get("workers", ()))

    @cached_property
    def body_sha256(self) -> str:
        """The hash of all sent inputs."""
        return str(self["bodies"]["sha256"])

    @cached_property
    def resolution_ms(self) -> float | None:
        """The smallest difference that self-tests of the client could resolve; None without self-tests."""
        return self.get("resolution_ms")

    @cached_property
    def is_simulated(self) -> bool:
        """Whether the run is simulated, so that nothing was sent."""
        return "truth" in self


class Ending(dict[str, Any]):
    """The outcome of a run, recorded when it ends; empty while it is in progress."""

    @cached_property
    def instances(self) -> tuple[str, ...]:
        """The instances that answered; samples refer to them by number, from 1."""
        return tuple(self.get("instances", ()))

    @cached_property
    def failure_details(self) -> Mapping[str, Mapping[str, str]]:
        """An example message of each failure, by endpoint and kind."""
        found: Mapping[str, Mapping[str, str]] = self.get("failure_details", {})
        return found

    @cached_property
    def generator(self) -> Mapping[str, Any]:
        """The load generator's health; empty if it was not judged."""
        found: Mapping[str, Any] = self.get("generator", {})
        return found

    @cached_property
    def probes(self) -> tuple[Mapping[str, Any], ...] | None:
        """The data of each cold-start probe; None for a run of another kind."""
        found = self.get("probes")
        return None if found is None else tuple(found)

    @cached_property
    def workers(self) -> tuple[RecordedWorker, ...]:
        """What came of each worker, in the order of the samples' `worker`, from 1; empty for a run of one process."""
        return tuple(
            RecordedWorker(one["name"], one["sent"], one["lost"], one["limited"], one.get("problem"))
            for one in self.get("workers", ())
        )

    @cached_property
    def reason(self) -> str | None:
        """The reason for an early end."""
        return self.get("reason")

    @cached_property
    def correctness(self) -> Mapping[str, Mapping[str, Any]]:
        """How many answers under load differ from those at rest, by endpoint; empty if they were not compared."""
        found: Mapping[str, Mapping[str, Any]] = self.get("correctness", {})
        return found


class Typed(Generic[D]):
    """A field that accepts any mapping and stores it as a `D`, so that it is always typed."""

    def __init__(self, kind: Callable[[Mapping[str, Any]], D]) -> None:
        self._kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> D:
        if instance is None:  # dataclasses read the default this way, and reject mutable ones
            return cast(D, ())
        found: D = instance.__dict__[self._name]
        return found

    def __set__(self, instance: object, value: Mapping[str, Any]) -> None:
        instance.__dict__[self._name] = self._kind(value if isinstance(value, Mapping) else {})
