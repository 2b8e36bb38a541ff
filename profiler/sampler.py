"""The one thread that reads the meters, or the same rounds without a thread.

A meter must never harm the job that it watches: whatever it raises is a counted failure, a gap in
the readings; a driver that hangs holds up this thread alone.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from threading import Event, RLock, Thread, current_thread
from typing import TYPE_CHECKING, NamedTuple

from joulecast.profiler.sampler_series import Extra, Series
from joulecast.profiler.session_scopes import is_sensed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.meters import Meter

EXTRAS_S = 1.0
MODELLED_S = 0.5
"""Between readings of a modelled power in the thread: a load is a mean over that time anyway."""
BACK_OFF_S = 30.0
REPLY_S = 1.0
END_S = 5.0
ROWS = 50_000
THROTTLED = 0xEC
"""Bits of NVML's clock event mask that slow a GPU at work: power cap, heat, power brake."""


class Row(NamedTuple):
    """One reading as it came: seconds of the clock, and the value in the unit that `kind` names."""

    time_s: float
    meter: str
    scope: str
    kind: str
    value: float


@dataclass(slots=True)
class _Feed:
    """A meter's reader, and when it is read next."""

    series: Series
    read: Callable[[], float]
    every_s: float = 0.0
    failed: int = 0
    next_s: float = float("-inf")
    read_s: float = float("-inf")
    extras_s: float = float("-inf")

    def is_due(self, now_s: float, *, every: bool) -> bool:
        """Whether it is read now; after failures not before `next_s`."""
        rests = not every and 0 <= now_s - self.read_s < self.every_s
        return now_s >= self.next_s and not rests


