"""What a session is told before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.core.records import Architecture, Machine, Setup, Workload
from joulecast.profiler.clock import Clock, SystemClock
from joulecast.profiler.ranks import Rank
from joulecast.profiler.sync import barrier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from joulecast.profiler.meters import Meter


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A running session's figures so far.

    Attributes
    ----------
    energy_j, power_w : by scope; power over the last two seconds. samples, steps : counts.
    median_step_s : seconds of a steady step.
    """

    run_id: str
    duration_s: float
    energy_j: Mapping[str, float]
    power_w: Mapping[str, float]
    samples: float | None = None
    steps: int = 0
    median_step_s: float | None = None
    epochs: int = 0


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session measures.

    Attributes
    ----------
    meters : opened meters; they stay open, whoever opened them closes them.
    folder : where the record and the trace are written, ``None`` for nowhere.
    period_s : seconds between readings. flush_s : seconds between writes, more where writing is
        slow: it never takes more than about 1 % of the time.
    keep_trace : whether every reading is written too, up to `trace_bytes`.
    idle_w : watts by scope of the idle machine, for the net energy.
    barrier : called at the edges of windows, so that an accelerator has done what it was told.
    rank : of this process in its job; only a node's leader meters.
    source, model_group, model_family, label : for the record; `label` names its file.
    versions, where : further provenance, e.g. ``{"environment": "container"}``.
    thread : ``False`` where the caller calls `Session.tick` (tests, replay).
    on_flush : gets a `Snapshot` each `flush_s`, in the sampler's thread.
    """

    meters: tuple[Meter, ...] = ()
    folder: Path | None = None
    period_s: float = 0.1
    flush_s: float = 2.0
    clock: Clock = field(default_factory=SystemClock)
    keep_trace: bool = True
    trace_bytes: float = 50e6
    idle_w: Mapping[str, float] = field(default_factory=dict)
    barrier: Callable[[], object] = barrier
    rank: Rank = field(default_factory=Rank)
    source: str = "profiler"
    model_group: str = ""
    model_family: str = ""
    label: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    thread: bool = True
    on_flush: Callable[[Snapshot], None] | None = None

    def check(self) -> None:
        """Raise `BadInput` where a number cannot be right."""
        for name in ("period_s", "flush_s", "trace_bytes"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise BadInput(f"{name} = {value!r}: it must be a positive number")
        for scope, power_w in self.idle_w.items():
            if not 0 <= power_w < math.inf:
                raise BadInput(f"idle power of {scope} = {power_w!r} W: it must not be negative")


def unknown_setup() -> Setup:
    """The setup of a session that was told nothing: no machine, no network."""
    return Setup(
        Machine(id="", name=""),
        Architecture(name="", domain="", input_shape=(), params=0.0, macs=0.0, ops={}),
        Workload(),
    )
