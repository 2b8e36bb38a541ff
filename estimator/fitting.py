"""Fitting: coefficients of the physical model under their priors, then three learners on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.estimator import features, physics
from joulecast.estimator.columns import rows_of
from joulecast.estimator.effects import CLIP, DeviceEffects, device_effects
from joulecast.estimator.physics_fit import fit_physics
from joulecast.estimator.regressors import gradient_boosting, lasso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.columns import Columns
    from joulecast.estimator.frame import Frame

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]

TARGETS = ("time", "power")
REGIMES = ("common", "tuned")
MIN_ROWS = 50
LEARNERS = ("physics", "lasso", "lightgbm")


@dataclass(frozen=True, slots=True)
class Linear:
    """Lasso as plain numbers: intercept + ((x - mean) / scale) . coef."""

    mean: Array
    scale: Array
    coef: Array
    intercept: float

    def predict(self, x: Array) -> Array:
        """Answer of shape (n,) for `x` of shape (n, n_features)."""
        answer: Array = ((x - self.mean) / self.scale) @ self.coef + self.intercept
        return answer


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that was learned, before calibration.

    The learner called physics is the physical model times a constant, with what is particular to a
    measured device; on a device that was never measured it is physics times a constant alone.

    Attributes
    ----------
    coefficients : of the physical model. offset : mean residual per target (physics x constant).
    linear, booster : per target; a booster answers `predict(x)`.
    """

    coefficients: Mapping[str, float]
    offset: Mapping[str, float]
    effects: Mapping[str, DeviceEffects]
    linear: Mapping[str, Linear]
    booster: Mapping[str, Any]

    def predict(
        self,
        c: Columns,
        device: Labels,
    ) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
        """Natural log of seconds per sample and of watts, per learner and target, each (n,).

        Second comes what `physics.predict` says.
        """
        terms = physics.predict(c, self.coefficients)
        x = features.matrix(c, terms)
        seen = at_vendors_limit(x, c, self.coefficients)
        base = _base(terms)
        out: dict[str, dict[str, Array]] = {name: {} for name in LEARNERS}
        for target in TARGETS:
            level = base[target] + self.offset[target] + self.effects[target].at(x, c, device)
            out["physics"][target] = level
            out["lasso"][target] = level + np.clip(self.linear[target].predict(seen), -CLIP, CLIP)
            out["lightgbm"][target] = level + np.clip(
                self.booster[target].predict(seen), -CLIP, CLIP
            )
        return out, terms


def at_vendors_limit(x: Array, c: Columns, k: Mapping[str, float]) -> Array:
    """Features (n, n_features) as Lasso and trees see them: as if no power limit were set.

    What a limit changes is left to the physics, which is continuous in it; a tree's steps are not,
    and few devices were measured at more than one limit.
    """
    limited = np.flatnonzero((c["is_cpu"] == 0) & (c["limit_w"] != c["tdp_w"]))
    if not len(limited):
        return x
    free = rows_of(c, limited)
    free["limit_w"] = free["tdp_w"]
    seen = x.copy()
    seen[limited] = features.matrix(free, physics.predict(free, k))
    return seen


def predict(
    fitted: Mapping[str, Fitted],
    c: Columns,
    device: Labels,
    regime: Labels,
) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """Log answers per learner and target, and the terms of the physics, each (n,), by regime."""
    logs = {name: {t: np.empty(len(device)) for t in TARGETS} for name in LEARNERS}
    terms: dict[str, Array] = {}
    for name in REGIMES:
        rows = np.flatnonzero(regime == name)
        if not len(rows):
            continue
        part, part_terms = fitted[name].predict(rows_of(c, rows), device[rows])
        for learner in LEARNERS:
            for target in TARGETS:
                logs[learner][target][rows] = part[learner][target]
        for key, value in part_terms.items():
            terms.setdefault(key, np.empty(len(device)))[rows] = value
    return logs, terms


