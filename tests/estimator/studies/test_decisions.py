"""The share of comparisons named rightly is counted as by hand."""

from __future__ import annotations

import math

import pytest

from joulecast.estimator.studies import decisions
from tests.fakes.study_case import Row, case_of

V100, A40, T4, CPU = "v100-pcie", "a40", "t4", "i9-13900k"
"""250 W of 2017, 300 W of 2020, 70 W of 2018."""


def test_pairs_are_counted_by_hand() -> None:
    """Two comparisons of V100 and A40, one named rightly, one whose energies are too near."""
    case = case_of(
        [
            Row(V100, 1.0, 1.0, batch=8),
            Row(A40, 1.3, 1.2, batch=8),
            Row(V100, 2.0, 2.0, batch=16),
            Row(A40, 1.5, 2.1, batch=16),
            Row(V100, 1.0, 1.0, batch=32),
            Row(A40, 1.09, 0.5, batch=32),
        ]
    )
    (line,) = decisions.records(case)
    assert (line["n"], line["workloads"], line["device_pairs"]) == (2, 2, 1)
    assert line["right_percent"] == line["newer_percent"] == line["lower_tdp_percent"] == 50.0
    assert "low_percent" not in line  # one pair of devices alone has no spread
    assert (line["left_out"], line["between"]) == ("device", "GPUs, gpu scope")


def test_baselines_need_no_prediction() -> None:
    """The newer A40 used less twice, the V100 of the lower TDP once."""
    rows = [
        Row(device, energy_j, 1.0, batch=batch)
        for batch, v100_j, a40_j in ((8, 2.0, 1.0), (16, 3.0, 1.0), (32, 1.0, 1.2))
        for device, energy_j in ((V100, v100_j), (A40, a40_j))
    ]
    (line,) = decisions.records(case_of(rows))
    assert line["newer_percent"] == pytest.approx(200 / 3)
    assert line["lower_tdp_percent"] == pytest.approx(100 / 3)
    assert line["right_percent"] == 50.0  # equal answers name neither


def test_other_sources_scopes_batches_and_limits_are_no_pair() -> None:
    """Runs are compared only within one source, scope and batch, at the vendor's limit."""
    apart = [
        Row(V100, 1.0, 1.0),
        Row(A40, 2.0, 1.0, source="two"),
        Row(A40, 2.0, 1.0, scope="system"),
        Row(A40, 2.0, 1.0, batch=64),
    ]
    assert not decisions.records(case_of(apart))
    limited = [
        Row(V100, 1.0, 1.0, limit_w=250),
        Row(A40, 2.0, 3.0, limit_w=300),
        Row(A40, 0.5, 0.1, limit_w=150),
    ]
    (pair,) = decisions.pairs(case_of(limited), "new-hardware")
    assert pair.less.device.id == V100
    assert pair.more.measured_j == pytest.approx(2.0)


def test_repeats_count_as_their_mean() -> None:
    """Three runs of a device at one workload are one side of one comparison."""
    rows = [Row(V100, 1.0, 1.0), Row(A40, 1.0, 2.0), Row(A40, 2.0, 4.0), Row(A40, 3.0, 3.0)]
    (pair,) = decisions.pairs(case_of(rows), "new-hardware")
    assert pair.more.measured_j == pytest.approx(2.0)
    assert pair.more.predicted_j == pytest.approx(3.0)


def test_the_nearest_row_is_a_third_devices() -> None:
    """Neither side is answered with the other's energy, but with the T4's at its own batch."""
    case = case_of([Row(V100, 1.0, 1.0), Row(A40, 2.0, 2.0), Row(T4, 0.7, 1.0, batch=100)])
    found = decisions.pairs(case, "new-hardware")
    assert [math.exp(j) for p in found for j in p.nearest_log_j] == pytest.approx([0.7, 0.7])


def test_a_cpu_against_a_gpu_is_a_line_of_its_own() -> None:
    """A CPU and a GPU in one scope are compared, but not counted among the GPUs."""
    rows = [Row(CPU, 9.0, 8.0, scope="system"), Row("rtx-4090", 3.0, 4.0, scope="system")]
    (line,) = decisions.records(case_of(rows))
    assert (line["between"], line["right_percent"]) == ("CPU against GPU, system scope", 100.0)


def test_each_pair_of_devices_has_a_line() -> None:
    """Three devices at one workload make three comparisons, and a line for each pair."""
    case = case_of([Row(V100, 1.0, 1.0), Row(A40, 2.0, 2.0), Row(T4, 4.0, 0.5)])
    total, *parts = decisions.records(case)
    assert total["n"] == 3
    assert total["right_percent"] == pytest.approx(100 / 3)
    assert {p["between"]: p["right_percent"] for p in parts} == {
        "a40 / t4": 0.0,
        "a40 / v100-pcie": 100.0,
        "t4 / v100-pcie": 0.0,
    }


def test_the_interval_resamples_clusters() -> None:
    """Clusters that are all right or all wrong give bounds at 0 and 100, equal ones a point."""
    right, cluster = [1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"]
    assert decisions.interval(right, cluster, 0) == (0.0, 100.0)
    assert decisions.interval([1.0, 0.0, 1.0, 0.0], cluster, 0) == (50.0, 50.0)
