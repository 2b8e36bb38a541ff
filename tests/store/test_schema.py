"""Tables brought up to date, and states that nobody should work with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sqlalchemy")
from sqlalchemy import Connection, inspect

from joulecast.core.errors import JoulecastError
from joulecast.store import HalfMigrated, StoreAway, TooNew, open_store, opening, schema
from joulecast.store import engine as engines
from joulecast.store.tables import HEAD, VERSION_TABLE, metadata
from tests.fakes.stored_runs import a_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulecast.store.engine import Database


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The bare database of a store."""
    parsed = opening._parsed(url)
    found = engines.sqlite(parsed) if url.startswith("sqlite") else engines.postgresql(parsed)
    yield found
    found.close()


def run_sql(database: Database, *statements: str) -> None:
    """Change the database behind the store's back."""

    def change(connection: Connection) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    database.write(change)


def tables_of(database: Database) -> set[str]:
    """Names of all tables."""
    return database.read(lambda connection: set(inspect(connection).get_table_names()))


def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    """Alembic finds no difference between what it made and what is declared."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    schema.upgrade(database)

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return list(compare_metadata(context, metadata))

    assert database.read(differences) == []
    assert schema.known_versions()[0] == HEAD


def test_opening_again_changes_nothing(url: str, database: Database) -> None:
    """The runs stay."""
    store = open_store(url)
    store.add(a_run())
    schema.upgrade(database)
    assert store.count() == 1
    store.close()


def test_several_open_an_empty_database_at_once(url: str) -> None:
    """One migrates, the others wait for it."""
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(open_store, [url] * 6))
    assert [store.count() for store in stores] == [0] * 6
    for store in stores:
        store.close()


def test_a_migration_that_fails_leaves_nothing(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables are made in one transaction, on SQLite too; the next opening begins anew."""

    def fail(connection: Connection) -> None:
        before(connection)
        raise KeyboardInterrupt

    before = schema._run_migrations
    monkeypatch.setattr(schema, "_run_migrations", fail)
    with pytest.raises(KeyboardInterrupt):
        schema.upgrade(database)
    monkeypatch.undo()
    assert tables_of(database) == set()
    store = open_store(url)
    assert store.add(a_run()) == "new"
    store.close()


@pytest.mark.parametrize(
    "harm",
    [
        f"DROP TABLE {VERSION_TABLE}",
        f"DELETE FROM {VERSION_TABLE}",  # noqa: S608
        f"INSERT INTO {VERSION_TABLE} VALUES ('0000')",  # noqa: S608
        "DROP TABLE joulecast_calibrated",
        "ALTER TABLE joulecast_runs DROP COLUMN started_us",
        "DELETE FROM joulecast_state",
    ],
)
def test_a_migration_half_done_is_told(url: str, database: Database, harm: str) -> None:
    """What is lacking, and how to mend it; nothing is changed."""
    schema.upgrade(database)
    run_sql(database, harm)
    before = tables_of(database)
    with pytest.raises(HalfMigrated, match=r"half migrated.*backup.*dataset import"):
        open_store(url)
    assert tables_of(database) == before


def test_a_table_that_stands_in_the_way_is_told(url: str, database: Database) -> None:
    """A schema without its version, made by an unfinished attempt."""
    run_sql(database, "CREATE TABLE joulecast_runs (id text)")
    with pytest.raises(HalfMigrated, match="joulecast_runs"):
        open_store(url)


def test_tables_that_vanish_under_way_are_told(url: str, database: Database) -> None:
    """A call says so; it does not look like a bug."""
    store = open_store(url)
    run_sql(database, "DROP TABLE joulecast_runs")
    with pytest.raises(HalfMigrated):
        store.count()
    store.close()


def test_a_newer_schema_is_refused(url: str, database: Database) -> None:
    """Both versions are named, and what to do."""
    schema.upgrade(database)
    run_sql(database, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608
    with pytest.raises(TooNew, match=rf"9999.*{HEAD}.*pip install"):
        open_store(url)


def test_tables_of_others_are_left_alone(url: str, database: Database) -> None:
    """A team's database may hold more, migrated by Alembic too."""
    run_sql(
        database, "CREATE TABLE alembic_version (version_num text)", "CREATE TABLE runs (a int)"
    )
    open_store(url).close()
    assert {"runs", "alembic_version", "joulecast_runs", VERSION_TABLE} <= tables_of(database)


def test_every_error_is_one_of_ours() -> None:
    """Whoever catches the base catches all."""
    assert all(issubclass(e, JoulecastError) for e in (HalfMigrated, StoreAway, TooNew))
