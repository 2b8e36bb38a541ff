"""The physical model where few devices or workloads were measured: no cliffs, nothing absurd."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.core.errors import JoulecastError
from joulecast.core.records import Setup, Workload
from joulecast.datasets import architectures, hardware, shapes
from joulecast.estimator import columns, physics

if TYPE_CHECKING:
    from numpy.typing import NDArray


def said(*setups: Setup) -> dict[str, NDArray[np.float64]]:
    """Columns and what the priors say of them."""
    c = columns.from_setups(setups)
    return c | physics.predict(c, physics.default_coefficients())


def boards() -> list[Setup]:
    """ResNet-50 on every catalogued accelerator at its vendor's limit."""
    network = architectures.find("resnet50")
    found = []
    for name in hardware.device_names():
        try:
            machine = hardware.machine(name)
        except JoulecastError:  # a memory module
            continue
        if machine.gpu is not None:
            found.append(Setup(machine, network, Workload(task="infer", batch_size=16), "gpu"))
    return found


def test_no_board_is_throttled_by_standing_by() -> None:
    """What flows without work leaves every board, edge boards too, half its power to work with."""
    answers = said(*boards())
    assert len(answers["awake_w"]) > 100
    idle_w, tdp_w = answers["idle_w"], answers["tdp_w"]
    assert (answers["awake_w"] <= idle_w + 0.41 * (tdp_w - idle_w)).all()
    assert (answers["stretch"] < 4).all()
    assert np.median(answers["stretch"]) < 1.05


def test_a_limit_near_what_is_awake_costs_time_and_energy() -> None:
    """Below the power that flows without work a lower limit saves nothing."""
    machine = hardware.machine("v100-pcie")
    setup = Setup(machine, architectures.find("resnet50"), Workload("train", batch_size=64), "gpu")
    capped = said(
        *(
            replace(setup, machine=replace(machine, gpu_power_limit_w=limit_w))
            for limit_w in (100.0, 80.0, 70.0, 60.0, 50.0)
        )
    )
    assert (np.diff(capped["sample_s"]) > 0).all()
    energy_j = capped["sample_s"] * capped["gpu_w"]
    assert (np.diff(energy_j)[1:] > 0).all()


def test_sequences_have_scores_at_every_length() -> None:
    """Time per token grows smoothly with the length, across twice a head's width too."""
    network, machine = architectures.find("bert-base-uncased"), hardware.machine("v100-pcie")
    lengths = (96, 112, 128, 129, 144, 160)
    work = Workload("infer", batch_size=64)
    found = said(*(Setup(machine, shapes.resized(network, (n,)), work, "gpu") for n in lengths))
    assert found["score_bytes"] == pytest.approx(4 * found["attention_macs"] / (2 * 64))
    per_token_s = found["sample_s"] / np.array(lengths)
    assert per_token_s[3] == pytest.approx(per_token_s[2], rel=0.01)


def test_the_first_batch_is_loaded_by_one_worker() -> None:
    """128 images of 224 x 224 at once: so many samples and pixels of one worker, however many."""
    network, machine = architectures.find("resnet50"), hardware.machine("v100-pcie")
    k = physics.default_coefficients()
    one_s = k["loader_sample_s"] + k["loader_pixel_s"] * (224 * 224 - 4096)
    for workers in (1, 2, 4, 8, 16):
        work = Workload("infer", batch_size=128, loader_workers=workers, samples=128)
        start_s = said(Setup(machine, network, work, "gpu"))["start_s"][0]
        assert start_s == pytest.approx(128 * one_s)
