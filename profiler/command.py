"""Any command under a recording, as if the recording were not there.

The command keeps our terminal, our process group and our open files, so that it behaves as it would
under ``env``: Ctrl-C reaches it from the terminal itself, pipes and prompts work, and its exit code
passes through. Nothing that goes wrong with the recording touches it. Ignored signals stay ignored,
and nobody waits for children that outlive it.
"""

from __future__ import annotations

import errno
import math
import os
import select
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from joulecast.core.errors import BadInput
from joulecast.profiler.clock import SystemClock
from joulecast.profiler.command_tree import Stopper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.workload_plan import Recording

    _Child = subprocess.Popen[bytes]

WINDOW: Final = "command"
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
_TICK_S: Final = 0.2
_FORWARDED: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
_FROM_KEYBOARD: Final = (signal.SIGINT, signal.SIGQUIT)


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """How a command ended.

    Attributes
    ----------
    exit_code : as a shell tells it: the command's own; 128 + n if signal n ended it; 127 if it was
        not found, 126 if it could not be run. signal : n, else ``None``.
    stopped : ended because its time was up. duration_s : seconds from its start to its end.
    """

    argv: tuple[str, ...]
    exit_code: int
    signal: int | None = None
    stopped: bool = False
    duration_s: float = 0.0
    notices: tuple[str, ...] = ()


def run_command(
    argv: Sequence[str],
    recording: Recording,
    *,
    stop_after_s: float | None = None,
    environ: Mapping[str, str] | None = None,
    on_progress: Callable[[float], None] | None = None,
    clock: Clock | None = None,
) -> CommandOutcome:
    """How the command `argv` ended, run in a window ``command`` of `recording`.

    The caller starts and stops `recording`. SIGTERM, SIGHUP, SIGINT and SIGQUIT that reach us go on
    to the command, but for those that the terminal has sent to it already.

    Parameters
    ----------
    stop_after_s : after so many seconds the command and its children get SIGTERM, and SIGKILL
        10 s later; ``None`` lets it run.
    environ : ``None`` for our own. on_progress : told the seconds so far, a few times a second.
    """
    command = _checked(argv, stop_after_s)
    clock = clock or SystemClock()
    guard = _Guard()
    start_s = clock.monotonic_s()
    with _forwarding() as forwarder:
        guard.call(lambda: recording.begin_window(WINDOW))
        try:
            child = _spawn(command, environ)
        except OSError as error:
            guard.call(lambda: recording.end_window(WINDOW))
            code, text = _refusal(command[0], environ, error)
            return CommandOutcome(command, code, notices=(text, *guard.notices))
        forwarder.found(child)
        stopper = Stopper(child.pid, clock, stop_after_s)
        _watch(child, stopper, guard, clock, on_progress)
        guard.call(lambda: recording.end_window(WINDOW))
    number = max(0, -child.returncode)
    code = 128 + number if number else child.returncode
    lasted_s, said = clock.monotonic_s() - start_s, tuple(guard.notices)
    return CommandOutcome(command, code, number or None, stopper.stopping, lasted_s, said)


def _checked(argv: Sequence[str], stop_after_s: float | None) -> tuple[str, ...]:
    """The command as a tuple; BadInput if there is none, or no such time."""
    command = tuple(argv)
    if not command or any("\0" in word for word in command):
        raise BadInput("there is no command to run. Write it after --, e.g. -- python train.py")
    if stop_after_s is not None and not (math.isfinite(stop_after_s) and stop_after_s > 0):
        raise BadInput(f"cannot stop after {stop_after_s!r} s; give a number above 0.")
    return command


def _spawn(command: tuple[str, ...], environ: Mapping[str, str] | None) -> _Child:
    """The command, running. Open files go on to it; a script without a first line runs in sh."""
    try:
        return subprocess.Popen(command, env=environ, close_fds=False)  # noqa: S603 (the user's)
    except OSError as error:
        path = shutil.which(command[0], path=None if environ is None else environ.get("PATH"))
        if error.errno != errno.ENOEXEC or path is None:
            raise
    by_shell = ("/bin/sh", path, *command[1:])
    return subprocess.Popen(by_shell, env=environ, close_fds=False)  # noqa: S603 (the user's)


