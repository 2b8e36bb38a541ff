"""Where a store is: what stands behind a URL, and what it takes to open it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    from sqlalchemy import URL

    from joulecast.store.interface import RunStore

_FORMS = "Give sqlite:///path/to/runs.sqlite or postgresql://user@host/database"
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


def default_url() -> str:
    """The user's own store: a file in the folder where their runs are."""
    import platformdirs

    folder = Path(platformdirs.user_data_dir("joulecast", appauthor=False))
    return f"sqlite:///{folder / 'runs.sqlite'}"


def open_store(url: str | None = None) -> RunStore:
    """The store at `url`, its tables brought up to date.

    Parameters
    ----------
    url : ``sqlite:///runs.sqlite`` (three slashes and a relative path, four and an absolute one),
        ``postgresql://user:password@host/database``; ``None`` for the user's own file.

    Raises
    ------
    BadInput
        If it is neither. MissingExtra : if a package is not installed.
    StoreAway
        If the database cannot be reached.
    HalfMigrated, TooNew
        If its tables are not what this version can work with.
    """
    for package in ("sqlalchemy", "alembic"):
        if find_spec(package) is None:
            raise MissingExtra(package, "store", "a store of runs")
    found = _parsed(default_url() if url is None else url)
    from joulecast.store import engine, schema
    from joulecast.store.runs import SqlStore

    if found.drivername == "sqlite":
        database = engine.sqlite(found)
    else:
        if find_spec("psycopg") is None:
            raise MissingExtra("psycopg", "postgres", "a store in PostgreSQL")
        database = engine.postgresql(found)
    try:
        schema.upgrade(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


def _parsed(url: str) -> URL:
    """The parts of a URL of one of the two forms."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except (ArgumentError, ValueError) as exc:  # the text is not shown: it may hold a password
        message = f"the store's URL cannot be read. {_FORMS}"
        raise BadInput(message) from exc
    if found.drivername in _POSTGRES:
        return found.set(drivername="postgresql+psycopg")
    if found.drivername != "sqlite":
        message = f"no store of runs behind '{found.drivername}://'. {_FORMS}"
        raise BadInput(message)
    if found.host or found.query or found.database in {None, "", ":memory:"}:
        message = f"'{found.render_as_string()}' names no file. {_FORMS}"
        raise BadInput(message)
    return found
