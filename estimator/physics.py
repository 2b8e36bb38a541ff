"""The physical model: time as a sum of roofline terms, power as a bounded share of the limit.

    T_gpu  = sum over op classes of  |flops / (efficiency x peak), bytes / (efficiency x bandwidth),
             kernels x shortest kernel|,   |.| the 3-norm: nearly the largest
             + attention scores x passes / bandwidth  (scale, mask, softmax, each an operator)
    T      = (T_gpu^p + T_launch^p + T_loader^p)^(1/p) + the serial part of loading,   p = 4
    P_gpu  = see `power`

Coefficients are logarithms with priors (`PRIORS`) and are fitted jointly over all runs; a term that
no run can teach keeps its prior. A capped device stretches its time (`power`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import MAC_CLASSES, OP_CLASSES
from joulecast.core.units import FLOPS_PER_MAC
from joulecast.estimator import power
from joulecast.estimator.priors import PRIORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.columns import Columns

    Array = NDArray[np.float64]

NORM = 4.0
OVERLAP = 3.0
"""Norm in which compute and memory time of one op class add: 1 in turn, infinite the maximum."""

_OWN_PASSES = 2
"""Times that attention's own products move its scores: the first writes, the second reads."""

PARAMETERS = tuple(PRIORS)


def default_coefficients() -> dict[str, float]:
    """The prior value of every coefficient."""
    return {name: value for name, (value, _) in PRIORS.items()}


def predict(c: Columns, k: Mapping[str, float]) -> dict[str, Array]:
    """Time and power of one step, with their terms.

    Parameters
    ----------
    c : columns, each (n,).
    k : coefficients by name, see `PRIORS`.

    Returns
    -------
    dict of (n,)
        ``sample_s`` seconds per sample; ``gpu_w``, ``cpu_w``, ``dram_w``, ``scope_w`` watts of the
        whole machine; ``<term>_s`` seconds per step; ``util_compute``, ``util_memory``, ``busy``.
    """
    out = _device_time(c, k)
    out |= _host_time(c, k, out["n_kernels"])
    out |= power.while_busy(c, k, out)
    out["device_s"] = out["raw_device_s"] * out["stretch"]
    serial_s = out["loader_serial"] * out["loader_s"]
    step_s = _norm(out["device_s"], out["launch_s"], out["loader_s"] - serial_s)
    step_s = step_s + serial_s + out["start_s"] + out["comm_s"]
    out["step_s"] = step_s
    out["sample_s"] = step_s / (c["batch"] * out["effective_count"])
    out["busy"] = out["device_s"] / step_s
    out |= _time_parts(out, step_s - serial_s - out["start_s"] - out["comm_s"], serial_s)
    out["util_compute"] = np.minimum(out["compute_s"] / step_s, 1.0)
    out["util_memory"] = np.minimum(out["memory_s"] / step_s, 1.0)
    return out | power.over_a_step(c, k, out)


def _time_parts(t: Mapping[str, Array], joined_s: Array, serial_s: Array) -> dict[str, Array]:
    """By how much each term's logarithm moves that of the step's time, (n,), 0..1."""
    own = {
        n: (t[f"{n}_s"] / joined_s) ** NORM * joined_s / t["step_s"] for n in ("device", "launch")
    }
    beside_s = t["loader_s"] - serial_s
    loading = (beside_s / joined_s) ** NORM * joined_s / t["step_s"]
    per_device_s = own["device"] / t["raw_device_s"]
    light_s = t["norm_s"] + t["elementwise_s"] + t["pool_s"] + t["scores_s"]
    thin_s = t["depthwise_s"] + t["grouped_s"]
    return {
        "part_launch": own["launch"],
        "part_loader": loading + serial_s / t["step_s"],
        "part_dense": per_device_s * (t["conv_s"] + t["matmul_s"] + t["attention_s"]),
        "part_thin": per_device_s * thin_s,
        "part_light": per_device_s * light_s,
        "part_short": own["device"] * np.maximum(1 - t["filled_s"] / t["raw_device_s"], 0),
    }


def _norm(*parts: Array) -> Array:
    largest = np.maximum.reduce(parts)
    joined: Array = largest * sum((p / largest) ** NORM for p in parts) ** (1 / NORM)
    return joined


