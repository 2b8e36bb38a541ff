"""A power trace as it comes from a meter, checked and integrated; its gaps found, never hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.units import format_duration
from joulecast.estimator import extrapolate as shared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

GAP_STEPS = 5.0
GAP_S = 3.0
"""An interval is a gap if it is longer than both 5 usual ones and 3 s."""
GAP_DOUBT = 0.3
"""Relative error of the energy across a gap, where power could have done anything."""


@dataclass(frozen=True, slots=True)
class Readings:
    """A trace from 0 s on.

    Attributes
    ----------
    time_s, energy_j : (n,), rising seconds, and joules so far. gap : (n - 1,), intervals that no
    reading bridges. notices : what was left out or filled in.
    """

    time_s: Array
    energy_j: Array
    gap: Flags
    notices: tuple[str, ...]

    @property
    def window_s(self) -> float:
        """Seconds from the first reading to the last."""
        return float(self.time_s[-1])

    @property
    def doubt_j(self) -> float:
        """Joules by which the gaps may be wrong."""
        return GAP_DOUBT * float(np.diff(self.energy_j)[self.gap].sum())


def read(time_s: object, power_w: object) -> Readings:
    """The trace integrated by trapezoids; failed readings are left out, with a notice.

    Parameters
    ----------
    time_s : (n,), seconds, rising. power_w : (n,), watts, >= 0; ``None``, NaN or exactly 0 W
    (between others) is a reading that failed.

    Raises
    ------
    BadInput : fewer than two readings, times that step back, negative or impossible powers.
    """
    time, power = shared.as_array("time_s", time_s), shared.as_array("power_w", power_w)
    shared.check_lengths(time_s=time, power_w=power)
    _check(time, power)
    notices = []
    failed = ~(power > 0)
    if failed.all():
        raise BadInput("power_w holds no reading above 0 W. Check the meter, then measure again")
    edges_s = time[[0, -1]]
    if failed.any():
        notices.append(f"{failed.sum()} of {len(power)} power readings failed and were left out")
        power, time = power[~failed], time[~failed]
    time, power, merged = _merged(time, power)
    if merged:
        notices.append(f"{merged} readings with the time of the one before were averaged with it")
    time, power = _to_edges(time, power, edges_s)
    if len(time) < 2 or time[-1] <= 0:
        raise BadInput("the trace holds fewer than two readings apart in time. Measure for longer")
    steps = np.diff(time)
    gap = steps > max(GAP_STEPS * float(np.median(steps)), GAP_S)
    energy = np.concatenate([[0.0], np.cumsum(steps * (power[1:] + power[:-1]) / 2)])
    return Readings(time, energy, gap, (*notices, *_gap_notices(time, gap)))


def _gap_notices(time: Array, gap: Flags) -> list[str]:
    """One notice per gap, up to three."""
    notices = [
        f"no reading for {format_duration(float(time[i + 1] - time[i]))} from {time[i]:.0f} s on: "
        "filled in between its edges, and taken as doubtful"
        for i in np.flatnonzero(gap)[:3]
    ]
    more = int(gap.sum()) - len(notices)
    return [*notices, f"{more} more gaps, filled in alike"] if more else notices


def _check(time: Array, power: Array) -> None:
    """Raise on times that are no numbers or step back, and on impossible powers."""
    if not np.isfinite(time).all():
        i = int(np.argmin(np.isfinite(time)))
        raise BadInput(f"time_s[{i}] = {time[i]:g} is no time. Give seconds for every reading")
    back = np.flatnonzero(np.diff(time) < 0)
    if len(back):
        i = int(back[0])
        raise BadInput(
            f"time_s steps back from {time[i]:.10g} to {time[i + 1]:.10g} s (reading {i + 1}). "
            "Use a monotonic clock, or give each stretch of rising time on its own"
        )
    bad = np.flatnonzero((power < 0) | (power > shared.MAX_POWER_W))
    if len(bad):
        raise BadInput(
            f"power_w[{bad[0]}] = {power[bad[0]]:g} W cannot be right. Give watts from 0 to "
            f"{shared.MAX_POWER_W:g}; None where a reading failed"
        )


def _merged(time: Array, power: Array) -> tuple[Array, Array, int]:
    """Readings with one value per time, and how many were merged away."""
    first = np.concatenate([[True], np.diff(time) > 0])
    merged = int((~first).sum())
    if not merged:
        return time, power, 0
    label = np.cumsum(first) - 1
    return time[first], np.bincount(label, power) / np.bincount(label), merged


def _to_edges(time: Array, power: Array, edges_s: Array) -> tuple[Array, Array]:
    """The trace from 0 s to its last time, where the readings at its ends failed too."""
    begin, end = edges_s
    if time[0] > begin:
        time, power = np.insert(time, 0, begin), np.insert(power, 0, power[0])
    if time[-1] < end:
        time, power = np.append(time, end), np.append(power, power[-1])
    return time - begin, power
