"""What a session was told, and when: windows, epochs, steps. No clock, no meters, no files."""

from __future__ import annotations

import math
from array import array
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput, nearest_names
from joulecast.profiler import session_notices
from joulecast.profiler.session_steps import StepLog

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOWS = 10_000
EVENTS = 20_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """A closed window between two edges of the session.

    Attributes
    ----------
    first, last : indices of the edges. samples, loss, accuracy : as the caller told them.
    """

    name: str
    first: int
    last: int
    samples: float | None = None
    loss: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the trace that is no reading: a begin, an end, an epoch, a step."""

    time_s: float
    kind: str
    value: float
    name: str = ""


class Book:
    """Edges in their order, and what lies between them.

    Attributes
    ----------
    edges_s : moments at which a window began or ended, never decreasing; the first is the start.
    doubts : what was called in the wrong order.
    """

    def __init__(self, start_s: float) -> None:
        self.edges_s = array("d")
        self.steps = StepLog(start_s)
        self.samples = 0.0
        self.sampled = False
        self.windows: list[Stretch] = []
        self.epochs: list[Stretch] = []
        self.doubts: dict[str, None] = {}
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self._steps_at = array("q")
        self._samples_at = array("d")
        self._open: dict[str, int] = {}
        self._epoch: int | None = None
        self._unkept = 0
        self._bad_samples = 0
        self.edge(start_s)

    @property
    def start_s(self) -> float:
        """Clock seconds of the start."""
        return self.edges_s[0]

    def edge(self, now_s: float) -> int:
        """Index of a new edge at `now_s`, or at the one before it if the clock stepped back."""
        self.edges_s.append(max(now_s, self.edges_s[-1]) if self.edges_s else now_s)
        self._steps_at.append(self.steps.count)
        self._samples_at.append(self.samples)
        return len(self.edges_s) - 1

    def doubt(self, text: str) -> None:
        """Note `text` once."""
        self.doubts[text] = None

    def step(self, now_s: float, samples: float | None) -> None:
        """Note a step and its samples; an amount that cannot be is left out and noted."""
        number = math.nan if samples is None else as_number(samples)
        if 0 <= number < math.inf:
            self.samples += number
            self.sampled = True
        elif samples is not None:
            self._bad_samples += 1
            number = math.nan
        self.steps.samples.append(number)
        self.steps.ends_s.append(now_s)

    def check_begin(self, name: str) -> None:
        """Raise `BadInput` if no window `name` can be begun."""
        if not isinstance(name, str) or not name:
            raise BadInput(f"a window needs a name, not {name!r}: begin_window('training')")
        if name in self._open:
            raise BadInput(f"window '{name}' is already open: end it first, or take another name")

    def check_end(self, name: str) -> None:
        """Raise `BadInput` if no window `name` is open."""
        if name not in self._open:
            near = ", ".join(nearest_names(str(name), self._open))
            known = f"Open: {near}" if near else "No window is open"
            raise BadInput(f"window '{name}' was not begun. {known}")

    def begin(self, name: str, now_s: float) -> None:
        """Open a window."""
        self._open[name] = self.edge(now_s)
        self._tell("begin", len(self._open), name)

    def end(self, name: str, now_s: float) -> Stretch:
        """Close a window."""
        value = len(self._open)
        last = self.edge(now_s)
        stretch = Stretch(name, self._open.pop(name, last), last)
        self._tell("end", value, name)
        if len(self.windows) < WINDOWS:
            self.windows.append(stretch)
        else:
            self._unkept += 1
        return stretch

    def begin_epoch(self, now_s: float) -> None:
        """Open an epoch; one that is open ends here."""
        if self._epoch is not None:
            self.doubt(session_notices.epoch_begun_twice(len(self.epochs) + 1))
            self.end_epoch(now_s)
        self._epoch = self.edge(now_s)
        self.steps.mark(now_s)
        self._tell("begin", len(self.epochs) + 1, self._epoch_name())

    def end_epoch(
        self,
        now_s: float,
        samples: float | None = None,
        loss: float | None = None,
        accuracy: float | None = None,
    ) -> Stretch:
        """Close the epoch; one that was never begun counts from the end of the one before."""
        if self._epoch is None:
            self.doubt(session_notices.epoch_not_begun())
            self._epoch = self.epochs[-1].last if self.epochs else 0
        name = self._epoch_name()
        first, last = self._epoch, self.edge(now_s)
        self._epoch = None
        self._tell("end", len(self.epochs) + 1, name)
        self._tell("epoch", len(self.epochs) + 1)
        told = self._amount("samples of an epoch", samples)
        loss, accuracy = self._amount("loss", loss), self._amount("accuracy", accuracy)
        stretch = Stretch(name, first, last, told, loss, accuracy)
        self.epochs.append(stretch)
        return stretch

    def close(self, now_s: float) -> None:
        """End the session: windows left open end with it, an epoch left open becomes a window."""
        for name in tuple(self._open):
            self.doubt(session_notices.window_left_open(name))
            self.end(name, now_s)
        last = self.edge(now_s)
        if self._epoch is not None:
            self.doubt(session_notices.epoch_left_open(len(self.epochs) + 1))
            self.windows.append(Stretch(f"{self._epoch_name()} (open)", self._epoch, last))
            self._epoch = None

    def steps_in(self, stretch: Stretch) -> int | None:
        """Steps that ended in it, ``None`` if the session has none."""
        steps = self._steps_at[stretch.last] - self._steps_at[stretch.first]
        return steps if self.steps.count else None

    def samples_in(self, stretch: Stretch) -> float | None:
        """Its samples: as told, or those of its steps."""
        if stretch.samples is not None or not self.sampled:
            return stretch.samples
        return self._samples_at[stretch.last] - self._samples_at[stretch.first]

    def all_samples(self) -> float | None:
        """Samples of the steps, or of the epochs where the steps told none."""
        if self.sampled:
            return self.samples
        told = [e.samples for e in self.epochs if e.samples is not None]
        return sum(told) if told else None

    def all_doubts(self) -> list[str]:
        """What was called in the wrong order or with amounts that cannot be."""
        found = list(self.doubts)
        if self._unkept:
            found.append(session_notices.windows_not_kept(WINDOWS, self._unkept))
        if self._bad_samples:
            found.append(session_notices.bad_amount("samples of a step", self._bad_samples))
        return found

    def _epoch_name(self) -> str:
        return f"epoch {len(self.epochs) + 1}"

    def _tell(self, kind: str, value: float, name: str = "") -> None:
        self.events.append(Event(self.edges_s[-1], kind, value, name))

    def _amount(self, what: str, value: float | None) -> float | None:
        """`value`, or ``None`` with a doubt if it cannot be (a loss may be negative)."""
        if value is None:
            return None
        number = as_number(value)
        if math.isfinite(number) and (number >= 0 or what == "loss"):
            return number
        self.doubt(session_notices.bad_amount(what, 1))
        return None


def as_number(value: object) -> float:
    """`value` as a float, NaN if it is none: a tensor of one element is a number too."""
    try:
        return float(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001  whatever the job hands over must not end it
        return math.nan


class EdgesSoFar:
    """The edges with one more at `end_s`, for figures while the session runs; nothing is copied."""

    def __init__(self, edges_s: Sequence[float], end_s: float) -> None:
        self._edges_s = edges_s
        self._count = len(edges_s)
        self._end_s = max(end_s, edges_s[-1])

    def __len__(self) -> int:
        return self._count + 1

    def __getitem__(self, index: int) -> float:
        return self._end_s if index in (-1, self._count) else self._edges_s[index]