def _device_time(c: Columns, k: Mapping[str, float]) -> dict[str, Array]:
    """Seconds per step on the accelerator before throttling, per term."""
    train = c["is_train"]
    bandwidth, shortest = (
        _bandwidth(c, k),
        np.where(c["is_cpu"] > 0, k["cpu_kernel_s"], k["kernel_s"]),
    )
    launches = 1 + train * (k["train_kernels"] - 1)
    eager = np.where((c["is_cpu"] > 0) & (c["framework_pytorch"] > 0), k["cpu_eager_traffic"], 1.0)
    traffic = eager * (1 + train * (k["train_traffic"] - 1))
    fused = np.where(c["framework_pytorch"] * (1 - train) + train > 0, 1.0, k["fused_traffic"])
    scored_s = _width(c) * c["batch"] * c["score_bytes"] * traffic * fused / bandwidth
    update_s = train * c["trainable_frac"] * c["params"] * c["optimiser_bytes"] / bandwidth
    updates = train * c["trainable_frac"] * c["optimiser_kernels"] * k["optimiser_kernels"]
    out = {
        "scores_s": k["score_passes"] * scored_s,
        "optimiser_s": update_s,
        "n_kernels": c["kernels"] * launches + updates,
    }
    out["kernels_s"] = out["n_kernels"] * shortest
    out["filled_s"] = out["scores_s"] + update_s
    out["memory_s"] = out["scores_s"] + update_s
    out["raw_device_s"] = out["scores_s"] + _joined(update_s, updates * shortest)
    out["least_memory_s"] = update_s * bandwidth / c["bandwidth"]
    out["compute_s"], out["ideal_compute_s"] = np.zeros_like(train), np.zeros_like(train)
    for name in OP_CLASSES:
        light = fused if name in {"norm", "elementwise"} else 1.0
        moved = _moved_bytes(name, c, traffic * light)
        scores_s = _OWN_PASSES * scored_s if name == "attention" else 0.0
        memory_s = moved / bandwidth + scores_s
        compute_s, ideal_s = _compute_time(name, c, k)
        class_s = _joined(compute_s, memory_s, shortest * c[f"{name}_kernels"] * launches)
        work = compute_s**OVERLAP + memory_s**OVERLAP
        out[f"{name}_filled_s"] = work / np.maximum(class_s, 1e-30) ** (OVERLAP - 1)
        out[f"{name}_s"] = class_s
        out[f"{name}_arithmetic_s"], out[f"{name}_traffic_s"] = ideal_s, moved / c["bandwidth"]
        out["raw_device_s"] = out["raw_device_s"] + class_s
        out["filled_s"] = out["filled_s"] + out[f"{name}_filled_s"]
        out["compute_s"] = out["compute_s"] + compute_s
        out["memory_s"] = out["memory_s"] + memory_s
        out["ideal_compute_s"] = out["ideal_compute_s"] + ideal_s
        out["least_memory_s"] = out["least_memory_s"] + out[f"{name}_traffic_s"]
    to_peak = bandwidth / c["bandwidth"]
    out["optimiser_traffic_s"] = update_s * to_peak
    out["scores_traffic_s"] = (_OWN_PASSES + k["score_passes"]) * scored_s * to_peak
    out["ideal_memory_s"] = out["least_memory_s"] + out["scores_traffic_s"]
    return out


def _joined(*parts: Array) -> Array:
    """Seconds of parts that overlap."""
    joined: Array = sum(part**OVERLAP for part in parts) ** (1 / OVERLAP)
    return joined


def _width(c: Columns) -> Array:
    """Bytes per value over those of fp32."""
    return np.where(c["is_cpu"] > 0, 1.0, c["bytes_per_value"] / 4)


def _passes(c: Columns) -> Array:
    """Passes over the network: forward, and in training twice backward."""
    passes: Array = 1 + 2 * c["is_train"] * c["trainable_frac"]
    return passes


def _moved_bytes(name: str, c: Columns, traffic: Array) -> Array:
    """Bytes that op class `name` reads and writes in a step."""
    activations = c["batch"] * c[f"{name}_activation_bytes"] * traffic
    moved: Array = _width(c) * (activations + c[f"{name}_weight_bytes"] * _passes(c))
    return moved


def _compute_time(name: str, c: Columns, k: Mapping[str, float]) -> tuple[Array, Array]:
    """Seconds of the arithmetic of op class `name`, and at the fp32 peak."""
    if name not in MAC_CLASSES:
        return np.zeros_like(c["batch"]), np.zeros_like(c["batch"])
    passes = _passes(c)
    flops = FLOPS_PER_MAC * c["batch"] * c[f"{name}_macs"] * passes
    thin = (name in {"depthwise", "grouped"}) & (c["is_cpu"] == 0)
    slower = np.where(thin, 1 + (passes - 1) / passes * (k["depthwise_backward"] - 1), 1.0)
    return flops * slower / _rate(name, c, k), flops / c["peak_fp32"]


