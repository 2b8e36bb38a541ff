"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Time moved by `advance`, and by whatever waits."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self.now_s = start_s
        self.start_s = start_s

    def monotonic_s(self) -> float:
        """Seconds, as moved."""
        return self.now_s

    def utc(self) -> datetime:
        """The start of 2026, moved along."""
        return EPOCH + timedelta(seconds=self.now_s - self.start_s)

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Move by `timeout_s` unless `stop` is set."""
        if not stop.is_set():
            self.advance(timeout_s)
        return stop.is_set()

    def advance(self, seconds: float) -> None:
        """Move the time (a negative number is a clock that steps back)."""
        self.now_s += seconds
