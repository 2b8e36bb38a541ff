"""The posterior of a server's four log factors after bursts: a linear update of correlated normals.

Each factor of each server is a sum of what its device adds, what the device adds to alike loads,
what the model adds, what the pair adds, and noise (`calibration_kernel`); a burst sees the factors
through the slopes of what it measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.calibration_kernel import REPEAT, WILD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.calibration_kernel import Spreads, Ties

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Rows = NDArray[np.intp]

FACTORS = ("step", "prefill", "power", "idle")
"""Log factors of a curve, in the order of all arrays here; see `answers.Adjustment`."""
ABSURD = 6.0
"""Prior standard deviations beyond which a value is set aside: another unit or another server."""
_REPEATED = 0.05
"""Difference of two loads over which their common noise fades by e."""
_MOST_DOUBTS = 8


@dataclass(frozen=True, slots=True)
class Prior:
    """How far off answers without any burst are.

    Attributes
    ----------
    spreads : per factor. rho : correlation of the factors of step and power, -1..1.
    scores : calibrated|short-run -> energy|saturation -> by how much errors on held-out devices
        exceed what the posterior says; factors on its standard deviation.
    """

    spreads: Mapping[str, Spreads]
    rho: float
    scores: Mapping[str, Mapping[str, float]]

    def mixing(self) -> Array:
        """Correlations of the factors, (4, 4)."""
        mixed = np.eye(len(FACTORS))
        step, power = FACTORS.index("step"), FACTORS.index("power")
        mixed[step, power] = mixed[power, step] = self.rho
        return mixed

    def parts(self, name: str) -> Array:
        """One spread of all factors, (4,)."""
        return np.array([getattr(self.spreads[f], name) for f in FACTORS])


@dataclass(frozen=True, slots=True)
class Values:
    """What m measured values say, natural logarithms.

    Attributes
    ----------
    off : (m,), log(measured / answer) at the point where `slopes` (m, 4) were taken, moved back to
        zero factors. run : (m,), which burst. variance : (m,), of the reading itself.
    """

    off: Array
    slopes: Array
    run: Rows
    variance: Array

    def take(self, rows: Mask) -> Values:
        """The given values."""
        return Values(self.off[rows], self.slopes[rows], self.run[rows], self.variance[rows])


@dataclass(frozen=True, slots=True)
class Posterior:
    """The asked server's factors after the bursts.

    Attributes
    ----------
    mean : (4,). covariance : (4, 4). absurd : (m,), values set aside. doubt : (m,), standard
        deviations off what the others let expect, 0 where not odd.
    """

    mean: Array
    covariance: Array
    absurd: Mask
    doubt: Array

    def sd(self, slopes: Array) -> float:
        """Standard deviation of a logarithm with these slopes (4,); repeats differ by that much."""
        return float(np.sqrt(max(float(slopes @ self.covariance @ slopes), 0.0) + REPEAT**2))


def posterior(
    values: Values, across: Ties, among: Ties, prior: Prior, *, repeats: bool = True
) -> Posterior:
    """The asked server's factors after `values`.

    Parameters
    ----------
    across : (1, n) of question and bursts. among : (n, n) of the bursts. repeats : whether bursts
        of the same server under the same load share what is called noise (the same machine and
        software), or are as far apart as in a table of many occasions.
    """
    here = _prior_covariance(across, prior)
    alone = np.eye(len(among.model)), np.zeros(across.model.shape)
    noise = (_shared(among), _shared(across)) if repeats else alone
    between = covariance(among, prior, noise[0])
    reach_of = covariance(across, prior, noise[1])[:, :, 0, :]
    k = np.einsum(
        "if,fgij,jg->ij",
        values.slopes,
        between[:, :, values.run[:, None], values.run[None, :]],
        values.slopes,
    )
    k += np.diag(values.variance)
    absurd = np.abs(values.off) > ABSURD * np.sqrt(np.diag(k))
    doubt = np.zeros(len(absurd))
    if absurd.all():
        return Posterior(np.zeros(len(FACTORS)), here, absurd, doubt)
    kept = np.flatnonzero(~absurd)
    k, doubt[kept] = _settled(values.off[kept], k[np.ix_(kept, kept)])
    reach = np.einsum("fgj,jg->fj", reach_of[:, :, values.run[kept]], values.slopes[kept])
    weight = np.linalg.solve(k, reach.T).T
    return Posterior(weight @ values.off[kept], here - weight @ reach.T, absurd, doubt)


def covariance(t: Ties, prior: Prior, same: Array) -> Array:
    """Covariance of the factors of n servers with those of m others, (4, 4, n, m).

    Parameters
    ----------
    same : (n, m), share of the noise that is common, 0..1.
    """
    known, new = prior.parts("model"), prior.parts("new_model")
    own = np.where(t.new[None, :], new[:, None], known[:, None])
    other = np.where(t.other_new[None, :], new[:, None], known[:, None])
    noise = np.sqrt(np.maximum(prior.parts("noise") ** 2 - REPEAT**2, 0.0))
    total = np.einsum("fi,gj,ij->fgij", own, other, t.model.astype(float))
    parts = (
        (prior.parts("device"), t.device),
        (prior.parts("alike"), t.likeness),
        (prior.parts("pair"), t.pair),
        (noise, same),
    )
    for spread, tie in parts:
        total += np.einsum("f,g,ij->fgij", spread, spread, tie.astype(float))
    mixed: Array = prior.mixing()[:, :, None, None] * total
    return mixed


def _shared(t: Ties) -> Array:
    """1 for the same server under the same load, soon 0 for other loads, (n, m)."""
    fading: Array = np.where(t.device & t.model, np.exp(-t.distance / _REPEATED), 0.0)
    return fading


def _prior_covariance(across: Ties, prior: Prior) -> Array:
    """Covariance of the question's own factors before any burst, (4, 4)."""
    model = prior.parts("new_model" if across.new[0] else "model")
    noise = np.sqrt(np.maximum(prior.parts("noise") ** 2 - REPEAT**2, 0.0))
    spreads = (prior.parts("device"), prior.parts("alike"), prior.parts("pair"), model, noise)
    total: Array = prior.mixing() * np.array([np.outer(s, s) for s in spreads]).sum(axis=0)
    return total


def _settled(off: Array, k: Array) -> tuple[Array, Array]:
    """`k` with more variance for values far off all others, (m, m), and how far off, (m,)."""
    k, doubt = k.copy(), np.zeros(len(off))
    for _ in range(_MOST_DOUBTS if len(off) > 2 else 0):
        inverse = np.linalg.inv(k)
        z = np.abs(inverse @ off) / np.sqrt(np.diag(inverse))
        worst = int(np.argmax(z))
        if z[worst] <= WILD:
            break
        doubt[worst] = max(doubt[worst], z[worst])
        k[worst, worst] += ((z[worst] / WILD) ** 4 - 1) / inverse[worst, worst]
    return k, doubt
