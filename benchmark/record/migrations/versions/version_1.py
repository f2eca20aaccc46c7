"""The comparisons of the Predict page."""

from alembic import op
from sqlalchemy import Column, ForeignKey, Text

from benchmark.record.schema import Flag, Number, Real

revision, down_revision = "1", None


def upgrade() -> None:
    op.create_table(
        "comparison",
        Column("sequence", Number, primary_key=True),
        Column("id", Text, nullable=False, unique=True),
        Column("at_utc", Text, nullable=False),
        Column("model", Text, nullable=False),
        Column("inputs", Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("comparison_by_model", "comparison", ["model", "sequence"])
    op.create_table(
        "sample",
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
