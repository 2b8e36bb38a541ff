"""What CPUs do otherwise than GPUs: cores that wait for each other, eager memory, own loading."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulecast.core.records import Setup, Task, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator import columns, physics

CPU, GPU = "xeon-w-2155", "v100-pcie"
COEFFICIENTS = physics.default_coefficients()


def _said(setup: Setup) -> dict[str, float]:
    terms = physics.predict(columns.from_setups([setup]), COEFFICIENTS)
    return {name: float(values[0]) for name, values in terms.items()}


def _setup(device: str, task: Task = "infer", **workload: str | int) -> Setup:
    asked = {"batch_size": 32, "dataset": "synthetic", "framework": "onnx"} | workload
    return Setup(
        hardware.machine(device),
        architectures.find("torchvision:vgg16"),
        Workload(task=task, **asked),  # type: ignore[arg-type]
        "cpu" if device == CPU else "gpu",
    )


def _with_cores(setup: Setup, times: float) -> Setup:
    cpu = setup.machine.cpu
    assert cpu is not None
    assert cpu.sm_count is not None
    larger = replace(
        cpu,
        sm_count=times * cpu.sm_count,
        peak_flops_per_s={"fp32": times * cpu.peak_flops_per_s["fp32"]},
    )
    return replace(setup, machine=replace(setup.machine, cpu=larger))


def test_ten_times_the_cores_do_less_than_ten_times_as_much() -> None:
    """Convolutions: 10 cores lose 9 x `cpu_serial`, 100 lose 99 x."""
    few = _setup(CPU)
    many = _with_cores(few, 10)
    loss = COEFFICIENTS["cpu_serial"]
    gain = _said(few)["compute_s"] / _said(many)["compute_s"]
    assert gain == pytest.approx(10 * (1 + 9 * loss) / (1 + 99 * loss))
    assert 1 < gain < 10


def test_eager_execution_moves_more_on_a_cpu_only() -> None:
    """PyTorch's activations cost more than their bytes on a CPU, and just their bytes on a GPU."""
    for device, grows in ((CPU, True), (GPU, False)):
        eager, graph = (
            _said(_setup(device, framework=f, dataset="synthetic"))["pool_s"]
            for f in ("pytorch", "onnx")
        )
        assert (eager > 1.5 * graph) is grows


def test_loading_takes_the_cores_that_compute() -> None:
    """On a CPU no part of loading is free: the step takes at least its core seconds longer."""
    for times in (0.2, 1.0):
        loaded, without = (
            _with_cores(_setup(CPU, dataset=d), times) for d in ("imagenet", "synthetic")
        )
        c = columns.from_setups([loaded])
        one_worker_s = _said(loaded)["start_s"]  # a single batch, loaded by one alone
        workers = min(float(c["workers"][0]), float(c["cores"][0]))
        load_s = _said(loaded)["loader_s"]
        assert load_s * workers / c["cores"][0] == pytest.approx(
            _said(loaded)["loader_serial"] * load_s
        )
        more_s = _said(loaded)["step_s"] - one_worker_s - _said(without)["step_s"]
        assert more_s >= 0.999 * load_s * workers / c["cores"][0]


def test_augmenting_is_part_of_training_alone() -> None:
    """Small images are cropped and flipped to train, and only turned into tensors to evaluate."""
    network = architectures.find("joulecast:lenet")
    train_s, infer_s = (
        _said(replace(_setup(GPU, task, dataset="cifar10"), architecture=network))["loader_s"]
        for task in ("train", "infer")
    )
    assert train_s / infer_s == pytest.approx(COEFFICIENTS["loader_augment"])


@pytest.mark.parametrize("turbo_w", [None, 250.0])
def test_a_busy_cpu_draws_nearly_its_limit(turbo_w: float | None) -> None:
    """The limit is the turbo power where one is stated, else the TDP (140 W)."""
    setup = _setup(CPU)
    assert setup.machine.cpu is not None
    cpu = replace(setup.machine.cpu, turbo_w=turbo_w)
    said = _said(replace(setup, machine=replace(setup.machine, cpu=cpu)))
    assert 0.75 * (turbo_w or 140) < said["scope_w"] <= (turbo_w or 140)
