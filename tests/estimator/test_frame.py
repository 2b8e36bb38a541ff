"""Runs as a table to learn from: what is set aside, what is told apart, how rows weigh."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.records import Measurement, Run
from joulecast.datasets import hardware
from joulecast.estimator import frame as frames

if TYPE_CHECKING:
    from joulecast.estimator.frame import Frame


@pytest.mark.parametrize("flag", frames.SET_ASIDE)
def test_flagged_runs_are_set_aside(runs: list[Run], flag: str) -> None:
    """Each quality flag keeps a run out, alone or among others."""
    doubtful = [replace(runs[0], quality_flag=text) for text in (flag, f"other; {flag}")]
    assert frames.usable(doubtful) == []
    assert len(frames.frame_of([*runs, *doubtful])) == len(runs)


def test_a_harmless_remark_keeps_a_run(runs: list[Run]) -> None:
    """A remark that is no reason for doubt does not keep a run out."""
    assert len(frames.usable([replace(runs[0], quality_flag="warm start")])) == 1


def test_a_run_without_any_measurement_is_set_aside(runs: list[Run]) -> None:
    """Neither time nor power measured: nothing to learn."""
    nothing = Measurement(energy_j={}, duration_s=None, samples=None)
    assert frames.usable([replace(runs[0], measurement=nothing)]) == []


def test_a_run_faster_than_the_peak_is_set_aside(runs: list[Run]) -> None:
    """More arithmetic per second than the device has: another network was run than stated."""
    too_fast = replace(runs[0].measurement, duration_s=1e-12)
    assert len(frames.frame_of([*runs, replace(runs[0], measurement=too_fast)])) == len(runs)


@pytest.mark.parametrize(("cores_used", "kept"), [(0.9, 0), (5.0, 12)])
def test_a_rig_that_was_given_one_core_is_set_aside(
    runs: list[Run], cores_used: float, kept: int
) -> None:
    """Twelve runs at the pace of one of 24 cores say nothing about the CPU; one such run may."""
    machine = hardware.machine("i9-13900k")
    assert machine.cpu is not None
    per_core = machine.cpu.peak_flops_per_s["fp32"] / 24
    setup = replace(runs[0].setup, machine=machine)
    setup = replace(setup, workload=replace(setup.workload, task="infer"))
    sample_s = 2 * setup.architecture.macs / (cores_used * per_core)
    run = replace(
        runs[0], setup=setup, measurement=replace(runs[0].measurement, duration_s=sample_s)
    )
    assert len(frames.usable([run] * 12)) == kept
    assert len(frames.usable([run])) == 1


def test_measurements_are_logarithms_in_the_runs_own_scope(runs: list[Run]) -> None:
    """Scopes are told apart: a figure of another scope is never taken for the row's own."""
    run = runs[0]
    both = replace(run.measurement, power_w={"gpu": 100.0, "wall": 180.0}, energy_j={"gpu": 2.0})
    by_scope = [
        replace(run, setup=replace(run.setup, scope=scope), measurement=both)
        for scope in ("gpu", "wall", "cpu")
    ]
    found = frames.frame_of(by_scope)
    assert np.exp(found.log_power_w[:2]) == pytest.approx([100, 180])
    assert np.isnan(found.log_power_w[2])
    assert np.exp(found.log_energy_j[0]) == pytest.approx(2)
    assert np.isnan(found.log_energy_j[1:]).all()
    assert np.exp(found.log_sample_s) == pytest.approx([run.measurement.duration_s] * 3)
    for scope, expected in (("gpu", [1, 0, 0]), ("wall", [0, 1, 0]), ("cpu", [0, 0, 1])):
        assert found.columns[f"scope_{scope}"].tolist() == expected
    assert found.scored.tolist() == [True, False, False]


def test_missing_is_nan_never_zero(runs: list[Run]) -> None:
    """A run without power has no power, and keeps its time."""
    found = frames.frame_of(
        [replace(runs[0], measurement=replace(runs[0].measurement, power_w={}, energy_j={}))]
    )
    assert np.isnan(found.log_power_w).all()
    assert np.isnan(found.log_energy_j).all()
    assert np.isfinite(found.log_sample_s).all()


def test_an_epoch_of_unknown_size_has_no_seconds_per_sample(runs: list[Run]) -> None:
    """It is compared within its series alone: one network, data set and batch; never scored."""
    epoch = replace(runs[0].measurement, samples=None, duration_s=100.0, energy_j={"gpu": 5e3})
    elsewhere = replace(runs[0].setup, machine=runs[-1].setup.machine)
    of_epochs = [
        replace(runs[0], measurement=epoch),
        replace(runs[0], measurement=epoch, setup=elsewhere),
        replace(runs[0], measurement=epoch, source="another"),
    ]
    found = frames.frame_of([*of_epochs, runs[0]])
    assert np.isnan(found.log_sample_s[:3]).all()
    assert np.isnan(found.log_energy_j[:3]).all()
    assert np.exp(found.log_epoch_s[:3]) == pytest.approx([100] * 3)
    assert np.exp(found.log_seconds()[3]) == pytest.approx(runs[0].measurement.duration_s)
    assert found.device[0] != found.device[1]
    assert found.series[0] == found.series[1] != found.series[2]
    assert found.series[0].endswith(f"cifar10|{runs[0].setup.workload.batch_size:g}")
    assert list(found.series == "") == [False, False, False, True]
    assert list(found.scored) == [False, False, False, True]


def test_headline_rows(runs: list[Run]) -> None:
    """CPU runs and vendor-tuned stacks are fitted on, and kept out of the headline figures."""
    setup = runs[0].setup
    tuned = replace(setup, workload=replace(setup.workload, framework="tensorrt"))
    on_cpu = replace(setup, machine=hardware.machine("i9-13900k"))
    found = frames.frame_of(
        [replace(runs[0], setup=s) for s in (setup, tuned)]
        + [
            replace(
                runs[0],
                setup=on_cpu,
                measurement=replace(runs[0].measurement, duration_s=10.0),
            )
        ]
    )
    assert found.scored.tolist() == [True, False, False]
    assert found.regime.tolist() == ["common", "tuned", "common"]


@given(pairs=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz")), min_size=1))
def test_weights_have_mean_one_and_favour_small_groups(pairs: list[tuple[str, str]]) -> None:
    """A pair of n rows weighs as the square root of n, and the mean weight is 1."""
    model, device = (np.array(labels) for labels in zip(*pairs, strict=True))
    weight = frames.pair_weights(model, device)
    assert weight.mean() == pytest.approx(1)
    total = {p: sum(w for q, w in zip(pairs, weight, strict=True) if p == q) for p in set(pairs)}
    unit = {p: value / pairs.count(p) ** 0.5 for p, value in total.items()}
    assert max(unit.values()) == pytest.approx(min(unit.values()))


def test_taking_rows_keeps_them_together(frame: Frame) -> None:
    """Rows taken are the rows asked for, in every array and column."""
    rows = np.array([5, 0, 17])
    part = frame.take(rows)
    assert len(part) == 3
    assert part.model.tolist() == frame.model[rows].tolist()
    assert part.log_sample_s.tolist() == frame.log_sample_s[rows].tolist()
    assert all((v == frame.columns[k][rows]).all() for k, v in part.columns.items())


def test_a_device_is_known_by_its_accelerator(runs: list[Run]) -> None:
    """The same GPU in another host is the same device."""
    other = replace(runs[0].setup, machine=replace(runs[0].setup.machine, id="another-host"))
    found = frames.frame_of([runs[0], replace(runs[0], setup=other)])
    assert len(set(found.device.tolist())) == 1
