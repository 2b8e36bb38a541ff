"""Conformal intervals on group-out residuals: one set of scores per novelty class.

The scores of a class are |log measured - log predicted| of predictions made as that class is used:
with the whole model group, the whole device, or both left out. An interval at `level` is the
prediction times and divided by exp(score quantile); off the hull of what was measured the quantile
grows with the distance (Vovk et al., Mondrian conformal prediction; CV+ scores).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]

LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995)
HULL = ("macs", "params", "batch", "peak_fp32", "bandwidth", "tdp_w")
"""Columns whose logarithms span the hull of what was measured."""
MIN_SCORES = 30
GROWTH = 0.1
"""Widening of an interval per natural-log unit off the hull: a choice, few rows could fit it."""


def quantiles(scores: Array, group: Labels) -> list[float]:
    """Quantiles of absolute log residuals at `LEVELS`, with the groups as the finite sample.

    Rows of one group err together, so the rank is corrected by the number of groups, not of rows:
    level (1 + 1 / n_groups) as in split conformal prediction, at most half-way to 1.

    Parameters
    ----------
    scores : (n,), natural log, NaN where unknown. group : (n,), what was left out with the row.
    """
    known = np.isfinite(scores)
    n_groups = len(np.unique(group[known]))
    ordered = np.sort(scores[known])
    wanted = [min(level * (1 + 1 / n_groups), (1 + level) / 2) for level in LEVELS]
    ranks = [min(int(np.ceil(len(ordered) * level - 1e-9)), len(ordered)) for level in wanted]
    return [float(ordered[r - 1]) for r in ranks]


def at_level(values: Sequence[float], level: float) -> float:
    """Quantile at `level`, linear between the stored `LEVELS`, constant beyond them."""
    return float(np.interp(level, LEVELS, values))


def hull_of(columns: dict[str, Array]) -> dict[str, tuple[float, float]]:
    """Smallest and largest natural logarithm of each hull column."""
    logs = {name: np.log(columns[name]) for name in HULL}
    return {name: (float(v.min()), float(v.max())) for name, v in logs.items()}


def distance(columns: dict[str, Array], hull: dict[str, tuple[float, float]]) -> Array:
    """How far outside the hull, natural-log units summed over its columns, (n,), 0 inside."""
    total = np.zeros(len(columns[HULL[0]]))
    for name, (low, high) in hull.items():
        value = np.log(columns[name])
        total += np.maximum(low - value, 0) + np.maximum(value - high, 0)
    return total