def _bandwidth(c: Columns, k: Mapping[str, float]) -> Array:
    """Bytes/s that memory reaches."""
    stacked = np.where(c["is_hbm"] > 0, 1.0, k["gddr_efficiency"])
    reached = np.where(
        c["is_cpu"] > 0, k["cpu_bandwidth_efficiency"], k["bandwidth_efficiency"] * stacked
    )
    bandwidth: Array = c["bandwidth"] * reached
    return bandwidth


def _rate(name: str, c: Columns, k: Mapping[str, float]) -> Array:
    """FLOP/s that op class `name` reaches."""
    own = k["tf32_conv"] if name in {"conv", "depthwise", "grouped"} else k["tf32_matmul"]
    share = np.where(c["framework_tensorflow"] > 0, max(k["tf32_conv"], k["tf32_matmul"]), own)
    share = np.where(c["is_tf32"] > 0, 1.0, np.clip(share, 0, 1))
    paired = k["matmul_pairs"] if name in {"matmul", "attention"} else k["dual_issue"]
    paired = min(paired, 1.0)  # a second set of lanes slows nothing
    issue = np.maximum(c["flops_per_unit_clock"] / 128, 1.0) ** -paired
    full = (
        c["peak_fp32"]
        * issue
        * (c["peak_tf32"] / c["peak_fp32"]) ** share
        * k[f"{name}_efficiency"]
    )
    relative = k[f"{name}_efficiency"] / k["conv_efficiency"]
    half = np.maximum(c["peak_half"] * k["half_efficiency"] * relative, full)
    int8 = np.maximum(c["peak_int8"] * k["int8_efficiency"] * relative, half)
    rate = np.where(
        c["bytes_per_value"] >= 4, full, np.where(c["bytes_per_value"] >= 2, half, int8)
    )
    cpu_name = {"conv": "cpu_conv", "depthwise": "cpu_depthwise"}.get(name, "cpu_other")
    spread = 1 + k["cpu_serial"] * (c["cores"] - 1)
    return np.where(c["is_cpu"] > 0, c["peak_fp32"] * k[f"{cpu_name}_efficiency"] / spread, rate)


def _host_time(c: Columns, k: Mapping[str, float], n_kernels: Array) -> dict[str, Array]:
    """Seconds per step of launching kernels, feeding samples and talking between devices."""
    per_kernel = sum(
        c[f"framework_{f}"] * k[f"launch_{f}_s"]
        for f in ("pytorch", "tensorflow", "onnx", "tensorrt", "vendor")
    )
    host_speed = c["host_clock_hz"] / 4e9
    on_gpu = 1 - c["is_cpu"]
    traced = 1 + c["is_train"] * (k["launch_train"] - 1)
    launch = (n_kernels * per_kernel * traced + k["step_s"]) / host_speed * on_gpu
    is_cpu = c["is_cpu"] > 0
    workers = np.where(is_cpu, np.minimum(c["workers"], c["cores"]), c["workers"])
    augmented = 1 + c["is_train"] * (k["loader_augment"] - 1)
    sample_s = k["loader_sample_s"] * augmented / host_speed
    pixels = np.maximum(c["input_pixels"] - 4096, 0) * c["input_channels"] / 3
    fed = c["is_image"] * c["has_loader"]
    first_s = fed * (sample_s + k["loader_pixel_s"] * pixels)  # by one worker, nothing ahead of it
    next_s = fed * (sample_s / np.minimum(workers, 2) + k["loader_pixel_s"] * pixels / workers)
    effective = c["count"] ** (1 - k["scaling_loss"])
    loader = next_s * c["batch"] * effective
    start = first_s * c["batch"] * np.minimum(c["batch"] * effective / c["epoch_samples"], 1.0)
    comm = c["is_train"] * (c["count"] > 1) * 4 * c["params"] / 2e10
    return {
        "launch_s": launch,
        "loader_s": loader,
        "loader_serial": np.where(is_cpu, workers / c["cores"], min(k["loader_serial"], 1.0)),
        "start_s": start,
        "comm_s": comm * on_gpu,
        "effective_count": effective,
    }
