"""What the regressors see: one function per feature, all dimensionless or logarithms.

No names of models or devices. `c` are the columns of the setups, `t` the terms of the physical
model; a feature that is measured during a run elsewhere (utilisation, work done, throughput) is
here always the *predicted* one, so that fitting and use see the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Columns = Mapping[str, Array]

FEATURES: dict[str, Callable[[Columns, Columns], Array]] = {}


def feature(function: Callable[[Columns, Columns], Array]) -> Callable[[Columns, Columns], Array]:
    """Register `function` under its own name."""
    FEATURES[function.__name__] = function
    return function


def matrix(c: Columns, t: Columns) -> Array:
    """All features, (n, n_features), in the order of `FEATURES`; finite."""
    return np.column_stack([f(c, t) for f in FEATURES.values()])


def _share(t: Columns, *terms: str) -> Array:
    return sum((t[f"{n}_s"] for n in terms), np.zeros_like(t["step_s"])) / t["raw_device_s"]


@feature
def macs(c: Columns, _t: Columns) -> Array:
    """Log10 multiply-adds of one forward pass of one sample."""
    return np.log10(c["macs"])


@feature
def params(c: Columns, _t: Columns) -> Array:
    """Log10 parameters."""
    return np.log10(c["params"])


@feature
def macs_param(c: Columns, _t: Columns) -> Array:
    """Log10 multiply-adds per parameter (the papers' metric, 6.1.3)."""
    return np.log10(c["macs"] / c["params"])


@feature
def model_size_to_ram(c: Columns, _t: Columns) -> Array:
    """Log10 of model bytes over device memory (the papers' metric, 6.1.3)."""
    return np.log10(4 * c["params"] / c["mem_bytes"])


@feature
def work_done(c: Columns, t: Columns) -> Array:
    """Log10 of parameters processed per second, predicted (the papers' metric, 6.1.3)."""
    return np.log10(c["params"] * np.maximum(c["trainable_frac"], 1e-3) / t["sample_s"])


@feature
def gpu_mem_util(_c: Columns, t: Columns) -> Array:
    """Predicted share of the time in which memory is the limit, 0..1."""
    return t["util_memory"]


@feature
def util_compute(_c: Columns, t: Columns) -> Array:
    """Predicted share of the time in which arithmetic is the limit, 0..1."""
    return t["util_compute"]


@feature
def busy(_c: Columns, t: Columns) -> Array:
    """Predicted share of the step in which the accelerator works, 0..1."""
    return t["busy"]


@feature
def launch_bound(_c: Columns, t: Columns) -> Array:
    """Log10 of launch seconds over device seconds."""
    return np.clip(np.log10((t["launch_s"] + 1e-9) / t["device_s"]), -3, 2)


@feature
def loader_bound(_c: Columns, t: Columns) -> Array:
    """Log10 of loader seconds over device seconds."""
    return np.clip(np.log10((t["loader_s"] + 1e-9) / t["device_s"]), -3, 2)


@feature
def batch(c: Columns, _t: Columns) -> Array:
    """Log2 of the batch size."""
    return np.log2(c["batch"])


@feature
def kernel_work(_c: Columns, t: Columns) -> Array:
    """Log10 seconds of ideal work per kernel: how well the device can be filled."""
    ideal = t["ideal_compute_s"] + t["ideal_memory_s"]
    return np.log10(ideal / np.maximum(t["n_kernels"], 1) + 1e-9)


@feature
def intensity(_c: Columns, t: Columns) -> Array:
    """Log10 of ideal compute seconds over ideal memory seconds."""
    return np.log10((t["ideal_compute_s"] + 1e-9) / (t["ideal_memory_s"] + 1e-9))


@feature
def kernels(c: Columns, _t: Columns) -> Array:
    """Log10 operator launches of one forward pass."""
    return np.log10(c["kernels"])


@feature
def conv_share(_c: Columns, t: Columns) -> Array:
    """Share of dense convolutions in the device seconds."""
    return _share(t, "conv")


@feature
def depthwise_share(_c: Columns, t: Columns) -> Array:
    """Share of depthwise convolutions in the device seconds."""
    return _share(t, "depthwise")


@feature
def grouped_share(_c: Columns, t: Columns) -> Array:
    """Share of grouped convolutions in the device seconds."""
    return _share(t, "grouped")


@feature
def matmul_share(_c: Columns, t: Columns) -> Array:
    """Share of matrix products and attention in the device seconds."""
    return _share(t, "matmul", "attention")


@feature
def pointwise_share(_c: Columns, t: Columns) -> Array:
    """Share of normalisation, element-wise operators and pooling in the device seconds."""
    return _share(t, "norm", "elementwise", "pool")


@feature
def optimiser_share(_c: Columns, t: Columns) -> Array:
    """Share of the optimiser's memory traffic in the device seconds."""
    return _share(t, "optimiser")


@feature
def kernels_share(_c: Columns, t: Columns) -> Array:
    """Share of shortest-kernel time in the device seconds."""
    return _share(t, "kernels")


@feature
def stretch(_c: Columns, t: Columns) -> Array:
    """Log of the slow-down by the power limit, >= 0."""
    return np.log(t["stretch"])


@feature
def power_fraction(_c: Columns, t: Columns) -> Array:
    """Predicted position between idle and limit, 0.02..1.02."""
    return t["z"]


@feature
def cap(c: Columns, _t: Columns) -> Array:
    """Log of the power limit over the TDP."""
    return np.where(c["is_cpu"] > 0, 0.0, np.log(c["limit_w"] / c["tdp_w"]))


@feature
def is_train(c: Columns, _t: Columns) -> Array:
    """1 for training, 0 for inference."""
    return c["is_train"]


@feature
def is_text(c: Columns, _t: Columns) -> Array:
    """1 for token models."""
    return c["is_text"]


@feature
def is_cpu(c: Columns, _t: Columns) -> Array:
    """1 where a CPU computes."""
    return c["is_cpu"]


@feature
def is_edge(c: Columns, _t: Columns) -> Array:
    """1 for edge boards."""
    return c["is_edge"]


@feature
def tensorflow(c: Columns, _t: Columns) -> Array:
    """1 under TensorFlow and Keras."""
    return c["framework_tensorflow"]


@feature
def onnx(c: Columns, _t: Columns) -> Array:
    """1 under ONNX runtimes."""
    return c["framework_onnx"]


@feature
def tensorrt(c: Columns, _t: Columns) -> Array:
    """1 under TensorRT."""
    return c["framework_tensorrt"]


@feature
def vendor_stack(c: Columns, _t: Columns) -> Array:
    """1 under another vendor's inference stack."""
    return c["framework_vendor"]


@feature
def scope_system(c: Columns, _t: Columns) -> Array:
    """1 where the energy covers GPU, CPU and DRAM."""
    return c["scope_system"]


@feature
def scope_wall(c: Columns, _t: Columns) -> Array:
    """1 where the energy is the wall's."""
    return c["scope_wall"]


@feature
def precision_bits(c: Columns, _t: Columns) -> Array:
    """Log2 of the bytes per value."""
    return np.log2(c["bytes_per_value"])


@feature
def devices(c: Columns, _t: Columns) -> Array:
    """Log2 of the number of accelerators."""
    return np.log2(c["count"])


@feature
def part_launch(_c: Columns, t: Columns) -> Array:
    """Share of the step that more launching time would add to, 0..1."""
    return t["part_launch"]


@feature
def part_loader(_c: Columns, t: Columns) -> Array:
    """Likewise loading samples."""
    return t["part_loader"]


@feature
def part_dense(_c: Columns, t: Columns) -> Array:
    """Likewise dense convolutions and matrix products."""
    return t["part_dense"]


@feature
def part_thin(_c: Columns, t: Columns) -> Array:
    """Likewise depthwise and grouped convolutions."""
    return t["part_thin"]


@feature
def part_light(_c: Columns, t: Columns) -> Array:
    """Likewise normalisation, element-wise operators and pooling."""
    return t["part_light"]


@feature
def part_short(_c: Columns, t: Columns) -> Array:
    """Likewise the shortest time that a kernel takes."""
    return t["part_short"]


@feature
def part_slowed(_c: Columns, t: Columns) -> Array:
    """How firmly the power limit holds, 0..1."""
    return t["part_slowed"]


@feature
def part_awake(_c: Columns, t: Columns) -> Array:
    """Share of the busy power that flows without work, 0 when the limit holds."""
    return t["part_awake"]


@feature
def part_memory(_c: Columns, t: Columns) -> Array:
    """Likewise moving bytes."""
    return t["part_memory"]


@feature
def part_compute(_c: Columns, t: Columns) -> Array:
    """Likewise arithmetic."""
    return t["part_compute"]


@feature
def part_base(_c: Columns, t: Columns) -> Array:
    """Likewise clocking busy multiprocessors."""
    return t["part_base"]