def physics_constant(
    fitted: Mapping[str, Fitted], terms: Mapping[str, Array], regime: Labels
) -> Array:
    """Log joules per sample of the physics times one constant per target and regime, (n,)."""
    constant = {name: sum(one.offset[t] for t in TARGETS) for name, one in fitted.items()}
    offset = np.array([constant[name] for name in regime.tolist()])
    joules: Array = np.log(terms["sample_s"] * terms["scope_w"]) + offset
    return joules


def fit(frame: Frame, seed: int = 0) -> dict[str, Fitted]:
    """What is learned from each regime; vendor-tuned stacks start from the common physics.

    A regime with fewer than `MIN_ROWS` rows is answered by the common one.
    """
    rows = {r: np.flatnonzero(frame.regime == r) for r in REGIMES}
    base = rows["common"] if len(rows["common"]) >= MIN_ROWS else np.arange(len(frame))
    common = fit_regime(frame.take(base), physics.default_coefficients(), seed)
    if len(rows["tuned"]) < MIN_ROWS:
        return {"common": common, "tuned": common}
    tuned = fit_regime(frame.take(rows["tuned"]), common.coefficients, seed)
    return {"common": common, "tuned": tuned}


def fit_regime(frame: Frame, prior: Mapping[str, float], seed: int) -> Fitted:
    """Coefficients, then Lasso and LightGBM on log(measured / physical) of time and of power."""
    coefficients = fit_physics(frame, prior)
    terms = physics.predict(frame.columns, coefficients)
    x = features.matrix(frame.columns, terms)
    seen = at_vendors_limit(x, frame.columns, coefficients)
    measured = frame.measured()
    base = _base(terms)
    offset, effects, linear, booster = {}, {}, {}, {}
    for target in TARGETS:
        residual = measured[target] - base[target]
        if target == "power":  # without the time nobody knows how busy the device was
            residual = np.where(np.isfinite(measured["time"]), residual, np.nan)
        known = np.isfinite(residual)
        weight = frame.weight[known]
        offset[target] = _constant(residual[known], weight, frame.columns["is_cpu"][known] > 0)
        of_device = frame.log_seconds() - base["time"] if target == "time" else residual
        effects[target] = device_effects(of_device - offset[target], x, frame)
        level = offset[target] + effects[target].at(x, frame.columns, frame.device)
        rest = np.clip((residual - level)[known], -CLIP, CLIP)
        linear[target] = _fit_lasso(seen[known], rest, weight, frame.model[known], seed)
        booster[target] = _fit_trees(seen[known], rest, weight, seed)
    return Fitted(coefficients, offset, effects, linear, booster)


def _constant(residual: Array, weight: Array, is_cpu: NDArray[np.bool_]) -> float:
    """Weighted mean residual of GPUs; CPUs have efficiencies of their own."""
    if not len(residual):
        return 0.0
    rows = is_cpu if is_cpu.all() else ~is_cpu
    return float(np.average(np.clip(residual[rows], -1, 1), weights=weight[rows]))


def _base(terms: Columns) -> dict[str, Array]:
    """What physics says, natural logarithms."""
    return {"time": np.log(terms["sample_s"]), "power": np.log(terms["scope_w"])}


def _fit_lasso(x: Array, y: Array, weight: Array, groups: Any, seed: int) -> Linear:  # noqa: ANN401
    """Lasso whose penalty is chosen by group-out folds inside these rows."""
    from sklearn.model_selection import GridSearchCV, GroupKFold

    n_folds = min(5, len(set(groups)))
    if n_folds > 1:
        search = GridSearchCV(
            lasso.make(seed),
            lasso.GRID,
            cv=GroupKFold(n_folds),
            scoring="neg_mean_absolute_error",
        )
        search.fit(x, y, groups=groups, lasso__sample_weight=weight)
        pipe = search.best_estimator_
    else:
        pipe = lasso.make(seed).fit(x, y, lasso__sample_weight=weight)
    scale, model = pipe["scale"], pipe["lasso"]
    return Linear(scale.mean_, scale.scale_, model.coef_, float(model.intercept_))


def _fit_trees(x: Array, y: Array, weight: Array, seed: int) -> Any:  # noqa: ANN401
    return gradient_boosting.make(seed).fit(x, y, sample_weight=weight).booster_
