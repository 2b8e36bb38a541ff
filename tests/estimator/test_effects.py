"""What is particular to a device must carry over to its other networks, and to no other device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.estimator import features, physics
from joulecast.estimator.effects import device_effects, thinned

if TYPE_CHECKING:
    from joulecast.estimator.frame import Frame

DEVICE = "t4"


def _matrix(frame: Frame) -> np.ndarray:
    return features.matrix(frame.columns, physics.predict(frame.columns, _COEFFICIENTS))


_COEFFICIENTS = physics.default_coefficients()


def test_a_slow_host_is_found_out(frame: Frame) -> None:
    """Slow launching on one device is learned in part, for a network left out as well."""
    slow = dict(_COEFFICIENTS)
    slow |= {n: 20 * v for n, v in slow.items() if n.startswith("launch_pytorch") or n == "step_s"}
    fast_s, slow_s = (physics.predict(frame.columns, k)["sample_s"] for k in (_COEFFICIENTS, slow))
    here = frame.device == DEVICE
    truth = np.where(here, np.log(slow_s / fast_s), 0.0)
    asked = frame.model == "resnet18"
    x = _matrix(frame)
    known = np.flatnonzero(~asked)
    effects = device_effects(truth[known], x[known], frame.take(known))
    said = effects.at(x, frame.columns, frame.device)
    waiting = here & asked & (truth > 0.5)
    assert (said[waiting] > 0.1 * truth[waiting]).all()
    assert (said[waiting] > 1.2 * said[here & asked & (truth < 0.01)].max()).all()
    assert np.abs(said[~here]).max() < 1e-9


def test_a_cpu_stands_off_further(frame: Frame) -> None:
    """The same residual is learned more firmly where less is known beforehand: on a CPU."""
    x = _matrix(frame)
    truth = np.where(frame.device == DEVICE, 0.6, 0.0)
    on_cpu = dict(frame.columns) | {"is_cpu": np.ones(len(frame))}
    known = np.flatnonzero(frame.model == "vgg16")
    here = (frame.device == DEVICE) & (frame.model == "resnet18")
    said = [
        device_effects(truth[known], x[known], f.take(known)).at(x, f.columns, f.device)[here]
        for f in (frame, replace(frame, columns=on_cpu))
    ]
    assert np.median(said[0]) < np.median(said[1]) < 0.65


def test_an_unmeasured_device_has_none(frame: Frame) -> None:
    """A device without a row stands off by nothing."""
    x = _matrix(frame)
    here = np.flatnonzero(frame.device != DEVICE)
    effects = device_effects(np.full(len(here), 0.3), x[here], frame.take(here))
    others = np.flatnonzero(frame.device == DEVICE)
    left = frame.take(others)
    assert (effects.at(x[others], left.columns, left.device) == 0).all()


def test_ratios_between_devices_teach_without_a_level(frame: Frame) -> None:
    """Epochs of unknown size: a slower device is found out, whatever the epoch's size."""
    x = _matrix(frame)
    batch = [f"{m}|{b:g}" for m, b in zip(frame.model, frame.columns["batch"], strict=True)]
    ratios = replace(frame, series=np.array(batch))
    slower = np.where(frame.device == DEVICE, 0.4, 0.0)
    sizes = np.random.default_rng(0).normal(0, 3, len(set(batch)))
    level = sizes[np.unique(batch, return_inverse=True)[1]]
    said = []
    for shift in (0.0, level):
        effects = device_effects(slower + shift, x, ratios)
        at = effects.at(x, frame.columns, frame.device)
        said.append([at[frame.device == d].mean() for d in (DEVICE, "rtx-3090")])
    assert said[0] == pytest.approx(said[1], abs=1e-6)
    assert said[0][0] - said[0][1] > 0.25


def test_rows_of_a_pair_are_thinned_evenly(frame: Frame) -> None:
    """At most so many rows of each network on each device stay, the first and last among them."""
    kept = thinned(frame, 4)
    pairs = [f"{frame.model[i]}|{frame.device[i]}" for i in kept]
    assert max(pairs.count(p) for p in pairs) == 4
    assert len(set(pairs)) == len({*zip(frame.model, frame.device, strict=True)})
