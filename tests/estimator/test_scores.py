"""Half widths of intervals: from other rows' errors, by hand, and never from one's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.estimator import intervals, validate
from joulecast.estimator.scores import Scores, half_widths, scores_of
from joulecast.estimator.validate import OutOfFold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.estimator.frame import Frame


def by_device(frame: Frame) -> OutOfFold:
    """Folds of one device each."""
    return OutOfFold({}, {}, frame.device, frame.device, np.zeros(len(frame)))


def answers_off_by(frame: Frame, error: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Answers that miss the measured energy, time and power by `error`."""
    return {q: m + error for q, m in frame.measured().items()}


def test_a_devices_interval_is_as_wide_as_the_others_errors(frame: Frame) -> None:
    """Of four devices with one error each, an interval at 90 % takes the others' largest."""
    devices = np.unique(frame.device).tolist()
    error = np.array([0.1 * (1 + devices.index(d)) for d in frame.device])
    half = half_widths(frame, by_device(frame), answers_off_by(frame, error), 0.9)
    expected = np.where(frame.device == devices[3], 0.3, 0.4)  # three groups: level 0.95
    for quantity in ("energy", "time", "power"):
        assert half[quantity] == pytest.approx(expected)


def test_ones_own_errors_change_nothing(frame: Frame) -> None:
    """An interval does not depend on what was measured of the row's own group."""
    rng = np.random.default_rng(2)
    error, oof = rng.normal(0, 0.2, len(frame)), by_device(frame)
    before = half_widths(frame, oof, answers_off_by(frame, error), 0.9)["energy"]
    own = frame.device == frame.device[0]
    worse = np.where(own, error * 100, error)
    after = half_widths(frame, oof, answers_off_by(frame, worse), 0.9)["energy"]
    assert after[own].tolist() == before[own].tolist()
    assert after[~own].max() > before[~own].max()


def test_off_the_hull_intervals_are_wider(frame: Frame) -> None:
    """A row far from what its fold knew has a wider interval, and does not widen the others."""
    rng = np.random.default_rng(3)
    far = np.where(frame.columns["batch"] == frame.columns["batch"].max(), 2.0, 0.0)
    error = rng.normal(0, 0.2, len(frame)) * (1 + far)
    oof = replace(by_device(frame), far=far)
    half = half_widths(frame, oof, answers_off_by(frame, error), 0.9)["energy"]
    own = frame.device == frame.device[0]
    growth = half[own & (far > 0)][0] / half[own & (far == 0)][0]
    assert growth == pytest.approx(1 + 2 * intervals.GROWTH)  # three groups off the hull: too few
    inside = half_widths(frame, by_device(frame), answers_off_by(frame, error), 0.9)["energy"]
    assert half[own & (far == 0)][0] < inside[own][0]


def test_unmeasured_rows_have_no_score(frame: Frame) -> None:
    """Where nothing was measured there is no residual; where no other row was, no interval."""
    power = np.where(frame.device == frame.device[0], frame.log_power_w, np.nan)
    partly = replace(frame, log_power_w=power)
    oof, error = by_device(partly), np.full(len(frame), 0.1)
    found = scores_of(partly, oof, answers_off_by(frame, error))
    assert np.isfinite(found.residual["power"]).tolist() == np.isfinite(power).tolist()
    half = half_widths(partly, oof, answers_off_by(frame, error), 0.9)["power"]
    assert np.isnan(half[frame.device == frame.device[0]]).all()
    assert half[frame.device != frame.device[0]] == pytest.approx(0.1)


def test_a_thin_population_borrows_from_all() -> None:
    """A population with too few scores of its own is answered from all rows."""
    n, few = 60, 10
    population = np.array(["gpu"] * (n - few) + ["cpu"] * few)
    residual = {"energy": np.where(population == "cpu", 5.0, 0.1)}
    labels = np.array([str(i) for i in range(n)])
    found = Scores(residual, np.zeros(n), labels, population)
    rows, at = np.ones(n, dtype=bool), intervals.LEVELS.index(0.5)
    assert found.quantiles("energy", "cpu", rows, 0.3)[at] == pytest.approx(0.1)
    assert found.quantiles("energy", "gpu", rows, 0.3)[-1] == pytest.approx(0.1)
    assert found.quantiles("energy", "cpu", rows, 0.3)[-1] == pytest.approx(5.0)


def test_a_pairs_interval_is_of_other_devices_and_models(frame: Frame) -> None:
    """Errors on the same device, and of the same models elsewhere, stay out of it."""
    part = {m: str(i) for i, m in enumerate(np.unique(frame.model))}
    also = np.array([part[m] for m in frame.model])
    oof = replace(by_device(frame), also=also)
    one = (frame.device == frame.device[0]) & (frame.model == frame.model[0])
    akin = ((frame.device == frame.device[0]) | (frame.model == frame.model[0])) & ~one
    error = np.where(akin, 9.0, 0.1)
    half = half_widths(frame, oof, answers_off_by(frame, error), 0.9)
    assert half["energy"][one] == pytest.approx(0.1)
    assert len(list(validate.nested(oof))) == 16
