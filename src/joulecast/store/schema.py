"""The tables brought up to date when a store is opened, or why they cannot be.

A migration runs in one transaction, on SQLite too: what fails or is killed leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from joulecast.store.engine import MENDING
from joulecast.store.errors import HalfMigrated, TooNew
from joulecast.store.tables import HEAD, VERSION_TABLE, metadata

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from joulecast.store.engine import Database

SCRIPTS = "joulecast.store:migrations"
_LOCK = 0x6A6F756C65  # "joule": the advisory lock of PostgreSQL that migrations take


def upgrade(database: Database) -> None:
    """Bring the tables of `database` up to date; several processes may do so at once.

    Raises
    ------
    HalfMigrated
        If they are not those of the schema that it says it has.
    TooNew
        If a later version of this package wrote them.
    """
    if database.read(lambda connection: is_current(connection, database.name)):
        return

    def migrate(connection: Connection) -> None:
        if not database.is_sqlite:  # there BEGIN IMMEDIATE keeps the others waiting
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if not is_current(connection, database.name):
            _run_migrations(connection)
            is_current(connection, database.name)

    database.write(migrate)


def is_current(connection: Connection, name: str) -> bool:
    """Whether the tables are those of this version; false for older ones and none.

    Raises
    ------
    HalfMigrated, TooNew
        See `upgrade`.
    """
    versions = _versions(connection)
    if versions == [HEAD]:
        missing = _missing(connection)
        if missing:
            said = f"it says it has schema {HEAD}, but lacks {', '.join(missing)}"
            raise HalfMigrated(_half(name, said))
        return True
    if not versions:
        there = sorted(set(metadata.tables) & set(inspect(connection).get_table_names()))
        if there:
            said = f"it has {', '.join(there)}, but says of no schema"
            raise HalfMigrated(_half(name, said))
        return False
    if len(versions) > 1:
        raise HalfMigrated(_half(name, f"it says it has schemas {', '.join(versions)} at once"))
    if versions[0] not in known_versions():
        message = (
            f"{name} has schema {versions[0]}, written by a later version of joulecast; this one "
            f"knows up to {HEAD}. Run: pip install --upgrade joulecast"
        )
        raise TooNew(message)
    return False


def known_versions() -> list[str]:
    """Schemas that this version can migrate from, the newest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return [script.revision for script in scripts.walk_revisions()]


def _versions(connection: Connection) -> list[str]:
    """What the database says of its schema, empty for one without."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return []
    return list(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}")))  # noqa: S608


def _missing(connection: Connection) -> list[str]:
    """Tables, columns and the version's row that the newest schema has and the database lacks."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    lacking = [name for name in metadata.tables if name not in there]
    for table in metadata.sorted_tables:
        if table.name in there:
            columns = {column["name"] for column in inspector.get_columns(table.name)}
            lacking += [f"{table.name}.{c.name}" for c in table.columns if c.name not in columns]
    if not lacking and not connection.scalar(text("SELECT count(*) FROM joulecast_state")):
        lacking.append("the row of joulecast_state")
    return lacking


def _run_migrations(connection: Connection) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    return config


def _half(name: str, said: str) -> str:
    return f"{name} is half migrated: {said}. {MENDING}"
