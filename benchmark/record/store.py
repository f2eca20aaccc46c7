"""The record: every comparison and every run, in a file that needs no set-up or in a database that a team shares."""

from pathlib import Path

from benchmark.record.comparisons import NOBODY, START, Comparisons, News, Place
from benchmark.record.database import Database, ReadOnly, StoreError
from benchmark.record.location import FILE_NAME, Location
from benchmark.record.migrations import HEAD as SCHEMA_VERSION
from benchmark.record.query import FoundEndpoint, FoundRun, FoundRuns, RunQuery, SortBy
from benchmark.record.runs import Chunk, Runs, UnknownRun

__all__ = [
    "FILE_NAME",
    "NOBODY",
    "SCHEMA_VERSION",
    "START",
    "Chunk",
    "FoundEndpoint",
    "FoundRun",
    "FoundRuns",
    "Location",
    "News",
    "Place",
    "ReadOnly",
    "RunQuery",
    "SortBy",
    "Store",
    "StoreError",
    "UnknownRun",
]


class Store(Comparisons, Runs):
    """The record at one location. Safe to share: one transaction per operation."""

    def __init__(self, location: Location | Path, *, read_only: bool = False, user: str = "") -> None:
        """The record in a directory, or at a location.

        If it is `read_only`, every change of a comparison or a run raises ReadOnly. `user` is recorded as the one who
        starts the runs of this process.
        """
        self.location = Location(location) if isinstance(location, Path) else location
        self.read_only = read_only
        self.database = Database(self.location, read_only=read_only)
        Comparisons.__init__(self, self.database)
        Runs.__init__(self, self.database, user)

    @property
    def is_shared(self) -> bool:
        """Whether other machines use it, too."""
        return self.database.is_shared

    def close(self) -> None:
        """Close the connections to a shared database. A store that is no longer used does so by itself."""
        self.database.close()

    @property
    def path(self) -> Path:
        """The SQLite file; unused if the record is in a shared database."""
        return self.location.path
