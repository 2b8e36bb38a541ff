"""What measured bursts leave open: intervals of a moved answer, also where slopes vanish."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.estimator.calibration_kernel import REPEAT
from joulecast.estimator.serving import predictor
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.calibration_update import FACTORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from joulecast.core.records import Setup
    from joulecast.estimator.serving.bundle import Bundle

    Array = NDArray[np.float64]

FAR, _LEVEL = 1.645, 0.9
"""Standard deviations to the ends of a normal's interval, and that interval's level."""
REPEATED = 0.05
"""Standard deviations to look off where a burst of the asked load itself was measured."""


def each(by: Iterable[Array]) -> Adjustment:
    """An adjustment that moves each row by its own factors, (4, n)."""
    factors: dict[str, Any] = dict(zip(FACTORS, by, strict=True))
    return Adjustment(**factors)


@dataclass(frozen=True, slots=True)
class Left:
    """What bursts leave open of one figure, natural logarithms.

    Attributes
    ----------
    spread : standard deviation. moved : by how much bursts moved it. zero_shot : half of its 90 %
        interval without bursts, the wider one.
    """

    spread: float
    moved: float
    zero_shot: float

    def sd(self, score: float) -> float | None:
        """Standard deviation, ``None`` where the interval without bursts is narrower and holds."""
        sd = score * math.hypot(self.spread, REPEAT)
        return None if abs(self.moved) <= self.zero_shot < FAR * sd else sd


def left_open(
    setup: Setup, bundle: Bundle, at: Adjustment, covariance: Array, reach: float
) -> tuple[Left, Left]:
    """What is left open of energy per request and of the saturation rate.

    From the factors `reach` standard deviations off both ways along each axis of the posterior;
    the farther end counts: at the power limit slopes vanish one way and not the other.
    """
    scale, axes = np.linalg.eigh(covariance)
    steps = reach * axes * np.sqrt(np.maximum(scale, 0.0))
    here = np.array([getattr(at, f) for f in FACTORS])[:, None]
    points = np.hstack([here, here + steps, here - steps, np.zeros_like(here)])
    a = predictor.answer([setup] * points.shape[1], bundle, _LEVEL, each(points))

    def left(values: Array, low: Array, high: Array) -> Left:
        off = np.log(values / values[0])
        ends = np.maximum(*np.abs(off[1:-1]).reshape(2, len(FACTORS))) / reach
        zero_shot = float(np.log(max(high[0] / values[0], values[0] / low[0])))
        return Left(math.hypot(*ends.tolist()), float(off[-1]), zero_shot)

    energy = left(a.request_j, a.request_low_j, a.request_high_j)
    return energy, left(a.saturation_rps, a.saturation_low_rps, a.saturation_high_rps)
