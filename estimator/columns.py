"""Setups as columns of numbers: the one place where records become arrays.

Each distinct architecture and machine is turned into a vector once, so that a table of many
thousand rows costs a few array look-ups.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import OP_CLASSES
from joulecast.core.units import BYTES_PER_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Architecture, Device, Machine, Setup, Workload

    Columns = dict[str, NDArray[np.float64]]

FRAMEWORKS = ("pytorch", "tensorflow", "onnx", "tensorrt", "vendor")
TUNED_STACKS = ("tensorrt", "vendor")
SCOPES = ("gpu", "cpu", "dram", "system", "wall")
POPULATIONS = ("gpu", "wall", "cpu", "tuned")
DEFAULT_WORKERS = 4
"""Data-loading processes where nothing is said."""
OPTIMISER_BYTES_PER_PARAM = {
    "none": 12.0,
    "sgd": 20.0,
    "adam": 28.0,
    "adamw": 28.0,
    "adadelta": 36.0,
}
"""Bytes moved per parameter by one fp32 update: read weight, gradient and state, write back.
Without an update gradients pile up: each is added to the last step's."""
OPTIMISER_KERNELS_PER_TENSOR = {
    "none": 1.0,
    "sgd": 0.5,
    "adam": 10.0,
    "adamw": 10.0,
    "adadelta": 11.0,
}
"""Launches per parameter tensor of one update; SGD updates many tensors in one launch."""
_HEAD_DIM = 64.0
"""Width of an attention head where nothing is said."""
_SYNTHETIC = ("random", "synthetic", "none")
_GREY = ("mnist", "fashion_mnist", "fashionmnist")


def from_setups(setups: Sequence[Setup]) -> Columns:
    """Columns of `setups`, each of shape (n_setups,), SI units.

    Per op class ``<class>_macs``, ``_activation_bytes``, ``_weight_bytes`` and ``_kernels`` of one
    forward pass of one sample; machine facts; workload facts.
    """
    columns = _gather([s.architecture for s in setups], _architecture_vector)
    columns |= _gather([s.machine for s in setups], _machine_vector)
    columns |= _gather([s.workload for s in setups], _workload_vector)
    scopes = np.array([SCOPES.index(s.scope) for s in setups])
    for i, scope in enumerate(SCOPES):
        columns[f"scope_{scope}"] = (scopes == i).astype(float)
    return _joined(columns)


def rows_of(c: Columns, rows: NDArray[np.intp]) -> Columns:
    """The given rows of all columns."""
    return {name: values[rows] for name, values in c.items()}


def regimes(c: Columns) -> NDArray[np.str_]:
    """``tuned`` for vendor-tuned inference stacks, else ``common``, (n,)."""
    return np.where(sum(c[f"framework_{f}"] for f in TUNED_STACKS) > 0, "tuned", "common")


def best_peak(c: Columns) -> NDArray[np.float64]:
    """Highest FLOP/s that a device can reach at the run's precision, (n,)."""
    narrow = np.where(c["bytes_per_value"] >= 2, c["peak_half"], c["peak_int8"])
    return np.where(c["bytes_per_value"] >= 4, c["peak_tf32"], narrow)


def populations(c: Columns) -> NDArray[np.str_]:
    """Whose residuals an interval is drawn from, (n,), one of `POPULATIONS`."""
    on_gpu = np.where(c["scope_wall"] > 0, "wall", "gpu")
    common = np.where(c["is_cpu"] > 0, "cpu", on_gpu)
    return np.where(regimes(c) == "tuned", "tuned", common)


def device_ids(setups: Sequence[Setup]) -> NDArray[np.str_]:
    """Id of each setup's accelerator, (n_setups,)."""
    return np.array([s.machine.accelerator.id if s.machine.accelerator else "" for s in setups])


def _gather(records: list, vector: Callable[..., dict[str, float]]) -> Columns:  # type: ignore[type-arg]
    """Columns of `records`, computing the vector of each distinct object once."""
    row_of: dict[int, int] = {}
    distinct: list[dict[str, float]] = []
    rows = np.empty(len(records), dtype=np.intp)
    for i, record in enumerate(records):
        key = id(record)
        row = row_of.get(key)
        if row is None:
            row = row_of[key] = len(distinct)
            distinct.append(vector(record))
        rows[i] = row
    names = list(distinct[0]) if distinct else []
    table = np.array([[d[n] for n in names] for d in distinct]).reshape(len(distinct), len(names))
    return {n: table[rows, j] for j, n in enumerate(names)}


