"""Energy from readings: the only place that integrates.

Readings of power and of counters both become a curve of joules over time; the energy of any
stretch is the difference of two of its points, so stretches that touch add up to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GAP_PERIODS = 5.0
GAP_S = 3.0
REACH_PERIODS = 2.0
REACH_S = 0.5
WRAP_MARGIN = 10.0
PLAUSIBLE_W = 20e3
LEAP_S = 1.0
TAIL = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """Joules of one meter since its first reading; between two points they grow linearly.

    Attributes
    ----------
    time_s, energy_j : (n,), seconds that increase, joules that never decrease; empty if unknown.
    settled_s : up to here no later reading changes the curve.
    period_s : median seconds between readings, of a counter between its moves; 0 if unknown.
    gaps : (start, end) seconds of stretches whose energy is interpolated; blind : those of them
        whose joules nothing counted. resets : moves of a counter that no device explains.
    still_s : seconds for which a counter stood still at the end, where that is a gap.
    """

    time_s: Floats
    energy_j: Floats
    settled_s: float
    period_s: float
    gaps: tuple[tuple[float, float], ...] = ()
    resets: int = 0
    still_s: float = 0.0
    blind: tuple[tuple[float, float], ...] = ()

    @property
    def limit_s(self) -> float:
        """A longer silence is a gap: 5 median periods, at least 3 s."""
        return gap_limit_s(self.period_s)

    @property
    def reach_s(self) -> float:
        """So far before and after its readings the curve goes on at the rate next to them."""
        return max(REACH_S, REACH_PERIODS * self.period_s)

    @property
    def known(self) -> bool:
        """Whether it holds any energy."""
        return len(self.time_s) > 1


def nothing(still_s: float = 0.0) -> Curve:
    """The curve of a meter that did not give two readings, or stood still for `still_s`."""
    return Curve(np.empty(0), np.empty(0), -np.inf, 0.0, still_s=still_s)


def gap_limit_s(period_s: float) -> float:
    """Seconds between readings above which they are a gap: 5 median periods, at least 3 s.

    >>> gap_limit_s(0.1), gap_limit_s(1.0)
    (3.0, 5.0)
    """
    return max(GAP_S, GAP_PERIODS * period_s)


def median(values: Floats) -> float:
    """The median, without the care for NaN that makes `np.median` slow on short arrays.

    >>> median(np.array([4.0, 1.0, 2.0, 3.0]))
    2.5
    """
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    ordered = np.partition(values, (half - 1, half))
    return float(ordered[half - 1] + ordered[half]) / 2


def forward(time_s: Floats, value: Floats) -> tuple[Floats, Floats]:
    """The readings whose time lies after all before them."""
    latest_s = np.maximum.accumulate(np.concatenate(([-np.inf], time_s[:-1])))
    later = time_s > latest_s
    return (time_s, value) if later.all() else (time_s[later], value[later])


def power_curve(time_s: Floats, power_w: Floats) -> Curve:
    """Trapezoids over the intervals as they were, not as they were meant to be.

    Parameters
    ----------
    time_s, power_w : (n,), seconds and watts of the readings.

    >>> curve = power_curve(np.array([0.0, 1.0, 3.0]), np.array([10.0, 10.0, 20.0]))
    >>> curve.energy_j.tolist()
    [0.0, 10.0, 40.0]
    """
    time_s, power_w = forward(time_s, power_w)
    if len(time_s) < 2:
        return nothing()
    length_s = time_s[1:] - time_s[:-1]
    period_s = median(length_s)
    energy_j = length_s * (power_w[1:] + power_w[:-1]) / 2
    gaps = _gaps(time_s, length_s > gap_limit_s(period_s))
    return Curve(time_s, _summed(energy_j), float(time_s[-1]), period_s, gaps, blind=gaps)


def counter_curve(
    time_s: Floats,
    counter_j: Floats,
    wrap_j: float | None = None,
    *,
    fresh: bool = True,
    most_w: float = PLAUSIBLE_W,
) -> Curve:
    """Differences of a counter at the readings where it moved.

    A reading equal to the one before is an old value, not a device that drew nothing. A fall is a
    wrap if that implies a believable power, else a reset: the interval is then a gap. So is one
    that implies more than `most_w`, and one so long that the counter may have wrapped unseen.

    Parameters
    ----------
    time_s, counter_j : (n,), seconds and joules of the readings.
    wrap_j : where the counter starts again. fresh : whether these are its first readings.
    """
    time_s, counter_j = forward(time_s, counter_j)
    moved = np.flatnonzero(np.diff(counter_j)) + 1
    if not len(moved):
        return nothing(float(time_s[-1] - time_s[0]) if len(time_s) else 0.0)
    at = np.concatenate(([0], moved))
    at_s = time_s[at]
    length_s = np.diff(at_s)
    gained_j, reset = _gained(length_s, np.diff(counter_j[at]), wrap_j, most_w)
    if reset.all():
        return nothing()
    rate_w = np.where(reset, np.nan, gained_j) / length_s
    old_head = fresh and moved[0] > 1  # how old the first value was is not known
    if old_head and len(at) > 2:
        rate_w[0] = np.nan
    rate_w = _filled(rate_w)
    sure = np.flatnonzero(~reset)[-1] + 1
    settled_s = -np.inf if old_head and len(at) < 3 else float(at_s[sure])
    period_s = median(length_s)
    limit_s = gap_limit_s(period_s)
    gaps = _gaps(at_s, (length_s > limit_s) | reset)
    tail_s = float(time_s[-1] - at_s[-1])
    energy_j = _summed(rate_w * length_s)
    if 0 < tail_s <= limit_s:  # since it last moved: at the rate of the last few intervals
        back = max(0, len(at_s) - 1 - TAIL)
        tail_w = (energy_j[-1] - energy_j[back]) / (at_s[-1] - at_s[back])
        at_s, energy_j = (
            np.append(at_s, time_s[-1]),
            np.append(energy_j, energy_j[-1] + tail_w * tail_s),
        )
        tail_s = 0.0
    blind = _gaps(time_s[at], reset)
    return Curve(at_s, energy_j, settled_s, period_s, gaps, int(reset.sum()), tail_s, blind)


def joined(old_s: Floats, old_j: Floats, new: Curve) -> Curve:
    """`new` behind points of an older curve whose last point is the first of `new`."""
    if not new.known:
        return Curve(old_s, old_j, float(old_s[-1]), new.period_s, still_s=new.still_s)
    return Curve(
        np.concatenate((old_s[:-1], new.time_s)),
        np.concatenate((old_j[:-1], new.energy_j + old_j[-1])),
        max(new.settled_s, float(old_s[-1])),
        new.period_s,
        new.gaps,
        new.resets,
        new.still_s,
        new.blind,
    )


def energy_at_j(curve: Curve, time_s: float) -> float:
    """Joules up to `time_s`; outside the readings at the rate next to them, for `reach_s` at most.

    Before the first reading they are negative: only differences have a meaning.
    """
    first_s, last_s = curve.time_s[0], curve.time_s[-1]
    if first_s <= time_s <= last_s:
        return float(np.interp(time_s, curve.time_s, curve.energy_j))
    back = min(TAIL, len(curve.time_s) - 1)
    near, far = (0, back) if time_s < first_s else (-1, -1 - back)
    rate_w = (curve.energy_j[far] - curve.energy_j[near]) / (curve.time_s[far] - curve.time_s[near])
    beyond_s = np.clip(time_s - curve.time_s[near], -curve.reach_s, curve.reach_s)
    return float(curve.energy_j[near] + rate_w * beyond_s)


def energy_between_j(curve: Curve, start_s: float, end_s: float) -> float | None:
    """Joules from `start_s` to `end_s`, ``None`` where the meter saw nothing of it."""
    if not curve.known or (end_s > start_s and not seen_s(curve, start_s, end_s)):
        return None
    return energy_at_j(curve, end_s) - energy_at_j(curve, start_s)


def seen_s(curve: Curve, start_s: float, end_s: float) -> float:
    """Seconds of the stretch that the curve reaches, `reach_s` beyond its readings included."""
    if not curve.known:
        return 0.0
    first_s, last_s = curve.time_s[0] - curve.reach_s, curve.time_s[-1] + curve.reach_s
    return float(max(0.0, min(end_s, last_s) - max(start_s, first_s)))


def peak_w(curve: Curve, width_s: float = 1.0) -> float | None:
    """Highest mean power over `width_s` seconds, ``None`` for a shorter curve."""
    if not curve.known or curve.time_s[-1] - curve.time_s[0] < width_s:
        return None
    edges_s = np.arange(curve.time_s[0], curve.time_s[-1] + 1e-9, width_s)
    return float(np.diff(np.interp(edges_s, curve.time_s, curve.energy_j)).max() / width_s)


def _summed(energy_j: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(energy_j)))


def _gaps(time_s: Floats, wide: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    return tuple((float(time_s[i]), float(time_s[i + 1])) for i in np.flatnonzero(wide))


def _gained(
    length_s: Floats,
    gained_j: Floats,
    wrap_j: float | None,
    most_w: float,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Joules per interval with wraps undone, and which intervals hold a reset or a leap."""
    fell = gained_j < 0
    period_s = np.maximum(length_s, median(length_s))
    # A counter may be renewed just before a reading: shorter than a second tells no power.
    leapt = gained_j > most_w * np.maximum(period_s, LEAP_S)
    rate_w = (gained_j / length_s)[~fell & ~leapt]
    if wrap_j is None:
        return gained_j, fell | leapt
    usual_w = median(rate_w) if len(rate_w) else 0.0
    lapped = length_s * usual_w > wrap_j
    likely_w = max(float(rate_w.max()) * WRAP_MARGIN, 1.0) if len(rate_w) else most_w
    unwrapped_j = gained_j + wrap_j
    wrapped = fell & (unwrapped_j >= 0) & (unwrapped_j <= likely_w * period_s)
    return np.where(wrapped, unwrapped_j, gained_j), (fell & ~wrapped) | leapt | lapped


def _filled(rate_w: Floats) -> Floats:
    """`rate_w` with its NaN interpolated between the intervals beside them."""
    bad = np.isnan(rate_w)
    if not bad.any():
        return rate_w
    where, good = np.flatnonzero(bad), np.flatnonzero(~bad)
    filled = rate_w.copy()
    filled[where] = np.interp(where, good, rate_w[good]) if len(good) else 0.0
    return filled
