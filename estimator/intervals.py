"""Conformal intervals on group-out residuals: one set of scores per novelty class.

The scores of a class are |log measured - log predicted| of predictions made as that class is used:
with the whole model group, the whole device, or both left out. An interval at `level` is the
prediction times and divided by exp(score quantile). Off the hull of what was measured it grows with
the distance; so do the scores' own yardsticks (Vovk et al., Mondrian conformal prediction; CV+
scores; normalised scores as of Papadopoulos et al. 2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.columns import FRAMEWORKS, POPULATIONS, populations, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Hull = Mapping[str, Mapping[str, tuple[float, float]]]
    Columns = dict[str, Array]
    Cell = tuple[Array, Array, Labels]

LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995)
AMOUNTS = ("macs", "params", "batch", "peak_fp32", "bandwidth", "tdp_w", "count", "bytes_per_value")
"""Columns whose logarithms span the hull of what was measured."""
KINDS = ("is_train", *(f"framework_{name}" for name in FRAMEWORKS))
"""Columns of 0 and 1: a kind that was never measured lies a factor of two away."""
HULL = (*AMOUNTS, *KINDS)
MIN_SCORES = 30
GROWTHS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)
"""Widenings of an interval, as a share of it per natural-log unit off the hull, to choose from."""
GROWTH = 0.3
"""The widening where no row off the hull can teach it: what those of all classes taught once."""
MIN_OFF_HULL = 5
"""Groups off the hull from which on a widening is learned."""


def quantiles(scores: Array, group: Labels) -> list[float]:
    """Quantiles of absolute log residuals at `LEVELS`, with the groups as the finite sample.

    Rows of one group err together: a group of n rows weighs as the square root of n, and the rank
    is corrected by the number of groups, not of rows: level (1 + 1 / n_groups) as in split
    conformal prediction, at most half-way to 1.

    Parameters
    ----------
    scores : (n,), natural log, NaN where unknown. group : (n,), what was left out with the row.
    """
    known = np.isfinite(scores)
    scores, weight = scores[known], _weights(group[known])
    n_groups = len(np.unique(group[known]))
    wanted = [min(level * (1 + 1 / n_groups), (1 + level) / 2) for level in LEVELS]
    return _weighted_quantiles(scores, weight, wanted)


def _weights(group: Labels) -> Array:
    """Weight of each row, (n,): a group counts as the square root of its rows."""
    _, index, size = np.unique(group, return_inverse=True, return_counts=True)
    weight: Array = size[index].astype(float) ** -0.5
    return weight


def _weighted_quantiles(scores: Array, weight: Array, levels: Sequence[float]) -> list[float]:
    """Smallest score up to which at least each level's share of the weight lies."""
    order = np.argsort(scores, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    ranks = np.searchsorted(share, np.array(levels) - 1e-9)
    return [float(scores[order[min(r, len(order) - 1)]]) for r in ranks]


def at_level(values: Sequence[float], level: float) -> float:
    """Quantile at `level`, linear between the stored `LEVELS`, constant beyond them."""
    return float(np.interp(level, LEVELS, values))


def hull_of(columns: Columns) -> dict[str, dict[str, tuple[float, float]]]:
    """Smallest and largest natural logarithm of each hull column, per population.

    A population is near only what was measured of it; one without rows has the hull of all.
    """
    population = populations(columns)
    out = {}
    for name in POPULATIONS:
        own = np.flatnonzero(population == name)
        c = rows_of(columns, own) if len(own) else columns
        logs = {h: _log(c, h) for h in HULL}
        out[name] = {h: (float(v.min()), float(v.max())) for h, v in logs.items()}
    return out


def _log(columns: Columns, name: str) -> Array:
    logs: Array = np.log(columns[name] + (name in KINDS))
    return logs


def distance(columns: Columns, hull: Hull) -> Array:
    """How far outside its population's hull, natural-log units summed over its columns, (n,)."""
    names = populations(columns)
    total = np.zeros(len(names))
    for population in np.unique(names):
        rows = np.flatnonzero(names == population)
        for name, (low, high) in hull[str(population)].items():
            value = _log(columns, name)[rows]
            total[rows] += np.maximum(low - value, 0) + np.maximum(value - high, 0)
    return total


def growth_of(cells: Iterable[Cell], level: float = 0.9) -> float:
    """Widening per unit of distance, of `GROWTHS`, under which intervals at `level` fit best.

    Measured by the quantile (pinball) loss, each cell relative to its own at the least widening.

    Parameters
    ----------
    cells : (scores, distance, group) of the rows that share a quantile, each (n,).
    """
    off = [c for c in map(_known, cells) if len(c[0]) >= MIN_SCORES and (c[1] > 0).any()]
    groups = {label for _, far, group in off for label in group[far > 0].tolist()}
    if len(groups) < MIN_OFF_HULL:
        return GROWTH
    losses = np.array([[_loss(cell, growth, level) for growth in GROWTHS] for cell in off])
    relative = losses / np.maximum(losses[:, :1], 1e-12)
    return GROWTHS[int(relative.mean(axis=0).argmin())]


def _known(cell: Cell) -> Cell:
    scores, far, group = cell
    rows = np.isfinite(scores) & np.isfinite(far)
    return scores[rows], far[rows], group[rows]


def _loss(cell: Cell, growth: float, level: float) -> float:
    """Weighted mean pinball loss at `level` of a quantile that grows with the distance."""
    scores, far, group = cell
    weight, widen = _weights(group), 1 + growth * far
    half = _weighted_quantiles(scores / widen, weight, [level])[0] * widen
    over = scores - half
    return float(np.average(np.where(over > 0, level * over, (level - 1) * over), weights=weight))
