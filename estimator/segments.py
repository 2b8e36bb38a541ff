"""Where the nature of a measured series changes: start-up, warm-up, steady state, evaluation.

Series are powers or step durations at equal steps. Change points are those of optimal partitioning
(Jackson et al. 2005) with a cost of squared deviations in units of a robust noise scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Kind = Literal["start-up", "warm-up", "steady", "evaluation"]

NOISE_FLOOR = 0.01
"""Smallest noise that a change is held against, share of the median level."""
PENALTY = 6.0
"""Price of a change per natural logarithm of the length; twice that of white noise (BIC: 3)."""
STARTUP_SHARE = 0.8
"""A beginning below this share of the steady level is start-up, above it is warm-up."""
SAME_LEVEL = 0.04
"""Levels this close, natural log, are one level."""
MAX_BINS = 1024
MAX_BLOCKS = 256
MIN_PERIODS = 2.5
MIN_CORRELATION = 0.5


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one nature: `kind`, its edges in seconds, and its mean `level` (W, or s)."""

    kind: Kind
    start_s: float
    end_s: float
    level: float


def segment_trace(time_s: Array, power_w: Array) -> tuple[Segment, ...]:
    """The stretches of a power trace: start-up, warm-up, steady, and evaluation within steady.

    Parameters
    ----------
    time_s : (n,), seconds, rising; edges are counted from the first. power_w : (n,), watts.
    """
    time_s = time_s - time_s[0]
    step_s = max(float(np.median(np.diff(time_s))), float(time_s[-1]) / MAX_BINS)
    energy = np.concatenate([[0.0], np.cumsum(np.diff(time_s) * (power_w[1:] + power_w[:-1]) / 2)])
    edges = np.linspace(0.0, float(time_s[-1]), max(2, round(float(time_s[-1]) / step_s) + 1))
    values = np.diff(np.interp(edges, time_s, energy)) / np.diff(edges)
    begin = startup_length(values)
    low = recurring_low(values[begin:])
    kinds = np.full(len(values), "steady", dtype="<U10")
    kinds[:begin] = "start-up"
    work = begin + np.flatnonzero(~low)
    kinds[begin : begin + _warm_up(values[work], work - begin)] = "warm-up"
    kinds[begin + np.flatnonzero(low & (kinds[begin:] == "steady"))] = "evaluation"
    return _stretches(kinds, values, edges)


