"""The coefficients of the serving physics, fitted to all runs under their priors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import physics
from joulecast.estimator.serving.operation import operate, scope_w
from joulecast.estimator.serving.priors import PRIORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.serving.frame import Frame
    from joulecast.estimator.serving.physics import Coefficients

    Array = NDArray[np.float64]

_NOISE = 0.15
"""Standard deviation of log(measured / physical) that the priors are weighed against."""
_SIBLINGS = 0.3
"""Share of an observation that a row is worth: batch sizes of one server err together."""
_EVALUATIONS = 40
_STEP = 1e-5
"""Of a coefficient's logarithm, to see how it moves the residuals."""


def fit_physics(frame: Frame) -> dict[str, float]:
    """Coefficients that fit time and power of all runs under the priors (robust least squares)."""
    from scipy.optimize import least_squares

    centre = np.log([PRIORS[p][0] for p in physics.PARAMETERS])
    spread = np.array([PRIORS[p][1] for p in physics.PARAMETERS])

    def errors(log_k: Array) -> Array:
        """Residuals of each row of coefficients, (n_sets, n_residuals)."""
        columns = np.exp(log_k).T[:, :, None]
        found = predicted(frame.columns, dict(zip(physics.PARAMETERS, columns, strict=True)))
        parts = [
            _soft(frame.log_token_s - found["time"], frame.weight),
            _soft(frame.log_power_w - found["power"], frame.weight),
        ]
        return np.concatenate([*parts, (log_k - centre) / spread], axis=1)

    def slopes(log_k: Array) -> Array:
        moved = errors(np.vstack([log_k, log_k + _STEP * np.eye(len(log_k))]))
        slope: Array = ((moved[1:] - moved[0]) / _STEP).T
        return slope

    found = least_squares(
        lambda log_k: errors(log_k[None])[0],
        centre,
        jac=slopes,
        x_scale="jac",
        max_nfev=_EVALUATIONS,
        ftol=1e-5,
        xtol=1e-5,
    )
    return {p: float(v) for p, v in zip(physics.PARAMETERS, np.exp(found.x), strict=True)}


def predicted(c: Mapping[str, Array], k: Coefficients) -> dict[str, Array]:
    """Natural logarithms of what physics says of `frame.TARGETS`, each (n,)."""
    t = operate(c, k)
    return {
        "time": -np.log(t["served_rps"] * c["output_tokens"]),
        "power": np.log(np.maximum(scope_w(c, t), 1e-3)),
    }


def _soft(residual: Array, weight: Array) -> Array:
    """Weighted residuals whose square grows like their size beyond `_NOISE`."""
    known = np.isfinite(residual).all(axis=0)
    data, w = residual[:, known] / _NOISE, weight[known]
    soft: Array = np.sign(data) * np.sqrt(2 * (np.sqrt(1 + data**2) - 1)) * np.sqrt(_SIBLINGS * w)
    return soft
