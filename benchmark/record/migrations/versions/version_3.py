"""Which runs were imported."""

from alembic import op
from sqlalchemy import Column, column, false, table, true, update

from benchmark.record.schema import Flag

revision, down_revision = "3", "2"


def upgrade() -> None:
    op.add_column("run", Column("imported", Flag, nullable=False, server_default=false()))
    # Runs measured here record their duration. Earlier imports did not, because an import created new progress.
    run = table("run", column("progress"), column("imported"))
    was_imported = (run.c.progress != "{}") & run.c.progress.not_like('%"elapsed_s"%')
    op.execute(update(run).where(was_imported).values(imported=true()))
