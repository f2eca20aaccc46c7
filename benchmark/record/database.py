"""The database of a record: connections, transactions, and errors that name it."""

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    create_engine,
    event,
    extract,
    func,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from benchmark.endpoints import readable
from benchmark.record import migrations
from benchmark.record.location import Location

BUSY_TIMEOUT_S = 10.0
_RETRY_S = 0.01
_LATER = "was written by a later version"
# Advisory locks of PostgreSQL, numbers that mean nothing to others: "face" in hexadecimal, then ours.
_LOCK_SPACE = 0x66616365
_MIGRATING, _COMPARING = 1, 2
# A database that is cut off is noticed after 10 s. PostgreSQL's defaults are two hours and more:
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_PATIENCE = {
    "application_name": "faceoff",
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": f"-c lock_timeout={BUSY_TIMEOUT_S:g}s",
}


class StoreError(Exception):
    """The record cannot be read or written; the message says why."""


class ReadOnly(StoreError):
    """The record is read-only."""

    def __init__(self) -> None:
        super().__init__("the record is read-only")


class Database:
    """The database at one location. Safe to share between threads; its schema is created at its first use."""

    def __init__(self, location: Location, *, read_only: bool = False) -> None:
        """If it is `read_only`, every write raises ReadOnly."""
        self.location = location
        self.read_only = read_only
        url = location.database_url
        self.is_shared = url is not None
        """whether other machines use it, too"""
        if url is None:
            # One connection per operation: a file that is deleted or replaced meanwhile is a new record.
            engine = create_engine("sqlite://", creator=self._connect_file, poolclass=NullPool)
            event.listen(engine, "begin", _begin_in_file)
            self._reading: Engine = engine
            self._writing: Engine = engine.execution_options(writes=True)
        else:
            patience = {name: value for name, value in _PATIENCE.items() if name not in url.query}
            engine = create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=15, connect_args=patience)
            # A reader sees one snapshot, as in SQLite.
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writing = engine
        self._checking = threading.Lock()
        self._is_checked = False
        self.close: Callable[[], object] = engine.dispose
        if self.is_shared:  # a file has no connections between operations
            self.close = weakref.finalize(self, engine.dispose)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot. Raises StoreError."""
        with self._errors():
            self._check()
            with self._reading.begin() as connection:
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that takes effect as a whole or not at all. Raises StoreError."""
        if self.read_only:
            raise ReadOnly
        with self._errors():
            self._check()
            with self._writing.begin() as connection:
                yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection to a shared database of one's own, with what belongs to it, such as locks. Raises StoreError.

        Statements take effect at once.
        """
        with self._errors():
            self._check()
            connection = self._writing.execution_options(isolation_level="AUTOCOMMIT").connect()
            connection.detach()  # closed afterwards, not reused
        try:
            yield connection
        finally:
            with suppress(SQLAlchemyError):
                connection.close()

    def free_space(self) -> None:
        """Give the space of what was deleted back to the disk. Raises StoreError.

        PostgreSQL's autovacuum keeps it for new rows. A file is rewritten, which needs as much free space again.
        """
        if self.is_shared:
            return
        with self._errors(), closing(self._connect_file()) as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def now(self) -> ColumnElement[Any]:
        """The time in s since 1970, by one clock for all who share the record."""
        return extract("epoch", func.clock_timestamp()) if self.is_shared else literal(time.time())

    def serialise_comparisons(self, connection: Connection) -> None:
        """Let the comparisons become visible in the order of their numbers, so that a reader misses none.

        Writers of SQLite take turns anyway.
        """
        if self.is_shared:
            _take_turns(connection, _COMPARING)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{self.location.name}: {self._reason(error)}") from (
                error if not self.is_shared else None  # the cause may contain the address with its password
            )

    def _reason(self, error: Exception) -> str:
        cause: BaseException = error
        if isinstance(error, DBAPIError) and error.orig is not None:
            cause = error.orig
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        reason = readable.name(str(cause).strip() or type(cause).__name__, 500)
        url = self.location.database_url
        password = url.password if url is not None else None
        return reason.replace(str(password), "***") if password else reason

    def _check(self) -> None:
        """Create or migrate the schema of a shared database, once. A file is checked at every connection."""
        if not self.is_shared or self._is_checked:
            return
        with self._checking:
            if self._is_checked:
                return
            with self._writing.connect() as connection:
                version = _shared_version(connection)
            if self.read_only and 0 < version < migrations.HEAD:  # others still use this version
                raise ValueError("was written by an earlier version, and is read-only here")
            if version != migrations.HEAD:
                with self._writing.begin() as connection:
                    _take_turns(connection, _MIGRATING)
                    version = _shared_version(connection)  # another process may have been first
                    if version != migrations.HEAD:
                        migrations.upgrade(connection, version)
            self._is_checked = True

    def _connect_file(self) -> sqlite3.Connection:
        # SQLite does not wait for some locks, for example while another process creates the file.
        path = self.location.path
        path.parent.mkdir(parents=True, exist_ok=True)
        give_up_at = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                database.execute("PRAGMA foreign_keys = ON")
                # SQLite's own knows the letters of ASCII only.
                database.create_function("lower", 1, _lower, deterministic=True)
                if _file_version(database) != migrations.HEAD:
                    _migrate_file(database)
                return database
            except BaseException as error:
                database.close()
                if not _is_busy(error) or time.monotonic() >= give_up_at:
                    raise
            time.sleep(_RETRY_S)


def row_number(inserted: CursorResult[Any]) -> int:
    """The number that the database gave to the one inserted row."""
    key = inserted.inserted_primary_key
    assert key is not None  # one row was inserted  # noqa: S101
    return int(key[0])


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _begin_in_file(connection: Connection) -> None:
    # IMMEDIATE takes the write lock first: a deferred transaction that reads and then writes fails under concurrent
    # writers instead of waiting for them.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_busy(error: BaseException) -> bool:
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _file_version(database: sqlite3.Connection) -> int:
    """The version of a file. Raises ValueError for one from a later version, which is left alone."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > migrations.HEAD:
        raise ValueError(_LATER)
    return int(version)


def _migrate_file(database: sqlite3.Connection) -> None:
    """Bring a file to the current schema."""
    database.execute("PRAGMA journal_mode = WAL")
    engine = create_engine("sqlite://", creator=lambda: database, poolclass=StaticPool)
    event.listen(engine, "begin", _begin_in_file)
    with engine.execution_options(writes=True).connect() as connection, connection.begin():
        version = _file_version(database)  # another process may have been first
        if version != migrations.HEAD:
            migrations.upgrade(connection, version)
            database.execute(f"PRAGMA user_version = {migrations.HEAD}")


def _shared_version(connection: Connection) -> int:
    """The version of a shared database; 0 if it is empty. Raises ValueError for a later one."""
    if not inspect(connection).has_table("alembic_version"):
        return 0
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    version = int(found) if found and found.isdecimal() else 0
    if found and not 0 < version <= migrations.HEAD:
        raise ValueError(_LATER)
    return version


def _take_turns(connection: Connection, what: int) -> None:
    """Wait for other transactions that do the same; ends with the transaction."""
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK_SPACE, what)))
