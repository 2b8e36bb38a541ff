"""When to stop measuring: as soon as the energy per sample is known tightly enough.

Steps are no independent draws, for power and clocks wander over seconds. So the steady part is cut
into a few long blocks whose means nearly are (batch means), and the interval is theirs. On top
comes what a power ramp that has not ended yet may still add: a minute-long one hides in 20 s.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.statistics import t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Floats: TypeAlias = NDArray[np.floating]

MIN_BLOCKS: Final = 8
MAX_BLOCKS: Final = 16
MIN_BLOCK_S: Final = 1.0
WARMUP_FRAC: Final = 0.25
"""Share of the measurement that is left out at least, at its beginning."""
RAMP_S: Final = 60.0
"""Time constant of the slowest power ramp that is reckoned with, seconds."""
DRIFT_FRAC: Final = 0.01
"""A trend is drift where it is significant and would change the mean by more than this."""
_DRIFT_QUANTILE: Final = 0.975
_MAX_CORRELATION: Final = 0.8
_CELLS: Final = 60
_MAX_POINTS: Final = 8192
_GROWTH: Final = 1.1


@dataclass(frozen=True, slots=True)
class Tightness:
    """How well the energy per sample is known.

    Attributes
    ----------
    half_width_frac : half the interval over the mean; ``None`` where it cannot be told yet, and
        `reason` says why. energy_per_sample_j : of the steady part.
    warmup_s : seconds left out at the beginning. blocks : that the interval rests on.
    """

    half_width_frac: float | None
    reason: str = ""
    energy_per_sample_j: float | None = None
    warmup_s: float = 0.0
    blocks: int = 0


def tightness(time_s: _Floats, energy_j: _Floats, samples: _Floats, level: float) -> Tightness:
    """Interval of the energy per sample at `level`, from readings at the ends of steps.

    Parameters
    ----------
    time_s, energy_j, samples : (n,), time increasing; energy and samples since a common start.
    """
    first = _warmup_end(time_s, energy_j, samples)
    span_s = float(time_s[-1] - time_s[first]) if len(time_s) else 0.0
    warmup_s = float(time_s[first] - time_s[0]) if len(time_s) else 0.0
    wanted = min(MAX_BLOCKS, int(span_s / MIN_BLOCK_S), (len(time_s) - first - 1) // 2)
    edges = first + _cuts(time_s[first:], max(wanted, 1))
    blocks = len(edges) - 1
    if blocks < MIN_BLOCKS:
        return Tightness(None, f"too short for {MIN_BLOCKS} blocks", warmup_s=warmup_s)
    joules, counts = np.diff(energy_j[edges]), np.diff(samples[edges])
    mean_j = float(joules.sum() / counts.sum()) if counts.sum() > 0 else 0.0
    if mean_j <= 0:
        return Tightness(None, "no energy per sample was read", warmup_s=warmup_s)
    residuals = (joules - mean_j * counts) / (mean_j * counts.mean())
    slope, slope_error = _trend(residuals)
    to_come = (abs(slope) + slope_error) * blocks / span_s * max(RAMP_S, span_s / 2)
    significant = abs(slope) > t_quantile(_DRIFT_QUANTILE, blocks - 2) * slope_error
    if significant and to_come > DRIFT_FRAC:
        return Tightness(None, "still drifting", mean_j, warmup_s, blocks)
    quantile = t_quantile(0.5 + level / 2, blocks - 1)
    half = math.hypot(quantile * _standard_error(residuals), to_come)
    return Tightness(half, "", mean_j, warmup_s, blocks)


def _cuts(time_s: _Floats, count: int) -> NDArray[np.intp]:
    """Indices of the readings that cut the time into `count` equal parts, as near as they lie."""
    if len(time_s) < 2:
        return np.zeros(1, np.intp)
    marks = np.linspace(time_s[0], time_s[-1], count + 1)
    return np.unique(np.searchsorted(time_s, marks).clip(0, len(time_s) - 1))


def _warmup_end(time_s: _Floats, energy_j: _Floats, samples: _Floats) -> int:
    """Index of the first steady reading.

    The cut that makes the standard error of the rest smallest (MSER, White 1997), in the first
    half, and never before `WARMUP_FRAC` of the time.
    """
    if len(time_s) < 4:
        return 0
    edges = _cuts(time_s, min(_CELLS, len(time_s) - 1))
    counts = np.diff(samples[edges])
    rates = np.diff(energy_j[edges]) / np.where(counts > 0, counts, np.nan)
    cells = len(rates)
    errors = [float(np.nanvar(rates[d:])) / (cells - d) for d in range(cells // 2 + 1)]
    best = int(edges[int(np.argmin(errors))])
    least_s = time_s[0] + WARMUP_FRAC * (time_s[-1] - time_s[0])
    return max(best, int(np.searchsorted(time_s, least_s)))


def _trend(residuals: _Floats) -> tuple[float, float]:
    """Slope over the blocks, per block, and its standard error."""
    centred = np.arange(len(residuals)) - (len(residuals) - 1) / 2
    squares = float(centred @ centred)
    slope = float(centred @ residuals) / squares
    rest = residuals - slope * centred
    return slope, math.sqrt(float(rest @ rest) / (len(residuals) - 2) / squares)


def _standard_error(residuals: _Floats) -> float:
    """Standard error of the mean over blocks, widened where neighbours are still alike.

    A first-order chain with correlation r between neighbours has (1 + r) / (1 - r) times the
    variance; 1/n makes up for the bias of the estimated r.
    """
    squares, n = float(residuals @ residuals), len(residuals)
    if squares == 0:
        return 0.0
    correlation = float(residuals[1:] @ residuals[:-1]) / squares + 1 / n
    alike: float = min(max(correlation, 0.0), _MAX_CORRELATION)
    return math.sqrt(squares / (n - 1) / n * (1.0 + alike) / (1.0 - alike))


class Until:
    """Tells when the interval is as tight as asked.

    It looks again each time the measurement has grown by a tenth, and wants two looks in a row to
    agree: who looks often and stops at the first success stops too early too often.

    Parameters
    ----------
    target_frac : half the interval over the mean, e.g. 0.05.
    min_s, min_steps : it never stops before both.
    """

    def __init__(
        self,
        target_frac: float,
        *,
        level: float = 0.9,
        min_s: float = 20.0,
        min_steps: int = 30,
    ) -> None:
        if not 0 < target_frac < 1 or not 0 < level < 1:
            seen = f"the target is {target_frac!r} at level {level!r}"
            raise BadInput(f"{seen}; give both between 0 and 1, e.g. 0.05 at 0.9.")
        self.target_frac = target_frac
        self.level = level
        self.min_s = min_s
        self.min_steps = min_steps
        self.tightness = Tightness(None, "just begun")
        self._columns = (array("d"), array("d"), array("d"))
        self._gap_s = 0.0
        self._next_s = 0.0
        self._agreeing = 0

    @property
    def half_width_frac(self) -> float | None:
        """Half the interval over the mean at the last look, ``None`` while it is not known."""
        return self.tightness.half_width_frac

    def observe(
        self, time_s: float, energy_j: float | None, samples: float | None, steps: int
    ) -> bool:
        """Whether to stop, after a reading at the end of a step.

        Parameters
        ----------
        time_s, energy_j, samples, steps : since the start; a missing one is passed over.
        """
        if energy_j is None or samples is None or not math.isfinite(time_s + energy_j + samples):
            return False
        times = self._columns[0]
        if times and time_s - times[-1] <= self._gap_s:
            return False
        for column, value in zip(self._columns, (time_s, energy_j, samples), strict=True):
            column.append(value)
        self._thin()
        elapsed_s = time_s - times[0]
        if elapsed_s < max(self.min_s, self._next_s) or steps < self.min_steps:
            return False
        self._next_s = elapsed_s * _GROWTH
        self._look()
        return self._agreeing >= 2

    def _look(self) -> None:
        """Work out the interval, and count how often in a row it was tight enough."""
        columns = [np.array(column) for column in self._columns]
        self.tightness = tightness(columns[0], columns[1], columns[2], self.level)
        half = self.half_width_frac
        tight = half is not None and half <= self.target_frac
        self._agreeing = self._agreeing + 1 if tight else 0

    def _thin(self) -> None:
        """Keep every second reading where they are too many: sums lose nothing by it."""
        times = self._columns[0]
        if len(times) < _MAX_POINTS:
            return
        self._gap_s = 1.5 * (times[-1] - times[0]) / len(times)
        self._columns = (self._columns[0][::2], self._columns[1][::2], self._columns[2][::2])
