"""What must hold in the physical model whatever the machine, the network and the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from joulecast.core.records import Device, Machine, Setup, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator import bundle, columns, physics
from joulecast.estimator.priors import PRIORS

if TYPE_CHECKING:
    from collections.abc import Mapping

NETWORKS = ("joulecast:lenet", "joulecast:vgg16", "torchvision:resnet50", "bert-base-uncased")
TOLERANCE = 1e-9


def coefficients(fit: str) -> Mapping[str, float]:
    """The prior's coefficients, or those that the shipped predictor found for a regime."""
    if fit == "prior":
        return physics.default_coefficients()
    return bundle.load().fitted[fit].coefficients


def answered(setup: Setup, fit: str) -> dict[str, float]:
    """What the physical model says about one setup."""
    terms = physics.predict(columns.from_setups([setup]), coefficients(fit))
    return {name: float(values[0]) for name, values in terms.items()}


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """A machine with a GPU of any plausible size, its power limit included."""
    tdp_w = draw(st.floats(30, 1_200))
    fp32 = tdp_w * draw(st.floats(1e10, 1.5e11))
    tensor = draw(st.floats(1, 16))
    gpu = Device(
        id="any-gpu",
        name="Any GPU",
        kind="gpu",
        tdp_w=tdp_w,
        idle_w=tdp_w * draw(st.floats(0.02, 0.2)),
        year=draw(st.integers(2014, 2026)),
        source="none",
        mem_bytes=draw(st.floats(4e9, 2e11)),
        mem_bandwidth_bytes_per_s=fp32 * draw(st.floats(0.01, 0.1)),
        peak_flops_per_s={"fp32": fp32, "tf32": fp32 * tensor, "fp16": 2 * fp32 * tensor},
    )
    return replace(
        hardware.machine("hc2"),
        gpu=gpu,
        n_gpus=draw(st.integers(1, 8)),
        gpu_power_limit_w=tdp_w * draw(st.floats(0.35, 1.2)),
    )


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    """Any workload of a few networks on any machine, scope gpu."""
    workload = Workload(
        task=draw(st.sampled_from(("train", "infer"))),
        batch_size=draw(st.integers(1, 4_096)),
        precision=draw(st.sampled_from(("fp32", "tf32", "fp16"))),
        framework=draw(st.sampled_from(("pytorch", "tensorflow", "onnx", "tensorrt"))),
        optimiser=draw(st.sampled_from(("sgd", "adam", "unheard-of"))),
        trainable_frac=draw(st.floats(0.01, 1)),
        loader_workers=draw(st.sampled_from((None, 1, 8))),
    )
    network = architectures.find(draw(st.sampled_from(NETWORKS)))
    return Setup(draw(machines()), network, workload, "gpu")


each_fit = pytest.mark.parametrize("fit", ["prior", "common", "tuned"])
not_tuned = pytest.mark.parametrize("fit", ["prior", "common"])


@each_fit
@given(setup=setups())
def test_power_lies_between_idle_and_limit(fit: str, setup: Setup) -> None:
    """GPUs draw at least their idle power and at most about their limit, each of them."""
    said = answered(setup, fit)
    gpu, n = setup.machine.gpu, setup.machine.n_gpus
    assert gpu is not None
    assert gpu.idle_w is not None
    assert setup.machine.gpu_power_limit_w is not None
    assert said["scope_w"] == said["gpu_w"] >= gpu.idle_w * n * (1 - TOLERANCE)
    assert said["gpu_w"] <= 1.02 * setup.machine.gpu_power_limit_w * n * (1 + TOLERANCE)


@not_tuned
@given(setup=setups())
def test_scopes_add_up(fit: str, setup: Setup) -> None:
    """System is GPU plus CPU plus DRAM, the wall draws more, and all is finite and positive."""
    by_scope = {s: answered(replace(setup, scope=s), fit) for s in ("system", "wall")}
    said = by_scope["system"]
    assert said["scope_w"] == pytest.approx(said["gpu_w"] + said["cpu_w"] + said["dram_w"])
    assert by_scope["wall"]["scope_w"] > said["scope_w"]
    assert all(np.isfinite(value) and value >= 0 for value in said.values())


