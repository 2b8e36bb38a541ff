"""A session's files: the record, replaced as a whole at each flush, and the trace, appended to.

A full disk or a folder that cannot be written is a notice; the session goes on. There are no lock
files: the names of two sessions differ.
"""

from __future__ import annotations

import re
import secrets
from operator import itemgetter
from typing import TYPE_CHECKING

from joulecast.core.run_files import write_run
from joulecast.profiler import session_notices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from joulecast.core.records import Run
    from joulecast.profiler.sampler import Row
    from joulecast.profiler.session_book import Book, Event

COLUMNS = "time_s,meter,scope,kind,value"
_UNFIT = re.compile(r"[^A-Za-z0-9._]+")


def run_id(utc: datetime, label: str, token: Callable[[int], str] = secrets.token_hex) -> str:
    """Name of a run: UTC start, label and eight random hexadecimal digits.

    >>> from datetime import datetime
    >>> run_id(datetime(2026, 1, 2, 3, 4, 5), "ResNet 18", lambda n: "ab" * n)
    '20260102T030405-ResNet_18-abababab'
    """
    fit = _UNFIT.sub("_", label).strip("._")[:60] or "session"
    return f"{utc:%Y%m%dT%H%M%S}-{fit}-{token(4)}"


class Recorder:
    """Writes `<run id>.json` and `<run id>.trace.csv` into `folder`.

    Parameters
    ----------
    trace_bytes : size of the trace at which it ends; ``None`` for no trace.
    """

    def __init__(self, folder: Path, name: str, trace_bytes: float | None) -> None:
        self.path = folder / f"{name}.json"
        self.trace = None if trace_bytes is None else Trace(folder, name, trace_bytes)
        self._failed = 0
        self._why = ""

    def save(self, run: Run) -> bool:
        """Whether the record could be written."""
        try:
            write_run(run, self.path)
        except Exception as exc:  # noqa: BLE001  a disk or a record that fails must not end the job
            self._failed += 1
            self._why = _reason(exc)
            return False
        return True

    @property
    def doubts(self) -> list[str]:
        """What could not be written, and why."""
        found = [] if self.trace is None else self.trace.doubts
        if self._failed:
            found = [*found, session_notices.not_written(self.path.name, self._why, self._failed)]
        return found


class Trace:
    """The readings as they came, one line each, and what the session was told.

    Up to half of `limit_bytes` every line is kept; then, each sixteenth further, half as many
    (every second reading of a meter, every second step), so that it reaches far.
    """

    def __init__(self, folder: Path, name: str, limit_bytes: float) -> None:
        self.path = folder / f"{name}.trace.csv"
        self.limit_bytes = limit_bytes
        self._bytes = 0
        self._seen: dict[tuple[str, str], int] = {}
        self._middles: dict[tuple[str, str, str], str] = {}
        self._steps = 0
        self._thinned = False
        self._full = False
        self._failed = 0
        self._why = ""

    def append(self, rows: Iterable[Row], book: Book) -> bool:
        """Whether `rows`, and what the book holds since the last call, could be written."""
        lines = [(r.time_s, self._reading(r, book.start_s)) for r in rows if self._keeps(r)]
        lines += self._events(book)
        if self._full or not lines:
            return not self._full
        lines.sort(key=itemgetter(0))
        text = "".join(line for _, line in lines)
        head = "" if self._bytes else f"{COLUMNS}\n"
        return self._write((head + text).encode())

    @property
    def doubts(self) -> list[str]:
        """What the trace lacks."""
        found = []
        if self._failed:
            found.append(session_notices.not_written(self.path.name, self._why, self._failed))
        if self._full:
            found.append(session_notices.trace_full(self.limit_bytes))
        elif self._thinned:
            found.append(session_notices.trace_thinned(self.limit_bytes))
        return found

    def _write(self, content: bytes) -> bool:
        if self._bytes + len(content) > self.limit_bytes:
            self._full = True
            return False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("r+b" if self._bytes else "wb") as file:
                file.truncate(self._bytes)  # a line that an earlier failure cut off
                file.seek(self._bytes)
                file.write(content)
        except OSError as exc:
            self._failed += 1
            self._why = _reason(exc)
            return False
        self._bytes += len(content)
        return True

    @property
    def _stride(self) -> int:
        """One of how many lines is kept."""
        sixteenths = int(16 * self._bytes / self.limit_bytes)
        return 1 << max(0, sixteenths - 7)

    def _keeps(self, row: Row) -> bool:
        stride = self._stride
        if stride == 1:
            return True
        self._thinned = True
        key = (row.meter, row.kind)
        self._seen[key] = self._seen.get(key, 0) + 1
        return self._seen[key] % stride == 0

    def _reading(self, row: Row, start_s: float) -> str:
        key = row[1:4]
        middle = self._middles.get(key)
        if middle is None:
            middle = self._middles[key] = ",".join(map(_cell, key))
        return f"{row[0] - start_s:.6f},{middle},{row[4]:.13g}\n"

    def _events(self, book: Book) -> list[tuple[float, str]]:
        lines = [(e.time_s, _event(e, book.start_s)) for e in _taken(book)]
        first, ends_s = book.steps.since(self._steps)
        self._steps = first + len(ends_s)
        stride = self._stride
        for index, end_s in enumerate(ends_s, first):
            if index % stride == 0:
                lines.append((end_s, f"{end_s - book.start_s:.6f},,,step,{index}\n"))
        self._thinned |= stride > 1 and len(ends_s) > 0
        return lines


def _taken(book: Book) -> list[Event]:
    return [book.events.popleft() for _ in range(len(book.events))]


def _event(event: Event, start_s: float) -> str:
    return f"{event.time_s - start_s:.6f},,{_cell(event.name)},{event.kind},{event.value:.13g}\n"


def _cell(text: str) -> str:
    """A CSV cell; only names of windows can need quotes."""
    if not any(c in text for c in ',"\r\n'):
        return text
    flat = " ".join(text.splitlines()).replace('"', '""')
    return f'"{flat}"'


def _reason(exc: Exception) -> str:
    return (exc.strerror if isinstance(exc, OSError) else "") or str(exc) or type(exc).__name__
