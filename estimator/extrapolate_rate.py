"""The steady cost of one unit (an epoch, a sample) from the first units of a run.

The first unit stays itself, stalls are put aside, and the rate is that of the last level: shared by
`extrapolate_epochs` and `extrapolate_steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.extrapolate_ramp import decayed
from joulecast.estimator.extrapolate_regime import assemble

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

STALL = 1.5
"""A unit that takes this many times the usual duration is a stall."""
MIN_SEARCHED = 5
"""Units beside the first from which on a change of level is looked for."""
MAX_SEARCHED = 512
MANY = 8
RAMP_TAU_S = 60.0
"""Chips warm up within about a minute: seen on recorded power traces, not fitted on epochs."""
RAMP_SHARE = 0.25
"""Share of the warm-up expected from the first unit's power that is added: chosen on public epoch
tables with whole source folders left out, the same in every one."""
MAX_AHEAD = 1.5
"""At most this much of the rise seen so far is still to come."""
MAX_LIFT = 0.05
"""Natural log; more than this between first and later units is start-up, not warm-up or noise."""
MAX_FIRST = 0.05
"""Natural log; how far apart a first unit counts as spread: beyond it is start-up."""
MAX_DRIFT = 0.04


@dataclass(frozen=True, slots=True)
class Units:
    """Measured units: joules (NaN where not read) and seconds per unit, and sizes, each (n,)."""

    energy_j: Array
    duration_s: Array
    size: Array

    @property
    def spans_s(self) -> Array:
        """Seconds of each measurement, (n,)."""
        spans: Array = self.duration_s * self.size
        return spans


@dataclass(frozen=True, slots=True)
class Choice:
    """Which units the rate is taken from, (n,), which were stalls, and where the level changed."""

    base: Flags
    stalled: Flags
    changed_at: int


def choose(units: Units) -> Choice:
    """The units at the last level, without the first (unless it is alone) and without stalls."""
    stalled = find_stalls(units.duration_s)
    base = ~stalled
    base[0] = not base[1:].any()
    changed_at = 0
    where = np.flatnonzero(base)
    if len(where) >= MIN_SEARCHED:
        known = np.where(np.isnan(units.energy_j), np.nanmedian(units.energy_j), units.energy_j)
        start = max(_level_start(units.duration_s[where]), _level_start(known[where]))
        changed_at = int(where[start]) if start else 0
        base[:changed_at] = False
    return Choice(base, stalled, changed_at)


def _level_start(values: Array) -> int:
    """First index of the last level; one or a few values at the end are no level yet."""
    size = -(-len(values) // MAX_SEARCHED)
    if size > 1:  # change points take squared time: look at means
        whole = len(values) // size * size
        means = values[len(values) - whole :].reshape(-1, size).mean(axis=1)
        start = _level_start(means)
        return len(values) - whole + start * size if start else 0
    until = len(values)
    while until > 1:
        start = assemble(values[:until])[0]
        if start == 0 or until - start >= max(2, len(values) // 12):
            return start
        until = start
    return 0


def find_stalls(duration_s: Array) -> Flags:
    """Which units took far longer than usual, (n,); the first never counts as one.

    Usual is the lower median of the others, or the first unit where only one other is there. Two
    or more long units in a row at the end are a new level, not stalls.
    """
    others = duration_s[1:]
    stalled = np.zeros(len(duration_s), dtype=bool)
    if not len(others):
        return stalled
    usual = float(np.sort(others)[(len(others) - 1) // 2])
    if len(others) == 1:
        usual = float(duration_s[0])
    stalled[1:] = others > STALL * usual
    if stalled[-2:].all() and len(stalled) > 2:
        stalled[np.flatnonzero(~stalled)[-1] + 1 :] = False
    return stalled


def location(values: Array, weights: Array) -> float:
    """Robust mean: half-way between weighted mean and median, the mean where values are many."""
    mean = float(values @ weights / weights.sum())
    if len(values) > MANY:
        return mean
    return (mean + float(np.median(values))) / 2


def rate(values: Array, base: Flags, weights: Array) -> float:
    """Cost per unit at the present level; unread units (NaN) are left out."""
    known = base & ~np.isnan(values)
    if not known.any():
        known = ~np.isnan(values)
    return location(values[known], weights[known])


def warming(units: Units, base: Flags, rest_s: float, share: float = RAMP_SHARE) -> float:
    """Factor on the energy rate for warming that goes on after the measured units, >= 1.

    With P(t) = P_inf - d exp(-t / tau) the rise from the first unit's mean power to that of the
    base units fixes d, and so the rise still to come; `share` of it is taken.
    """
    known = base & ~np.isnan(units.energy_j)
    if base[0] or np.isnan(units.energy_j[0]) or not known.any() or rest_s <= 0:
        return 1.0
    ends = np.cumsum(units.spans_s)
    power = units.energy_j / units.duration_s
    lift = np.log(location(power[known], units.spans_s[known]) / power[0])
    begin = float(ends[np.argmax(base)] - units.spans_s[np.argmax(base)])
    first = decayed(0.0, float(ends[0]), RAMP_TAU_S)
    used = decayed(begin, float(ends[-1]), RAMP_TAU_S)
    rest = decayed(float(ends[-1]), float(ends[-1]) + rest_s, RAMP_TAU_S)
    ahead = min((used - rest) / (first - used), MAX_AHEAD) if first > used else 0.0
    return float(np.exp(share * np.clip(lift, 0, MAX_LIFT) * max(ahead, 0.0)))


def logs(values: Array, choice: Choice, start_frac: float = 0.0) -> Array:
    """Natural logs of the units that show the spread: the base, and the first within limits.

    Parameters
    ----------
    start_frac : what the first unit may lack without counting as spread, natural log.
    """
    found = np.log(values[choice.base & ~np.isnan(values)])
    if choice.base[0] or choice.changed_at or np.isnan(values[0]) or not len(found):
        return found
    usual = float(np.median(found))
    apart = float(np.log(values[0])) - usual
    apart += float(np.clip(-apart, 0.0, start_frac))
    return np.append(found, usual + np.clip(apart, -MAX_FIRST, MAX_FIRST))


def drift(values: Array, base: Flags) -> float:
    """Relative change along the base units where it stands out of their noise, else 0."""
    y = values[base & ~np.isnan(values)]
    n = len(y)
    if n < 3:
        return 0.0
    x = np.arange(n) - (n - 1) / 2
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    change = slope * (n - 1) / float(y.mean())
    noise = float(np.sqrt(rest @ rest / (n - 2) / (x @ x))) * (n - 1) / float(y.mean())
    return change if abs(change) > max(MAX_DRIFT, 2.5 * noise) else 0.0
