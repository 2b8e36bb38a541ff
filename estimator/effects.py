"""What is particular to a measured device: offset and slopes, shrunken towards none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import features
from joulecast.estimator.columns import FRAMEWORKS, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.columns import Columns
    from joulecast.estimator.frame import Frame

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]

CLIP = 1.5
"""Largest residual, natural log, that is learned from or added."""
CPU_WIDER = 2.5
"""By how much CPUs stand off further: no row tells the library, its year or the cores in use."""
_OFFSET_SPREAD = 0.2
_SLOPE_SPREAD = 0.08
_PAIR_SPREAD = 0.2
_NOISE = 0.1
_LEVEL_SPREAD = 3.0
"""Of the level of a series (`Frame.series`): as good as free."""
_MOST = 24
"""Rows of one (model, device) that an effect is fitted on, evenly spaced."""
SLOPES = (
    "part_launch",
    "part_loader",
    "part_dense",
    "part_thin",
    "part_light",
    "part_short",
    "part_slowed",
    "part_awake",
    "part_memory",
    "part_compute",
    "part_base",
)
"""By how much each physical term moves the answer: along these a device may stand off."""
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
    """Offset and slopes per device, and per use of it, of a residual: a linear Gaussian process.

    Prior standard deviations are `_OFFSET_SPREAD` and `_SLOPE_SPREAD`, half of each variance for
    the device and half for its use. The rows of a pair share one error of `_PAIR_SPREAD` beside
    their own of `_NOISE`, so that they teach how time and power change within a pair, and its
    level but once. The level of a series is free.
    """
    columns = x[:, _SLOPE_COLUMNS]
    mean, scale = columns.mean(axis=0), np.maximum(columns.std(axis=0), 1e-6)
    rows = np.flatnonzero(np.isfinite(residual))
    rows = rows[thinned(frame.take(rows), _MOST)]
    z = _slopes(x[rows], mean, scale)
    device, model = frame.device[rows], frame.model[rows]
    use = np.array(use_labels(rows_of(frame.columns, rows), device))
    spread = np.full(z.shape[1], _SLOPE_SPREAD**2)
    spread[0] = _OFFSET_SPREAD**2
    wider = np.where(frame.columns["is_cpu"][rows] > 0, CPU_WIDER**2, 1.0)
    series = frame.series[rows]
    rest = np.clip(_centred(residual[rows], series), -CLIP, CLIP)
    pull = np.empty(len(rows))
    for block in _blocks(device, series):
        at, s = z[block], series[block]
        same = device[block, None] == device[block]
        same_use = use[block, None] == use[block]
        shared = wider[block] * 0.5 * (same + 1.0 * same_use) * ((at * spread) @ at.T)
        pair = same_use & (model[block, None] == model[block])
        noise = _PAIR_SPREAD**2 * pair + _NOISE**2 * np.eye(len(block))
        noise += _LEVEL_SPREAD**2 * ((s[:, None] == s) & (s != ""))
        pull[block] = np.linalg.solve(shared + noise, rest[block])
    by_label: dict[str, Array] = {}
    for labels in (device, use):
        for label in np.unique(labels):
            own = labels == label
            by_label[str(label)] = 0.5 * spread * wider[own][0] * (z[own].T @ pull[own])
    return DeviceEffects(mean, scale, by_label)


def _blocks(device: Labels, series: Labels) -> list[NDArray[np.intp]]:
    """Rows that teach about each other: those of a device, and of all devices with a series."""
    linked = np.isin(device, np.unique(device[series != ""]))
    block = np.where(linked, "", device)
    return [np.flatnonzero(block == label) for label in np.unique(block)]


def _centred(residual: Array, series: Labels) -> Array:
    """Residuals, those of each series around their mean."""
    label, index = np.unique(series, return_inverse=True)
    mean = np.bincount(index, residual) / np.bincount(index)
    rest: Array = residual - np.where(label == "", 0.0, mean)[index]
    return rest


def thinned(frame: Frame, most: int) -> NDArray[np.intp]:
    """At most `most` evenly spaced rows of each (model, device): the rest repeat them."""
    rows: dict[tuple[str, str], list[int]] = {}
    for i, key in enumerate(zip(frame.model.tolist(), frame.device.tolist(), strict=True)):
        rows.setdefault(key, []).append(i)
    picked = [
        r[j]
        for r in rows.values()
        for j in np.unique(np.linspace(0, len(r) - 1, most).round().astype(int))
    ]
    return np.array(sorted(picked), dtype=np.intp)
