"""Power that warms up: P(t) = P_inf - d exp(-t / tau), fitted robustly and continued.

Chips leak more as they warm, clocks and fans settle: power nears its final value exponentially.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MIN_POINTS = 5
ROUNDS = 5
HUBER = 1.5
"""Residuals beyond this many noise scales count linearly, not squared."""
USUAL_TAU_S = 65.0
TAUS_S = [float(tau_s) for tau_s in np.geomspace(15.0, 300.0, 15)]
BEND = 4.0
F_LIMIT = 6.0
"""Smallest F statistic (2 and n - 3 degrees of freedom) of a ramp worth believing."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """A fitted ramp: final value, what was missing at `from_s`, time constant, residual scale."""

    final_w: float
    missing_w: float
    tau_s: float
    from_s: float
    noise_w: float

    def mean_w(self, start_s: float, end_s: float) -> float:
        """Mean watts from `start_s` to `end_s` (seconds, the clock of the fit)."""
        return self.final_w - self.missing_w * decayed(
            start_s - self.from_s, end_s - self.from_s, self.tau_s
        )

    def at_w(self, time_s: Array) -> Array:
        """Watts at these times, (n,)."""
        fitted: Array = self.final_w - self.missing_w * np.exp(-(time_s - self.from_s) / self.tau_s)
        return fitted


@dataclass(frozen=True, slots=True)
class Line:
    """A straight trend: nothing says where it ends."""

    mean_w: float
    slope_w_per_s: float
    middle_s: float

    def at_w(self, time_s: Array) -> Array:
        """Watts at these times, (n,)."""
        fitted: Array = self.mean_w + self.slope_w_per_s * (time_s - self.middle_s)
        return fitted


Trend = Ramp | Line


def decayed(start_s: float, end_s: float, tau_s: float) -> float:
    """Mean of exp(-t / tau) from `start_s` to `end_s`, 0..1 for times after 0."""
    if end_s <= start_s:
        return float(np.exp(-start_s / tau_s))
    edges = np.exp(-np.array([start_s, end_s]) / tau_s)
    return float(tau_s * (edges[0] - edges[1]) / (end_s - start_s))


def fit(mid_s: Array, power_w: Array) -> Trend | None:
    """The trend of powers at the times `mid_s`, ``None`` where a constant does as well.

    Time constants of seconds to minutes are tried, each a linear least-squares problem with Huber
    weights. The ramp, or a straight line, must pass an F test against the constant, and the ramp
    must beat the line: without a bend nothing tells where power will settle.

    Parameters
    ----------
    mid_s : (n,), seconds, rising. power_w : (n,), watts.
    """
    n = len(mid_s)
    if n < MIN_POINTS:
        return None
    tiny = 1e-12 * float((power_w**2).sum())
    flat = float(((power_w - power_w.mean()) ** 2).sum())
    line = _line(mid_s, power_w)
    straight = float(((power_w - line.at_w(mid_s)) ** 2).sum())
    tries = [_fit_at(mid_s, power_w, t) for t in TAUS_S if t <= 2 * (mid_s[-1] - mid_s[0])]
    tries.sort(key=lambda found: n * np.log(found[1] + tiny + 1e-300) + _unusual(found[0]))
    if tries:
        ramp, rest = tries[0]
        bent = straight - rest > BEND * rest / (n - 3)
        if bent and flat - rest > F_LIMIT * 2 * rest / (n - 3) + tiny:
            return ramp
    return line if flat - straight > F_LIMIT * straight / (n - 2) + tiny else None


def _line(mid_s: Array, power_w: Array) -> Line:
    """Least-squares straight line."""
    x = mid_s - mid_s.mean()
    return Line(float(power_w.mean()), float(x @ power_w / (x @ x)), float(mid_s.mean()))


def _unusual(ramp: Ramp) -> float:
    """Twice the negative log of how usual a time constant is: about a minute, within a factor 2."""
    return math.log2(ramp.tau_s / USUAL_TAU_S) ** 2


def _fit_at(mid_s: Array, power_w: Array, tau_s: float) -> tuple[Ramp, float]:
    """The ramp of this time constant and its sum of squared residuals."""
    shape = np.exp(-(mid_s - mid_s[0]) / tau_s)
    columns = np.column_stack([np.ones_like(shape), shape])
    weight = np.ones_like(shape)
    for _ in range(ROUNDS):
        root = np.sqrt(weight)
        solved = np.linalg.lstsq(columns * root[:, None], power_w * root, rcond=None)[0]
        residual = np.abs(power_w - columns @ solved)
        scale = 1.4826 * float(np.median(residual)) + 1e-12 * float(np.abs(power_w).max())
        weight = np.minimum(1.0, HUBER * scale / np.maximum(residual, 1e-300))
    ramp = Ramp(float(solved[0]), -float(solved[1]), tau_s, float(mid_s[0]), scale)
    return ramp, float((residual**2).sum())
