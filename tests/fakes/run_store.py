"""A store of runs in memory, with the manners of the real one; it can be sent away."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from joulecast.store.content import content_of, microseconds, read
from joulecast.store.errors import Conflict, StoreAway
from joulecast.store.interface import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from joulecast.core.records import Run
    from joulecast.store.content import Content
    from joulecast.store.interface import Added


class FakeRunStore:
    """See `joulecast.store.RunStore`; with `is_away` set every call fails."""

    def __init__(self) -> None:
        self.is_away = False
        self.is_closed = False
        self.calls = 0
        self._lock = threading.Lock()
        self._contents: dict[str, Content] = {}
        self._calibrated: set[str] = set()
        self._version = 0

    def ping(self) -> None:
        """Nothing, or StoreAway."""
        self.calls += 1
        if self.is_away:
            message = "the fake store is away. Wait"
            raise StoreAway(message)

    def add(self, run: Run | Mapping[str, Any]) -> Added:
        """Whether the run is new."""
        return self.add_many((run,))[0]

    def add_many(self, runs: Iterable[Run | Mapping[str, Any]]) -> tuple[Added, ...]:
        """The same for several, all or none."""
        self.ping()
        given = [content_of(run) for run in runs]
        with self._lock:
            before = dict(self._contents)
            out: list[Added] = []
            for content in given:
                known = before.setdefault(content.id, content)
                if known.digest != content.digest:
                    raise Conflict((content.id,))
                out.append("new" if known is content else "known")
            self._contents = before
            self._version += out.count("new")
        return tuple(out)

    def get(self, run_id: str) -> Run | None:
        """The run of that id."""
        self.ping()
        found = self._contents.get(run_id)
        return None if found is None else read(found.record)

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
        """Runs in the order in which they came."""
        self.ping()
        wanted = {"hardware": hardware, "model": model, "task": task}
        least_us = None if since is None else microseconds(since)
        rows = [
            (place, c)
            for place, c in enumerate(self._contents.values())
            if all(text in {None, getattr(c, name)} for name, text in wanted.items())
            and (least_us is None or (c.started_us is not None and c.started_us >= least_us))
        ]
        rows = rows[::-1] if newest else rows
        if after is not None:
            rows = [row for row in rows if (row[0] < after if newest else row[0] > after)]
        some = rows[:limit]
        next_after = some[-1][0] if len(rows) > limit else None
        return Page(tuple(read(c.record) for _, c in some), next_after)

    def count(self) -> int:
        """Number of runs."""
        self.ping()
        return len(self._contents)

    def machines(self) -> tuple[tuple[str, int], ...]:
        """Machine ids with their number of runs."""
        self.ping()
        names = [c.hardware for c in self._contents.values()]
        return tuple((name, names.count(name)) for name in sorted(set(names)))

    def calibrated(self) -> tuple[str, ...]:
        """Machines whose runs are applied."""
        self.ping()
        return tuple(sorted(self._calibrated))

    def set_calibrated(self, hardware: str, on: bool) -> None:  # noqa: FBT001 (the interface's)
        """Apply a machine's runs, or no longer."""
        self.ping()
        (self._calibrated.add if on else self._calibrated.discard)(hardware)
        self._version += 1

    def version(self) -> int:
        """Grows with every change."""
        self.ping()
        return self._version

    def close(self) -> None:
        """Note that it was closed."""
        self.is_closed = True
