"""The readings of one meter in bounded memory.

The newest readings stay as they came. Older ones are folded into joules at fewer moments: exact
there, linear between, at most `POINTS` of them however long the session is.
"""

from __future__ import annotations

import math
from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from joulecast.core.errors import MeterReadError
from joulecast.profiler import integrate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joulecast.profiler.integrate import Curve, Floats
    from joulecast.profiler.meters import Meter

KEEP = 2048
POINTS = 4096
STRIDE = 16
GAPS_NAMED = 50
SLOW = 0.05
LIMIT_FACTOR = 4.0
"""Times its power limit: more than any device draws, however short."""
_LIMITS = ("power_limit_w", "default_limit_w")


class Edges(Protocol):
    """Moments by their index."""

    def __getitem__(self, index: int, /) -> float:
        """Clock seconds of an edge."""
        ...


def most_w(meter: Meter) -> float:
    """Watts above which a reading of `meter` cannot be: 4 x its power limit, else 20 kW."""
    limits_w = []
    for key in _LIMITS:
        with suppress(KeyError, ValueError):
            limits_w.append(float(meter.facts[key]))
    limit_w = max(limits_w, default=0.0)
    return LIMIT_FACTOR * limit_w if 0 < limit_w < math.inf else integrate.PLAUSIBLE_W


@dataclass(slots=True)
class Extra:
    """Running figures of a side reading (utilisation, memory, temperature, ...)."""

    count: int = 0
    total: float = 0.0
    high: float = -math.inf

    def add(self, value: float) -> None:
        """Take one reading in."""
        self.count += 1
        self.total += value
        self.high = max(self.high, value)

    @property
    def mean(self) -> float:
        """Mean of the readings."""
        return self.total / self.count