def _architecture_vector(a: Architecture) -> dict[str, float]:
    vector: dict[str, float] = {}
    for name in OP_CLASSES:
        op = a.ops.get(name)
        vector[f"{name}_macs"] = op.macs if op else 0.0
        vector[f"{name}_activation_bytes"] = op.activation_bytes if op else 0.0
        vector[f"{name}_weight_bytes"] = op.weight_bytes if op else 0.0
        vector[f"{name}_kernels"] = op.kernels if op else 0.0
    weighted = ("conv", "depthwise", "grouped", "matmul", "norm", "embedding")
    vector["score_bytes"] = _score_bytes(vector["attention_macs"], a)
    vector["tensors"] = sum(2.0 * a.ops[n].kernels for n in weighted if n in a.ops)
    image = len(a.input_shape) >= 3
    vector["params"] = max(a.params, 1.0)
    vector["macs"] = max(a.macs, 1.0)
    vector["activation_bytes"] = a.activation_bytes
    vector["kernels"] = max(a.kernels, 1.0)
    vector["input_pixels"] = float(math.prod(a.input_shape[-2:])) if image else 0.0
    vector["is_image"] = float(image)
    vector["is_text"] = float(a.domain == "text")
    return vector


def _score_bytes(macs: float, a: Architecture) -> float:
    """Bytes of all attention scores of one sample, each once; 0 where they are counted already.

    A score costs one multiply-add per column of its head in each of two products. Attention that
    was counted as fused moves queries, keys, values and answers alone: of T tokens of width H
    16 T H bytes for 2 T^2 H multiply-adds, so that 8 times their ratio is T, and less where the
    scores were counted too. Where T is not known (images), scores of long sequences tell.
    """
    attention = a.ops.get("attention")
    if attention is None or not attention.activation_bytes:
        return 0.0
    dim = a.head_dim or (a.hidden / a.heads if a.hidden and a.heads else _HEAD_DIM)
    scores = 4.0 * macs / (2.0 * dim)
    if a.domain == "text" and a.input_shape:
        fused = 8 * macs / attention.activation_bytes > 0.9 * a.input_shape[-1]
    else:
        fused = attention.activation_bytes < 2 * scores
    return scores if fused else 0.0


def _machine_vector(m: Machine) -> dict[str, float]:
    device = m.accelerator
    if device is None:
        message = f"machine '{m.id}' has neither a GPU nor a CPU"
        raise ValueError(message)
    is_cpu = m.gpu is None
    count = max(m.n_cpus if is_cpu else m.n_gpus, 1)
    limit_w = _limit_w(m)
    vector = _accelerator_vector(device, is_cpu=is_cpu)
    vector["limit_w"] = limit_w
    vector["count"] = float(count)
    vector["is_cpu"] = float(is_cpu)
    vector["is_edge"] = float(device.kind == "edge")
    vector["cores"] = _cores(device) * count if is_cpu else 1.0
    host = m.cpu
    vector["has_host"] = float(host is not None and not is_cpu)
    vector["host_tdp_w"] = host.tdp_w * max(m.n_cpus, 1) if host else 0.0
    vector["host_idle_w"] = _idle_w(host) * max(m.n_cpus, 1) if host else 0.0
    vector["host_clock_hz"] = host.clock_hz if host and host.clock_hz else 4e9
    vector["dram_idle_w"] = (m.dram.idle_w or 0.0) * m.n_dimms if m.dram else 0.0
    vector["dram_active_w"] = m.dram.tdp_w * m.n_dimms if m.dram else 0.0
    vector["machine_workers"] = float(m.loader_workers or 0)
    vector["mem_bytes"] = m.mem_bytes or vector["device_mem_bytes"] * count
    return vector


def _limit_w(m: Machine) -> float:
    if m.gpu is None:
        return m.cpu.turbo_w or m.cpu.tdp_w if m.cpu else math.nan
    return m.gpu_power_limit_w or m.gpu.tdp_w


