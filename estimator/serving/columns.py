"""Serving setups as columns of numbers: facts of network, machine, engine and traffic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.estimator import columns as common
from joulecast.estimator.serving.layout import laid_out
from joulecast.estimator.serving.weights import bytes_per_weight, peak_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Architecture, Machine, Setup

    Array = NDArray[np.float64]
    Columns = dict[str, Array]

ENGINES = ("vllm", "sglang", "trtllm", "eager", "llamacpp")
TODAY = 2025.9
"""Year of the software where nothing is said: today's."""
ERAS = (2023, 2024, 2025)
ERA_YEARS = (2023.9, 2024.6, 2025.6)
"""Years at which an engine's overheads are those of each of `ERAS`; in between both count."""
SHIFTS = ("shift_step", "shift_prefill", "shift_busy", "shift_power", "shift_idle")
"""Logarithms of factors that learning and measured bursts put on a curve; 0 is physics alone. On
the time of an iteration, further on its prefill, on all watts while busy, on those above active
idle while busy, on active idle."""
_MACHINE = (
    "limit_w",
    "tdp_w",
    "idle_w",
    "count",
    "is_cpu",
    "is_hbm",
    "bandwidth",
    "peak_fp32",
    "peak_half",
    "device_mem_bytes",
    "process_nm",
    "has_host",
    "host_tdp_w",
    "host_idle_w",
    "dram_idle_w",
    "dram_active_w",
)
_EAGER = ("transformers", "pytorch", "fastchat", "hf", "accelerate")


def columns_of(setups: Sequence[Setup]) -> Columns:
    """Columns of `setups` (task ``serve``), each of shape (n_setups,), SI units.

    ``rate_rps`` and ``concurrency`` are NaN where nothing is said, all else is finite. ``gpus``
    work on one iteration together, of ``replicas`` such groups; ``tensor``, ``ranks`` and
    ``expert_gpus`` say how; ``shift_*`` are 0 (`SHIFTS`).
    """
    base = common.from_setups(setups)
    c = {name: base[name] for name in _MACHINE}
    c |= {f"scope_{s}": base[f"scope_{s}"] for s in common.SCOPES}
    c |= _gathered([s.architecture for s in setups], _architecture_vector)
    c |= _gathered([s.machine for s in setups], _link_vector)
    c |= _traffic(setups)
    c |= laid_out(c)
    for name in SHIFTS:
        c[name] = np.zeros(len(setups))
    return c


def engine_of(spelling: str) -> str:
    """One of `ENGINES`; what is not known is taken for vllm's kind."""
    low = spelling.lower().replace("-", "").replace(".", "").replace(" ", "")
    if "vllm" in low:
        return "vllm"
    if "trt" in low or "tensorrt" in low:
        return "trtllm"
    if "llamacpp" in low or "ollama" in low:
        return "llamacpp"
    if any(name in low for name in _EAGER):
        return "eager"
    return "sglang" if "sglang" in low else "vllm"


def _gathered(records: Sequence[Any], vector: Callable[[Any], dict[str, float]]) -> Columns:
    """Columns of `records`, computing the vector of each distinct object once."""
    row_of: dict[int, dict[str, float]] = {}
    rows = []
    for record in records:
        key = id(record)
        if key not in row_of:
            row_of[key] = vector(record)
        rows.append(row_of[key])
    names = list(rows[0]) if rows else []
    return {name: np.array([row[name] for row in rows], dtype=float) for name in names}


def _architecture_vector(a: Architecture) -> dict[str, float]:
    params = max(a.params, 1.0)
    active = min(a.active_params or params, params)
    layers = float(a.layers or max(round(32 * (active / 8e9) ** (1 / 3)), 2))
    hidden = float(a.hidden or 64 * max(round(math.sqrt(active / (12 * layers)) / 64), 1))
    dim = float(a.head_dim or (hidden / a.heads if a.heads else 128.0))
    heads = float(a.heads or max(round(hidden / dim), 1))
    kv_heads = float(a.kv_heads or heads)
    attention = layers * hidden * dim * 2 * (heads + kv_heads)
    shared = min(attention + 2e5 * hidden, 0.9 * active) if active < 0.95 * params else params
    return {
        "params": params,
        "active_params": active,
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": dim,
        "experts": float(a.experts or 0),
        "shared_params": shared,
        "expert_params": params - shared,
        "routed": (active - shared) / (params - shared) if params > shared else 1.0,
        "state_bytes": float(a.state_bytes or 0.0),
        "kv_bytes_per_token": float(a.kv_bytes_per_token or 4 * layers * kv_heads * dim),
    }


def _link_vector(m: Machine) -> dict[str, float]:
    """How fast the accelerators talk, bytes/s each way, and of what generation they are.

    Modules that share a board talk at about a ninth of their memory's rate (NVLink of V100 to
    B200: 0.11 to 0.17); cards talk through the host. On the newest, those that multiply four-bit
    numbers, engines are not yet at home.
    """
    device = m.accelerator
    bandwidth = (device.mem_bandwidth_bytes_per_s if device else None) or 1e11
    name = f"{device.id} {device.name}".lower() if device else ""
    card = bandwidth < 700e9 or any(word in name for word in ("pcie", "rtx", "a40", "l40"))
    slow = 25e9 if device and device.year < 2022 else 50e9
    peak = device.peak_flops_per_s if device else {}
    return {
        "link": slow if card else 0.1125 * bandwidth,
        "is_newest": float(peak.get("fp4", 0.0) > 0),
        "peak_fp8": peak.get("fp8", 0.0),
        "peak_int8": peak.get("int8", 0.0),
        "peak_fp4": peak.get("fp4", 0.0),
    }


def _traffic(setups: Sequence[Setup]) -> Columns:
    rows = []
    for setup in setups:
        s, precision = setup.workload.serving, setup.workload.precision
        if s is None:
            message = f"the workload of '{setup.architecture.name}' says nothing about serving"
            raise ValueError(message)
        rows.append(
            [
                max(s.prompt_tokens, 1.0),
                max(s.output_tokens, 1.0),
                s.cache_hit_frac,
                s.image_tokens,
                math.nan if s.rate_rps is None else s.rate_rps,
                math.nan if s.concurrency is None else s.concurrency,
                s.engine_year or TODAY,
                float(ENGINES.index(engine_of(s.engine))),
                float(s.tensor_parallel or 0),
                float(s.pipeline_parallel or 0),
                float(s.data_parallel or 0),
                float(s.expert_parallel or 0),
                bytes_per_weight(precision),
                float(peak_of(precision)),
            ]
        )
    names = (
        *("prompt_tokens", "output_tokens", "hit", "image_tokens", "rate_rps", "concurrency"),
        *("engine_year", "engine", "asked_tensor", "asked_pipeline", "asked_data"),
        *("asked_expert", "bytes_per_weight", "narrow"),
    )
    table = np.array(rows, dtype=float).reshape(len(rows), len(names))
    c = {name: table[:, i] for i, name in enumerate(names)}
    engine = c.pop("engine")
    for i, name in enumerate(ENGINES):
        c[f"engine_{name}"] = (engine == i).astype(float)
    for i, era in enumerate(ERAS):
        c[f"era_{era}"] = np.interp(c["engine_year"], ERA_YEARS, np.eye(len(ERAS))[i])
    return c
