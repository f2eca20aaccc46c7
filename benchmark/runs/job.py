"""The job of a measuring process: one JSON document on standard input.

Tokens and the address of the record are in the job because other users of a machine can read a command line, but not a
pipe.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchmark.endpoints.endpoint import Endpoint, EndpointError
from benchmark.endpoints.identity import GoogleIdentity
from benchmark.engine.replay import LogError, Recording, parse_log
from benchmark.record.location import Location
from benchmark.record.plan import PlanError, ReplayPlan
from benchmark.record.store import Store
from benchmark.runs import kind_named, kind_of_run, plan_of
from benchmark.runs.kind import Order, RunKind


class JobError(ValueError):
    """The document is not a valid job; the message says why in a clause."""


@dataclass(frozen=True, slots=True)
class Log:
    """The log of requests that a load sends again."""

    name: str
    text: str
    with_bodies: bool
    """whether its bodies are sent, or else those of the model card"""

    def recording(self, plan: Any) -> Recording:
        """Its requests, at the speed of a replay's `plan`. Raises PlanError."""
        try:
            found = parse_log(self.text.encode(), self.name)
            found = found if self.with_bodies else replace(found, bodies=None)
            return found.at_speed(plan.speed) if isinstance(plan, ReplayPlan) else found
        except LogError as error:
            raise PlanError(f"{self.name} {error}") from error


@dataclass(frozen=True, slots=True)
class Job:
    """A run to carry out: a new one of this kind and plan, or a recorded one to resume, without kind and plan."""

    run_id: str
    results: Location
    """the record"""
    endpoints: tuple[Endpoint, ...] = ()
    kind: str | None = None
    plan: Mapping[str, Any] | None = None
    name: str = ""
    log: Log | None = None
    user: str = ""
    """who starts it; empty if unknown"""

    @property
    def resumes(self) -> bool:
        return self.kind is None

    def order(self, store: Store) -> tuple[RunKind[Any, Any], Order[Any]]:
        """The order. The endpoints' hosts are allowed, because the author of the job configured them.

        Raises PlanError, also for an imported run, and StoreError.
        """
        resumed = store.run(self.run_id) if self.resumes else None
        if resumed and resumed.is_imported:
            raise PlanError(f"run {resumed.id} was imported: only runs measured here can be resumed")
        kind = kind_of_run(resumed) if resumed else kind_named(self.kind or "")
        plan = plan_of(resumed) if resumed else kind.read_plan(self.plan)
        hosts = frozenset(endpoint.host for endpoint in self.endpoints)
        recording = self.log.recording(plan) if self.log else None
        order = Order(
            plan, self.endpoints, self.run_id, self.name, allowed_hosts=hosts, recording=recording, resumed=resumed
        )
        return kind, order


def write_job(job: Job) -> str:
    """`job` as JSON."""
    return json.dumps(
        {
            "run_id": job.run_id,
            "results": str(job.results.directory.resolve()),
            "results_url": job.results.url,
            "endpoints": [_endpoint_document(endpoint) for endpoint in job.endpoints],
            "kind": job.kind,
            "plan": None if job.plan is None else dict(job.plan),
            "name": job.name,
            "log": None if job.log is None else asdict(job.log),
            "user": job.user,
        }
    )


def read_job(text: str) -> Job:
    """The inverse of `write_job`. Raises JobError."""
    try:
        document = json.loads(text)
        return Job(
            document["run_id"],
            Location(Path(document["results"]), document["results_url"]),
            _endpoints(document["endpoints"]),
            document["kind"],
            document["plan"],
            document["name"],
            Log(**document["log"]) if document["log"] else None,
            document["user"],
        )
    except (ValueError, KeyError, TypeError, EndpointError) as error:
        raise JobError(f"this is not a job ({type(error).__name__}: {error})") from error


def _endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    known = {field.name: getattr(endpoint, field.name) for field in fields(endpoint)}
    return known | {"identity": endpoint.identity is not None}


def _endpoints(documents: Sequence[Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    identity = GoogleIdentity()
    return tuple(Endpoint(**{**one, "identity": identity if one["identity"] else None}) for one in documents)
