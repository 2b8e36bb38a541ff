"""Which of several are not beaten in everything at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 1024


def undominated(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of the rows that no other row dominates, (n,).

    A row dominates another if it is no higher in any column and lower in one. An unknown cost
    (NaN) cannot be compared: such a row dominates none and is dominated by none.

    Parameters
    ----------
    costs : (n, n_costs), less is better.

    Examples
    --------
    >>> undominated(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 4.0]])).tolist()
    [True, True, False]
    """
    keep = np.ones(len(costs), dtype=bool)
    for start in range(0, len(costs), _CHUNK):
        part = costs[start : start + _CHUNK, None, :]
        beats = np.all(costs[None] <= part, axis=2) & np.any(costs[None] < part, axis=2)
        keep[start : start + _CHUNK] = ~np.any(beats, axis=1)
    return keep
