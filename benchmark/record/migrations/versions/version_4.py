"""The owners of comparisons; earlier ones have none."""

from alembic import op
from sqlalchemy import Column, Text

from benchmark.record.schema import Number

revision, down_revision = "4", "3"


def upgrade() -> None:
    op.add_column("comparison", Column("owner", Text, nullable=False, server_default=""))
    op.create_index("comparison_by_owner", "comparison", ["model", "owner", "sequence"])
    op.create_table(
        "clearing",
        Column("model", Text, primary_key=True),
        Column("count", Number, nullable=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
