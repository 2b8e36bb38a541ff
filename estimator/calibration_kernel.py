"""How much one run tells about another: a Gaussian process over log(measured / zero-shot answer).

The residual of a run is the sum of what its device adds, what the device adds to alike workloads,
what its model adds, what the pair adds (fading with the difference of the workloads), and noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.columns import FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.estimator.columns import Columns

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Mask = NDArray[np.bool_]
    Rows = NDArray[np.intp]

REPEAT = 0.023
"""Spread of repeats of the same run, natural log: no answer is surer (+-3.8 % at 90 %)."""
SAME, NEAR = 0.01, 0.35
"""Differences of two workloads over which they stop being the same, by e, and up to which they are
near (batch up to 8 times)."""
_BATCH, _SIZE, _LIMIT, _KIND = 6.0, 5.0, 4.0, 1.5
"""Differences over which likeness fades by e: natural-log units, or kinds that are not the same."""
WILD = 3.0
"""Standard deviations beyond which a run is doubted."""
_MOST_DOUBTS = 8


@dataclass(frozen=True, slots=True)
class Spreads:
    """Standard deviations of the parts of a residual, natural log, all >= 0.

    Attributes
    ----------
    device : of a device. alike : of a device among alike workloads. pair : of a pair.
    model, new_model : of a model that the predictor was fitted with, or was not.
    noise : what two runs of the same pair and workload on other occasions do not share.
    """

    device: float
    alike: float
    model: float
    new_model: float
    pair: float
    noise: float

    def prior_variance(self, is_new: Mask) -> Array:
        """Variance of a residual before any run, (n,), for models that are new or not."""
        shared = self.device**2 + self.alike**2 + self.pair**2 + self.noise**2
        total: Array = shared + np.where(is_new, self.new_model, self.model) ** 2
        return total


@dataclass(frozen=True, slots=True)
class Places:
    """Where runs stand, all (n, ...): who, on what, and how the workload differs from others.

    Attributes
    ----------
    scales : (n, 5), logarithms in units over which likeness fades. kinds : (n, 5), classes.
    is_new : whether the predictor was fitted without the model.
    """

    device: Labels
    model: Labels
    scales: Array
    kinds: Array
    is_new: Mask

    def take(self, rows: NDArray[np.intp]) -> Places:
        """The places of the given rows."""
        return Places(*(getattr(self, name)[rows] for name in self.__slots__))


def places_of(c: Columns, device: Labels, model: Labels, is_new: Mask) -> Places:
    """The places of rows with columns `c`."""
    scales = (
        np.log(c["batch"]) / _BATCH,
        np.log(c["macs"]) / _SIZE,
        np.log(c["params"]) / _SIZE,
        np.log(c["limit_w"] / c["tdp_w"]) / _LIMIT,
        np.log(c["optimiser_bytes"]) / _KIND,
    )
    framework = np.argmax([c[f"framework_{f}"] for f in FRAMEWORKS], axis=0).astype(float)
    precision = c["bytes_per_value"] + c["is_tf32"] / 2
    kinds = (framework, precision, c["count"], c["is_train"], c["has_loader"])
    return Places(device, model, np.column_stack(scales), np.column_stack(kinds), is_new)


@dataclass(frozen=True, slots=True)
class Ties:
    """What n runs and m others have in common, all (n, m).

    Attributes
    ----------
    device, model : whether device and model are the same.
    distance : difference of the workloads. new, other_new : (n,) and (m,), new models.
    """

    device: Mask
    model: Mask
    distance: Array
    new: Mask
    other_new: Mask

    @property
    def likeness(self) -> Array:
        """1 for the same workload, towards 0 for others, on the same device; else 0."""
        fading: Array = np.where(self.device, np.exp(-self.distance), 0.0)
        return fading

    @property
    def pair(self) -> Array:
        """The same within a pair, else 0."""
        fading: Array = np.where(self.model, self.likeness, 0.0)
        return fading

    @property
    def same(self) -> Array:
        """1 for the same pair and workload, soon 0 for others.

        It fades instead of ending, so that it stays a covariance: of runs in a row, each close to
        the next, the first need not be close to the last.
        """
        fading = np.exp(-self.distance / SAME)
        same: Array = np.where(self.device & self.model, fading, 0.0)
        return same

    def covariance(self, s: Spreads, *, repeats: bool) -> Array:
        """Covariance of the residuals, without noise on the diagonal.

        Parameters
        ----------
        repeats : whether runs of the same pair and workload share all but `REPEAT` (the same code
            on the same machine), or are as far apart as in a table of many authors.
        """
        own = np.where(self.new, s.new_model, s.model)[:, None]
        other = np.where(self.other_new, s.new_model, s.model)[None, :]
        total: Array = s.device**2 * self.device + s.alike**2 * self.likeness
        total += own * other * self.model + s.pair**2 * self.pair
        if repeats:
            total += max(s.noise**2 - REPEAT**2, 0.0) * self.same
        return total


def ties(a: Places, b: Places) -> Ties:
    """What the runs at `a` and at `b` have in common."""
    far = np.abs(a.scales[:, None, :] - b.scales[None, :, :]).sum(axis=2)
    far += (np.abs(a.kinds[:, None, :] - b.kinds[None, :, :]) > 1e-9).sum(axis=2) / _KIND
    device = a.device[:, None] == b.device[None, :]
    return Ties(device, a.model[:, None] == b.model[None, :], far, a.is_new, b.is_new)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What n runs say, doubts settled.

    Attributes
    ----------
    residual : (n,), log(measured / zero-shot answer). covariance : (n, n), with noise.
    own : (n,), variance given to a run's pair beyond `Spreads.pair`, because the pair stands far
        off all others. doubt : (n,), standard deviations off what the others let expect, 0 where
        below `WILD`.
    """

    residual: Array
    covariance: Array
    own: Array
    doubt: Array


