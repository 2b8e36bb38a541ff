"""The coefficients of the physical model, fitted to all runs under their priors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import physics
from joulecast.estimator.effects import CPU_WIDER, thinned, use_labels
from joulecast.estimator.frame import pair_weights
from joulecast.estimator.priors import PRIORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.frame import Frame

    Array = NDArray[np.float64]

_NOISE = 0.2
"""Standard deviation of log(measured / physical) that the priors are weighed against."""
_MOST = 16
"""Rows of one (model, device) that are fitted on."""
_RIG_SPREAD = 0.2
"""Standard deviation of a rig's own offset, natural log."""


def fit_physics(frame: Frame, prior: Mapping[str, float]) -> dict[str, float]:
    """Coefficients that fit time and power of all runs under the priors (robust least squares).

    Every (device, framework, task) may stand off by a shrunken offset, so that one rig's habits do
    not bend the physics; the rows of a pair count together as about one observation.
    """
    from scipy.optimize import least_squares

    centre = np.log([prior[p] for p in physics.PARAMETERS])
    spread = np.array([PRIORS[p][1] for p in physics.PARAMETERS])
    frame = frame.take(thinned(frame, _MOST))
    weight = pair_weights(frame.model, frame.device)
    _, rig = np.unique(use_labels(frame.columns, frame.device), return_inverse=True)

    # without the time nobody knows how busy the device was
    power_w = np.where(np.isfinite(frame.log_sample_s), frame.log_power_w, np.nan)

    trust = np.where(frame.columns["scope_wall"] > 0, 0.1, 1.0)
    spread_of = np.full(int(rig.max()) + 1, _RIG_SPREAD)
    spread_of[rig[frame.columns["is_cpu"] > 0]] *= CPU_WIDER

    def residuals(log_k: Array) -> Array:
        k = dict(zip(physics.PARAMETERS, np.exp(log_k), strict=True))
        t = physics.predict(frame.columns, k)
        parts = [
            _centred(frame.log_sample_s - np.log(t["sample_s"]), weight, rig, spread_of),
            _centred(power_w - np.log(t["scope_w"]), weight * trust, rig, spread_of),
        ]
        return np.concatenate([*parts, (log_k - centre) / spread])

    found = least_squares(residuals, centre, x_scale="jac", max_nfev=200, ftol=1e-6, xtol=1e-6)
    return {p: float(v) for p, v in zip(physics.PARAMETERS, np.exp(found.x), strict=True)}


def _centred(residual: Array, weight: Array, rig: NDArray[np.intp], spread_of: Array) -> Array:
    """Robust weighted residuals after each rig's shrunken offset, and the offsets' own cost."""
    known = np.isfinite(residual)
    r, w, rig = residual[known], weight[known], rig[known]
    n = len(spread_of)
    bounded = r / np.sqrt(1 + (r / (5 * spread_of[rig])) ** 2)
    prior_weight = (_NOISE / spread_of) ** 2
    offset = np.bincount(rig, w * bounded, n) / (np.bincount(rig, w, n) + prior_weight)
    data = (r - offset[rig]) / _NOISE
    soft = np.sign(data) * np.sqrt(2 * (np.sqrt(1 + data**2) - 1)) * np.sqrt(w)
    return np.concatenate([soft, offset / spread_of])