@dataclass(slots=True)
class Series:
    """Readings of `meter`, and the joules at the edges of windows.

    Attributes
    ----------
    kind : ``energy_j`` of a counter, ``power_w`` otherwise.
    dropped : readings whose time lay before one already there. stood : equal to the one before.
    edge_j : joules at the session's edges that no later reading can change.
    """

    meter: Meter
    keep: int = KEEP
    kind: str = field(init=False)
    readings: int = 0
    failures: int = 0
    dropped: int = 0
    stood: int = 0
    why: str = ""
    extras: dict[str, Extra] = field(default_factory=dict)
    edge_j: array[float] = field(default_factory=lambda: array("d"))
    _time_s: array[float] = field(default_factory=lambda: array("d"))
    _value: array[float] = field(default_factory=lambda: array("d"))
    _old_s: Floats = field(default_factory=lambda: np.empty(0))
    _old_j: Floats = field(default_factory=lambda: np.empty(0))
    _old_gaps: list[tuple[float, float]] = field(default_factory=list)
    _old_resets: int = 0
    _old_blind_s: float = 0.0
    _old_peak_w: float = -math.inf
    _curve: Curve | None = None
    _newest: Curve | None = None

    def __post_init__(self) -> None:
        self.kind = "energy_j" if hasattr(self.meter, "read_energy_j") else "power_w"

    def reader(self) -> Callable[[], float]:
        """What reads the meter; its readings are checked."""
        name = "read_energy_j" if self.kind == "energy_j" else "read_power_w"
        read = cast("Callable[[], float]", getattr(self.meter, name))
        most = most_w(self.meter) if self.kind == "power_w" else math.inf

        def checked() -> float:
            value = float(read())
            if not 0 <= value < math.inf:
                message = f"{self.meter.name} read {value!r}"
                raise MeterReadError(message)
            if value > most:
                message = f"{self.meter.name} read {value:.3g} W, above the {most:.3g} W possible"
                raise MeterReadError(message)
            return value

        return checked

    def add(self, time_s: float, value: float) -> bool:
        """Take one reading in; ``False`` if its time is not after the last one's."""
        if self._time_s and time_s <= self._time_s[-1]:
            self.dropped += time_s < self._time_s[-1]
            return False
        self.readings += 1
        self._curve = None
        if self._value and value == self._value[-1]:
            self.stood += 1
            if self.kind == "energy_j" and self._value[-2:-1] == array("d", (value,)):
                self._time_s[-1] = time_s  # the first and the last such reading say it all
                return True
        self._time_s.append(time_s)
        self._value.append(value)
        return True

    def fail(self, why: str) -> None:
        """Count a reading that failed: a gap, never 0."""
        self.failures += 1
        self.why = why

    def curve(self) -> Curve:
        """Joules over time, since the first reading."""
        if self._curve is None:
            newest = self._newest = self._integrated()
            folded = len(self._old_s) > 0
            self._curve = integrate.joined(self._old_s, self._old_j, newest) if folded else newest
        return self._curve

    def settle(self, edges_s: Sequence[float]) -> None:
        """Fix the joules at those edges that no later reading can change, then fold."""
        curve = self.curve()
        for edge_s in edges_s[len(self.edge_j) :]:
            if not curve.known or edge_s > curve.settled_s:
                break
            self.edge_j.append(integrate.energy_at_j(curve, edge_s))
        if len(self._time_s) >= self.keep:
            pending = edges_s[len(self.edge_j) :]
            self._fold(min(curve.settled_s, pending[0]) if pending else curve.settled_s)

    def energy_j(self, edges_s: Edges, first: int, last: int) -> float | None:
        """Joules between two edges, ``None`` where the meter saw nothing of it."""
        curve = self.curve()
        start_s, end_s = edges_s[first], edges_s[last]
        if not curve.known or not integrate.seen_s(curve, start_s, end_s):
            return None
        return max(0.0, self._at_j(curve, end_s, last) - self._at_j(curve, start_s, first))

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Start and end seconds of the gaps; of very many the first are named."""
        return self._old_gaps + list(self.curve().gaps)

    @property
    def resets(self) -> int:
        """How often the counter fell without wrapping."""
        return self._old_resets + self.curve().resets

    @property
    def blind_s(self) -> float:
        """Seconds between its readings whose energy nothing saw."""
        return self._old_blind_s + sum(end_s - start_s for start_s, end_s in self.curve().blind)

    @property
    def power_max_w(self) -> float | None:
        """Highest reading of a power meter; of a counter the highest mean over a second."""
        self.curve()
        peak_w = max(self._peak_w(self._newest, len(self._value)), self._old_peak_w)
        return peak_w if math.isfinite(peak_w) else None

    @property
    def period_s(self) -> float | None:
        """Median seconds between the newest readings; of a counter, between its moves."""
        self.curve()
        newest = self._newest
        return newest.period_s if newest is not None and newest.known else None

    @property
    def is_slow(self) -> bool:
        """Whether a counter moves more seldom than it is read."""
        return self.kind == "energy_j" and self.stood > SLOW * self.readings

    @property
    def noise_frac(self) -> float:
        """Spread of the newest power readings around their mean, as a share of it."""
        if self.kind == "energy_j" or len(self._value) < 2:
            return 0.0
        power_w = np.array(self._value[-self.keep :])
        mean_w = float(power_w.mean())
        return float(power_w.std()) / mean_w if mean_w > 0 else 0.0

    def _integrated(self, count: int | None = None) -> Curve:
        time_s, value = np.array(self._time_s[:count]), np.array(self._value[:count])
        if self.kind == "power_w":
            return integrate.power_curve(time_s, value)
        fresh = not len(self._old_s)
        most = most_w(self.meter)
        return integrate.counter_curve(time_s, value, self.meter.wrap_j, fresh=fresh, most_w=most)

    def _at_j(self, curve: Curve, time_s: float, edge: int) -> float:
        fixed = edge < len(self.edge_j)
        return self.edge_j[edge] if fixed else integrate.energy_at_j(curve, time_s)

    def _peak_w(self, newest: Curve | None, count: int) -> float:
        if self.kind == "power_w":
            return max(self._value[:count], default=-math.inf)
        peak_w = None if newest is None else integrate.peak_w(newest)
        return -math.inf if peak_w is None else peak_w

    def _fold(self, before_s: float) -> None:
        """Turn readings older than the newest half, and than `before_s`, into joules."""
        whole, newest = self.curve(), self._newest
        if newest is None:
            return
        middle_s = self._time_s[len(self._time_s) // 2]
        cut = int(np.searchsorted(newest.time_s, min(before_s, middle_s), "right")) - 1
        if cut < STRIDE:  # nothing to gain
            return
        cut_s = float(newest.time_s[cut])
        count = int(np.searchsorted(np.array(self._time_s), cut_s))
        going = self._integrated(count + 1)
        self._old_peak_w = max(self._old_peak_w, self._peak_w(going, count + 1))
        start = max(0, len(self._old_s) - 1)
        rows = np.unique(np.append(np.arange(start, start + cut, STRIDE), start + cut))
        points = np.concatenate((np.arange(start), rows))
        if len(points) > POINTS:
            points = np.unique(np.append(points[::2], points[-1]))
        past = [gap for gap in newest.gaps if gap[1] <= cut_s]
        self._old_gaps = (self._old_gaps + past)[:GAPS_NAMED]
        self._old_resets += going.resets
        self._old_blind_s += sum(end_s - start_s for start_s, end_s in going.blind)
        self._old_s, self._old_j = whole.time_s[points], whole.energy_j[points]
        del self._time_s[:count], self._value[:count]
        self._curve = None