@each_fit
@given(setup=setups(), more=st.floats(1, 64))
def test_a_larger_batch_takes_longer(fit: str, setup: Setup, more: float) -> None:
    """The time of one step never falls as the batch grows."""
    larger = replace(setup.workload, batch_size=setup.workload.batch_size * more)
    before, after = answered(setup, fit), answered(replace(setup, workload=larger), fit)
    assert after["step_s"] >= before["step_s"] * (1 - TOLERANCE)


def scaled(gpu: Device, speed: float, power: float) -> Device:
    """`gpu` with all its rates times `speed` and all its watts times `power`."""
    assert gpu.mem_bandwidth_bytes_per_s is not None
    assert gpu.idle_w is not None
    return replace(
        gpu,
        tdp_w=gpu.tdp_w * power,
        idle_w=gpu.idle_w * power,
        mem_bandwidth_bytes_per_s=gpu.mem_bandwidth_bytes_per_s * speed,
        peak_flops_per_s={name: peak * speed for name, peak in gpu.peak_flops_per_s.items()},
    )


@given(setup=setups(), more=st.floats(1, 20))
def test_a_faster_device_is_not_slower(setup: Setup, more: float) -> None:
    """Seconds per sample do not rise when peak and bandwidth both grow at the same power limit."""
    fit, gpu = "prior", setup.machine.gpu
    assert gpu is not None
    other = replace(setup, machine=replace(setup.machine, gpu=scaled(gpu, more, 1.0)))
    assert answered(other, fit)["sample_s"] <= answered(setup, fit)["sample_s"] * (1 + TOLERANCE)


@each_fit
@given(setup=setups(), more=st.floats(1, 20))
def test_a_larger_device_is_not_slower(fit: str, setup: Setup, more: float) -> None:
    """Nor do they when a device grows in everything, its power included."""
    gpu, limit_w = setup.machine.gpu, setup.machine.gpu_power_limit_w
    assert gpu is not None
    assert limit_w is not None
    machine = replace(setup.machine, gpu=scaled(gpu, more, more), gpu_power_limit_w=limit_w * more)
    other = replace(setup, machine=machine)
    kind = columns.from_setups([setup, other])["is_hbm"]
    assume(kind[0] == kind[1])  # not the same board otherwise: stacked memory draws other watts
    assert answered(other, fit)["sample_s"] <= answered(setup, fit)["sample_s"] * (1 + TOLERANCE)


@each_fit
@given(setup=setups(), share=st.floats(0.4, 1))
def test_a_lower_power_limit_is_never_faster(fit: str, setup: Setup, share: float) -> None:
    """Capping a device stretches its time or leaves it alone, and never adds power."""
    limit_w = setup.machine.gpu_power_limit_w
    assert limit_w is not None
    capped = replace(setup, machine=replace(setup.machine, gpu_power_limit_w=limit_w * share))
    before, after = answered(setup, fit), answered(capped, fit)
    assert after["sample_s"] >= before["sample_s"] * (1 - TOLERANCE)
    assert after["gpu_w"] <= before["gpu_w"] * (1 + TOLERANCE)


@each_fit
@given(setup=setups())
def test_training_costs_more_than_inference(fit: str, setup: Setup) -> None:
    """A sample costs more time and more energy to train on than to infer."""
    by_task = {
        task: answered(replace(setup, workload=replace(setup.workload, task=task)), fit)
        for task in ("train", "infer")
    }
    train, infer = by_task["train"], by_task["infer"]
    assert train["sample_s"] >= infer["sample_s"] * (1 - TOLERANCE)
    assert train["sample_s"] * train["gpu_w"] >= infer["sample_s"] * infer["gpu_w"] * 0.999


@each_fit
@given(setup=setups(), more=st.integers(2, 8))
def test_more_devices_do_more_per_second(fit: str, setup: Setup, more: int) -> None:
    """Inference on more GPUs takes no longer per sample."""
    inferring = replace(setup, workload=replace(setup.workload, task="infer"))
    one = answered(replace(inferring, machine=replace(setup.machine, n_gpus=1)), fit)
    many = answered(replace(inferring, machine=replace(setup.machine, n_gpus=more)), fit)
    assert many["sample_s"] <= one["sample_s"] * (1 + TOLERANCE)


