"""What a set of runs cannot say, and which measurement would let it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.insight import Advice
from joulecast.estimator.insight.frame import PREDICTED, SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulecast.estimator.insight.frame import Frame

_PARTS = ("gpu", "cpu", "dram")


def gaps(frame: Frame, scope: str) -> Iterator[Advice]:
    """What to measure next: energies that are not measured, scopes and figures that are missing."""
    yield from _unmeasured(frame, scope)
    yield from _missing_scopes(frame)
    yield from _missing_figures(frame)


def measured_fracs(frame: Frame) -> dict[str, float]:
    """By scope the share of the runs knowing its energy behind whose energy a sensor stands."""
    out = {}
    for scope in SCOPES:
        measured = frame.number[f"measured_{scope}"]
        known = np.isfinite(measured) & np.isfinite(frame.number[f"energy_{scope}_j"])
        if known.any():
            out[scope] = float(measured[known].mean())
    return out


def _unmeasured(frame: Frame, scope: str) -> Iterator[Advice]:
    executed = frame.where(frame.text["basis"] != PREDICTED)
    if not len(executed):
        text = (
            "no run is measured, all are predictions: profile one network on each machine to see "
            "how far they hold ('joulecast profile')"
        )
        yield Advice("measure", text)
        return
    modelled = 1 - measured_fracs(executed).get(scope, 1.0)
    if modelled > 0.005:
        text = (
            f"{modelled:.0%} of the {scope} energies are modelled, at least in part, not measured: "
            "'joulecast doctor' says which sensor is missing"
        )
        yield Advice("measure", text)


def _missing_scopes(frame: Frame) -> Iterator[Advice]:
    """Parts of machines with a GPU that nobody looked at."""
    on_gpu = frame.where(frame.number["n_gpus"] > 0)
    if not len(on_gpu):
        return
    whole = np.isfinite(on_gpu.number["energy_system_j"])
    whole |= np.isfinite(on_gpu.number["energy_wall_j"])
    lacking = {s: np.isnan(on_gpu.number[f"energy_{s}_j"]) & ~whole for s in _PARTS}
    missing = {s: float(rows.mean()) for s, rows in lacking.items() if rows.mean() > 0.5}
    if missing:
        share = min(missing.values())
        text = (
            f"{share:.0%} of the runs on GPUs do not know the energy of {' and '.join(missing)}: "
            "what the rest of the machine draws is in none of these figures"
        )
        yield Advice("measure", text)


def _missing_figures(frame: Frame) -> Iterator[Advice]:
    part = frame.where(frame.text["task"] != "serve")
    if len(part) and np.isnan(part.number["accuracy"]).all():
        text = (
            "no run knows its accuracy: overall_efficiency and a choice of network by accuracy "
            "need it (epoch_end(accuracy=...) of a session, or the column accuracy of a table)"
        )
        yield Advice("measure", text)
    on_gpu = part.where(part.number["n_gpus"] > 0)
    if len(on_gpu) and np.isnan(on_gpu.number["gpu_util_frac"]).all():
        text = "no run on a GPU knows its utilisation: saturation cannot be told without it"
        yield Advice("measure", text)
