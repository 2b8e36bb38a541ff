"""Watts of a device at work, and by how much a power limit slows it.

    P    = awake + scaled / (1 + (scaled / room)^p)^(1/p),   room = limit - awake,   p = 4
    slow = (1 + (throttle x scaled / room)^p)^(1/p)

What is awake flows at any clock: idle power, clock trees, memory that stands by. What scales with
clock and voltage is arithmetic (joules per FLOP), traffic (joules per byte) and busy processors
(joules per multiprocessor and clock). Far below full voltage power falls about as fast as the
clock, near it much faster: hence `throttle`, about a half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.columns import Columns

    Array = NDArray[np.float64]

NORM = 4.0
Z_MAX = 1.02
Z_MIN = 0.02
MOST_AWAKE = 0.4
"""Largest share of the way from idle power to TDP that flows without work."""
_PJ_PER_FLOP_AT_8_NM = 8.0e-12
"""Joules per fp32 FLOP of an 8 nm part at its limit: RTX 3090, 350 W / 35.6 TFLOP/s, rounded."""


def while_busy(c: Columns, k: Mapping[str, float], t: Mapping[str, Array]) -> dict[str, Array]:
    """Watts of one device at work, and the slow-down that its power limit forces on it.

    Power is what the limit cannot touch (awake) plus what clock and voltage scale. Energy
    per FLOP lies between TDP / peak and the process node's (`process_share`).
    """
    is_cpu = c["is_cpu"] > 0
    span_w = np.where(is_cpu, c["limit_w"], c["tdp_w"]) - c["idle_w"]
    by_node_w = _PJ_PER_FLOP_AT_8_NM * (c["process_nm"] / 8) * c["peak_fp32"]
    relative = (by_node_w / span_w) ** k["process_share"]
    per_compute_w = span_w * np.where(is_cpu, k["cpu_compute_power"], k["compute_power"] * relative)
    over_s = t["raw_device_s"]
    stacked = np.where(c["is_hbm"] > 0, k["hbm_share"], 1.0)
    clocks_w = k["awake_power"] * span_w * c["process_nm"] / 8
    standby_w = k["standby_w_per_gb"] * c["device_mem_bytes"] / 1e9
    # at most a part of the board's power: edge boards do not keep all of their memory awake alone
    base_awake_w = np.minimum(stacked * (clocks_w + standby_w), MOST_AWAKE * span_w)
    awake_w = c["idle_w"] + np.where(is_cpu, 0.0, base_awake_w)
    dram_j = k["dram_j_per_byte"] * stacked
    joules = np.where(is_cpu, 0.0, dram_j + k["core_j_per_byte"] * c["process_nm"] / 8)
    memory_w = joules * c["bandwidth"] * np.minimum(t["ideal_memory_s"] / over_s, 1.5)
    compute = np.minimum(t["ideal_compute_s"] / over_s, 3.0)
    units = c["peak_fp32"] / c["flops_per_unit_clock"]
    clocked_w = k["unit_clock_j"] * units * c["process_nm"] / 8
    base_w = np.where(is_cpu, k["cpu_busy_power"] * span_w, clocked_w) * t["filled_s"] / over_s
    scaled_w = base_w + per_compute_w * compute + memory_w
    room_w = np.maximum(k["limit_margin"] * c["limit_w"] - awake_w, 0.05 * c["limit_w"])
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
        "arithmetic_w": per_compute_w * compute,
        "traffic_w": memory_w,
        "clocked_w": base_w,
        "stretch": (1 + (k["throttle"] * over) ** NORM) ** (1 / NORM),
    }


def over_a_step(c: Columns, k: Mapping[str, float], t: Mapping[str, Array]) -> dict[str, Array]:
    """Mean watts over a step of every scope, whole machine."""
    one_w = t["awake_w"] + (t["busy_w"] - t["awake_w"]) * np.minimum(t["busy"], 1.0)
    span_w = np.maximum(c["limit_w"] - c["idle_w"], 0.05 * c["tdp_w"])
    z = np.clip((one_w - c["idle_w"]) / span_w, Z_MIN, Z_MAX)
    device_w = (c["idle_w"] + z * span_w) * c["count"]
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
