"""The part of the accuracy card on short runs: errors, coverage and width by number of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import intervals, metrics
from joulecast.estimator.kshot import GIVEN, KS, parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.frame import Frame
    from joulecast.estimator.kshot import Trials

    Array = NDArray[np.float64]
    Table = dict[str, dict[str, float]]

LEVEL = 0.9


def card_of(trials: Mapping[str, Trials], frame: Frame) -> dict[str, Table]:
    """The entries of the accuracy card: ``short_runs`` and ``short_runs_new_pair``."""
    return {
        "short_runs": table(trials["new-hardware"], frame),
        "short_runs_new_pair": table(trials["new-pair"], frame),
    }


def table(found: Trials, frame: Frame) -> Table:
    """One line per kind and number of runs given; of the scored rows alone."""
    found = found.take(frame.scored[found.row])
    zero = found.take(found.k == 0)
    out = {"k = 0": line(zero, zero, frame)}
    for i, given in enumerate(GIVEN):
        for k in KS:
            picked = found.take((found.given == i) & (found.k == k))
            if len(picked.row):
                out[f"k = {k}, {given}"] = line(picked, zero, frame)
    return out


def line(found: Trials, zero: Trials, frame: Frame) -> dict[str, float]:
    """Figures of some trials: errors in percent, of energy where nothing else is said.

    `mdape_before` and `devices_before` are those of the same rows without any run (`zero`);
    `plain_mean` of the runs' mean residual taken off unshrunken; `devices` the median over devices
    of each one's median.
    """
    before = zero.take(np.isin(zero.row, found.row))
    half = _half_widths(found, frame)
    errors = {q: _error(v) for q, v in found.left.items()}
    return {
        "n": len(before.row),
        "n_groups": len(np.unique(frame.device[found.row])),
        "mdape": float(np.median(errors["energy"])),
        "p90": float(np.quantile(errors["energy"], 0.9)),
        "coverage": metrics.coverage(found.left["energy"], -half, half),
        "width": float(np.exp(np.nanmedian(half))) if np.isfinite(half).any() else float("nan"),
        "mdape_before": float(np.median(_error(before.left["energy"]))),
        "mdape_of_time": float(np.median(errors["time"])),
        "mdape_of_power": float(np.median(errors["power"])),
        "plain_mean": float(np.median(_error(found.plain))),
        "devices": _of_devices(errors["energy"], found, frame),
        "devices_before": _of_devices(_error(before.left["energy"]), before, frame),
    }


def _error(residual: Array) -> Array:
    return metrics.absolute_percentage_error(residual, np.zeros(len(residual)))


def _of_devices(error: Array, found: Trials, frame: Frame) -> float:
    device = frame.device[found.row]
    return float(np.median([np.median(error[device == d]) for d in np.unique(device)]))


def _half_widths(found: Trials, frame: Frame) -> Array:
    """Half widths of the interval of energy, (n,); scores come from other devices (nested)."""
    part, device = parts_of(frame)[found.row], frame.device[found.row]
    score = np.abs(found.left["energy"]) / found.sd["energy"]
    half = np.full(len(score), np.nan)
    for p in np.unique(part):
        others = part != p
        if others.any():
            values = intervals.quantiles(score[others], device[others])
            half[~others] = intervals.at_level(values, LEVEL) * found.sd["energy"][~others]
    return half