def settled(residual: Array, covariance: Array, pair: Array) -> Evidence:
    """The evidence of runs of which some may be wild, so that none of them spoils the others.

    A pair far off what all other runs let expect is taken to be a case of its own; a run far off
    its own pair as badly measured. The further off, the less either moves others.

    Parameters
    ----------
    residual : (n,). covariance : (n, n), with noise. pair : (n, n), `Ties.pair`.
    """
    k, own, doubt = covariance.copy(), np.zeros(len(residual)), np.zeros(len(residual))
    block = np.argmax(pair > 0, axis=1)
    pairs = [np.flatnonzero(block == b) for b in dict.fromkeys(block.tolist())]
    for _ in range(_MOST_DOUBTS):
        inverse = np.asarray(np.linalg.inv(k), dtype=np.float64)
        worst = _worst(inverse, residual, pairs)
        if worst.z <= WILD:
            break
        rows, more = worst.rows, ((worst.z / WILD) ** 4 - 1) * worst.variance
        doubt[rows] = np.maximum(doubt[rows], worst.z)
        if worst.is_pair:
            inside = np.ix_(rows, rows)
            more /= pair[inside].mean()
            k[inside] += more * pair[inside]
            own[rows] += more
        else:
            k[rows, rows] += more
    return Evidence(residual, k, own, doubt)


@dataclass(frozen=True, slots=True)
class _Off:
    """A run, or a pair: how many standard deviations off what all others let expect."""

    z: float
    rows: Rows
    variance: float
    is_pair: bool


def _worst(inverse: Array, residual: Array, pairs: Sequence[Rows]) -> _Off:
    """What is furthest off: a run its own pair's others, or the mean of a pair all other runs."""
    pull = inverse @ residual
    off = np.abs(pull) / np.sqrt(np.diag(inverse))
    found = []
    for rows in pairs:
        if len(rows) == 1:
            found.append(_Off(float(off[rows[0]]), rows, float(1 / inverse[rows, rows][0]), True))  # noqa: FBT003
            continue
        i = rows[int(np.argmax(off[rows]))]
        found.append(_Off(float(off[i]), np.array([i]), float(1 / inverse[i, i]), False))  # noqa: FBT003
        left_out = np.linalg.inv(inverse[np.ix_(rows, rows)])
        variance = float(left_out.mean())
        z = abs(float((left_out @ pull[rows]).mean())) / variance**0.5
        found.append(_Off(z, rows, variance, True))  # noqa: FBT003
    return max(found, key=lambda one: one.z)


def posterior(
    e: Evidence, covariance: Array, pair: Array, prior: float
) -> tuple[float, float, Array]:
    """Mean and standard deviation of a residual after the evidence, and each run's weight (n,).

    Parameters
    ----------
    covariance, pair : (n,), of the residual asked about with the runs. prior : its variance.
    """
    reach = covariance + e.own * pair
    weight = np.asarray(np.linalg.solve(e.covariance, reach), dtype=np.float64)
    related = pair > 0
    widened = prior + (float(e.own[related].max()) if related.any() else 0.0)
    variance = max(widened - float(weight @ reach), REPEAT**2)
    return float(weight @ e.residual), float(variance**0.5), weight
