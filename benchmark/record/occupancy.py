"""No endpoint is in two runs at once: a lock for each of a run's endpoints, which dies with the process that has it."""

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from benchmark.endpoints import readable
from benchmark.endpoints.endpoint import is_on_this_machine
from benchmark.record.run import Run
from benchmark.record.store import Store, StoreError

_APPLICATION = "faceoff run "
_MAX_ID_BYTES = 200


class EndpointInUse(Exception):
    """An endpoint of a run is in another run; the message names both."""

    def __init__(self, endpoint: str, holder: str, run_id: str) -> None:
        if holder == run_id:
            super().__init__(f"run {run_id} is running, so there is nothing to resume")
            return
        by = f"run {holder}" if holder else "another run"
        super().__init__(f"{endpoint} is in use by {by}: an endpoint can be in one run at a time")


@contextmanager
def occupied(store: Store, run: Run) -> Iterator[None]:
    """Lock the endpoints of `run` for all who use the record. Raises EndpointInUse, StoreError.

    Programs that a run starts itself have no address, and are not locked. A lock in PostgreSQL belongs to a connection,
    so that it ends if the server restarts.
    """
    names = {_address(one.url): one.name for one in run.manifest.endpoints if one.url is not None}
    with ExitStack() as stack:
        if names and store.is_shared:
            connection = stack.enter_context(store.database.session())
            try:
                _lock_in_database(connection, run.id, names)
            except SQLAlchemyError as error:
                raise StoreError(f"{store.location.name}: the endpoints cannot be locked") from error
        elif names:
            _lock_files(stack, store.location.directory / "locks", run.id, names)
        yield


def _address(url: str) -> str:
    """What is locked for `url`. This machine's loopback addresses are not those of others."""
    return f"{socket.gethostname()} {url}" if is_on_this_machine(url) else url


def _lock_files(stack: ExitStack, directory: Path, run_id: str, names: dict[str, str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for address, name in sorted(names.items()):
            path = directory / f"{hashlib.sha256(address.encode()).hexdigest()[:24]}.lock"
            # The file stays: if it were deleted, two processes could lock two files of one name.
            file = stack.enter_context(FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = (file.read(_MAX_ID_BYTES) or b"").decode("utf-8", "replace")
                raise EndpointInUse(name, readable.name(holder), run_id) from None
            file.truncate(0)
            file.write(run_id.encode())
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror or error}") from error


def _lock_in_database(connection: Connection, run_id: str, names: dict[str, str]) -> None:
    # Who has a lock is told by the name of the connection that has it.
    connection.execute(
        text("SELECT set_config('application_name', :name, false)"), {"name": f"{_APPLICATION}{run_id}"[:63]}
    )
    for address, name in sorted(names.items()):
        number = int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], signed=True)
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}):
            raise EndpointInUse(name, _holder(connection, number), run_id)


def _holder(connection: Connection, number: int) -> str:
    """The ID of the run whose connection has the lock; empty if it is unknown.

    Numbers of advisory locks in pg_locks: https://www.postgresql.org/docs/current/view-pg-locks.html
    """
    high, low = (number >> 32) & 0xFFFFFFFF, number & 0xFFFFFFFF
    found = connection.scalar(
        text(
            "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' "
            "AND granted AND classid = CAST(:high AS oid) AND objid = CAST(:low AS oid) AND objsubid = 1 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        {"high": str(high), "low": str(low)},
    )
    return readable.name(str(found or "").removeprefix(_APPLICATION))
