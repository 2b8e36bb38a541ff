"""A small table of runs whose truth is known: the physical model and a little noise."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joulecast.core.records import Measurement, Run, Setup, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator import columns, physics
from joulecast.estimator.frame import Frame, frame_of
from joulecast.estimator.priors import PRIORS
from joulecast.estimator.train import train

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.records import Task

MODELS = {"lenet": "old", "mobilenetv2": "light", "resnet18": "residual", "vgg16": "old"}
DEVICES = ("rtx-3090", "t4", "v100-pcie", "gtx-1080")
BATCHES = (16, 64, 128, 256, 1024)
TASKS: tuple[Task, ...] = ("train", "infer")
NOISE = 0.03
"""Standard deviation of the natural logarithm of time and of power."""


def true_coefficients() -> dict[str, float]:
    """Coefficients away from the priors' centres, the same in every run of the tests."""
    shift = np.random.default_rng(7).normal(0.0, 0.3, len(PRIORS))
    pairs = zip(PRIORS.items(), shift, strict=True)
    return {name: value * float(np.exp(spread * z)) for (name, (value, spread)), z in pairs}


def setups_of_table() -> list[Setup]:
    """Every network on every device, at each batch size, trained and evaluated."""
    machines = [hardware.machine(name) for name in DEVICES]
    networks = [architectures.find(f"joulecast:{name}") for name in MODELS]
    return [
        Setup(m, a, Workload(task=task, batch_size=batch, dataset="cifar10"), scope="gpu")
        for m, a, batch, task in product(machines, networks, BATCHES, TASKS)
    ]


def measured(setups: list[Setup], k: dict[str, float], noise: float = NOISE) -> list[Run]:
    """One run per setup as the physical model with coefficients `k` would have it, with noise."""
    truth = physics.predict(columns.from_setups(setups), k)
    rng = np.random.default_rng(3)
    sample_s = truth["sample_s"] * np.exp(rng.normal(0, noise, len(setups)))
    power_w = truth["scope_w"] * np.exp(rng.normal(0, noise, len(setups)))
    rows = zip(setups, sample_s.tolist(), power_w.tolist(), strict=True)
    return [_run(setup, time_s, watts, i) for i, (setup, time_s, watts) in enumerate(rows)]


def _run(setup: Setup, sample_s: float, power_w: float, number: int) -> Run:
    name = setup.architecture.name
    return Run(
        setup=setup,
        measurement=Measurement(
            energy_j={setup.scope: sample_s * power_w},
            duration_s=sample_s,
            samples=1.0,
            power_w={setup.scope: power_w},
        ),
        source=("one", "two")[number % 2],
        model_group=name,
        model_family=MODELS.get(name, name),
        hardware_id=setup.machine.id,
    )


@pytest.fixture(scope="session")
def runs() -> list[Run]:
    """160 runs of four networks on four devices."""
    return measured(setups_of_table(), true_coefficients())


@pytest.fixture(scope="session")
def frame(runs: list[Run]) -> Frame:
    """The same as arrays."""
    return frame_of(runs)


@pytest.fixture(scope="session")
def new_runs() -> list[Run]:
    """Exact truth for a network and a device that are not in the table."""
    machines = [hardware.machine(name) for name in ("rtx-2080-ti", "rtx-3090")]
    networks = [architectures.find(f"joulecast:{name}") for name in ("densenet121", "vgg16")]
    setups = [
        Setup(m, a, Workload(task=task, batch_size=96, dataset="cifar10"), scope="gpu")
        for m, a, task in product(machines, networks, TASKS)
    ]
    return measured(setups, true_coefficients(), noise=0.0)


@pytest.fixture(scope="session")
def trained(
    runs: list[Run], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Folder and card of a predictor trained on the runs."""
    folder = tmp_path_factory.mktemp("trained")
    table = folder / "runs.csv"
    table.write_text("these rows\n", encoding="utf-8")
    return folder / "bundle", train(runs, [table], folder / "bundle")
