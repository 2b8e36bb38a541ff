"""A session: the act of measuring a job from inside it.

What happens to meters, drivers and disks never reaches the job: it becomes a notice in the record.
Only a wrong name in `begin_window` or `end_window` raises, for then the calling code is wrong;
every other call out of order is noted.
"""

from __future__ import annotations

import atexit
from contextlib import nullcontext
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from joulecast.core.records import Measurement, Run, Window
from joulecast.profiler import session_notices
from joulecast.profiler.session_live import Live
from joulecast.profiler.session_options import SessionOptions, Snapshot, unknown_setup
from joulecast.profiler.session_wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from joulecast.core.records import Setup, Status
    from joulecast.profiler.session_book import Stretch

__all__ = ["Session", "SessionOptions", "Snapshot"]

P = ParamSpec("P")
R = TypeVar("R")
_ENDINGS = {
    "SystemExit": "sys.exit()",
    "KeyboardInterrupt": "Ctrl-C",
    "GeneratorExit": "a loop that left the generator early",
}
_EXIT = "the end of the process, before stop()"


class Session:
    """Measures what happens between `start` and `stop`; also a context manager and a decorator.

    Parameters
    ----------
    setup : what is executed on which machine, ``None`` if nobody knows.

    Examples
    --------
    >>> with Session() as session:
    ...     session.begin_window("training")
    ...     window = session.end_window("training")
    >>> session.run.status, window.name
    ('complete', 'training')
    """

    def __init__(
        self, setup: Setup | None = None, *, options: SessionOptions | None = None
    ) -> None:
        self.setup = setup
        self.options = options or SessionOptions()
        self.options.check()
        self._live: Live | None = None
        self._run: Run | None = None
        self._missed: dict[str, None] = {}

    @property
    def run(self) -> Run | None:
        """The run that `stop` returned last."""
        return self._run

    @property
    def is_running(self) -> bool:
        """Whether it is between `start` and `stop`."""
        return self._live is not None

    def start(self) -> Self:
        """Begin a run; the session itself comes back. A stopped session may be started anew."""
        if self._live is not None:
            self._live.doubt(session_notices.started_twice())
            return self
        live = Live(self.setup, self.options)
        for text in self._missed:
            live.doubt(text)
        self._missed.clear()
        _guarded(live, live.begin, None)
        self._live = live
        atexit.register(self._at_exit)
        return self

    def stop(self) -> Run:
        """The run, ended and written. Without a running one: the last, or an empty record."""
        return self._stop("complete")

    def begin_window(self, name: str) -> None:
        """Open a window. Windows may lie in each other or overlap.

        Raises
        ------
        BadInput
            If a window of that name is open, or the name is empty.
        """
        live = self._running("begin_window()")
        if live is not None:
            live.book.check_begin(name)
            _edge(live, lambda now_s: live.book.begin(name, now_s))

    def end_window(self, name: str) -> Window:
        """The window, closed, with the joules known by now; the record's are final.

        Raises
        ------
        BadInput
            If no window of that name is open.
        """
        live = self._running("end_window()")
        if live is None:
            return Window(name, 0.0, 0.0)
        live.book.check_end(name)
        return _edge(live, lambda now_s: live.book.end(name, now_s)) or Window(name, 0.0, 0.0)

    def epoch_start(self) -> None:
        """Begin an epoch; one that is open ends here."""
        live = self._running("epoch_start()")
        if live is not None:
            _edge(live, live.book.begin_epoch)

    def epoch_end(
        self,
        samples: float | None = None,
        loss: float | None = None,
        accuracy: float | None = None,
    ) -> Window:
        """The epoch, closed; one that was never begun counts from the end of the one before.

        Parameters
        ----------
        samples : processed in it, ``None`` for those of its steps. accuracy : 0..1.
        """
        live = self._running("epoch_end()")
        if live is None:
            return Window("epoch", 0.0, 0.0)

        def end(now_s: float) -> Stretch:
            return live.book.end_epoch(now_s, samples, loss, accuracy)

        return _edge(live, end) or Window("epoch", 0.0, 0.0)

    def step(self, samples: float | None = None) -> None:
        """Note that a step ended now, and the samples in it. Costs about a microsecond."""
        live = self._live
        if live is None:
            self._running("step()")
            return
        live.book.step(live.now_s(), samples)

    def tick(self) -> None:
        """Read the meters now, and write what is due; for sessions without a thread."""
        live = self._running("tick()")
        if live is not None:
            _guarded(live, live.tick, None)

    def snapshot(self) -> Snapshot:
        """Figures of the running run so far."""
        live = self._running("snapshot()")
        nothing = Snapshot("", 0.0, {}, {})
        return nothing if live is None else _guarded(live, live.snapshot, nothing)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._stop("complete")
        else:
            self._stop("interrupted", _ENDINGS.get(kind.__name__, kind.__name__))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """`function`, measured anew at each call; a call within a call belongs to the outer one."""
        return wrapped(function, lambda: nullcontext() if self.is_running else self)

    def _stop(self, status: Status, ended_by: str = "") -> Run:
        live, self._live = self._live, None
        if live is None or not live.ours:
            return self._run or _empty(session_notices.not_running("stop()"))
        atexit.unregister(self._at_exit)
        self._run = _guarded(live, lambda: live.finish(status, ended_by), None)
        if self._run is None:
            self._run = _empty(*live.doubts)
        return self._run

    def _at_exit(self) -> None:
        self._stop("interrupted", _EXIT)

    def _running(self, call: str) -> Live | None:
        """The running run; a call without one is noted in the next. A forked child has none."""
        live = self._live
        if live is None:
            self._missed[session_notices.not_running(call)] = None
        return live if live is not None and live.ours else None


def _edge(live: Live, write: Callable[[float], Stretch | None]) -> Window | None:
    return _guarded(live, lambda: live.edge(write), None)


def _guarded(live: Live, call: Callable[[], R], otherwise: R) -> R:
    """What `call` returns, or `otherwise`: an error of ours never ends the job that we watch."""
    try:
        return call()
    except Exception as exc:  # noqa: BLE001  see above; it is in the record
        live.doubt(session_notices.our_fault(exc))
        return otherwise


def _empty(*doubts: str) -> Run:
    """The record of a session of which nothing is known."""
    measurement = Measurement({}, None, None, notices=doubts)
    return Run(unknown_setup(), measurement, source="profiler", model_group="")
