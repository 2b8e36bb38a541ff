"""What is particular to a measured device: offset and slopes, shrunken towards none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import features
from joulecast.estimator.columns import FRAMEWORKS
from joulecast.estimator.frame import pair_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.columns import Columns
    from joulecast.estimator.frame import Frame

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]

CLIP = 1.5
"""Largest residual, natural log, that is learned from or added."""
_MODEL_SPREAD = 0.35
_OFFSET_SPREAD = 0.2
_SLOPE_SPREAD = 0.07
SLOPES = (
    "launch_bound",
    "kernel_work",
    "intensity",
    "batch",
    "depthwise_share",
    "pointwise_share",
    "stretch",
    "macs",
)
"""Features along which a device may stand off from the physics in its own way."""
_SLOPE_COLUMNS = [list(features.FEATURES).index(name) for name in SLOPES]


@dataclass(frozen=True, slots=True)
class DeviceEffects:
    """How a measured device stands off from the physics: an offset and a few slopes, shrunken.

    Attributes
    ----------
    mean, scale : (n_slopes,) of the slope features. by_label : device id, or
        ``id|framework|task`` on top of it -> (1 + n_slopes,) natural log; absent means 0.
    """

    mean: Array
    scale: Array
    by_label: Mapping[str, Array]

    def at(self, x: Array, c: Columns, device: Labels) -> Array:
        """Offsets of the rows, (n,), for features `x` of shape (n, n_features)."""
        z = _slopes(x, self.mean, self.scale)
        none = np.zeros(z.shape[1])
        row_of: dict[tuple[str, str], int] = {}
        labels = zip(device.tolist(), use_labels(c, device), strict=True)
        rows = [row_of.setdefault(label, len(row_of)) for label in labels]
        table = [self.by_label.get(d, none) + self.by_label.get(u, none) for d, u in row_of]
        offsets: Array = (z * np.array(table)[rows]).sum(axis=1)
        return offsets


def _slopes(x: Array, mean: Array, scale: Array) -> Array:
    """(1, standardised slope features), bounded by 3 standard deviations."""
    z = np.clip((x[:, _SLOPE_COLUMNS] - mean) / scale, -3, 3)
    return np.column_stack([np.ones(len(x)), z])


def use_labels(c: Columns, device: Labels) -> list[str]:
    """``id|framework|task`` of each row."""
    framework = np.argmax([c[f"framework_{f}"] for f in FRAMEWORKS], axis=0)
    return [
        f"{d}|{FRAMEWORKS[f]}|{'train' if t else 'infer'}"
        for d, f, t in zip(device.tolist(), framework.tolist(), c["is_train"].tolist(), strict=True)
    ]


def device_effects(residual: Array, x: Array, frame: Frame) -> DeviceEffects:
    """Ridge regression of a residual on offset and slopes per device, then per use of it.

    The prior standard deviations are `_OFFSET_SPREAD` and `_SLOPE_SPREAD`; all rows of a pair count
    together as one observation with standard deviation `_MODEL_SPREAD`.
    """
    columns = x[:, _SLOPE_COLUMNS]
    mean, scale = columns.mean(axis=0), np.maximum(columns.std(axis=0), 1e-6)
    z = _slopes(x, mean, scale)
    known = np.isfinite(residual)
    weight: Array = 1.0 / pair_sizes(frame.model, frame.device)
    rest: Array = np.where(known, np.clip(residual, -CLIP, CLIP), 0.0)
    by_label: dict[str, Array] = {}
    for labels in (frame.device, np.array(use_labels(frame.columns, frame.device))):
        for label in np.unique(labels):
            rows = known & (labels == label)
            if rows.any():
                effect = _ridge(z[rows], rest[rows], weight[rows])
                by_label[str(label)] = effect
                rest[rows] -= z[rows] @ effect
    return DeviceEffects(mean, scale, by_label)


def _ridge(z: Array, y: Array, weight: Array) -> Array:
    spread = np.full(z.shape[1], _SLOPE_SPREAD)
    spread[0] = _OFFSET_SPREAD
    precision: Array = (z * weight[:, None]).T @ z / _MODEL_SPREAD**2 + np.diag(spread**-2.0)
    solved = np.linalg.solve(precision, z.T @ (weight * y) / _MODEL_SPREAD**2)
    return np.asarray(solved, dtype=np.float64)
