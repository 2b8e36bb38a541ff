"""A power limit must slow what runs on the device's clock, as measured, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulecast.core.records import Setup, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator import columns, physics

NETWORK, TINY = "torchvision:resnet50", "joulecast:lenet"


def _terms(device: str, network: str, batch: float, limit_frac: float) -> dict[str, float]:
    machine = hardware.machine(device)
    assert machine.gpu is not None
    machine = replace(machine, gpu_power_limit_w=limit_frac * machine.gpu.tdp_w)
    workload = Workload(batch_size=batch, dataset="synthetic")
    setup = Setup(machine, architectures.find(network), workload, "gpu")
    c = columns.from_setups([setup])
    said = physics.predict(c, physics.default_coefficients())
    return {name: float(values[0]) for name, values in said.items()}


@pytest.mark.parametrize("device", ["v100-pcie", "a40"])
@pytest.mark.parametrize(("limit_frac", "low", "high"), [(0.8, 1.0, 1.15), (0.6, 1.02, 1.35)])
def test_mild_limits_cost_little_time(
    device: str, limit_frac: float, low: float, high: float
) -> None:
    """A busy device at 80 % and 60 % of its limit loses a few percent of its speed at first."""
    full, capped = (_terms(device, NETWORK, 128, f) for f in (1.0, limit_frac))
    assert low <= capped["step_s"] / full["step_s"] <= high
    assert capped["gpu_w"] < full["gpu_w"]


def test_slowing_is_steep_near_the_floor() -> None:
    """From half of the limit downward each watt less costs more speed than the one before."""
    speed = [1 / _terms("a40", NETWORK, 128, f)["step_s"] for f in (1.0, 0.8, 0.6, 0.45)]
    lost = -np.diff(speed)
    assert (np.diff(lost) > 0).all()


def test_waiting_work_is_not_slowed() -> None:
    """A step that waits for launches takes as long at 60 % of the limit, at the same power."""
    full, capped = (_terms("a40", TINY, 8, f) for f in (1.0, 0.6))
    assert capped["step_s"] == pytest.approx(full["step_s"], rel=0.01)
    assert capped["gpu_w"] == pytest.approx(full["gpu_w"], rel=0.03)
    idle_w = hardware.machine("a40").gpu.idle_w or 0.0  # type: ignore[union-attr]
    assert capped["gpu_w"] > 1.5 * idle_w


def test_the_first_batch_of_an_epoch_is_waited_for() -> None:
    """A few large batches per epoch cost more per sample than many, and an endless epoch none."""
    machine, network = hardware.machine("v100-pcie"), architectures.find(TINY)
    work = Workload(batch_size=4096, dataset="cifar10", samples=50_000)
    runs = [work, replace(work, samples=5_000_000), replace(work, samples=float("nan"))]
    setups = [Setup(machine, network, w, "gpu") for w in runs]
    said = physics.predict(columns.from_setups(setups), physics.default_coefficients())
    assert said["start_s"][0] > 50 * said["start_s"][1] > 0
    assert said["start_s"][2] == 0


@pytest.mark.parametrize(
    ("device", "stacked"),
    [
        *((d, 1) for d in ("v100-sxm2", "a100-sxm-80gb", "h100-sxm", "mi250")),
        *((d, 0) for d in ("a40", "rtx-4090", "rtx-3090", "t4", "quadro-rtx-8000", "rtx-5090")),
    ],
)
def test_stacked_memory_is_told_from_the_specifications(device: str, stacked: int) -> None:
    """HBM and GDDR are told apart without a field for it."""
    setup = Setup(hardware.machine(device), architectures.find(TINY), Workload(), "gpu")
    assert columns.from_setups([setup])["is_hbm"][0] == stacked


def test_grey_images_are_a_third_to_load() -> None:
    """FashionMNIST at 224 pixels has one channel to prepare, CIFAR three."""
    machine, network = hardware.machine("rtx-4090"), architectures.find(NETWORK)
    setups = [
        Setup(machine, network, Workload(batch_size=256, dataset=d), "gpu")
        for d in ("fashion_mnist", "cifar10")
    ]
    loader_s = physics.predict(columns.from_setups(setups), physics.default_coefficients())
    grey, colour = loader_s["loader_s"]
    assert 1 / 3 < grey / colour < 1 / 2
