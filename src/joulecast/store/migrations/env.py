"""Alembic's entry: runs the migrations on the connection that it was handed."""

from __future__ import annotations

from alembic import context

from joulecast.store.tables import VERSION_TABLE, metadata


def run() -> None:
    """Run what Alembic was asked for, within the caller's transaction."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        transactional_ddl=True,  # SQLite too: its transactions are begun explicitly
    )
    with context.begin_transaction():
        context.run_migrations()


if hasattr(context, "config"):  # not where this file is merely imported
    run()
