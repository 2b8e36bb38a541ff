"""Stopping a command whose time is up, with the processes that it started."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import psutil

    from joulecast.profiler.clock import Clock

GRACE_S: Final = 10.0
"""Seconds between SIGTERM and SIGKILL."""


class Stopper:
    """Sends SIGTERM after `stop_after_s` seconds, and SIGKILL `GRACE_S` later.

    A command often is a shell around the job: its children get the same, or they would live on.
    """

    def __init__(self, pid: int, clock: Clock, stop_after_s: float | None) -> None:
        self.pid = pid
        self.clock = clock
        self.stop_s = None if stop_after_s is None else clock.monotonic_s() + stop_after_s
        self.stopping = False
        self._tree: list[psutil.Process] = []

    def tick(self) -> None:
        """Do what is due."""
        now_s = self.clock.monotonic_s()
        if self.stop_s is None or now_s < self.stop_s:
            return
        import psutil

        if not self.stopping:
            self.stopping = True
            with suppress(psutil.Error):
                self._tree = _with_children(psutil.Process(self.pid))
            for process in self._tree:
                with suppress(psutil.Error):
                    process.terminate()
        elif now_s >= self.stop_s + GRACE_S:
            for process in {one for known in self._tree for one in _with_children(known)}:
                with suppress(psutil.Error):
                    process.kill()
            self._tree = []

    def waits_for_children(self) -> bool:
        """Whether a process that was told to end has not."""
        self._tree = [process for process in self._tree if _lives(process)]
        return bool(self._tree)


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    """`process` and all below it; nothing if it has ended, even if its number is in use again."""
    import psutil

    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _lives(process: psutil.Process) -> bool:
    """Whether `process` runs; one that only waits to be buried does not."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
