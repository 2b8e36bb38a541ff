"""A database that is away, and comes back."""

from __future__ import annotations

import importlib.util
import pickle
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("sqlalchemy")

from joulecast.core.errors import BadInput, BadRecord, MissingExtra
from joulecast.store import Conflict, StoreAway, engine, open_store
from tests.fakes.stored_runs import a_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.postgres_server import PostgresServer


@pytest.mark.postgres
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_goes_away_comes_back(server: PostgresServer, mode: str) -> None:
    """Calls say that it is away; the same store works on, and what was acknowledged is there."""
    store = open_store(server.new_database())
    store.add(a_run("before"))
    server.stop(mode)
    try:
        for call in (store.ping, store.count, lambda: store.add(a_run("while"))):
            with pytest.raises(StoreAway, match=r"away.*Check that the server runs"):
                call()
    finally:
        server.start()
    store.ping()
    assert store.add(a_run("while")) == "new"
    assert [run.id for run in store.find().runs] == ["before", "while"]
    store.close()


@pytest.mark.postgres
def test_a_dropped_connection_is_replaced(server: PostgresServer) -> None:
    """A server that restarted between two calls is not noticed."""
    store = open_store(server.new_database())
    store.add(a_run("before"))
    server.stop()
    server.start()
    assert store.add(a_run("after")) == "new"
    store.close()


@pytest.mark.postgres
def test_a_password_is_not_told(tmp_path: Path) -> None:
    """The message names user, host and database."""
    pytest.importorskip("psycopg")
    with pytest.raises(StoreAway, match=r"ann:\*\*\*@") as caught:
        open_store(f"postgresql://ann:secret@/runs?host={tmp_path}")
    assert "secret" not in str(caught.value)


def test_a_file_that_another_holds_is_away_until_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a patient wait the caller is told; reading goes on meanwhile."""
    monkeypatch.setattr(engine, "WAIT_S", 0.2)
    store = open_store(f"sqlite:///{tmp_path / 'runs.sqlite'}")
    other = sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreAway, match="locked"):
        store.add(a_run())
    assert store.count() == 0
    other.execute("COMMIT")
    other.close()
    assert store.add(a_run()) == "new"
    store.close()


def test_a_file_that_is_moved_away_is_missed(tmp_path: Path) -> None:
    """Writing to it would be lost; put back, it is used again."""
    path, aside = tmp_path / "runs.sqlite", tmp_path / "aside"
    store = open_store(f"sqlite:///{path}")
    store.add(a_run("before"))
    path.rename(aside)
    with pytest.raises(StoreAway, match="gone"):
        store.add(a_run("while"))
    assert not path.exists()
    aside.rename(path)
    assert store.add(a_run("while")) == "new"
    assert store.count() == 2
    store.close()


def test_a_file_that_was_replaced_is_not_written_to(tmp_path: Path) -> None:
    """Its tables are not those that were looked at when the store was opened."""
    path = tmp_path / "runs.sqlite"
    store = open_store(f"sqlite:///{path}")
    path.rename(tmp_path / "aside")
    path.write_bytes(b"")
    with pytest.raises(StoreAway, match="replaced"):
        store.count()
    store.close()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """It is left as it was."""
    path = tmp_path / "runs.sqlite"
    path.write_text("these are no runs, however long the text is\n" * 20)
    before = path.read_bytes()
    with pytest.raises(BadRecord, match="no SQLite database"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file stands in its way."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreAway, match="folder"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'runs.sqlite'}")


def test_sqlite_commits_reach_the_disk(tmp_path: Path) -> None:
    """Write-ahead log, and a sync with every commit."""
    store = open_store(f"sqlite:///{tmp_path / 'runs.sqlite'}")
    asked = store._database.read(  # type: ignore[attr-defined]
        lambda connection: [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    )
    assert asked == ["wal", 2, 30_000]
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "runs.sqlite",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "mysql://ann:secret@host/runs",
        "postgresql://ann:secret@host:port/runs",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """What can be given is said; what was given may hold a password."""
    with pytest.raises(BadInput, match="Give sqlite:///") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_without_a_url_it_is_the_users_own_file(own_folders: Path) -> None:
    """Beside their folder of runs."""
    store = open_store()
    store.ping()
    store.close()
    assert list(own_folders.rglob("joulecast/runs.sqlite"))


@pytest.mark.parametrize(
    ("package", "url", "extra"),
    [
        ("sqlalchemy", None, "store"),
        ("alembic", None, "store"),
        ("psycopg", "postgresql://host/runs", "postgres"),
    ],
)
def test_a_missing_package_is_named(
    package: str, url: str | None, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs it."""
    found = importlib.util.find_spec

    def find_spec(name: str) -> object:
        return None if name == package else found(name)

    module = sys.modules["joulecast.store.opening"]
    monkeypatch.setattr(module, "find_spec", find_spec)
    with pytest.raises(MissingExtra, match=rf"pip install 'joulecast\[{extra}\]'"):
        open_store(url)


def test_a_conflict_travels_between_processes() -> None:
    """With its ids."""
    assert pickle.loads(pickle.dumps(Conflict(("a", "b")))).ids == ("a", "b")  # noqa: S301