def _accelerator_vector(d: Device, *, is_cpu: bool) -> dict[str, float]:
    peak = d.peak_flops_per_s
    fp32 = peak.get("fp32") or peak.get("fp16", 0.0) / 4 or peak.get("int8", 0.0) / 8
    if not fp32 and is_cpu:
        fp32 = _cores(d) * (d.clock_hz or 3e9) * 32
    fp32 = fp32 or 1e10 * d.tdp_w
    half = max(peak.get("fp16", 0.0), peak.get("bf16", 0.0)) or fp32
    return {
        "peak_fp32": fp32,
        "peak_tf32": max(peak.get("tf32", fp32), fp32),
        "peak_half": max(half, fp32),
        "peak_int8": max(peak.get("int8", 0.0), peak.get("fp8", 0.0), half, fp32),
        "bandwidth": d.mem_bandwidth_bytes_per_s or fp32 / 40,
        "device_mem_bytes": d.mem_bytes or 16e9,
        "is_hbm": float(_is_hbm(d, fp32)),
        "tdp_w": d.tdp_w,
        "idle_w": _idle_w(d),
        "process_nm": d.process_nm or _process_nm(d.year),
        "flops_per_unit_clock": _flops_per_unit_clock(d, fp32),
    }


def _cores(cpu: Device) -> float:
    """Cores of one CPU; from 12 W each where nothing is said."""
    return cpu.sm_count or max(cpu.tdp_w / 12, 1.0)


def _flops_per_unit_clock(d: Device, fp32: float) -> float:
    """fp32 FLOP per multiprocessor and clock; 256 where instructions must pair (2020 on)."""
    if not (d.sm_count and d.clock_hz and d.vendor == "NVIDIA" and d.year >= 2020):
        return 128.0
    return fp32 / (d.sm_count * d.clock_hz)


def _is_hbm(d: Device, fp32: float) -> bool:
    """Whether the memory is stacked on the package: no other is so fast for its arithmetic."""
    bandwidth = d.mem_bandwidth_bytes_per_s or 0.0
    return d.kind == "gpu" and bandwidth >= 700e9 and fp32 < 35 * bandwidth


def _idle_w(d: Device) -> float:
    if d.idle_w is not None:
        return d.idle_w
    return (0.15 if d.kind == "cpu" else 0.08) * d.tdp_w


def _process_nm(year: float) -> float:
    """Typical process of a year: 28 nm in 2014, 4 nm in 2023 (halving every 3.2 years)."""
    return float(np.clip(28 * 2 ** (-(year - 2014) / 3.2), 4, 28))


def _workload_vector(w: Workload) -> dict[str, float]:
    vector = {f"framework_{f}": float(w.framework == f) for f in FRAMEWORKS}
    vector["is_train"] = float(w.task == "train")
    vector["batch"] = float(w.batch_size)
    vector["bytes_per_value"] = BYTES_PER_VALUE.get(w.precision, 4.0)
    vector["is_tf32"] = float(w.precision == "tf32")
    vector["trainable_frac"] = w.trainable_frac
    vector["optimiser_bytes"] = OPTIMISER_BYTES_PER_PARAM.get(w.optimiser.lower(), 24.0)
    vector["updates_per_tensor"] = OPTIMISER_KERNELS_PER_TENSOR.get(w.optimiser.lower(), 4.0)
    vector["workers"] = float(w.loader_workers or 0)
    fed = w.framework not in TUNED_STACKS and not w.dataset.lower().startswith(_SYNTHETIC)
    vector["has_loader"] = float(fed)
    vector["input_channels"] = 1.0 if w.dataset.lower().replace("-", "_") in _GREY else 3.0
    known = math.isfinite(w.samples) and w.samples > 0
    vector["epoch_samples"] = w.samples if known else math.inf
    return vector


def _joined(c: Columns) -> Columns:
    workers = np.where(c["workers"] > 0, c["workers"], c["machine_workers"])
    c["workers"] = np.where(workers > 0, workers, DEFAULT_WORKERS)
    c["optimiser_kernels"] = c["tensors"] * c["updates_per_tensor"]
    c["limit_w"] = np.minimum(c["limit_w"], 1.25 * c["tdp_w"] + 1e3 * c["is_cpu"])
    return c
