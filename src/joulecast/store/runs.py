"""The runs in SQL: one transaction per call, ids kept unique by the database itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from joulecast.core.errors import BadInput, BadRecord
from joulecast.store import tables
from joulecast.store.content import Content, content_of, is_name, microseconds, read
from joulecast.store.errors import Conflict
from joulecast.store.interface import MOST_PER_PAGE, Page
from joulecast.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Table

    from joulecast.core.records import Run
    from joulecast.store.engine import Database
    from joulecast.store.interface import Added

_AT_ONCE = 500
"""Ids in one question: SQLite takes a limited number of parameters."""


class SqlStore:
    """The store of runs in a database; see `RunStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: Run | Mapping[str, Any]) -> Added:
        """Whether the run is new or was known already; when this returns, it is on disk."""
        return self.add_many((run,))[0]

    def add_many(self, runs: Iterable[Run | Mapping[str, Any]]) -> tuple[Added, ...]:
        """The same for several in one transaction: either all are kept or none."""
        contents = [content_of(run) for run in runs]
        first = _first_of_each(contents)
        if not first:
            return ()
        new = self._database.write(lambda connection: _inserted(connection, list(first.values())))
        return tuple("new" if c.id in new and first[c.id] is c else "known" for c in contents)

    def get(self, run_id: str) -> Run | None:
        """The run of that id."""
        if not (run_id.isascii() and run_id.isprintable()):
            return None
        asked = select(runs.c.record).where(runs.c.id == run_id)
        record = self._database.read(lambda connection: connection.scalar(asked))
        return None if record is None else read(record)

    def find(  # noqa: PLR0913 (each narrows the search)
        self,
        *,
        hardware: str | None = None,
        model: str | None = None,
        task: str | None = None,
        since: str | datetime | None = None,
        limit: int = 1000,
        after: int | None = None,
        newest: bool = False,
    ) -> Page:
        """Runs in the order in which they came; walking all pages shows each run once."""
        if not 1 <= limit <= MOST_PER_PAGE:
            message = f"limit = {limit}: a page takes 1 to {MOST_PER_PAGE:,} runs"
            raise BadInput(message)
        if after is not None and not 0 <= after < 2**63:
            message = f"after = {after}: give the next_after of the page before"
            raise BadInput(message)
        names = {"hardware": hardware, "model": model, "task": task}
        given = {name: text for name, text in names.items() if text is not None}
        if not all(is_name(text) for text in given.values()):
            return Page(())  # nothing is stored under such a name
        where = [runs.c[name] == text for name, text in given.items()]
        if since is not None:
            where.append(runs.c.started_us >= _since_us(since))
        if after is not None:
            where.append(runs.c.seq < after if newest else runs.c.seq > after)
        return self._page(where, limit, newest=newest)

    def count(self) -> int:
        """Number of runs."""
        return self._number(select(func.count()).select_from(runs))

    def machines(self) -> tuple[tuple[str, int], ...]:
        """Machine ids with their number of runs, by id."""
        asked = select(runs.c.hardware, func.count()).group_by(runs.c.hardware)
        rows = self._database.read(lambda connection: connection.execute(asked).all())
        return tuple(sorted((hardware, int(n)) for hardware, n in rows))

    def calibrated(self) -> tuple[str, ...]:
        """Machine ids whose runs sharpen estimates, by id."""
        asked = select(tables.calibrated.c.hardware)
        return tuple(
            sorted(self._database.read(lambda connection: connection.scalars(asked).all()))
        )

    def set_calibrated(self, hardware: str, on: bool) -> None:  # noqa: FBT001 (the interface's)
        """Let the runs of a machine sharpen estimates, or no longer."""
        if not is_name(hardware):
            message = f"hardware = {ascii(hardware)[:40]} is no machine id. Give one of 'machines'"
            raise BadInput(message)
        table = tables.calibrated

        def change(connection: Connection) -> None:
            stood = select(table.c.hardware).where(table.c.hardware == hardware)
            _advance(connection, 1)  # first, so that no other changes what is looked at now
            if (connection.scalar(stood) is not None) == on:
                connection.rollback()
            elif on:
                connection.execute(table.insert().values(hardware=hardware))
            else:
                connection.execute(delete(table).where(table.c.hardware == hardware))

        self._database.write(change)

    def version(self) -> int:
        """A number that grows with every change, whichever process made it."""
        return self._number(select(tables.state.c.value).where(tables.state.c.name == "version"))

    def ping(self) -> None:
        """Return if the store answers, raise StoreAway if it does not."""
        self.version()

    def close(self) -> None:
        """Let go of all connections."""
        self._database.close()

    def _number(self, asked: Any) -> int:  # noqa: ANN401 (a select of one number)
        return int(self._database.read(lambda connection: connection.scalar(asked)) or 0)

    def _page(self, where: Sequence[ColumnElement[bool]], limit: int, *, newest: bool) -> Page:
        asked = select(runs.c.seq, runs.c.id, runs.c.record).where(*where).limit(limit + 1)
        asked = asked.order_by(runs.c.seq.desc() if newest else runs.c.seq)
        rows = self._database.read(lambda connection: connection.execute(asked).all())
        found: list[Run] = []
        skipped: list[str] = []
        for _, run_id, record in rows[:limit]:
            try:
                found.append(read(record))
            except BadRecord as exc:
                skipped.append(f"skipped: run {run_id}: {exc}")
        next_after = rows[limit - 1].seq if len(rows) > limit else None
        return Page(tuple(found), next_after, tuple(skipped))


def _first_of_each(contents: Iterable[Content]) -> dict[str, Content]:
    """The contents by id.

    Raises
    ------
    Conflict
        If an id comes twice with different contents.
    """
    first: dict[str, Content] = {}
    unlike = [c.id for c in contents if first.setdefault(c.id, c).digest != c.digest]
    if unlike:
        raise Conflict(tuple(dict.fromkeys(unlike)))
    return first


def _inserted(connection: Connection, contents: Sequence[Content]) -> set[str]:
    """Ids of those that were not there; all others have the same content.

    Raises
    ------
    Conflict
        If one of the others has not; the transaction then keeps nothing.
    """
    version = _advance(connection, len(contents))
    insert = _insert_for(connection, runs).on_conflict_do_nothing(index_elements=["id"])
    rows = [
        {
            "seq": version - len(contents) + place,
            "id": c.id,
            "digest": c.digest,
            "hardware": c.hardware,
            "model": c.model,
            "task": c.task,
            "started_us": c.started_us,
            "record": c.record,
        }
        for place, c in enumerate(contents, 1)
    ]
    new = set(connection.scalars(insert.returning(runs.c.id), rows))
    _refuse_unlike(connection, [c for c in contents if c.id not in new])
    if not new:
        connection.rollback()  # nothing changed, so the version stays
    return new


def _advance(connection: Connection, by: int) -> int:
    """The store's version, `by` higher; until the transaction ends, no other writes."""
    state = tables.state
    higher = update(state).where(state.c.name == "version").values(value=state.c.value + by)
    return int(connection.scalars(higher.returning(state.c.value)).one())


def _refuse_unlike(connection: Connection, known: Sequence[Content]) -> None:
    """Raise Conflict for those that are stored with other content."""
    unlike: list[str] = []
    for start in range(0, len(known), _AT_ONCE):
        some = {c.id: c for c in known[start : start + _AT_ONCE]}
        asked = select(runs.c.id, runs.c.digest, runs.c.record).where(runs.c.id.in_(list(some)))
        for run_id, digest, record in connection.execute(asked):
            if digest != some[run_id].digest and not _is_same(record, some[run_id]):
                unlike.append(run_id)
    if unlike:
        raise Conflict(tuple(unlike))


def _is_same(record: str, content: Content) -> bool:
    """Whether a stored record is that content as this version writes it.

    A field that a later version added changes the text of every run, but no run.
    """
    try:
        return content_of(read(record)).digest == content.digest
    except (BadInput, BadRecord):
        return False


def _insert_for(connection: Connection, table: Table) -> Any:  # noqa: ANN401 (one of two classes)
    """The insert of the connection's dialect."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def _since_us(since: str | datetime) -> int:
    try:
        return microseconds(since)
    except (TypeError, ValueError) as exc:
        message = f"since = {ascii(since)[:40]} is no time. Give ISO 8601: 2026-05-01T00:00:00Z"
        raise BadInput(message) from exc
