"""Spreads of the calibration, from residuals of predictions that never saw the device or model."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.calibration_kernel import Places, Spreads, ties

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Rows = NDArray[np.intp]

_PRIOR = Spreads(device=0.2, alike=0.2, model=0.1, new_model=0.2, pair=0.12, noise=0.15)
_TERMS = ("device", "alike", "model", "pair", "noise")
_LOG_SPREAD = 1.0
"""Standard deviation of the logarithm of a spread around its prior."""
_BOUNDS = (0.005, 2.0)
_CLIP = 1.5
_PER_PAIR = 6
"""Rows of a pair and task that are used: a pair of many rows must not drown the others."""
_MIN_ROWS = 30


def fit_spreads(residual: Array, places: Places, new_model: float = 0.0, seed: int = 0) -> Spreads:
    """Spreads of most posterior probability under a log-normal prior around typical ones.

    Parameters
    ----------
    residual : (n,), of predictions that never saw the device; NaN where not measured.
    new_model : spread of a model that they never saw either, see `new_model_spread`.
    """
    found = _fit(residual, places, seed)
    return Spreads(**found, new_model=max(new_model, found["model"]))


def new_model_spread(residual: Array, places: Places, seed: int = 0) -> float:
    """Spread of what a model adds, from residuals of predictions that never saw the model."""
    return _fit(residual, places, seed)["model"]


def _fit(residual: Array, places: Places, seed: int) -> dict[str, float]:
    from scipy.optimize import minimize

    rows = _thinned(np.flatnonzero(np.isfinite(residual)), places, seed)
    centre = np.array([asdict(_PRIOR)[name] for name in _TERMS])
    if len(rows) < _MIN_ROWS:
        return dict(zip(_TERMS, centre.tolist(), strict=True))
    y = np.clip(residual[rows], -_CLIP, _CLIP)
    here = places.take(rows)
    t = ties(here, here)
    matrices = np.array([t.device, t.likeness, t.model, t.pair, np.eye(len(rows))], dtype=float)

    def loss(logs: Array) -> tuple[float, Array]:
        variance = np.exp(2 * logs)
        k = np.tensordot(variance, matrices, axes=1)
        inverse = np.linalg.inv(k)
        pull = inverse @ y
        off = (logs - np.log(centre)) / _LOG_SPREAD
        value = 0.5 * (pull @ y + np.linalg.slogdet(k)[1] + off @ off)
        fit = np.array([(inverse * m).sum() - pull @ m @ pull for m in matrices])
        return float(value), variance * fit + off / _LOG_SPREAD

    bounds = [tuple(np.log(_BOUNDS))] * len(_TERMS)
    found = minimize(loss, np.log(centre), jac=True, method="L-BFGS-B", bounds=bounds)
    spreads = [float(f"{x:.4g}") for x in np.exp(found.x)]
    return dict(zip(_TERMS, spreads, strict=True))


def _thinned(rows: Rows, places: Places, seed: int) -> Rows:
    """At most `_PER_PAIR` of `rows` per device, model and task."""
    rng = np.random.default_rng(seed)
    label = [f"{places.device[r]}|{places.model[r]}|{places.kinds[r, 3]:g}" for r in rows]
    order = rng.permutation(len(rows))
    count: dict[str, int] = {}
    kept = []
    for i in order:
        count[label[i]] = count.get(label[i], 0) + 1
        if count[label[i]] <= _PER_PAIR:
            kept.append(rows[i])
    return np.sort(np.array(kept, dtype=np.intp))
