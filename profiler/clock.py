"""Time as an argument, so that a test can move it: the only file that asks the machine for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    """Where a session gets its time from."""

    def monotonic_s(self) -> float:
        """Seconds that never step back, from an arbitrary start."""
        ...

    def utc(self) -> datetime:
        """Wall-clock time; only for provenance."""
        ...

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Whether `stop` was set within `timeout_s` seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic_s(self) -> float:
        """Seconds since some moment before the process started."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(tz=UTC)

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Whether `stop` was set within `timeout_s` seconds."""
        return stop.wait(timeout_s)
