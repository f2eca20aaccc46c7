"""What a list of runs shows without opening them, and the wish to cancel one."""

import json
from typing import Any

from alembic import op
from sqlalchemy import Column, ForeignKey, Text, column, false, select, table, update

from benchmark.record.listed import listed_endpoints, listed_reason
from benchmark.record.schema import Flag, Number, Real

revision, down_revision = "5", "4"


def upgrade() -> None:
    op.add_column("run", Column("started_by", Text, nullable=False, server_default=""))
    op.add_column("run", Column("verdict", Text))
    op.add_column("run", Column("reason", Text))
    op.add_column("run", Column("cancel_wanted", Flag, nullable=False, server_default=false()))
    op.create_index("run_by_start", "run", ["started_at_utc", "sequence"])
    op.create_index("run_by_kind", "run", ["kind", "sequence"])
    op.create_index("run_by_name", "run", ["name", "sequence"])
    endpoints = op.create_table(
        "run_endpoint",
        Column("run", Number, ForeignKey("run.sequence", ondelete="CASCADE"), primary_key=True),
        Column("position", Number, primary_key=True),
        Column("key", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("p50_ms", Real),
        Column("p95_ms", Real),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("run_endpoint_by_name", "run_endpoint", ["name"])
    run = table("run", column("sequence"), column("manifest"), column("outcome"), column("reason"))
    database = op.get_bind()
    for sequence in database.execute(select(run.c.sequence)).scalars().all():  # one by one: documents may be large
        manifest, outcome = database.execute(
            select(run.c.manifest, run.c.outcome).where(run.c.sequence == sequence)
        ).one()
        if rows := [{"run": sequence, **one} for one in listed_endpoints(_parsed(manifest))]:
            database.execute(endpoints.insert(), rows)
        reason = listed_reason(_parsed(outcome))
        if reason is not None:
            database.execute(update(run).where(run.c.sequence == sequence).values(reason=reason))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # a damaged run is listed, too
        return None
