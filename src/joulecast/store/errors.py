"""What can be wrong with a store or with what it is given.

::

    JoulecastError
    |-- StoreAway       the database cannot be reached or written now; later it may be
    |-- Conflict        a run id that is known with other content
    |-- HalfMigrated    the tables are not those of the schema that the database says it has
    `-- TooNew          a later version of this package wrote the schema
"""

from __future__ import annotations

from joulecast.core.errors import JoulecastError


class StoreAway(JoulecastError):
    """The database cannot be reached or written now; the same call may succeed later."""


class HalfMigrated(JoulecastError):
    """The tables are not those of the schema that the database says it has."""


class TooNew(JoulecastError):
    """A later version of this package wrote the schema."""


class Conflict(JoulecastError):
    """Runs whose ids are known with other content; nothing of the call was stored."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        self.ids = ids
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        super().__init__(
            f"known with other content: {', '.join(ids[:3])}{more}. An id names one run for good: "
            "give a run that was measured anew an id of its own"
        )

    def __reduce__(self) -> tuple[type[Conflict], tuple[tuple[str, ...]]]:
        """Arguments to build the same error in another process."""
        return type(self), (self.ids,)
