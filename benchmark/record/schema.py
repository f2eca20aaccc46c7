"""The tables of the record, as the migrations leave them in SQLite and in PostgreSQL."""

from sqlalchemy import (
    INTEGER,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)
from sqlalchemy.types import TypeEngine

# SQLite's strict tables have five types, of which REAL has 8 bytes; PostgreSQL's has 4.
Number: TypeEngine[int] = BigInteger().with_variant(INTEGER(), "sqlite")
Real: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
Flag: TypeEngine[bool] = Boolean(create_constraint=False).with_variant(INTEGER(), "sqlite")

metadata = MetaData()

comparison = Table(
    "comparison",
    metadata,
    Column("sequence", Number, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("at_utc", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("owner", Text, nullable=False, server_default=""),
    Index("comparison_by_model", "model", "sequence"),
    Index("comparison_by_owner", "model", "owner", "sequence"),
    sqlite_strict=True,
)
sample = Table(
    "sample",
    metadata,
    Column("comparison", Number, ForeignKey("comparison.sequence", ondelete="CASCADE"), primary_key=True),
    Column("position", Number, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("sent_at_utc", Text, nullable=False),
    Column("latency_ms", Real, nullable=False),
    Column("status", Number),
    Column("server_ms", Real),
    Column("connection_reused", Flag),
    Column("instance_id", Text),
    Column("instance_age_ms", Real),
    Column("request_count", Number),
    Column("failure", Text),
    Column("failure_detail", Text),
    Column("answer", Text),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
clearing = Table(
    "clearing",
    metadata,
    Column("model", Text, primary_key=True),
    Column("count", Number, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""How often comparisons of a model have been deleted, so that a reader knows when to start again."""

run = Table(
    "run",
    metadata,
    Column("sequence", Number, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at_utc", Text, nullable=False),
    Column("process", Number),
    Column("seen_at", Real, nullable=False),
    Column("progress", Text, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("imported", Flag, nullable=False, server_default=false()),
    Column("started_by", Text, nullable=False, server_default=""),
    Column("verdict", Text),
    Column("reason", Text),
    Column("cancel_wanted", Flag, nullable=False, server_default=false()),
    Index("run_by_start", "started_at_utc", "sequence"),
    Index("run_by_kind", "kind", "sequence"),
    Index("run_by_name", "name", "sequence"),
    sqlite_strict=True,
)
"""`seen_at`: the last sign of life, in s since 1970. `verdict`: unknown if NULL. `reason`: that of `outcome`."""

chunk = Table(
    "chunk",
    metadata,
    Column("run", Number, ForeignKey("run.sequence", ondelete="CASCADE"), primary_key=True),
    Column("position", Number, primary_key=True),
    Column("samples", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""The packed samples of a run in the order in which they were written, from 1."""

run_endpoint = Table(
    "run_endpoint",
    metadata,
    Column("run", Number, ForeignKey("run.sequence", ondelete="CASCADE"), primary_key=True),
    Column("position", Number, primary_key=True),
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("p50_ms", Real),
    Column("p95_ms", Real),
    Index("run_endpoint_by_name", "name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The endpoints of a run in their order. The figures are the headline of a list: NULL until a summary is made."""