class Sampler:
    """Readings of all meters, a round at a time.

    Parameters
    ----------
    period_s : seconds between rounds of the thread; intervals are measured, never assumed.
    cpu_s : CPU seconds of the calling thread.
    keep_rows : whether readings are also kept for `take_rows`.
    """

    def __init__(
        self,
        meters: Iterable[Meter],
        clock: Clock,
        period_s: float = 0.1,
        *,
        cpu_s: Callable[[], float] = time.thread_time,
        keep_rows: bool = False,
    ) -> None:
        self.clock = clock
        self.period_s = period_s
        self.series = tuple(Series(m) for m in meters)
        self.lock = RLock()  # a handler of signals may interrupt a call of ours, and call us
        self.cpu_s = 0.0
        self.lost_rounds = 0
        self._cpu = cpu_s
        self._feeds = tuple(_Feed(s, s.reader(), _every_s(s)) for s in self.series)
        self._rows: deque[Row] | None = deque(maxlen=ROWS) if keep_rows else None
        self._thread: SamplerThread | None = None

    def tick(self, *, every: bool = True) -> None:
        """Read the meters once, modelled ones only if `every` or half a second after the last time.

        Each reading is timed in the middle of its call.
        """
        began_s = self._cpu()
        for feed in self._feeds:
            now_s = self.clock.monotonic_s()
            if feed.is_due(now_s, every=every):
                self._read(feed, now_s)
        self.cpu_s += self._cpu() - began_s

    def start(self, name: str = "", after: Callable[[], None] | None = None) -> SamplerThread:
        """The thread that calls `tick` each period, then `after`; no process waits for it."""
        thread = SamplerThread(self, name, after)
        thread.start()
        self._thread = thread
        return thread

    def stop(self) -> bool:
        """Whether the thread ended, after at most `END_S` seconds."""
        thread, self._thread = self._thread, None
        return thread is None or thread.end()

    def leave(self) -> None:
        """Let the thread end by itself at its next round, without waiting for it."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.leave()

    def read_now(self) -> bool:
        """Whether a round was read now; the thread does it, so a hanging driver holds up nobody."""
        thread = self._thread
        if thread is None or thread is current_thread():
            self.tick()
            return True
        return thread.ask()

    def take_rows(self) -> list[Row]:
        """The readings since the last call, in the order in which they came."""
        rows = self._rows
        return [] if rows is None else [rows.popleft() for _ in range(len(rows))]

    def _read(self, feed: _Feed, now_s: float) -> None:
        try:
            value = feed.read()
        except Exception as exc:  # noqa: BLE001  a meter may fail in any way; the job goes on
            feed.failed += 1
            feed.next_s = now_s + min(BACK_OFF_S, self.period_s * 2.0 ** min(feed.failed, 20))
            with self.lock:
                feed.series.fail(str(exc) or type(exc).__name__)
            return
        time_s = (now_s + self.clock.monotonic_s()) / 2
        feed.failed, feed.next_s, feed.read_s = 0, float("-inf"), now_s
        with self.lock:
            taken = feed.series.add(time_s, value)
        if taken and self._rows is not None:
            wrap_j = feed.series.meter.wrap_j
            if wrap_j and feed.series.readings == 1:  # who reads the trace must know it
                self._keep(feed.series, time_s, "wrap_j", wrap_j)
            self._keep(feed.series, time_s, feed.series.kind, value)
        if now_s >= feed.extras_s:
            feed.extras_s = now_s + EXTRAS_S
            self._read_extras(feed.series, time_s)

    def _read_extras(self, series: Series, time_s: float) -> None:
        try:
            side = series.meter.extras()
            found = {k: float(v) for k, v in side.items() if math.isfinite(v)}
        except Exception:  # noqa: BLE001  the same; what is missing is missing, the energy is there
            return
        with self.lock:
            for kind, value in found.items():
                series.extras.setdefault(kind, Extra()).add(value)
            if "throttle" in found:
                is_slowed = float(bool(int(found["throttle"]) & THROTTLED))
                series.extras.setdefault("throttled", Extra()).add(is_slowed)
        if self._rows is not None:
            for kind, value in found.items():
                self._keep(series, time_s, kind, value)

    def _keep(self, series: Series, time_s: float, kind: str, value: float) -> None:
        if self._rows is not None:
            self._rows.append(Row(time_s, series.meter.name, series.meter.scope, kind, value))


def _every_s(series: Series) -> float:
    return 0.0 if is_sensed(series.meter.energy_source) else MODELLED_S


class SamplerThread(Thread):
    """Rounds at the sampler's period; `others` holds sessions met in this process.

    That a thread can be found in `threading.enumerate` is how sessions of one process see each
    other without any state of ours.
    """

    def __init__(self, sampler: Sampler, name: str, after: Callable[[], None] | None) -> None:
        super().__init__(name=f"joulecast-sampler {name}".strip(), daemon=True)
        self.session = name
        self.devices = frozenset(s.meter.name for s in sampler.series)
        self.others: set[str] = set()
        self._sampler = sampler
        self._after = after
        self._wake = Event()
        self._asked: deque[Event] = deque()
        self._ending = False
        self._hangs = False

    def run(self) -> None:
        """Read until asked to end."""
        sampler, clock = self._sampler, self._sampler.clock
        began_s, before_s = sampler._cpu(), sampler.cpu_s  # noqa: SLF001  two halves of one thing
        due_s = clock.monotonic_s() + sampler.period_s
        while True:
            clock.wait(self._wake, max(0.0, due_s - clock.monotonic_s()))
            self._wake.clear()
            if self._ending:
                break
            self._serve()
            sampler.cpu_s = before_s + sampler._cpu() - began_s  # noqa: SLF001
            now_s = clock.monotonic_s()
            if now_s >= due_s:  # a late round is not made up for
                due_s = max(due_s + sampler.period_s, now_s)

    def ask(self) -> bool:
        """Whether a round came within `REPLY_S` seconds; not waited for while the thread hangs."""
        if self._hangs or not self.is_alive():
            return False
        answered = Event()
        self._asked.append(answered)
        self._wake.set()
        self._hangs = not answered.wait(REPLY_S)
        return not self._hangs

    def leave(self) -> None:
        """Ask for the end; touches no lock."""
        self._ending = True

    def end(self) -> bool:
        """Whether the thread ended within `END_S` seconds."""
        self._ending = True
        self._wake.set()
        if self is not current_thread():
            self.join(END_S)
        return not self.is_alive()

    def _serve(self) -> None:
        asked = [self._asked.popleft() for _ in range(len(self._asked))]
        try:
            self._sampler.tick(every=bool(asked))
            for answered in asked:
                answered.set()
            self._hangs = False
            if self._after is not None:
                self._after()
        except Exception:  # noqa: BLE001  nobody would hear it; the next round may succeed
            self._sampler.lost_rounds += 1
