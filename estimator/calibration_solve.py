"""One quantity's offset from the user's runs: the posterior at the question, each run's share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.calibration_kernel import REPEAT, posterior, settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.estimator.calibration_kernel import Spreads, Ties

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

ABSURD = 8.0
"""Prior standard deviations beyond which a record is set aside: another unit or another run."""


@dataclass(frozen=True, slots=True)
class Solved:
    """What n cells say about one quantity.

    Attributes
    ----------
    offset, sd, prior_sd : natural log; `prior_sd` without any run.
    weight : (n,), of each cell's residual in the offset. counted, absurd : (n,), used or set aside.
    doubt : (n,), standard deviations off the others, 0 where nothing is odd.
    """

    offset: float
    sd: float
    prior_sd: float
    weight: Array
    counted: Mask
    absurd: Mask
    doubt: Array


@dataclass(frozen=True, slots=True)
class Problem:
    """What the question (1) and n cells have in common, and how many runs each cell holds.

    Attributes
    ----------
    across : (1, n). among : (n, n). runs : (n,), counts.
    """

    across: Ties
    among: Ties
    runs: Array

    def solved(self, residual: Array, extra: Array, s: Spreads) -> Solved:
        """The posterior of the question's residual.

        Parameters
        ----------
        residual : (n,), NaN where not measured. extra : (n,), variance of a reading beyond
            `REPEAT`, of short windows for example.
        """
        prior = float(s.prior_variance(self.across.new)[0])
        known = np.isfinite(residual)
        absurd = known & (np.abs(np.where(known, residual, 0.0)) > ABSURD * prior**0.5)
        counted = known & ~absurd
        rows = np.flatnonzero(counted)
        weight, doubt = np.zeros(len(residual)), np.zeros(len(residual))
        if not len(rows):
            return Solved(0.0, prior**0.5, prior**0.5, weight, counted, absurd, doubt)
        inside = np.ix_(rows, rows)
        k = self.among.covariance(s, repeats=True)[inside]
        k += np.diag(REPEAT**2 / self.runs[rows] + extra[rows])
        said = settled(residual[rows], k, self.among.pair[inside])
        reach = self.across.covariance(s, repeats=True)[0, rows]
        offset, sd, weight[rows] = posterior(said, reach, self.across.pair[0, rows], prior)
        doubt[rows] = said.doubt
        return Solved(offset, sd, prior**0.5, weight, counted, absurd, doubt)
