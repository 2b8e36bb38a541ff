"""Ratios to a reference run elsewhere, and what one run here corrects, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.estimator.studies import Case, one_run

if TYPE_CHECKING:
    from joulecast.core.records import Run
    from joulecast.estimator.frame import Frame


def _small(frame: Frame) -> Frame:
    """Three runs on one device, two on another: batches, limits and no more."""
    small = frame.take(np.arange(5))
    columns = small.columns | {
        "batch": np.array([8.0, 32.0, 16.0, 8.0, 64.0]),
        "limit_w": np.array([250.0, 250.0, 100.0, 300.0, 300.0]),
    }
    return replace(small, columns=columns, device=np.array(["a", "a", "a", "b", "b"]))


def test_the_reference_has_the_highest_limit_and_the_median_batch(frame: Frame) -> None:
    """Runs at a lower limit are no reference; of two in the middle the smaller batch is."""
    small = _small(frame)
    assert one_run.reference(np.array([0, 1, 2]), small) == 0
    small.columns["limit_w"][2] = 250.0
    assert one_run.reference(np.array([0, 1, 2]), small) == 2
    assert one_run.reference(np.array([3, 4]), small) == 3


def test_ratios_and_one_run(frame: Frame) -> None:
    """A constant of the workload cancels; the run that corrects is not asked about."""
    missed = np.array([0.1, 0.3, -0.2, 0.5, 0.6]) + 7.0
    small = _small(frame)
    there, here = np.array([0, 1, 2]), np.array([3, 4])
    ratios = one_run.against_others(missed, here, there, small)
    assert ratios == pytest.approx([0.4, 0.5])
    assert one_run.after_one_run(missed, there, small) == pytest.approx([0.2, -0.3])


def test_workloads_are_training_timed_by_the_epoch_on_several_gpus(
    frame: Frame, runs: list[Run]
) -> None:
    """Only sources with an epoch of unknown size, workloads with enough rows on two GPUs."""
    case = Case(frame, runs, {}, {})
    assert (one_run.workloads(case) == "").all()
    source = np.array(["mine"] * len(frame))
    epochs = (frame.model == "lenet") & (frame.columns["is_train"] > 0)
    series = np.where(epochs, "lenet|cifar10|1", "")
    seconds = np.where(epochs, frame.log_sample_s + 9, np.nan)
    own = replace(frame, source=source, series=series, log_epoch_s=seconds)
    assert (one_run.workloads(Case(own, runs, {}, {})) == "").all()  # five rows a GPU
    twice = np.tile(np.arange(len(frame)), 2)
    label = one_run.workloads(Case(own.take(twice), [*runs, *runs], {}, {}))
    train = own.columns["is_train"][twice] > 0
    assert set(label[train]) == {f"mine|{m} on cifar10" for m in np.unique(frame.model)}
    assert (label[~train] == "").all()
    assert one_run.log_joules(own)[epochs] == pytest.approx(
        (frame.log_sample_s + frame.log_power_w + 9)[epochs]
    )