@each_fit
def test_the_terms_make_up_the_time(fit: str) -> None:
    """A step lasts at least as long as each of device, launching and loading, at most their sum."""
    setup = Setup(hardware.machine("hc2"), architectures.find("joulecast:vgg16"), Workload())
    said = answered(setup, fit)
    parts = [said[name] for name in ("device_s", "launch_s", "loader_s")]
    assert max(parts) <= said["step_s"] - said["comm_s"] <= sum(parts)
    assert said["sample_s"] == pytest.approx(said["step_s"] / 128)
    assert said["device_s"] == pytest.approx(said["raw_device_s"] * said["stretch"])


@not_tuned
@pytest.mark.parametrize(
    ("model", "machine", "task", "low_s", "high_s"),
    [
        ("torchvision:resnet50", "v100-sxm2", "train", 1 / 600, 1 / 150),
        ("torchvision:resnet50", "a100-sxm-80gb", "infer", 1 / 6_000, 1 / 400),
        ("joulecast:vgg16", "rtx-3090", "train", 1 / 60_000, 1 / 3_000),
        ("bert-base-uncased", "v100-sxm2", "infer", 1 / 800, 1 / 20),
    ],
)
def test_units_are_sane(
    fit: str, model: str, machine: str, task: str, low_s: float, high_s: float
) -> None:
    """Well-known networks come out at seconds per sample that anybody would expect."""
    workload = Workload(task="train" if task == "train" else "infer", loader_workers=16)
    setup = Setup(hardware.machine(machine), architectures.find(model), workload, "gpu")
    assert low_s < answered(setup, fit)["sample_s"] < high_s


def test_every_coefficient_has_a_prior_and_a_width() -> None:
    """Each coefficient is positive with a positive spread, and the defaults are the priors."""
    assert all(value > 0 and spread > 0 for value, spread in PRIORS.values())
    assert tuple(physics.default_coefficients()) == physics.PARAMETERS


def test_scores_pass_through_memory_by_hand() -> None:
    """Per layer, head and pair of tokens 4 bytes, as often as there are passes."""
    bert = architectures.find("bert-large")
    c = columns.from_setups(
        [Setup(hardware.machine("v100-pcie"), bert, Workload(task="infer", batch_size=8), "gpu")]
    )
    k = physics.default_coefficients()
    scores = 24 * 16 * 512 * 512 * 4
    assert c["score_bytes"][0] == pytest.approx(scores)
    reached = k["bandwidth_efficiency"] * 900e9
    wanted_s = k["score_passes"] * 8 * scores / reached
    assert physics.predict(c, k)["scores_s"][0] == pytest.approx(wanted_s)


def test_scores_that_are_counted_already_count_once() -> None:
    """Attention counted operator by operator moves its scores itself."""
    bert = architectures.find("bert-large")
    fused = bert.ops["attention"]
    moved = fused.activation_bytes + 2 * 24 * 16 * 512 * 512 * 4
    eager = replace(bert, ops={**bert.ops, "attention": replace(fused, activation_bytes=moved)})
    c = columns.from_setups(
        [Setup(hardware.machine("t4"), a, Workload(task="infer"), "gpu") for a in (bert, eager)]
    )
    assert c["score_bytes"][0] > 0
    assert c["score_bytes"][1] == 0


def test_products_of_pytorch_in_fp32_leave_tensor_cores_idle() -> None:
    """fp32 products of a large transformer take an A100 about as its fp32 peak says."""
    gpt = architectures.find("gpt3-2.7b")
    setup = Setup(hardware.machine("a100-pcie-40gb"), gpt, Workload(task="infer"), "gpu")
    terms = answered(setup, "prior")
    floor_s = 2 * setup.workload.batch_size * gpt.ops["matmul"].macs / 19.5e12
    assert 1.0 <= terms["matmul_s"] / floor_s <= 1.5