def _refusal(name: str, environ: Mapping[str, str] | None, error: OSError) -> tuple[int, str]:
    """Exit code and sentence for a command that could not be run."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return NOT_EXECUTABLE, f"cannot run '{name}': {error.strerror}. Is it a program?"
    if shutil.which(name, path=None if environ is None else environ.get("PATH")):
        return NOT_EXECUTABLE, f"cannot run '{name}': the interpreter in its first line is missing"
    return NOT_FOUND, f"cannot run '{name}': not found. Check its spelling, or give its path"


def _watch(
    child: _Child,
    stopper: Stopper,
    guard: _Guard,
    clock: Clock,
    on_progress: Callable[[float], None] | None,
) -> None:
    """Return when the command has ended; one that was stopped, when its children have too."""
    start_s = clock.monotonic_s()
    never = threading.Event()
    with _end_of(child) as wait:
        while child.poll() is None or stopper.waits_for_children():
            stopper.tick()
            if on_progress is not None:
                elapsed_s, told = clock.monotonic_s() - start_s, on_progress
                if not guard.call(lambda: told(elapsed_s)):  # noqa: B023 (called at once)
                    on_progress = None
            if child.returncode is None:
                wait(_TICK_S)
            else:
                clock.wait(never, _TICK_S)


@contextmanager
def _end_of(child: _Child) -> Iterator[Callable[[float], None]]:
    """A wait for so many seconds that ends early when the command does."""
    try:
        ending = os.pidfd_open(child.pid)
    except (AttributeError, OSError):  # an old kernel, or another system

        def wait(seconds: float) -> None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(seconds)

        yield wait
        return
    poll = select.poll()
    poll.register(ending, select.POLLIN)

    def wait_or_end(seconds: float) -> None:
        poll.poll(seconds * 1000)

    try:
        yield wait_or_end
    finally:
        os.close(ending)


class _Guard:
    """Calls the recording so that its failure is a notice: the command goes on."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def call(self, work: Callable[[], object]) -> bool:
        """Whether `work` went well."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 (whatever fails in measuring, the job goes on)
            self.notices.append(f"the recording failed: {type(error).__name__}: {error}")
            return False
        return True


class _Forwarder:
    """Hands signals on to the command."""

    def __init__(self) -> None:
        self.child: _Child | None = None
        self.early: list[int] = []

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Hand on signal `number`, unless the terminal has done so."""
        if self.child is None:
            self.early.append(number)
        elif number not in _FROM_KEYBOARD or not in_foreground():
            _send(self.child, number)

    def found(self, child: _Child) -> None:
        """Hand on to `child` from now on, and what came before it was there."""
        self.child = child
        for number in self.early:
            _send(child, number)


def _send(child: _Child, number: int) -> None:
    """Send signal `number`; a command that is gone, or has become another user, is left alone."""
    with suppress(OSError):
        child.send_signal(number)


def in_foreground() -> bool:
    """Whether our process group is the one that gets Ctrl-C from the terminal.

    Then the command, which is in it, has got the same signal. Who sends SIGINT to us alone while we
    are in the foreground is taken for the keyboard: the two cannot be told apart.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextmanager
def _forwarding() -> Iterator[_Forwarder]:
    """Signals go to a forwarder inside, and where they went before after; main thread only."""
    forwarder = _Forwarder()
    if threading.current_thread() is not threading.main_thread():
        yield forwarder
        return
    former = {n: signal.getsignal(n) for n in (*_FORWARDED, signal.SIGCHLD)}
    for number in _FORWARDED:
        if former[number] is not signal.SIG_IGN:
            signal.signal(number, forwarder)
    if former[signal.SIGCHLD] is signal.SIG_IGN:  # it would hide every exit code
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield forwarder
    finally:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
