"""The state a running job is in at the end of a window: since when, at which power, how steadily.

The window is cut into blocks, whole periods where the power repeats. Blocks of one level up to the
end are the regime. Foreign stretches inside it are evaluation if they recur, else a stall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import extrapolate_ramp as ramps
from joulecast.estimator import segments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.estimator.extrapolate_ramp import Ramp, Trend

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

MIN_BLOCK_S = 10.0
MAX_BLOCKS = 128
MAX_BINS = 1024
STAIRS = 2.0
"""A trend may leave this much more of the squares than a staircase, which may bend anywhere."""
ERROR_OF_ONE, ERROR_OF_TWO = 0.05, 0.015
"""Relative error where one or two blocks show no spread."""
NOISY = 0.03
"""Without a pattern blocks are doubled while their noise is above this share of the level."""
PAUSE_SHARE = 0.8
"""A short fall at the end below this share of the level before is taken for a pause."""
STALL_SHARE = 0.55
"""Below this share of the level the work has all but stopped."""
RAMP_SHARE = 0.25
"""A warm-up starts at most this far from the final level."""


@dataclass(frozen=True, slots=True)
class Regime:
    """What goes on at the end of the window.

    Attributes
    ----------
    start_s, end_s : seconds since the first reading. now_w : watts of the regime at its end.
    duty : mean power with recurring foreign stretches, relative to the power without.
    follows : another regime (not start-up alone) came before.
    period_s : seconds of the repeating pattern, ``None`` without one. blocks : number used.
    stretches : foreign stretches within. ramp : how power nears its final value.
    error_frac : standard error of the mean, relative. drift_frac : change over the regime.
    """

    start_s: float
    end_s: float
    now_w: float
    duty: float
    follows: bool
    period_s: float | None
    blocks: int
    stretches: int
    ramp: Ramp | None
    error_frac: float
    drift_frac: float

    def mean_w(self, from_s: float, to_s: float) -> float:
        """Mean watts expected between two times after the window."""
        steady = self.now_w if self.ramp is None else self.ramp.mean_w(from_s, to_s)
        return steady * self.duty


def last_regime(time_s: Array, energy_j: Array, gap: Flags | None = None) -> Regime:
    """The regime at the end of a window.

    Parameters
    ----------
    time_s : (n,), seconds since the first reading, rising, from 0.
    energy_j : (n,), joules since the first reading. gap : (n - 1,), intervals without readings.
    """
    edges, period_s = _edges(time_s, energy_j)
    power = np.diff(np.interp(edges, time_s, energy_j)) / np.diff(edges)
    mid = (edges[1:] + edges[:-1]) / 2
    blank = _touched(edges, time_s, gap)
    start, end, own = assemble(power)
    if (own & ~blank).any():
        own &= ~blank
    duty, stretches = _duty(power[:end], own[:end], start, period_s)
    first, kept, trend = _trend(mid, power, own, start, blank)
    level = float(power[own].mean())
    fitted = np.full(len(kept), level) if trend is None else trend.at_w(mid[kept])
    error, drift = standard_error(power[kept] - fitted, level)
    if isinstance(trend, ramps.Line):
        drift = trend.slope_w_per_s * float(mid[kept[-1]] - mid[kept[0]]) / level
    return Regime(
        float(edges[first]), float(edges[end]), float(fitted[-1]), duty, start > 0 and first > 0,
        period_s, len(kept), stretches, trend if isinstance(trend, ramps.Ramp) else None,
        error, drift,
    )  # fmt: skip


def _edges(time_s: Array, energy_j: Array) -> tuple[Array, float | None]:
    """Edges of the blocks after start-up, counted back from the end, and the period."""
    window_s = float(time_s[-1])
    step_s = max(float(np.median(np.diff(time_s))), window_s / MAX_BINS)
    n_bins = int(window_s / step_s + 1e-9)
    grid = window_s - step_s * np.arange(n_bins, -1, -1)
    binned = np.diff(np.interp(grid, time_s, energy_j)) / step_s
    begin = segments.startup_length(binned)
    window_s -= float(grid[begin])
    period = segments.period_bins(binned[begin:])
    if period is None:
        block_s = min(max(MIN_BLOCK_S, 2 * step_s), max(window_s / 6, step_s))
    else:
        block_s = period * step_s * np.ceil(MIN_BLOCK_S / (period * step_s))
    block_s *= max(1, int(np.ceil(window_s / block_s / MAX_BLOCKS)))
    while True:
        n_blocks = max(1, int(window_s / block_s + 1e-9))
        edges = grid[-1] - block_s * np.arange(n_blocks, -1, -1)
        power = np.diff(np.interp(edges, time_s, energy_j)) / block_s
        noisy = segments.noise_scale(power) > NOISY * float(np.median(power))
        if not noisy or n_blocks < 16 or period is not None:
            return edges, None if period is None else period * step_s
        block_s *= 2


def assemble(values: Array) -> tuple[int, int, Flags]:
    """First and past-the-last index of the regime at the end of `values`, and its own values.

    A segment at the level of the last one belongs to the regime, however far back, as long as what
    lies between is shorter than the segments that it parts. A short fall at the very end is a
    pause of the regime before it.
    """
    starts = [*segments.change_points(values), len(values)]
    parts = list(pairwise(starts))
    means = np.array([float(values[i:j].mean()) for i, j in parts])
    last = len(parts) - 1 - _trailing_pause(parts, means)
    noise = segments.noise_scale(values)
    own = np.zeros(len(values), dtype=bool)
    first, foreign, longest = last, 0, 0
    for k in range(last, -1, -1):
        i, j = parts[k]
        doubt = (
            2.5 * noise * np.sqrt(1 / (j - i) + 1 / max(own.sum(), 1)) / max(means[last], 1e-300)
        )
        apart = abs(np.log(max(means[k], 1e-300) / max(means[last], 1e-300)))
        if apart > max(segments.SAME_LEVEL, doubt):
            foreign += j - i
            continue
        longest = max(longest, j - i)
        if foreign > longest:
            break
        own[i:j] = True
        first, foreign = k, 0
    begin = parts[first][0]
    while begin > 0 and own[begin:].sum() >= 3 and _straddles(values[begin:][own[begin:]]):
        own[begin] = False
        begin += 1 + int(np.argmax(own[begin + 1 :]))
    return begin, parts[last][1], own


def _straddles(values: Array) -> bool:
    """Whether the first value lies apart from the others: a block across the change."""
    level = float(np.median(values[1:]))
    spread = 1.4826 * float(np.median(np.abs(values[1:] - level)))
    return abs(float(values[0]) - level) > max(4 * spread, segments.SAME_LEVEL * level)


def _trailing_pause(parts: list[tuple[int, int]], means: Array) -> int:
    """Number of segments at the end that are a short fall of the power, 0 if it goes on."""
    for count in range(len(parts) - 1, 0, -1):
        length = parts[-1][1] - parts[-count][0]
        before, level = parts[-count - 1], means[-count - 1]
        if 3 * length <= before[1] - before[0] and means[-count:].max() < PAUSE_SHARE * level:
            return count
    return 0


def _touched(edges: Array, time_s: Array, gap: Flags | None) -> Flags:
    """Which blocks a gap touches, (n,)."""
    touched = np.zeros(len(edges) - 1, dtype=bool)
    for i in np.flatnonzero(gap) if gap is not None else ():
        touched |= (edges[:-1] < time_s[i + 1]) & (edges[1:] > time_s[i])
    return touched


def _duty(power: Array, own: Flags, start: int, period_s: float | None) -> tuple[float, int]:
    """Mean power with what recurs relative to the regime's own, and the foreign stretches.

    A single stretch is a stall, not to be repeated, where a pattern shows that it is none of it or
    where the work all but stops; else it ends the first of more cycles.
    """
    power, own = power[start:], own[start:]
    change = np.diff(own.astype(int))
    stretches = int((change == -1).sum())
    level = float(power[own].mean())
    if not stretches:
        return 1.0, 0
    if stretches > 1 or not (change == 1).any():
        return float(power.mean()) / level, stretches
    if period_s is not None or float(power[~own].min()) < STALL_SHARE * level:
        return 1.0, 1
    return float(power[: np.flatnonzero(change == 1)[0] + 1].mean()) / level, 1


def _trend(
    mid: Array, power: Array, own: Flags, start: int, blank: Flags
) -> tuple[int, NDArray[np.int64], Trend | None]:
    """The trend that reaches furthest back from the regime: first block, blocks used, trend."""
    level = float(power[own].mean())
    noise = max(segments.noise_scale(power), segments.NOISE_FLOOR * level)
    starts = [*segments.change_points(power), len(power)]
    steps = np.repeat([power[i:j].mean() for i, j in pairwise(starts)], np.diff(starts))
    index = np.arange(len(power))
    near = ~blank & (np.abs(power / level - 1) < RAMP_SHARE) & (index < start)
    for first in range(start + 1):
        before = near & (index >= first)
        if before.sum() < start - first - blank[first:start].sum():
            continue
        kept = np.flatnonzero(own | before)
        trend = ramps.fit(mid[kept], power[kept])
        if trend is None:
            continue
        residual = np.abs(power[kept] - trend.at_w(mid[kept]))
        stairs = max(float(((power - steps)[kept] ** 2).sum()), len(kept) * (noise / 2) ** 2)
        if float((residual**2).sum()) <= STAIRS * stairs and residual.max() <= 4 * noise:
            return first, kept, trend
    return start, np.flatnonzero(own), None


def standard_error(residual: Array, level: float) -> tuple[float, float]:
    """Relative standard error of a mean, and the relative change along the values.

    Neighbours that err alike count for less: the variance of an autoregressive series of first
    order. One or two values show no spread, a usual one is taken.

    Parameters
    ----------
    residual : (n,), values less what is expected of them, n >= 1. level : the mean, positive.
    """
    n = len(residual)
    if n == 1:
        return ERROR_OF_ONE, 0.0
    if n == 2:
        apart = float(residual[1] - residual[0]) / level
        return math.hypot(apart / 2, ERROR_OF_TWO), apart
    x = np.arange(n) - (n - 1) / 2
    slope = float(x @ residual / (x @ x))
    rest = residual - residual.mean()
    square = float(rest @ rest)
    rho = max(float(rest[1:] @ rest[:-1]) / square, 0.0) if square > 0 else 0.0
    inflation = (1 + rho) / (1 - min(rho, 0.8))
    return math.sqrt(square / (n - 1) * inflation / n) / level, slope * (n - 1) / level
