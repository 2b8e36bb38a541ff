"""One network under several plans, each point with a recording of its own."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from joulecast.core.errors import DoesNotFit
from joulecast.profiler.workload import run
from joulecast.profiler.workload_plan import Recording, finish_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from joulecast.core.records import Run
    from joulecast.profiler.clock import Clock
    from joulecast.profiler.workload_network import Network
    from joulecast.profiler.workload_plan import Outcome, Plan, Progress


class Sitting(Recording, Protocol):
    """A recording that knows how it ended; a session is one."""

    @property
    def run(self) -> Run | None:
        """What was recorded."""
        ...

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> object: ...


@dataclass(frozen=True, slots=True)
class Attendance:
    """Who looks on at one point of a sweep: the recording is started and stopped by the sweep."""

    recording: Sitting
    stop: Callable[[], bool] | None = None
    on_progress: Callable[[Progress], None] | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a sweep.

    Attributes
    ----------
    outcome, run : ``None`` where the batch did not fit; `notices` then say so.
    """

    plan: Plan
    outcome: Outcome | None
    run: Run | None
    notices: tuple[str, ...] = ()


def sweep(
    network: Network,
    plans: Iterable[Plan],
    attend: Callable[[Plan], Attendance],
    clock: Clock | None = None,
) -> Iterator[Point]:
    """One point per plan, as it is done; a repeat is the same plan again.

    A batch that exceeds the memory ends its point and not the sweep.
    """
    for plan in plans:
        yield _point(network, plan, attend(plan), clock)
        gc.collect()
        if torch.cuda.is_available():  # so that a batch does not live in the memory of the last
            torch.cuda.empty_cache()


def _point(network: Network, plan: Plan, attendance: Attendance, clock: Clock | None) -> Point:
    """One plan, measured."""
    recording = attendance.recording
    try:
        with recording:
            outcome = run(
                network,
                plan,
                recording,
                stop=attendance.stop,
                on_progress=attendance.on_progress,
                clock=clock,
            )
    except DoesNotFit as error:
        return Point(plan, None, None, (str(error),))
    measured = recording.run
    return Point(plan, outcome, None if measured is None else finish_run(measured, outcome))
