"""The physical model: time as a sum of roofline terms, power as a bounded share of the limit.

    T_gpu  = sum over op classes of  |flops / (efficiency x peak), bytes / (efficiency x bandwidth)|
             + kernels x shortest kernel,   |.| the 3-norm: nearly the larger of the two
    T      = (T_gpu^p + T_launch^p + T_loader^p)^(1/p),   p = 4
    P_gpu  = idle + z (limit - idle),   z bounded by 1.02, from predicted utilisations

Coefficients are logarithms with priors (`PRIORS`) and are fitted jointly over all runs; a term that
no run can teach keeps its prior. A capped device stretches its time: at a lower clock power and
speed fall together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import MAC_CLASSES, OP_CLASSES
from joulecast.core.units import FLOPS_PER_MAC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.columns import Columns

    Array = NDArray[np.float64]

NORM = 4.0
OVERLAP = 3.0
"""Norm in which compute and memory time of one op class add: 1 in turn, infinite the maximum."""
Z_MAX = 1.02
Z_MIN = 0.02

PRIORS: dict[str, tuple[float, float]] = {
    # name: (value, standard deviation of its logarithm)
    "conv_efficiency": (0.7, 0.3),
    "depthwise_efficiency": (0.10, 0.6),
    "grouped_efficiency": (0.20, 0.5),
    "matmul_efficiency": (0.65, 0.3),
    "attention_efficiency": (0.40, 0.4),
    "half_efficiency": (0.55, 0.4),
    "int8_efficiency": (0.30, 0.5),
    "dual_issue": (0.5, 0.4),
    "bandwidth_efficiency": (0.78, 0.12),
    "gddr_efficiency": (0.9, 0.1),
    "fused_traffic": (0.60, 0.3),
    "train_traffic": (3.0, 0.2),
    "train_kernels": (3.0, 0.1),
    "optimiser_kernels": (1.0, 0.15),
    "kernel_s": (3.5e-06, 0.15),
    "tf32_conv": (0.5, 0.7),
    "tf32_matmul": (0.15, 1.0),
    "launch_pytorch_s": (7e-6, 0.25),
    "launch_tensorflow_s": (6e-6, 0.6),
    "launch_onnx_s": (4e-6, 0.6),
    "launch_tensorrt_s": (1.5e-6, 0.6),
    "launch_vendor_s": (3e-6, 0.7),
    "launch_train": (1.5, 0.2),
    "step_s": (3e-4, 0.7),
    "loader_sample_s": (1.0e-4, 0.4),
    "loader_pixel_s": (4.0e-8, 0.6),
    "loader_train": (1.3, 0.3),
    "loader_serial": (0.1, 0.5),
    "cpu_conv_efficiency": (0.4, 0.3),
    "cpu_other_efficiency": (0.3, 0.3),
    "cpu_depthwise_efficiency": (0.05, 0.4),
    "cpu_bandwidth_efficiency": (0.6, 0.2),
    "cpu_kernel_s": (3e-05, 0.4),
    "scaling_loss": (0.05, 0.6),
    "throttle": (0.5, 0.15),
    "limit_margin": (0.97, 0.02),
    "awake_power": (0.15, 0.3),
    "unit_clock_j": (4e-10, 0.3),
    "compute_power": (0.6, 0.3),
    "dram_j_per_byte": (1.0e-10, 0.3),
    "core_j_per_byte": (1.2e-10, 0.4),
    "hbm_share": (0.5, 0.3),
    "standby_w_per_gb": (0.5, 0.4),
    "process_share": (0.3, 0.4),
    "cpu_busy_power": (0.6, 0.2),
    "host_power": (0.25, 0.5),
    "dram_activity": (0.30, 0.4),
    "wall_factor": (1.15, 0.03),
    "wall_extra": (0.12, 0.35),
}
PARAMETERS = tuple(PRIORS)
_PJ_PER_FLOP_AT_8_NM = 8.0e-12
"""Joules per fp32 FLOP of an 8 nm part at its limit: RTX 3090, 350 W / 35.6 TFLOP/s, rounded."""


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
    out |= _busy_power(c, k, out)
    out["device_s"] = out["raw_device_s"] * out["stretch"]
    serial_s = np.minimum(k["loader_serial"], 1.0) * out["loader_s"]
    step_s = _norm(out["device_s"], out["launch_s"], out["loader_s"] - serial_s)
    step_s = step_s + serial_s + out["start_s"] + out["comm_s"]
    out["step_s"] = step_s
    out["sample_s"] = step_s / (c["batch"] * out["effective_count"])
    out["busy"] = out["device_s"] / step_s
    out |= _time_parts(out, step_s - serial_s - out["start_s"] - out["comm_s"])
    out["util_compute"] = np.minimum(out["compute_s"] / step_s, 1.0)
    out["util_memory"] = np.minimum(out["memory_s"] / step_s, 1.0)
    return out | _power(c, k, out)


def _time_parts(t: Mapping[str, Array], joined_s: Array) -> dict[str, Array]:
    """By how much each term's logarithm moves that of the step's time, (n,), 0..1."""
    own = {n: (t[f"{n}_s"] / joined_s) ** NORM * joined_s / t["step_s"] for n in ("device", "launch")}
    per_device_s = own["device"] / t["raw_device_s"]
    light_s = t["norm_s"] + t["elementwise_s"] + t["pool_s"]
    thin_s = t["depthwise_s"] + t["grouped_s"]
    return {
        "part_launch": own["launch"],
        "part_loader": np.clip(1 - own["device"] - own["launch"], 0, 1),
        "part_dense": per_device_s * (t["conv_s"] + t["matmul_s"] + t["attention_s"]),
        "part_thin": per_device_s * thin_s,
        "part_light": per_device_s * light_s,
        "part_short": own["device"] * (1 - t["filled_s"] / t["raw_device_s"]),
    }


def _norm(*parts: Array) -> Array:
    largest = np.maximum.reduce(parts)
    joined: Array = largest * sum((p / largest) ** NORM for p in parts) ** (1 / NORM)
    return joined


def _device_time(c: Columns, k: Mapping[str, float]) -> dict[str, Array]:
    """Seconds per step on the accelerator before throttling, per term."""
    train = c["is_train"]
    passes = 1 + 2 * train * c["trainable_frac"]
    traffic = 1 + train * (k["train_traffic"] - 1)
    is_cpu = c["is_cpu"] > 0
    width = np.where(is_cpu, 1.0, c["bytes_per_value"] / 4)
    fused = np.where(c["framework_pytorch"] * (1 - train) + train > 0, 1.0, k["fused_traffic"])
    bandwidth = c["bandwidth"] * np.where(
        is_cpu,
        k["cpu_bandwidth_efficiency"],
        k["bandwidth_efficiency"] * np.where(c["is_hbm"] > 0, 1.0, k["gddr_efficiency"]),
    )
    out: dict[str, Array] = {}
    compute, memory = np.zeros_like(train), np.zeros_like(train)
    ideal_compute, ideal_memory = np.zeros_like(train), np.zeros_like(train)
    device, filled = np.zeros_like(train), np.zeros_like(train)
    shortest = np.where(is_cpu, k["cpu_kernel_s"], k["kernel_s"])
    launches = 1 + train * (k["train_kernels"] - 1)
    for name in OP_CLASSES:
        light = fused if name in {"norm", "elementwise"} else 1.0
        moved = width * (
            c["batch"] * c[f"{name}_activation_bytes"] * traffic * light
            + c[f"{name}_weight_bytes"] * passes
        )
        memory_s = moved / bandwidth
        compute_s = np.zeros_like(train)
        if name in MAC_CLASSES:
            flops = FLOPS_PER_MAC * c["batch"] * c[f"{name}_macs"] * passes
            compute_s = flops / _rate(name, c, k)
            ideal_compute = ideal_compute + flops / c["peak_fp32"]
        launched_s = shortest * c[f"{name}_kernels"] * launches
        work = compute_s**OVERLAP + memory_s**OVERLAP
        both_s = (work + launched_s**OVERLAP) ** (1 / OVERLAP)
        filled = filled + work / np.maximum(both_s, 1e-30) ** (OVERLAP - 1)
        out[f"{name}_s"] = both_s
        device = device + both_s
        compute, memory = compute + compute_s, memory + memory_s
        ideal_memory = ideal_memory + moved / c["bandwidth"]
    update = train * c["trainable_frac"] * c["params"] * c["optimiser_bytes"] / bandwidth
    out["optimiser_s"] = update
    updates = train * c["trainable_frac"] * c["optimiser_kernels"] * k["optimiser_kernels"]
    out["n_kernels"] = c["kernels"] * launches + updates
    out["kernels_s"] = out["n_kernels"] * shortest
    updating = (update**OVERLAP + (updates * shortest) ** OVERLAP) ** (1 / OVERLAP)
    out["compute_s"], out["memory_s"] = compute, memory + update
    out["ideal_compute_s"], out["ideal_memory_s"] = ideal_compute, ideal_memory + update
    out["raw_device_s"] = device + updating
    out["filled_s"] = filled + update
    return out


def _rate(name: str, c: Columns, k: Mapping[str, float]) -> Array:
    """FLOP/s that op class `name` reaches."""
    own = k["tf32_conv"] if name in {"conv", "depthwise", "grouped"} else k["tf32_matmul"]
    share = np.where(c["framework_tensorflow"] > 0, max(k["tf32_conv"], k["tf32_matmul"]), own)
    share = np.where(c["is_tf32"] > 0, 1.0, np.clip(share, 0, 1))
    issue = np.maximum(c["flops_per_unit_clock"] / 128, 1.0) ** -k["dual_issue"]
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
    return np.where(c["is_cpu"] > 0, c["peak_fp32"] * k[f"{cpu_name}_efficiency"], rate)


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
    sample_s = k["loader_sample_s"] / host_speed / np.minimum(c["workers"], 2)
    pixel_s = k["loader_pixel_s"] * np.maximum(c["input_pixels"] - 4096, 0) / c["workers"]
    fed = c["is_image"] * c["has_loader"] * (1 + c["is_train"] * (k["loader_train"] - 1))
    effective = c["count"] ** (1 - k["scaling_loss"])
    loader = fed * (sample_s + pixel_s * c["input_channels"] / 3) * c["batch"] * effective
    first_s = loader * np.maximum(c["workers"], 2)
    start = first_s * np.minimum(c["batch"] * effective / c["epoch_samples"], 1.0)
    comm = c["is_train"] * (c["count"] > 1) * 4 * c["params"] / 2e10
    return {
        "launch_s": launch,
        "loader_s": loader,
        "start_s": start,
        "comm_s": comm * on_gpu,
        "effective_count": effective,
    }


def _busy_power(c: Columns, k: Mapping[str, float], t: Mapping[str, Array]) -> dict[str, Array]:
    """Watts of one device at work, and the slow-down that its power limit forces on it.

    Power is what the limit cannot touch (awake) plus what clock and voltage scale. Energy
    per FLOP lies between TDP / peak and the process node's (`process_share`).
    """
    is_cpu = c["is_cpu"] > 0
    span_w = c["tdp_w"] - c["idle_w"]
    by_node_w = _PJ_PER_FLOP_AT_8_NM * (c["process_nm"] / 8) * c["peak_fp32"]
    relative = np.where(is_cpu, 1.0, (by_node_w / span_w) ** k["process_share"])
    over_s = t["raw_device_s"]
    stacked = np.where(c["is_hbm"] > 0, k["hbm_share"], 1.0)
    clocks_w = k["awake_power"] * span_w * c["process_nm"] / 8
    standby_w = k["standby_w_per_gb"] * c["device_mem_bytes"] / 1e9
    awake_w = c["idle_w"] + np.where(is_cpu, 0.0, stacked * (clocks_w + standby_w))
    dram_j = k["dram_j_per_byte"] * stacked
    joules = dram_j + k["core_j_per_byte"] * c["process_nm"] / 8
    memory_w = joules * c["bandwidth"] * np.minimum(t["ideal_memory_s"] / over_s, 1.5)
    compute = np.minimum(t["ideal_compute_s"] / over_s, 3.0)
    units = c["peak_fp32"] / c["flops_per_unit_clock"]
    clocked_w = k["unit_clock_j"] * units * c["process_nm"] / 8
    base_w = np.where(is_cpu, k["cpu_busy_power"] * span_w, clocked_w) * t["filled_s"] / over_s
    scaled_w = base_w + k["compute_power"] * relative * compute * span_w + memory_w
    room_w = np.maximum(k["limit_margin"] * c["limit_w"] - awake_w, 0.05 * c["tdp_w"])
    over = scaled_w / room_w
    free = 1 / (1 + over**NORM)
    busy_w = awake_w + scaled_w / (1 + over**NORM) ** (1 / NORM)
    return {
        "part_slowed": 1 - free,
        "part_memory": free * memory_w / busy_w,
        "part_compute": free * (scaled_w - memory_w - base_w) / busy_w,
        "part_base": free * base_w / busy_w,
        "part_awake": awake_w / busy_w,
        "awake_w": awake_w,
        "busy_w": busy_w,
        "stretch": (1 + (k["throttle"] * over) ** NORM) ** (1 / NORM),
    }


def _power(c: Columns, k: Mapping[str, float], t: Mapping[str, Array]) -> dict[str, Array]:
    """Mean watts over a step of every scope, whole machine."""
    one_w = t["awake_w"] + (t["busy_w"] - t["awake_w"]) * np.minimum(t["busy"], 1.0)
    device_w = one_w * c["count"]
    z = (one_w - c["idle_w"]) / np.maximum(c["limit_w"] - c["idle_w"], 0.05 * c["tdp_w"])
    z = np.clip(z, Z_MIN, Z_MAX)
    is_cpu = c["is_cpu"] > 0
    host_w = c["has_host"] * (
        c["host_idle_w"] + k["host_power"] * np.maximum(c["host_tdp_w"] - c["host_idle_w"], 0)
    )
    dram_w = c["dram_idle_w"] + k["dram_activity"] * np.maximum(
        c["dram_active_w"] - c["dram_idle_w"],
        0,
    )
    gpu_w = np.where(is_cpu, 0.0, device_w)
    cpu_w = np.where(is_cpu, device_w, host_w)
    system_w = gpu_w + cpu_w + dram_w
    wall_w = k["wall_factor"] * system_w + k["wall_extra"] * c["tdp_w"] * c["count"]
    scope_w = (
        c["scope_gpu"] * gpu_w
        + c["scope_cpu"] * cpu_w
        + c["scope_dram"] * dram_w
        + c["scope_system"] * system_w
        + c["scope_wall"] * wall_w
    )
    idle_w = np.where(is_cpu, 0.0, c["idle_w"] * c["count"])
    cpu_idle_w = np.where(is_cpu, c["idle_w"] * c["count"], c["has_host"] * c["host_idle_w"])
    return {
        "z": z,
        "gpu_w": gpu_w,
        "cpu_w": cpu_w,
        "dram_w": dram_w,
        "system_w": system_w,
        "scope_w": np.maximum(scope_w, 1e-3),
        "gpu_idle_w": idle_w,
        "cpu_idle_w": cpu_idle_w,
    }
