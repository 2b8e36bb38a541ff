"""A session whose time and meters are in the test's hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from joulecast.core.records import Device, Machine
from joulecast.profiler.session import Session, SessionOptions
from joulecast.profiler.session_options import unknown_setup
from tests.fakes.clock import FakeClock
from tests.fakes.meters import CounterMeter, PowerMeter

if TYPE_CHECKING:
    from joulecast.core.records import Run, Setup


def device(kind: Any) -> Device:  # noqa: ANN401
    """A device of which nothing is known."""
    return Device(id=kind, name=kind, kind=kind, tdp_w=100.0, year=2024, source="")


def setup_of(*kinds: str) -> Setup:
    """A setup whose machine has these devices."""
    machine = Machine(id="here", name="", **{k: device(k) for k in kinds})  # type: ignore[arg-type]
    return replace(unknown_setup(), machine=machine)


class Bench:
    """A session whose time and meters are in the test's hand: 100 W GPU, 50 W CPU, 10 W DRAM."""

    def __init__(self, setup: Setup | None = None, **options: Any) -> None:  # noqa: ANN401
        self.clock = FakeClock()
        self.gpu = PowerMeter(self.clock, 100.0)
        self.cpu = CounterMeter(self.clock, 50.0, wrap_j=333.0)
        self.dram = CounterMeter(self.clock, 10.0, scope="dram", name="counter:1")
        defaults: dict[str, Any] = {
            "meters": (self.gpu, self.cpu, self.dram),
            "clock": self.clock,
            "thread": False,
            "idle_w": {"gpu": 20.0, "cpu": 10.0, "dram": 5.0, "system": 35.0},
        }
        self.session = Session(setup, options=SessionOptions(**{**defaults, **options}))

    def run(self, seconds: float, *, step_s: float = 0.1, samples: float | None = None) -> None:
        """Let time pass, a reading and a step each `step_s`."""
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)
            self.session.tick()
            if samples is not None:
                self.session.step(samples)

    def measure(self, seconds: float = 60.0, **how: Any) -> Run:  # noqa: ANN401
        """A whole run."""
        with self.session:
            self.run(seconds, **how)
        assert self.session.run is not None
        return self.session.run


def has(run: Run, *words: str) -> bool:
    """Whether one notice has all these words."""
    return any(all(word in text for word in words) for text in run.measurement.notices)
