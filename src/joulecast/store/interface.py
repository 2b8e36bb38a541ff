"""What a store of runs offers, whatever stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from joulecast.core.records import Run

Added = Literal["new", "known"]
MOST_PER_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the runs that were asked for.

    Attributes
    ----------
    next_after : what `find` takes as `after` for the next page, ``None`` on the last one.
    skipped : one sentence per stored record that cannot be read back.
    """

    runs: tuple[Run, ...]
    next_after: int | None = None
    skipped: tuple[str, ...] = ()


class RunStore(Protocol):
    """Runs by id, in the order in which they came. Safe to share between threads.

    Every method raises `StoreAway` while the database is away, and works again when it is back.
    """

    def add(self, run: Run | Mapping[str, Any]) -> Added:
        """Whether the run is new or was known already; when this returns, it is on disk.

        Parameters
        ----------
        run : record, or what its JSON holds. Keys of later versions are left out.

        Raises
        ------
        BadRecord
            If it is no whole run record.
        BadInput
            If its id is no plain name.
        Conflict
            If its id is known with other content.
        """
        ...

    def add_many(self, runs: Iterable[Run | Mapping[str, Any]]) -> tuple[Added, ...]:
        """The same for several in one transaction: either all are kept or none."""
        ...

    def get(self, run_id: str) -> Run | None:
        """The run of that id."""
        ...

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
        """Runs in the order in which they came; walking all pages shows each run once.

        Runs that are added during the walk come at its end.

        Parameters
        ----------
        hardware : id of the machine. model : name of the architecture. task : train, infer, serve.
        since : start, UTC unless it says otherwise, ISO 8601; runs without a start are left out.
        limit : 1 to 10,000. after : `Page.next_after` of the page before.
        newest : the last come first; what is added during the walk is then left out.
        """
        ...

    def count(self) -> int:
        """Number of runs."""
        ...

    def machines(self) -> tuple[tuple[str, int], ...]:
        """Machine ids with their number of runs, by id."""
        ...

    def calibrated(self) -> tuple[str, ...]:
        """Machine ids whose runs sharpen estimates, by id."""
        ...

    def set_calibrated(self, hardware: str, on: bool) -> None:  # noqa: FBT001 (it reads as a switch)
        """Let the runs of a machine sharpen estimates, or no longer."""
        ...

    def version(self) -> int:
        """A number that grows with every change, whichever process made it."""
        ...

    def ping(self) -> None:
        """Return if the store answers.

        Raises
        ------
        StoreAway
            If it does not.
        """
        ...

    def close(self) -> None:
        """Let go of all connections."""
        ...
