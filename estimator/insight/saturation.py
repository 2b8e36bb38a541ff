"""GPU utilisation against GPU power, and where power stops rising with it (papers' Fig. 4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.insight import Knee
from joulecast.estimator.insight.configurations import coded, grouped
from joulecast.estimator.insight.correlate import known_pairs, spearman_of
from joulecast.estimator.insight.correlations import by_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from joulecast.estimator.insight.frame import Frame

    Array = NDArray[np.float64]

LEAST_RUNS = 8
LEAST_BESIDE = 3
"""Runs that have to lie on either side of a knee."""
FALL = 0.1
"""Share of the power at the knee by which the points beyond it may fall or rise."""
SCATTER, _OF_KNEE = 2.0, 0.05
"""Scatter beyond the knee over that below it, from which it is no plateau; below the share of the
power at the knee any scatter is one."""
_SURE = 2.0
"""Standard errors from which a slope is one."""
CLEARLY = 6.0
"""Difference of BIC from which the evidence counts as strong (Kass and Raftery 1995)."""
_CANDIDATES = 200
_FLAT_W = 1e-9


def knees(frame: Frame) -> tuple[Knee, ...]:
    """The knee of every machine that knows both figures, that with most runs first.

    Training and inference are taken together. Where power limits differ, the runs at the most
    frequent one count: a lower limit makes a knee of its own. The power is that of one GPU.
    """
    return tuple(
        knee_of(machine, part.number["gpu_util_frac"], _of_one_gpu(part))
        for machine, part in curves(frame)
    )


def _of_one_gpu(part: Frame) -> Array:
    count = part.number["n_gpus"]
    return np.asarray(part.number["power_gpu_w"] / np.where(count > 1, count, 1.0))


def curves(frame: Frame) -> Iterator[tuple[str, Frame]]:
    """Each machine with the runs that its knee is looked for among."""
    both = np.isfinite(frame.number["gpu_util_frac"]) & np.isfinite(frame.number["power_gpu_w"])
    frame = frame.where(both)
    for machine, places in by_size(frame).items():
        yield machine, at_one_limit(frame.where(places))


def at_one_limit(part: Frame) -> Frame:
    """The runs at the most frequent power limit and number of GPUs."""
    for name in ("n_gpus", "limit_w"):
        part = part.where(max(grouped(coded(part.number[name])), key=len))
    return part


def knee_of(machine: str, util_frac: Array, power_w: Array) -> Knee:
    """The knee of one machine.

    Power = a + b x min(utilisation, knee), b > 0, by least squares over candidate knees. It is told
    only if the Bayesian information criterion prefers it to the straight line by `CLEARLY` and the
    points beyond lie flat: neither a slope nor more scatter than below.

    Parameters
    ----------
    util_frac : (n,), 0..1. power_w : (n,), watts of one GPU.
    """
    x, y = known_pairs(util_frac, power_w)
    n, rank = len(x), spearman_of(x, y)
    if n < LEAST_RUNS:
        reason = f"a knee needs {LEAST_RUNS} runs that know both"
        return Knee(machine, n, rank.value, reason=reason)
    if rank.value is None:
        reason = rank.reason.replace("the figure", "utilisation").replace("the energy", "power")
        return Knee(machine, n, None, reason=reason)
    fitted = [(*_fit(np.minimum(x, k), y), k) for k in _candidates(x)]
    rising = [fit for fit in fitted if fit[2] > 0]
    if not rising:
        return Knee(machine, n, rank.value, reason="power does not rise with utilisation")
    left, intercept_w, slope_w, knee = min(rising)
    gain = _bic(_fit(x, y)[0], n, 2) - _bic(left, n, 3)
    if gain < CLEARLY:
        reason = "no knee: a straight line fits as well"
        return Knee(machine, n, rank.value, reason=reason)
    knee_w = intercept_w + slope_w * knee
    below = x <= knee
    reason = _why_not_flat(
        (x[~below], y[~below]), y[below] - intercept_w - slope_w * x[below], knee_w
    )
    if reason:
        return Knee(machine, n, rank.value, reason=reason)
    return Knee(machine, n, rank.value, float(knee), float(knee_w))


def _why_not_flat(beyond: tuple[Array, Array], below_w: Array, knee_w: float) -> str:
    """Why the points beyond a knee are no plateau; empty if they are one.

    Parameters
    ----------
    beyond : utilisation and power. below_w : what the rising line leaves over of the others.
    """
    x, y = beyond
    if len(x) < LEAST_BESIDE:
        return "no knee: too few runs lie beyond it"
    rest, _, slope = _fit(x, y)
    change_w = slope * float(np.ptp(x))
    spread = float(((x - x.mean()) ** 2).sum())
    error = math.sqrt(rest / (len(x) - 2) / spread) if spread > 0 else math.inf
    if abs(change_w) > FALL * knee_w and abs(slope) > _SURE * error:
        return f"no knee: power {'falls' if change_w < 0 else 'rises'} where it should be flat"
    scatter_w = math.sqrt(float(((y - knee_w) ** 2).mean()))
    usual_w = math.sqrt(float((below_w**2).mean()))
    if scatter_w > max(SCATTER * usual_w, _OF_KNEE * knee_w):
        return "no knee: beyond it power scatters more than below"
    return ""


def _candidates(x: Array) -> Array:
    """Utilisations with enough runs on either side, (m,)."""
    ordered = np.sort(x)
    low, high = ordered[LEAST_BESIDE - 1], ordered[-LEAST_BESIDE]
    inside = np.unique(x[(x >= low) & (x <= high)])
    if len(inside) > _CANDIDATES:
        inside = np.quantile(inside, np.linspace(0, 1, _CANDIDATES))
    between = np.linspace(low, high, _CANDIDATES) if high > low else ordered[:0]
    return np.unique(np.concatenate([inside, between]))


def _fit(x: Array, y: Array) -> tuple[float, float, float]:
    """Squares left over, intercept and slope of the straight line, by least squares."""
    dx, dy = x - x.mean(), y - y.mean()
    spread = float((dx**2).sum())
    slope = float((dx * dy).sum()) / spread if spread > 0 else 0.0
    rest = float(((dy - slope * dx) ** 2).sum())
    return rest, float(y.mean()) - slope * float(x.mean()), slope


def _bic(rest: float, n: int, parameters: int) -> float:
    """Bayesian information criterion of a fit with normal errors."""
    return n * math.log(max(rest / n, _FLAT_W)) + parameters * math.log(n)
