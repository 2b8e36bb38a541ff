"""What a session has to say about itself: calls out of order, files, its own faults."""

from __future__ import annotations


def not_written(name: str, why: str, times: int) -> str:
    """A record that could not be saved."""
    return (
        f"{name} could not be written {times} time{'s' if times > 1 else ''} ({why}): the session "
        "went on without. Free the disk or choose another folder"
    )


def trace_thinned(limit_bytes: float) -> str:
    """A trace file that came near its limit."""
    return (
        f"the trace holds every reading only up to {limit_bytes / 2e6:.0f} MB, then ever fewer; "
        "the energies use them all. A longer period keeps more"
    )


def trace_full(limit_bytes: float) -> str:
    """A trace file at its limit."""
    return f"the trace ended at {limit_bytes / 1e6:.0f} MB; the energies use every reading"


def epoch_left_open(epoch: int) -> str:
    """An epoch without an end."""
    return f"epoch {epoch} was never ended, so it is a window: call epoch_end() after each epoch"


def epoch_not_begun() -> str:
    """Epochs without a beginning."""
    return "epoch_end() without epoch_start(): that epoch counts from the end of the one before"


def epoch_begun_twice(epoch: int) -> str:
    """A beginning within an epoch."""
    return f"epoch_start() while epoch {epoch} was running: that one was ended there"


def window_left_open(name: str) -> str:
    """A window without an end."""
    return f"window '{name}' was still open at the end of the session and ends with it"


def windows_not_kept(kept: int, lost: int) -> str:
    """More windows than a record holds."""
    return f"the record keeps the first {kept} windows; {lost} more were answered only"


def not_running(call: str) -> str:
    """A call that had nothing to act on."""
    return f"{call} was called while the session was not running: nothing was recorded for it"


def bad_amount(what: str, times: int) -> str:
    """Amounts that cannot be."""
    return f"{what} was negative or not a number {times} times: left out"


def ended_by(what: str) -> str:
    """What ended a session before stop()."""
    return f"the session was ended by {what}: it holds what was seen until then"


def lost_rounds(rounds: int) -> str:
    """Rounds of the sampler that failed as a whole."""
    return f"{rounds} rounds of the sampler failed as a whole: please report this"


def sampler_hangs() -> str:
    """A thread that did not end."""
    return "a meter did not answer at the end: its last readings are missing"


def started_twice() -> str:
    """A start within a run."""
    return "start() was called while the session was running: nothing changed"


def no_barrier() -> str:
    """Edges that may be early."""
    return "the device could not be waited for: edges of windows may lie before the work's end"


def no_thread(why: str) -> str:
    """A session that reads its meters at the edges of windows alone."""
    return f"no thread could be started ({why}): the meters were read at the edges of windows only"


def onlooker_failed(why: str) -> str:
    """A callback that raised."""
    return f"on_flush failed ({why}): it was not called again"


def our_fault(exc: Exception) -> str:
    """An error of ours that must not become the job's."""
    return f"an error inside the session ({exc!r}) cost part of this record: please report it"
