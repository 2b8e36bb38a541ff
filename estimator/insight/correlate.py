"""Correlation with its interval and its n: the one place that computes either coefficient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.insight.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.object_]

LEAST = 3
"""Pairs below which no correlation is told."""
_SURE = 1.959964
_FIELLER = 1.06
_SAME = 1e-12
"""Relative difference that rounding alone makes: a column of less spread is constant."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A correlation with the bounds of 95 %; ``None`` where they are undefined.

    A perfect order has no bounds: Fisher's z is infinite, and four runs may lie in one by chance.

    Attributes
    ----------
    value, low, high : -1..1. n : pairs that know both figures. reason : why there is no value.
        The bounds are those of as many independent pairs as there are groups.
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    reason: str = ""


def known_pairs(x: Array, y: Array) -> tuple[Array, Array]:
    """The pairs of which both are finite, each (n,)."""
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def spearman_of(x: Array, y: Array, groups: Labels | None = None) -> Coefficient:
    """Spearman's rank correlation with the interval of Fieller, Hartley and Pearson (1957).

    Parameters
    ----------
    x, y : (n,). groups : (n,), such as networks, whose pairs are alike; each counts once in the
        interval. ``None``: every pair is independent.
    """
    return _told(x, y, groups, spearman, _FIELLER)


def pearson_of(x: Array, y: Array, groups: Labels | None = None) -> Coefficient:
    """Pearson's correlation of the plain values with Fisher's interval; else as `spearman_of`."""
    return _told(x, y, groups, pearson, 1.0)


def _told(
    x: Array,
    y: Array,
    groups: Labels | None,
    compute: Callable[[Array, Array], float | None],
    variance: float,
) -> Coefficient:
    a, b = known_pairs(x, y)
    n = independent = len(a)
    if groups is not None:
        independent = len(set(groups[np.isfinite(x) & np.isfinite(y)].tolist()))
    if n < LEAST:
        return Coefficient(
            None, n, reason=f"{counted(n, 'run')} with both: at least {LEAST} are needed"
        )
    if _is_constant(a) or _is_constant(b):
        which = "the figure" if _is_constant(a) else "the energy"
        return Coefficient(None, n, reason=f"{which} is the same in all runs")
    value = compute(a, b)
    if value is None or independent <= LEAST or 1 - abs(value) < _SAME:
        return Coefficient(value, n)
    low, high = interval(value, independent, variance)
    return Coefficient(value, n, low, high)


def _is_constant(values: Array) -> bool:
    spread = float(values.max() - values.min())
    return spread <= _SAME * max(float(np.abs(values).max()), 1e-300)


def spearman(x: Array, y: Array) -> float | None:
    """Pearson's correlation of the ranks, ties sharing their mean rank; ``None`` without spread.

    Parameters
    ----------
    x, y : (n,).

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([9.0, 4.0, 1.0]))
    -1.0
    """
    return pearson(ranks(x), ranks(y))


def pearson(x: Array, y: Array) -> float | None:
    """Covariance over the standard deviations, -1..1; ``None`` without spread.

    Parameters
    ----------
    x, y : (n,).
    """
    a, b = x - x.mean(), y - y.mean()
    a, b = a / (np.abs(a).max() or 1.0), b / (np.abs(b).max() or 1.0)  # squares cannot overflow
    spread = math.sqrt(float((a**2).sum()) * float((b**2).sum()))
    return None if spread == 0 else max(-1.0, min(1.0, float((a * b).sum()) / spread))


def ranks(values: Array) -> Array:
    """Ranks from 1, ties sharing their mean rank, (n,)."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranked: Array = (last - (counts - 1) / 2)[group]
    return ranked


def interval(value: float, n: int, variance: float = _FIELLER) -> tuple[float, float]:
    """95 % bounds by Fisher's z, whose variance is `variance` / (n - 3).

    Parameters
    ----------
    variance : 1 for Pearson, 1.06 for Spearman (Fieller, Hartley and Pearson 1957). n : above 3.
    value : inside -1..1.
    """
    centre, half = math.atanh(value), _SURE * math.sqrt(variance / (n - 3))
    return math.tanh(centre - half), math.tanh(centre + half)
