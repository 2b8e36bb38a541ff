"""Connections to SQLite and PostgreSQL, and what is peculiar to each.

A write of SQLite takes its lock when it begins (BEGIN IMMEDIATE): a transaction that turns from
reading to writing can be refused at once, however long it would have waited.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from joulecast.core.errors import BadRecord, JoulecastError
from joulecast.store.errors import HalfMigrated, StoreAway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Result = TypeVar("Result")

WAIT_S = 30.0
"""Seconds that a call waits for the locks of others, and for a free connection."""
_SQLITE_BUSY = (5, 6)
_SQLITE_DAMAGED = (11, 26)
# SQLite's plain error and PostgreSQL's undefined or duplicate table or column
_OTHER_TABLES = (1, "42P01", "42703", "42P07", "42701")
_CHECK_FILE = "Check that the file may be written and its disk has space"
_CHECK_SERVER = "Check that the server runs and that URL, user and password are right"
MENDING = (
    "Put its last backup back; without one, drop its joulecast_ tables (an SQLite file: move it "
    "away) and read the run files in again with 'joulecast dataset import'"
)


class Database:
    """A pool of connections; foreign errors become this package's.

    Parameters
    ----------
    engine : of SQLAlchemy. check : what to do when it cannot be reached, a clause.
    one_writer : held while writing; SQLite lets one write at a time, and its own lock is not fair.
    """

    def __init__(self, engine: Engine, check: str, one_writer: threading.Lock | None) -> None:
        self._reader = engine.execution_options(writing=False)
        self._writer = engine.execution_options(writing=True)
        self._check = check
        self._one_writer = one_writer
        self.name = engine.url.render_as_string(hide_password=True)
        self.is_sqlite = engine.dialect.name == "sqlite"

    def read(self, ask: Callable[[Connection], Result]) -> Result:
        """What `ask` returns of one consistent state."""
        return self._tried(self._reader, ask)

    def write(self, change: Callable[[Connection], Result]) -> Result:
        """What `change` returns, once it is on disk; if it raises, nothing was changed.

        It may be called again if another process holds the lock.
        """
        with self._turn():
            return self._tried(self._writer, change)

    def close(self) -> None:
        """Close all connections."""
        self._writer.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """A turn of this thread among the writers of this process."""
        if self._one_writer is None:
            yield
            return
        if not self._one_writer.acquire(timeout=2 * WAIT_S):
            message = f"{self.name}: too many writers are waiting. Send fewer at a time, or later"
            raise StoreAway(message)
        try:
            yield
        finally:
            self._one_writer.release()

    def _tried(self, engine: Engine, call: Callable[[Connection], Result]) -> Result:
        """What `call` returns within a transaction, tried again while the file is locked."""
        until_s = time.monotonic() + WAIT_S
        while True:
            try:
                with engine.begin() as connection:
                    return call(connection)
            except (DBAPIError, PoolTimeout) as exc:
                if _is_busy(exc) and time.monotonic() < until_s:
                    time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 (so that two do not meet again)
                    continue
                if isinstance(exc, DataError | IntegrityError):
                    raise
                raise self._translated(exc) from exc

    def _translated(self, exc: DBAPIError | PoolTimeout) -> JoulecastError:
        """The error of ours for one of the database."""
        seen = str(getattr(exc, "orig", None) or exc).partition("\n")[0]
        if _code(exc) in _OTHER_TABLES:
            return HalfMigrated(f"{self.name} is half migrated: {seen}. {MENDING}")
        if _code(exc) in _SQLITE_DAMAGED:
            return BadRecord(
                f"{self.name} is damaged or no SQLite database: {seen}. "
                "Put its last backup back, or name another file"
            )
        return StoreAway(f"{self.name} is away: {seen}. {self._check}, then try again")


def sqlite(url: URL) -> Database:
    """The database in a file, which is created where it is missing."""
    path = Path(url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        message = f"no folder for {path}: {exc}. {_CHECK_FILE}, then try again"
        raise StoreAway(message) from exc
    engine = create_engine(url, connect_args={"timeout": WAIT_S}, pool_timeout=WAIT_S)
    same_file = _same_file(path)
    event.listen(engine, "do_connect", lambda *_: same_file())
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "checkout", lambda *_: same_file())
    event.listen(engine, "begin", _sqlite_begin)
    return Database(engine, _CHECK_FILE, threading.Lock())


def postgresql(url: URL) -> Database:
    """The database of a server; connections that it dropped are replaced before they are used."""
    patience = {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "application_name": "joulecast",
    }
    engine = create_engine(
        url,
        connect_args={name: n for name, n in patience.items() if name not in url.query},
        pool_pre_ping=True,
        pool_timeout=WAIT_S,
    )
    event.listen(engine, "connect", _postgresql_connected)
    return Database(engine, _CHECK_SERVER, None)


def _sqlite_connected(connection: Any, _record: object) -> None:  # noqa: ANN401 (sqlite3's own)
    """Prepare a new connection: others read while one writes, and a commit reaches the disk."""
    connection.isolation_level = None  # transactions are begun by `_sqlite_begin`
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _postgresql_connected(connection: Any, _record: object) -> None:  # noqa: ANN401 (psycopg's own)
    connection.execute(f"SET lock_timeout = '{WAIT_S:.0f}s'")
    connection.commit()


def _same_file(path: Path) -> Callable[[], None]:
    """What raises StoreAway once `path` is no longer the file it was.

    SQLite goes on writing to a file that was removed, and what it acknowledges then is lost.
    """
    seen: list[tuple[int, int]] = []

    def check() -> None:
        try:
            found = path.stat()
        except OSError:
            if not seen:
                return  # it is about to be created
            message = f"{path} is gone. Put it back, or restart to begin an empty one"
            raise StoreAway(message) from None
        here = (found.st_dev, found.st_ino)
        if seen and here != seen[0]:
            message = f"{path} was replaced by another file. Restart to use that one"
            raise StoreAway(message)
        seen[:] = [here]

    return check


def _code(exc: BaseException) -> object:
    """SQLite's primary error code, or PostgreSQL's SQLSTATE."""
    orig = getattr(exc, "orig", None)
    code = getattr(orig, "sqlite_errorcode", None)
    return getattr(orig, "sqlstate", None) if code is None else code & 0xFF


def _is_busy(exc: BaseException) -> bool:
    return _code(exc) in _SQLITE_BUSY
