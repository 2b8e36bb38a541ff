"""Conformal intervals of serving answers: group-out scores, one set per novelty class.

An interval at `level` is the answer times and divided by exp(score quantile); off the hull of what
was measured it grows with the distance, as the scores' own yardsticks do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.intervals import quantiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Hull = Mapping[str, tuple[float, float]]

HULL = (
    *("params", "active_params", "bytes_per_weight", "prompt_tokens", "output_tokens"),
    *("bandwidth", "peak_half", "limit_w", "count", "engine_year"),
)
"""Columns whose logarithms span what was measured."""
GROWTH = 0.3
"""Share of an interval by which it widens per natural-log unit off the hull."""
_YEAR = 0.35
"""Natural-log units that a year of software off what was measured counts as."""


def _place(c: Mapping[str, Array], name: str) -> Array:
    place: Array = _YEAR * c[name] if name == "engine_year" else np.log(c[name])
    return place


def hull_of(c: Mapping[str, Array]) -> dict[str, tuple[float, float]]:
    """Smallest and largest place of each hull column."""
    places = {name: _place(c, name) for name in HULL}
    return {name: (float(v.min()), float(v.max())) for name, v in places.items()}


def distance(c: Mapping[str, Array], hull: Hull) -> Array:
    """How far outside the hull, natural-log units summed over its columns, (n,)."""
    total = np.zeros(len(c["hit"]))
    for name, (low, high) in hull.items():
        value = _place(c, name)
        total += np.maximum(low - value, 0) + np.maximum(value - high, 0)
    return total


def scores(residual: Array, far: Array, group: Labels) -> list[float]:
    """Quantiles of |log measured - log answer| on the hull, groups as the finite sample."""
    return quantiles(np.abs(residual) / (1 + GROWTH * far), group)
