"""Scores of one protocol's predictions: what an interval of its novelty class is drawn from.

The card and the studies ask what intervals would have been without the rows that they judge
(`half_widths`); a bundle keeps the quantiles of all rows (`train`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import columns as columns_of
from joulecast.estimator import intervals, validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.frame import Frame
    from joulecast.estimator.validate import OutOfFold

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Mask = NDArray[np.bool_]

QUANTITIES = ("energy", "time")
"""What has intervals."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How far off the predictions of one protocol were, all (n_rows,).

    Attributes
    ----------
    residual : |log measured - log answer| of energy, time and power, NaN where unknown.
    far : distance from the hull that the fold knew. group : what was left out with the row.
    population : whose scores an interval is drawn from.
    """

    residual: Mapping[str, Array]
    far: Array
    group: Labels
    population: Labels

    def growth(self, rows: Mask) -> float:
        """How intervals of energy and time widen off the hull, learned from the given rows."""
        cells = [
            (self.residual[quantity][own], self.far[own], self.group[own])
            for name in columns_of.POPULATIONS
            for own in [rows & (self.population == name)]
            for quantity in QUANTITIES
        ]
        return intervals.growth_of(cells)

    def quantiles(self, quantity: str, population: str, rows: Mask, growth: float) -> list[float]:
        """Quantiles on the hull of a population's given rows; of all given where it has too few."""
        known = rows & np.isfinite(self.residual[quantity])
        own = known & (self.population == population)
        if own.sum() < intervals.MIN_SCORES:
            own = known
        inside = self.residual[quantity][own] / (1 + growth * self.far[own])
        return intervals.quantiles(inside, self.group[own])


def scores_of(frame: Frame, oof: OutOfFold, answers: Mapping[str, Array]) -> Scores:
    """Scores of a protocol's `answers`, natural log per quantity (`validate.stacked`)."""
    residual = {q: np.abs(m - answers[q]) for q, m in frame.measured().items()}
    return Scores(residual, oof.far, oof.group, columns_of.populations(frame.columns))


def half_widths(
    frame: Frame, oof: OutOfFold, answers: Mapping[str, Array], level: float
) -> dict[str, Array]:
    """Half width of each row's interval per quantity, natural log, from unrelated rows (nested).

    NaN where there are none.
    """
    scores = scores_of(frame, oof, answers)
    half = {q: np.full(len(frame), np.nan) for q in scores.residual}
    for here, others in validate.nested(oof):
        growth = scores.growth(others)
        for name in np.unique(scores.population[here]):
            rows = here & (scores.population == name)
            for quantity, out in half.items():
                if not (others & np.isfinite(scores.residual[quantity])).any():
                    continue
                found = scores.quantiles(quantity, str(name), others, growth)
                out[rows] = intervals.at_level(found, level) * (1 + growth * oof.far[rows])
    return half
