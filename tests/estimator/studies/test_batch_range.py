"""Which rows lie on both sides of the gap, what fits the memory, which curves turn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.estimator.columns import rows_of
from joulecast.estimator.studies import batch_range

if TYPE_CHECKING:
    from joulecast.estimator.frame import Frame


def test_workloads_need_both_sides(frame: Frame) -> None:
    """A pair without a large batch, and rows without an energy, are not asked about."""
    assert batch_range.on_both_sides(frame).sum() > 0
    batch = frame.columns["batch"]
    large = (frame.model == "vgg16") & (batch >= batch_range.LARGE)
    without = frame.take(np.flatnonzero(~large))
    found = batch_range.on_both_sides(without)
    assert not found[without.model == "vgg16"].any()
    assert found[without.model == "lenet"].any()
    blank = replace(frame, log_energy_j=np.full(len(frame), np.nan))
    assert not batch_range.on_both_sides(blank).any()


def test_the_stack_weighs_time_and_power_apart() -> None:
    """Joules are seconds times watts, each a weighted mean of the learners' logarithms."""
    names = ("physics", "lasso", "lightgbm")
    logs = {
        n: {"time": np.array([float(i)]), "power": np.array([10.0 * i])}
        for i, n in enumerate(names)
    }
    weights = {"time": np.array([0.5, 0.0, 0.5]), "power": np.array([0.0, 1.0, 0.0])}
    found = batch_range.energies(logs, weights)
    assert {n: float(v[0]) for n, v in found.items()} == pytest.approx(
        {"physics": 0, "lasso": 11, "lightgbm": 22, "stack": 0.5 * 2 + 10}
    )


@pytest.mark.parametrize(
    ("step_s", "power_w", "expected"),
    [
        ([1, 1, 1.2, 2.4], [100, 110, 120, 120], (False, False)),
        ([1, 0.98, 1.2, 2.4], [100, 110, 120, 120], (True, False)),
        ([1, 0.995, 1.2, 2.4], [100, 110, 120, 120], (False, False)),
        ([1, 1, 1.2, 2.4], [100, 210, 220, 220], (False, True)),
        ([1, 2, 4, 8], [100, 110, 120, 120], (False, False)),
    ],
)
def test_turning_curves(
    step_s: list[float], power_w: list[float], expected: tuple[bool, bool]
) -> None:
    """A step that shortens, joules that rise while throughput does; saturated ones may rise."""
    batch = 2.0 ** np.arange(4)
    found = batch_range.turns(np.log(batch), np.log(step_s / batch), np.log(power_w))
    assert found == expected


def test_a_sweep_stays_within_memory(frame: Frame) -> None:
    """Every other column stays; batches end where weights, state and outputs fill the memory."""
    train = np.flatnonzero((frame.model == "vgg16") & (frame.columns["is_train"] > 0))[:1]
    row = rows_of(frame.columns, train)
    fixed, each = 16 * row["params"][0], row["activation_bytes"][0]
    row["device_mem_bytes"] = np.array([(fixed + 64.5 * each) / 0.9])
    c, batch = batch_range.sweep(row)
    assert batch.tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert c["batch"].tolist() == batch.tolist()
    assert (c["macs"] == row["macs"][0]).all()
