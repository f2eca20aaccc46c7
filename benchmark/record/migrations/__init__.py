"""The migrations of the record, with Alembic. Revision N of a SQLite file is also its `user_version`.

History: 1 the comparisons of the Predict page, 2 the runs of the measurement engine, 3 which of them were imported,
4 the owners of comparisons, 5 what a list of runs shows, and the wish to cancel.
"""

from pathlib import Path

from sqlalchemy import Connection

HEAD = 5


def upgrade(connection: Connection, version: int) -> None:
    """Bring the database from `version`, 0 if it is empty, to HEAD in the transaction of `connection`.

    SQLite files of the versions 1 to 4 have no table of Alembic's yet.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if version and not connection.dialect.has_table(connection, "alembic_version"):
        command.stamp(config, str(version))
    command.upgrade(config, "head")
