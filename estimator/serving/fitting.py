"""Fitting: the physics under its priors, then three learners on what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.estimator.fitting import Linear
from joulecast.estimator.serving import features
from joulecast.estimator.serving.fit import fit_physics, predicted
from joulecast.estimator.serving.frame import TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.serving.frame import Frame

    Array = NDArray[np.float64]

LEARNERS = ("physics", "lasso", "lightgbm")
CLIP = 0.6
"""Largest logarithm of a factor that is learned on top of physics."""
_SHIFT = {"time": "shift_step", "power": "shift_busy"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that was learned, before calibration.

    Attributes
    ----------
    coefficients : of the physics. offset : mean residual per target (physics x constant).
    linear, booster : per target; a booster answers `predict(x)`.
    """

    coefficients: Mapping[str, float]
    offset: Mapping[str, float]
    linear: Mapping[str, Linear]
    booster: Mapping[str, Any]

    def factors(self, c: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
        """Natural logarithms by which each learner moves each of `TARGETS`, (n,)."""
        x = features.matrix(c, self.coefficients)
        out: dict[str, dict[str, Array]] = {name: {} for name in LEARNERS}
        for target in TARGETS:
            level = np.full(len(x), self.offset[target])
            out["physics"][target] = level
            for name, learner in (("lasso", self.linear), ("lightgbm", self.booster)):
                out[name][target] = level + np.clip(learner[target].predict(x), -CLIP, CLIP)
        return out

    def predict(self, c: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
        """Natural log of seconds per output token and of watts, per learner and target, (n,)."""
        factors = self.factors(c)
        return {n: predicted(shifted(c, factors[n]), self.coefficients) for n in LEARNERS}


def shifted(c: Mapping[str, Array], factors: Mapping[str, Array]) -> dict[str, Array]:
    """The columns with learned logarithms of time and power added to their shifts."""
    return {**c, **{_SHIFT[t]: c[_SHIFT[t]] + factors[t] for t in TARGETS}}


def fit(frame: Frame, seed: int = 0) -> Fitted:
    """Coefficients, then Lasso and LightGBM on log(measured / physical) of time and of power."""
    coefficients = fit_physics(frame)
    x = features.matrix(frame.columns, coefficients)
    physical, measured = predicted(frame.columns, coefficients), frame.measured()
    closed = np.isnan(frame.columns["rate_rps"])
    offset, linear, booster = {}, {}, {}
    for target in TARGETS:
        residual = measured[target] - physical[target]
        known = np.isfinite(residual) & (closed | (target == "power"))
        weight = frame.weight[known]
        rest = np.clip(residual[known], -CLIP, CLIP)
        offset[target] = float(np.average(rest, weights=weight)) if known.any() else 0.0
        rest = rest - offset[target]
        linear[target] = _fit_lasso(x[known], rest, weight, frame.model[known], seed)
        booster[target] = _fit_trees(x[known], rest, weight, seed)
    return Fitted(coefficients, offset, linear, booster)


def _fit_lasso(x: Array, y: Array, weight: Array, groups: Any, seed: int) -> Linear:  # noqa: ANN401
    """Lasso whose penalty is chosen by folds of whole model groups inside these rows."""
    from sklearn.model_selection import GridSearchCV, GroupKFold

    from joulecast.estimator.regressors import lasso

    search = GridSearchCV(
        lasso.make(seed),
        lasso.GRID,
        cv=GroupKFold(min(5, len(set(groups)))),
        scoring="neg_mean_absolute_error",
    )
    search.fit(x, y, groups=groups, lasso__sample_weight=weight)
    scale, model = search.best_estimator_["scale"], search.best_estimator_["lasso"]
    return Linear(scale.mean_, scale.scale_, model.coef_, float(model.intercept_))


def _fit_trees(x: Array, y: Array, weight: Array, seed: int) -> Any:  # noqa: ANN401
    from joulecast.estimator.regressors import gradient_boosting

    model = gradient_boosting.make(seed, n_estimators=150, num_leaves=8)
    return model.fit(x, y, sample_weight=weight).booster_
