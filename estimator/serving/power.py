"""Watts of the accelerators of a model server: with the model loaded, and in an iteration.

    P    = awake + scaled / (1 + (scaled / room)^p)^(1/p),   room = limit - awake,   p = 4
    slow = (1 + (throttle x scaled / room)^p)^(1/p),         0 <= throttle <= 1

`scaled` is the mean over the iteration of the watts of reading memory, of arithmetic and of
overheads; arithmetic never draws less than memory. Then joules and seconds of an iteration, each
divided by its requests, both fall as the batch grows, whatever the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Columns = Mapping[str, Array]
    Coefficients = Mapping[str, float] | Mapping[str, Array]

NORM = 4.0
_J_PER_BYTE = {"hbm": 6.0e-11, "other": 1.6e-10}
"""Joules per byte from memory to core: HBM2e about 4 to 7 pJ a bit, GDDR6 and the way through the
chip about twice that."""


def of_iteration(c: Columns, k: Coefficients, t: Mapping[str, Array]) -> dict[str, Array]:
    """``busy_w`` of all accelerators, ``active_idle_w`` and ``stretch`` (>= 1), each (n,)."""
    one_idle_w = active_idle_w(c, k)
    awake_w, scaled_w = _watts(c, k, t)
    room_w = np.maximum(k["limit_margin"] * c["limit_w"] - awake_w, 0.05 * c["limit_w"])
    over = scaled_w / room_w
    one_w = awake_w + scaled_w / (1 + over**NORM) ** (1 / NORM)
    least_w = 1.05 * one_idle_w
    one_w = np.maximum(one_w * np.exp(c["shift_busy"]), least_w)
    one_w = one_idle_w + (one_w - one_idle_w) * np.exp(c["shift_power"])
    one_w = np.minimum(one_w, np.maximum(c["limit_w"], least_w))
    working = c["replicas"] * c["gpus"]
    spare_w = c["spare_gpus"] * c["idle_w"]
    return {
        "over": over,
        "stretch": (1 + (np.minimum(k["throttle"], 1.0) * over) ** NORM) ** (1 / NORM),
        "busy_w": one_w * working + spare_w,
        "active_idle_w": one_idle_w * working + spare_w,
    }


def active_idle_w(c: Columns, k: Coefficients) -> Array:
    """Watts of one accelerator that holds a model and waits, (n,)."""
    span_w = np.maximum(c["tdp_w"] - c["idle_w"], 0.05 * c["tdp_w"])
    loaded_w = c["idle_w"] + k["loaded_idle"] * span_w * (c["is_cpu"] == 0)
    waiting: Array = np.minimum(loaded_w * np.exp(c["shift_idle"]), 0.9 * c["limit_w"])
    return waiting


def _watts(c: Columns, k: Coefficients, t: Mapping[str, Array]) -> tuple[Array, Array]:
    """Watts that flow at any clock, and the mean of those that work adds, of one accelerator."""
    span_w = np.maximum(c["tdp_w"] - c["idle_w"], 0.05 * c["tdp_w"])
    stacked = c["is_hbm"] > 0
    each_j = np.where(stacked, _J_PER_BYTE["hbm"], _J_PER_BYTE["other"])
    by_byte = each_j * c["bandwidth"] / (0.4 * span_w)
    kind = np.where(stacked | (c["is_cpu"] > 0), 1.0, k["gddr_power"])
    memory_w = span_w * k["memory_power"] * kind * by_byte ** np.minimum(k["memory_share"], 1.0)
    kv_w = memory_w * k["kv_power"]
    compute_w = np.maximum(span_w * k["compute_power"], np.maximum(memory_w, kv_w))
    layer = np.where(c["engine_eager"] > 0, k["eager_power"], k["layer_power"])
    parts = (
        (t["weights_s"] + t["experts_s"], memory_w),
        (t["kv_s"], kv_w),
        (t["decode_s"] + t["prefill_s"], compute_w),
        (t["layers_s"], np.minimum(span_w * layer, memory_w)),
        (t["comm_s"], np.minimum(span_w * k["comm_power"], memory_w)),
        (t["fixed_s"] + t["sequences_s"], np.minimum(span_w * k["host_power"], memory_w)),
    )
    joules = sum((seconds * watts for seconds, watts in parts), np.zeros_like(span_w))
    awake_w = c["idle_w"] + (k["loaded_idle"] + k["awake"]) * span_w
    return awake_w, joules / t["raw_s"]


def of_host(c: Columns, k: Coefficients, busy: Array) -> dict[str, Array]:
    """``cpu_w`` and ``dram_w`` beside accelerators that are busy for a share of the time, (n,)."""
    span_w = np.maximum(c["host_tdp_w"] - c["host_idle_w"], 0.0)
    dram_span_w = np.maximum(c["dram_active_w"] - c["dram_idle_w"], 0.0)
    return {
        "cpu_w": c["has_host"]
        * (c["host_idle_w"] + span_w * (k["host_awake"] + k["host_busy"] * busy)),
        "dram_w": c["dram_idle_w"] + dram_span_w * k["dram_activity"] * busy,
    }
