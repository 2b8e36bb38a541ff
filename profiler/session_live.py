"""One run while it is measured: clock, meters, book and files together."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

from joulecast.profiler import notices, session_notices
from joulecast.profiler.recorder import Recorder, run_id
from joulecast.profiler.sampler import Sampler, SamplerThread
from joulecast.profiler.session_book import Book
from joulecast.profiler.session_doubts import doubts
from joulecast.profiler.session_options import unknown_setup
from joulecast.profiler.session_record import Identity, View, run_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from joulecast.core.records import Run, Setup, Status, Window
    from joulecast.profiler.session_book import Stretch
    from joulecast.profiler.session_options import SessionOptions, Snapshot

COST_SHARE = 0.01
"""Of the time, for writing: the next flush waits 100 times as long as the last one took."""


class Live:
    """A run between its start and its end.

    `sampler.lock` guards book and series; `_disk` keeps an older record from replacing the last.
    """

    def __init__(self, setup: Setup | None, options: SessionOptions) -> None:
        self.options = options
        self.now_s = options.clock.monotonic_s
        self.setup = setup
        known = setup or unknown_setup()
        utc = options.clock.utc()
        name = run_id(utc, options.label or known.architecture.name)
        self.identity = Identity(name, utc.isoformat(), known, options)
        self.book = Book(self.now_s())
        writes = options.folder is not None
        self.recorder = _recorder(options, name)
        self.sampler = Sampler(
            options.meters if options.rank.is_leader else (),
            options.clock,
            options.period_s,
            keep_rows=writes and options.keep_trace,
        )
        self._on_flush = options.on_flush
        self._pid = os.getpid()
        self._disk = RLock()
        self._inside: set[int] = set()
        self._ended = False
        self._due_s = self.book.start_s + options.flush_s
        self.doubts: dict[str, None] = {}
        self._thread: SamplerThread | None = None

    @property
    def ours(self) -> bool:
        """Whether this process began it; a forked child holds a copy that is not its own."""
        return os.getpid() == self._pid

    def doubt(self, text: str) -> None:
        """Note `text` once."""
        self.doubts[text] = None

    def begin(self) -> None:
        """Leave a first record, then start the clock and the meters."""
        self._save(self.record("running"))
        self._wait()
        self.book = Book(self.now_s())
        if self.options.thread:
            try:
                self._thread = self.sampler.start(self.identity.run_id, self.upkeep)
                self._look_around(self._thread)
            except RuntimeError as exc:  # the system gives no more threads
                self.doubt(session_notices.no_thread(str(exc)))
        self.sampler.read_now()

    def tick(self) -> None:
        """One round of readings, and a flush where one is due."""
        with self._entered() as again:
            if not again:
                self.sampler.read_now()
        if self._thread is None:
            self.upkeep()

    def edge(self, write: Callable[[float], Stretch | None]) -> Window | None:
        """The window that `write` closes in the book at the moment when the device is done."""
        with self._entered() as again:
            self._wait()
            now_s = self.now_s()
            if not again:
                self.sampler.read_now()
            return self._written(write, now_s)

    def _written(self, write: Callable[[float], Stretch | None], now_s: float) -> Window | None:
        with self.sampler.lock:
            stretch = write(now_s)
            for series in self.sampler.series:
                series.settle(self.book.edges_s)
            return None if stretch is None else self._view(now_s).window(stretch)

    def snapshot(self) -> Snapshot:
        """Figures so far."""
        with self._entered(), self.sampler.lock:
            return self._view(self.now_s()).snapshot(self.identity.run_id)

    def record(self, status: Status, ended_by: str = "") -> Run:
        """The run as it stands."""
        with self.sampler.lock:
            end_s = self.book.edges_s[-1] if self._ended else self.now_s()
            view = self._view(end_s)
            found = [session_notices.ended_by(ended_by)] if ended_by else []
            found += self._all_doubts(view)
            return run_record(self.identity, view, status, found, self.sampler.cpu_s)

    def finish(self, status: Status, ended_by: str = "") -> Run:
        """End it: last readings, last record. The meters stay open."""
        self._wait()
        now_s = self.now_s()
        self._end_readings()
        with self.sampler.lock:
            self.book.close(now_s)
            self._ended = True
        self._trace()
        run = self.record(status, ended_by)
        return run if self._save(run, last=True) else self.record(status, ended_by)

    def upkeep(self) -> None:
        """Fold old readings, write what is there, tell who looks on; each `flush_s`."""
        began_s = self.now_s()
        if began_s < self._due_s or self._ended or not self.ours:
            return
        with self.sampler.lock:
            for series in self.sampler.series:
                series.settle(self.book.edges_s)
            self.book.steps.tidy()
        try:
            if self.recorder is not None:
                self._trace()
                self._save(self.record("running"))
            self._tell()
        finally:
            now_s = self.now_s()
            self._due_s = now_s + max(self.options.flush_s, (now_s - began_s) / COST_SHARE)

    @contextmanager
    def _entered(self) -> Iterator[bool]:
        """Whether a call of this thread was interrupted by this one (a handler of signals).

        That call may hold the lock that the sampler's thread waits for, so nobody waits for it.
        """
        me = threading.get_ident()
        again = me in self._inside
        self._inside.add(me)
        try:
            yield again
        finally:
            if not again:
                self._inside.discard(me)

    def _end_readings(self) -> None:
        with self._entered() as again:
            if again:
                self.sampler.leave()
                return
            self.sampler.read_now()
            if not self.sampler.stop():
                self.doubt(session_notices.sampler_hangs())

    def _tell(self) -> None:
        if self._on_flush is None:
            return
        try:
            self._on_flush(self.snapshot())
        except Exception as exc:  # noqa: BLE001  who looks on must not end what is looked at
            self.doubt(session_notices.onlooker_failed(repr(exc)))
            self._on_flush = None

    def _view(self, end_s: float) -> View:
        return View(self.book, self.sampler.series, self.setup, end_s)

    def _wait(self) -> None:
        try:
            self.options.barrier()
        except Exception:  # noqa: BLE001  an error of the job's kernels shows at its own next call
            self.doubt(session_notices.no_barrier())

    def _save(self, run: Run, *, last: bool = False) -> bool:
        if self.recorder is None:
            return True
        with self._disk:
            return self.recorder.save(run) if last or not self._ended else True

    def _trace(self) -> None:
        if self.recorder is None or self.recorder.trace is None:
            return
        with self._disk:
            self.recorder.trace.append(self.sampler.take_rows(), self.book)

    def _look_around(self, mine: SamplerThread) -> None:
        """Note other sessions of this process on the same devices, here and with them."""
        for other in threading.enumerate():
            if other is mine or not isinstance(other, SamplerThread):
                continue
            if other.devices & mine.devices:
                other.others.add(mine.session)
                mine.others.add(other.session)

    def _all_doubts(self, view: View) -> list[str]:
        rank, sampler = self.options.rank, self.sampler
        found = [] if rank.is_leader else [notices.not_leader(rank.local_rank)]
        found += self.book.all_doubts()
        if self._thread is not None and self._thread.others:
            found.append(notices.same_process(self._thread.others))
        found += doubts(view, self.options.idle_w, ended=self._ended)
        found += self.doubts
        if sampler.lost_rounds:
            found.append(session_notices.lost_rounds(sampler.lost_rounds))
        return found if self.recorder is None else [*found, *self.recorder.doubts]


def _recorder(options: SessionOptions, name: str) -> Recorder | None:
    if options.folder is None:
        return None
    trace_bytes = options.trace_bytes if options.keep_trace else None
    return Recorder(options.folder, name, trace_bytes)
