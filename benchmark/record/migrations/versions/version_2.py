"""The runs of the measurement engine."""

from alembic import op
from sqlalchemy import Column, ForeignKey, LargeBinary, Text

from benchmark.record.schema import Number, Real

revision, down_revision = "2", "1"


def upgrade() -> None:
    op.create_table(
        "run",
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
        sqlite_strict=True,
    )
    op.create_table(
        "chunk",
        Column("run", Number, ForeignKey("run.sequence", ondelete="CASCADE"), primary_key=True),
        Column("position", Number, primary_key=True),
        Column("samples", LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "postgresql":  # the samples are compressed already
        op.execute("ALTER TABLE chunk ALTER COLUMN samples SET STORAGE EXTERNAL")
