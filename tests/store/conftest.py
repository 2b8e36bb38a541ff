"""Databases for the tests of stores: each test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from joulecast.store import RunStore

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@pytest.fixture(scope="session")
def server() -> Iterator[postgres_server.PostgresServer]:
    """A running server, the same for all tests."""
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    if reason := postgres_server.unavailable():
        pytest.skip(reason)
    found = postgres_server.PostgresServer()
    try:
        found.start()
        yield found
    finally:
        found.remove()


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database."""
    pytest.importorskip("sqlalchemy")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'kept' / 'runs.sqlite'}"
    made: str = request.getfixturevalue("server").new_database()
    return made


@pytest.fixture
def store(url: str) -> Iterator[RunStore]:
    """An open, empty store."""
    from joulecast.store import open_store

    found = open_store(url)
    yield found
    found.close()