def segment_steps(duration_s: Array, power_w: Array | None = None) -> tuple[Segment, ...]:
    """The stretches of a series of steps: start-up, warm-up, steady; levels are seconds a step.

    Parameters
    ----------
    duration_s : (n,), seconds of each step, positive. power_w : (n,), their mean watts, if known:
    power settles later than time.
    """
    usual = float(np.median(duration_s[len(duration_s) // 2 :]))
    slow = duration_s > usual / STARTUP_SHARE
    begin = 0 if slow.all() else int(np.argmin(slow))
    index = np.arange(len(duration_s) - begin)
    series = [s[begin:] for s in (duration_s, power_w) if s is not None]
    kinds = np.full(len(duration_s), "steady", dtype="<U10")
    kinds[:begin] = "start-up"
    kinds[begin : begin + max(_warm_up(s, index) for s in series)] = "warm-up"
    return _stretches(kinds, duration_s, np.concatenate([[0.0], np.cumsum(duration_s)]))


def startup_length(values: Array) -> int:
    """Number of leading values below the level of what follows: start-up, at most half of them."""
    half = len(values) // 2
    level = float(np.median(values[: max(half, 1)]))
    busy = values >= STARTUP_SHARE * level
    settled = busy[:-2] & busy[1:-1] & busy[2:] if len(values) > 4 else busy
    first = int(np.argmax(settled)) if settled.any() else 0
    return first + 1 if 0 < first <= half else 0


def recurring_low(values: Array) -> NDArray[np.bool_]:
    """Where the power falls again and again to a second level, (n,): evaluation, checkpoints.

    Two levels that explain 80 % of the variance (Otsu 1979), at least a tenth apart, the lower one
    in two stretches or more; otherwise nowhere.
    """
    low = np.zeros(len(values), dtype=bool)
    ordered = np.sort(values)
    n, total = len(values), float(values.sum())
    if n < 8 or total <= 0:
        return low
    count = np.arange(1, n)
    below = np.cumsum(ordered)[:-1]
    apart = below / count - (total - below) / (n - count)
    between = count * (n - count) / n**2 * apart**2
    split = int(np.argmax(between))
    if between[split] < 0.8 * values.var() or -apart[split] < 0.1 * total / n:
        return low
    found = values <= (ordered[split] + ordered[split + 1]) / 2
    stretches = int((np.diff(found.astype(int)) == 1).sum()) + int(found[0])
    return found if stretches >= 2 else low


def _warm_up(values: Array, index: NDArray[np.int64]) -> int:
    """How many steps from the start on differ from the level that most values have.

    Parameters
    ----------
    values : (m,), the series without what recurs. index : (m,), rising, their places in it.
    """
    if len(values) < 4:
        return 0
    size = max(1, -(-len(values) // MAX_BLOCKS))
    whole = len(values) // size * size
    means = values[len(values) - whole :].reshape(-1, size).mean(axis=1)
    starts = change_points(means)
    lengths = np.diff([*starts, len(means)])
    levels = [float(means[s : s + k].mean()) for s, k in zip(starts, lengths, strict=True)]
    usual = levels[int(np.argmax(lengths))]
    for start, level in zip(starts, levels, strict=True):
        if abs(np.log(max(level, 1e-300) / max(usual, 1e-300))) <= SAME_LEVEL:
            first = len(values) - whole + start * size
            return int(index[first]) if start else 0
    return 0


def _stretches(kinds: NDArray[np.str_], values: Array, edges_s: Array) -> tuple[Segment, ...]:
    """Runs of equal kind with their edges and mean level."""
    turns = [0, *(np.flatnonzero(kinds[1:] != kinds[:-1]) + 1).tolist(), len(kinds)]
    return tuple(
        Segment(
            cast("Kind", str(kinds[i])), float(edges_s[i]), float(edges_s[j]),
            float(values[i:j].mean()),
        )
        for i, j in pairwise(turns)
    )  # fmt: skip


def noise_scale(values: Array) -> float:
    """Robust standard deviation of the noise around slow changes, in the values' unit.

    From the median absolute first difference (1.4826 for a normal distribution, root 2 for the
    difference of two).
    """
    if len(values) < 2:
        return 0.0
    return float(1.4826 / np.sqrt(2) * np.median(np.abs(np.diff(values))))


def change_points(values: Array) -> list[int]:
    """First indices of the segments of equal level, starting with 0.

    Parameters
    ----------
    values : (n,), positive. Squared time in n: give means over blocks where n is above 1,000.
    """
    n = len(values)
    scale = max(noise_scale(values), NOISE_FLOOR * float(np.median(np.abs(values))), 1e-300)
    z = (values - np.median(values)) / scale
    penalty = PENALTY * np.log(max(n, 2))
    s1 = np.concatenate([[0.0], np.cumsum(z)])
    s2 = np.concatenate([[0.0], np.cumsum(z * z)])
    best, before = np.zeros(n + 1), np.zeros(n + 1, dtype=np.int64)
    best[0] = -penalty
    for j in range(1, n + 1):
        i = np.arange(j)
        cost = (s2[j] - s2[i]) - (s1[j] - s1[i]) ** 2 / (j - i)
        total = best[i] + cost + penalty
        before[j] = int(np.argmin(total))
        best[j] = total[before[j]]
    starts = [int(before[n])]
    while starts[0] > 0:
        starts.insert(0, int(before[starts[0]]))
    return starts


def period_bins(values: Array) -> float | None:
    """Period of the repeating pattern at the end of a series, in steps, ``None`` without one.

    The lag of the highest autocorrelation over the last 100, 70, 50, 35 or 25 % of the series,
    whichever repeats best, refined by a parabola through the peak.
    """
    found: tuple[float, float] | None = None
    for share in (1.0, 0.7, 0.5, 0.35, 0.25):
        tail = values[len(values) - round(share * len(values)) :]
        if len(tail) < 12:
            break
        low, high = np.quantile(tail, [0.15, 0.9])
        for series in (tail, np.clip(tail, low, high)):
            peak = _peak(series)
            if peak is not None and (found is None or peak[0] > found[0] + 0.05):
                found = peak
    return found[1] if found else None


def _peak(values: Array) -> tuple[float, float] | None:
    """Highest autocorrelation away from lag 0 and its lag, after a straight line is taken off."""
    n = len(values)
    x = np.arange(n) - (n - 1) / 2
    rest = values - values.mean() - x * (x @ values) / (x @ x)
    if float(rest @ rest) <= 1e-18 * float(values @ values):
        return None
    size = 1 << (2 * n).bit_length()
    power = np.abs(np.fft.rfft(rest, size)) ** 2
    full = np.fft.irfft(power, size)[:n]
    lags = np.arange(int(n / MIN_PERIODS) + 1)
    r = full[lags] / full[0] * n / (n - lags)
    inner = np.flatnonzero((r[1:-1] >= r[:-2]) & (r[1:-1] > r[2:])) + 1
    inner = inner[(inner >= 3) & (r[inner] >= MIN_CORRELATION)]
    if not len(inner) or r[: inner[0]].min() > 0.5 * r[inner].max():
        return None
    lag = int(inner[r[inner] >= 0.9 * r[inner].max()][0])
    a, b, c = r[lag - 1 : lag + 2]
    shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c < 0 else 0.0
    return float(r[lag]), lag + float(np.clip(shift, -0.5, 0.5))
