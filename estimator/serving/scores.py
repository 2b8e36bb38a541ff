"""Half widths that intervals would have had without the rows that they judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.intervals import at_level
from joulecast.estimator.serving import intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.serving.frame import Frame
    from joulecast.estimator.serving.validate import OutOfFold

    Array = NDArray[np.float64]


def half_widths(
    frame: Frame, oof: OutOfFold, answers: Mapping[str, Array], level: float
) -> dict[str, Array]:
    """Half width of each row's interval per quantity, natural log, from the other groups' rows."""
    half = {}
    for quantity, measured in frame.measured().items():
        residual = measured - answers[quantity]
        half[quantity] = np.full(len(frame), np.nan)
        for k in np.unique(oof.part):
            here = oof.part == k
            others = ~here & np.isfinite(residual)
            if not others.any():
                continue
            found = intervals.scores(residual[others], oof.far[others], oof.group[others])
            wide = 1 + intervals.GROWTH * oof.far[here]
            half[quantity][here] = at_level(found, level) * wide
    return half
