"""Meters whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.errors import MeterReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.fakes.clock import FakeClock


class PowerMeter:
    """Watts as a function of time."""

    wrap_j: float | None = None

    def __init__(
        self,
        clock: FakeClock,
        power_w: Callable[[float], float] | float,
        scope: str = "gpu",
        name: str = "fake:0",
    ) -> None:
        self.clock = clock
        self.power_w = power_w
        self.scope = scope
        self.name = name
        self.energy_source = "nvml-power"
        self.facts: Mapping[str, str] = {"driver": "fake"}
        self.broken = False
        self.closed = False
        self.side: Mapping[str, float] = {}

    def read_power_w(self) -> float:
        """The watts now, or a failure while `broken`."""
        if self.broken:
            message = f"{self.name}: gone"
            raise MeterReadError(message)
        elapsed_s = self.clock.monotonic_s() - self.clock.start_s
        return self.power_w(elapsed_s) if callable(self.power_w) else self.power_w

    def extras(self) -> Mapping[str, float]:
        """What was put into `side`."""
        return self.side

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


class CounterMeter(PowerMeter):
    """A counter of joules fed by constant watts, wrapping where told."""

    def __init__(
        self,
        clock: FakeClock,
        power_w: float,
        wrap_j: float | None = None,
        scope: str = "cpu",
        name: str = "counter:0",
    ) -> None:
        super().__init__(clock, power_w, scope, name)
        self.wrap_j = wrap_j
        self.energy_source = "rapl"
        self.offset_j = 0.0
        self.watts = power_w

    def read_energy_j(self) -> float:
        """Joules since the start, wrapped."""
        if self.broken:
            message = f"{self.name}: gone"
            raise MeterReadError(message)
        total = self.offset_j + self.watts * (self.clock.monotonic_s() - self.clock.start_s)
        return total % self.wrap_j if self.wrap_j else total
