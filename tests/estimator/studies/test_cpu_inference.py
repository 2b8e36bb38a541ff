"""The study of CPU inference: which rows count, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from joulecast.core.records import Measurement, Run, Scope, Setup, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator.frame import frame_of
from joulecast.estimator.studies import Case, cpu_inference

TIME_FACTOR, POWER_FACTOR = 1.2, 0.9
"""Predicted over measured."""


def _run(device: str, group: int, framework: str, scope: Scope = "cpu") -> Run:
    """A tenth of a second and 100 W a sample: more than one core can."""
    workload = Workload(task="infer", batch_size=8, framework=framework)
    setup = Setup(
        hardware.machine(device), architectures.find("torchvision:vgg16"), workload, scope
    )
    return Run(
        setup=setup,
        measurement=Measurement(
            energy_j={scope: 10.0}, duration_s=0.1, samples=1.0, power_w={scope: 100.0}
        ),
        source="hand-made",
        model_group=f"network {group}",
        model_family="any",
        hardware_id=device,
    )


def _case(runs: list[Run]) -> Case:
    frame = frame_of(runs)
    time, power = (np.full(len(frame), np.log(f)) for f in (0.1 * TIME_FACTOR, 100 * POWER_FACTOR))
    time[0] = np.log(0.2)
    answers = {"time": time, "power": power, "energy": time + power}
    return Case(frame, runs, {}, {"new-model": answers})


@pytest.fixture
def runs() -> list[Run]:
    """Ten networks in two frameworks on one CPU, three on another, and rows of other kinds."""
    of_cpu = [_run("i9-13900k", g, f) for g, f in product(range(10), ("onnx", "pytorch"))]
    few = [_run("xeon-w-2155", g, "onnx") for g in range(3)]
    wall = [_run("xeon-w-2155", g, "onnx", "wall") for g in range(10)]
    trained = [
        replace(r, setup=replace(r.setup, workload=replace(r.setup.workload, task="train")))
        for r in of_cpu[:4]
    ]
    return of_cpu + few + wall + trained + [_run("rtx-3090", g, "onnx", "gpu") for g in range(10)]


def test_only_inference_on_well_measured_cpus_counts(runs: list[Run]) -> None:
    """Wall meters, training, GPUs and a CPU with three networks stay out."""
    found = list(cpu_inference.records(_case(runs)))
    assert [(r["device"], r["framework"], r["batch_size"], r["n"]) for r in found] == [
        ("all", "all", "all", 20),
        ("i9-13900k", "pytorch", "8", 10),
        ("i9-13900k", "onnx", "8", 10),
    ]
    assert [r["groups"] for r in found] == [10, 10, 10]


def test_errors_are_those_of_energy_time_and_power(runs: list[Run]) -> None:
    """Time 20 % too long at 10 % too little power is 8 % too much energy; one row is far off."""
    first, _, onnx = cpu_inference.records(_case(runs))
    for record in (first, onnx):
        assert record["mdape"] == pytest.approx(8)
        assert record["bias"] == pytest.approx(8)
        assert record["mdape_of_time"] == pytest.approx(20)
        assert record["mdape_of_power"] == pytest.approx(10)
    assert onnx["p90"] == pytest.approx(8 + 0.1 * (80 - 8))


def test_without_such_rows_nothing_is_said(runs: list[Run]) -> None:
    """A table of GPU runs has no record."""
    gpus = [r for r in runs if r.setup.machine.gpu is not None]
    assert list(cpu_inference.records(_case(gpus))) == []
