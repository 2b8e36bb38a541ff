"""A server at work: how many requests are in its batch, and what it then draws.

Closed loop: as many requests as there are clients, as far as engine and memory admit. Open loop:
Little's law as a fixed point, B = rate x output tokens x T(B / busy), with the share of time in
which any request is there, busy = 1 - exp(-B) (Poisson arrivals, requests do not wait for each
other below saturation), and B / busy requests in the batch while it works. Beyond the rate at which
the batch is full the server answers as many as it can. At one rate a server never draws more for
having prompts cached: GPUs that wait for slow links draw little, and those that wait less often
would draw more for the same answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import physics, power
from joulecast.estimator.serving.layout import memory_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Columns = Mapping[str, Array]
    Coefficients = Mapping[str, float] | Mapping[str, Array]

PARTS = ("gpu", "cpu", "dram")
RESERVED_BYTES = 1.5e9
"""Memory of a GPU that activations and graphs take beside weights and keys and values."""
_FEWEST = 1e-9
"""Requests in an all but idle server."""
_HALVINGS = 45


def operate(c: Columns, k: Coefficients) -> dict[str, Array]:
    """What the whole server does at its rate or concurrency, each (n,).

    Returns
    -------
    dict of (n,)
        ``batch`` requests in an iteration of one replica, mean while busy; ``max_batch`` of one
        replica; ``busy_frac``; ``served_rps``; ``saturation_rps``; ``queue``, ``wait_s`` mean
        (infinite beyond saturation); ``gpu_w``, ``cpu_w``, ``dram_w`` mean watts and
        ``gpu_idle_w``, ``cpu_idle_w``, ``dram_idle_w`` without requests; ``ttft_s``, ``tpot_s``,
        ``latency_s``; and what `physics.step` says of that batch.
    """
    t, state = _at_work(c, k)
    accelerators_w = _accelerators_w(t, state)
    rows = np.flatnonzero(~np.isnan(c["rate_rps"]) & (c["hit"] > 0))
    if len(rows):
        fresh = {name: values[rows] for name, values in c.items()} | {"hit": np.zeros(len(rows))}
        most_w = _accelerators_w(*_at_work(fresh, k))
        accelerators_w[..., rows] = np.minimum(accelerators_w[..., rows], most_w)
    watts = _watts(c, k, accelerators_w, state["busy_frac"], t["active_idle_w"])
    return t | state | watts | _times(c, t, state)


def _accelerators_w(t: Mapping[str, Array], state: Mapping[str, Array]) -> Array:
    """Mean watts of all accelerators, (n,)."""
    power_w: Array = t["active_idle_w"] + state["busy_frac"] * (t["busy_w"] - t["active_idle_w"])
    return power_w


def _at_work(c: Columns, k: Coefficients) -> tuple[dict[str, Array], dict[str, Array]]:
    """What `physics.step` says of the batch at the asked load, and how the server stands there."""
    limit = max_batch(c)
    full = capacity_rps(c, k, limit)
    closed = np.isnan(c["rate_rps"])
    rate = np.where(closed, 0.0, c["rate_rps"]) / c["replicas"]
    below = ~closed & (rate < full)
    at_work = np.where(closed, _copies_at_work(c), 1.0)
    batch, busy = np.broadcast_to(limit, full.shape).copy(), np.broadcast_to(at_work, full.shape)
    busy = busy.copy()
    rows = np.flatnonzero(~closed)
    if len(rows):
        own = {name: values[rows] for name, values in c.items()}
        found = _open_loop(own, k, rate[rows], limit[rows])
        batch[..., rows] = np.where(below[..., rows], found[0], limit[rows])
        busy[..., rows] = np.where(below[..., rows], found[1], 1.0)
    return physics.step(c, k, batch), {
        "batch": batch,
        "max_batch": limit,
        "busy_frac": busy,
        "served_rps": np.where(below, rate, full * at_work) * c["replicas"],
        "saturation_rps": full * at_work * c["replicas"],
    }


def _copies_at_work(c: Columns) -> Array:
    """Share of the copies that have a client in a loop of fewer clients than copies, 0..1."""
    share: Array = np.fmin(c["concurrency"] / c["replicas"], 1.0)
    return share


def most_w(c: Columns) -> dict[str, Array]:
    """``gpu_w``, ``cpu_w``, ``dram_w`` that the machine's parts can draw at most, (n,) each."""
    accelerators_w, is_cpu = c["limit_w"] * c["count"], c["is_cpu"] > 0
    return {
        "gpu_w": np.where(is_cpu, 0.0, accelerators_w),
        "cpu_w": np.where(is_cpu, accelerators_w, c["has_host"] * c["host_tdp_w"]),
        "dram_w": c["dram_active_w"],
    }


def scope_w(c: Columns, t: Mapping[str, Array]) -> Array:
    """Mean watts that count in each setup's scope, (n,); the wall is answered as the system."""
    whole = c["scope_system"] + c["scope_wall"]
    parts = ((c[f"scope_{s}"] + whole) * t[f"{s}_w"] for s in PARTS)
    return sum(parts, np.zeros(1))


def max_batch(c: Columns) -> Array:
    """Requests that one replica works on at once: what is asked, the engine and memory admit."""
    asked = np.where(np.isnan(c["concurrency"]), np.inf, c["concurrency"] / c["replicas"])
    limit: Array = np.minimum(np.minimum(asked, engine_limit(c)), memory_limit(c))
    return np.maximum(limit, 1.0)


def engine_limit(c: Columns) -> Array:
    """Requests in a batch that engines admit unless told otherwise; any number where one is told.

    vLLM admits 256, since 2025 on boards of 70 GB and more 1,024.
    """
    large = (c["device_mem_bytes"] >= 70e9) & (c["engine_year"] >= 2025)
    limit = (
        c["engine_vllm"] * np.where(large, 1024.0, 256.0)
        + c["engine_sglang"] * 1024.0
        + c["engine_trtllm"] * np.where(c["engine_year"] >= 2025, 2048.0, 256.0)
        + c["engine_eager"] * 16.0
        + c["engine_llamacpp"] * 4.0
    )
    return np.where(np.isnan(c["concurrency"]), limit * c["ranks"], np.inf)


def memory_limit(c: Columns) -> Array:
    """Requests whose keys, values and states fit beside the weights into one replica, >= 1."""
    mem_bytes = np.where(c["is_cpu"] > 0, np.inf, memory_bytes(c))
    own = c["weight_bytes"] - c["expert_params"] * c["bytes_per_weight"]
    held = own / (c["tensor"] * c["pipeline"]) + (c["weight_bytes"] - own) / c["expert_gpus"]
    room = np.maximum(mem_bytes - RESERVED_BYTES - held, 0.0)
    shards = np.minimum(c["tensor"], c["kv_heads"]) * c["pipeline"] * c["ranks"]
    whole = c["tensor"] * c["pipeline"] * c["ranks"]
    each = c["kv_bytes_per_token"] * physics.mean_context(c) + c["state_bytes"] * shards / whole
    return np.maximum(room * shards / each, 1.0)


def capacity_rps(c: Columns, k: Coefficients, batch: Array) -> Array:
    """Requests per second of one replica that always has `batch` of them, (n,)."""
    rate: Array = batch / (c["output_tokens"] * physics.step(c, k, batch)["step_s"])
    return rate


def _open_loop(c: Columns, k: Coefficients, rate: Array, limit: Array) -> tuple[Array, Array]:
    """Batch while busy and share of busy time at `rate` per replica below saturation, (n,) each.

    The requests in the server, B, are found by halving: capacity rises with the batch, so that one
    B alone matches the rate.
    """
    least, most = np.log(_FEWEST), np.log(limit)
    low, high = np.broadcast_to(least, limit.shape), most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        batch, busy = _while_busy(np.exp(middle), limit)
        enough = busy * capacity_rps(c, k, batch) >= rate
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle)
    batch, _ = _while_busy(np.exp(high), limit)
    return batch, np.minimum(rate / capacity_rps(c, k, batch), 1.0)


def _while_busy(present: Array, limit: Array) -> tuple[Array, Array]:
    """Batch while any request is there, and for which share of the time that is."""
    busy = -np.expm1(-np.maximum(present, 1e-300))
    batch = np.where(present > 1e-12, present / busy, 1.0)
    return np.minimum(np.maximum(batch, 1.0), limit), busy


def _watts(
    c: Columns, k: Coefficients, gpu_w: Array, busy: Array, waiting_w: Array
) -> dict[str, Array]:
    is_cpu = c["is_cpu"] > 0
    host, idle = power.of_host(c, k, busy), power.of_host(c, k, np.zeros_like(busy))
    return {
        "gpu_w": np.where(is_cpu, 0.0, gpu_w),
        "cpu_w": np.where(is_cpu, gpu_w, host["cpu_w"]),
        "dram_w": host["dram_w"],
        "gpu_idle_w": np.where(is_cpu, 0.0, waiting_w),
        "cpu_idle_w": np.where(is_cpu, waiting_w, idle["cpu_w"]),
        "dram_idle_w": idle["dram_w"],
    }


def _times(c: Columns, t: Mapping[str, Array], state: Mapping[str, Array]) -> dict[str, Array]:
    """Means of the waits of a request, seconds.

    The queue is that of as many clerks as the batch has room (Sakasegawa 1977: load to the power
    of sqrt(2 (clerks + 1)) - 1); in a closed loop it holds the clients that find no room.
    """
    closed = np.isnan(c["rate_rps"])
    load = np.where(closed, 0.0, c["rate_rps"] / np.maximum(state["saturation_rps"], 1e-300))
    clerks = state["max_batch"] * c["replicas"]
    service_s = c["output_tokens"] * t["step_s"]
    below = load < 1
    power_of = np.sqrt(2 * (clerks + 1)) - 1
    safe = np.where(below, load, 0.5)
    wait_s = np.where(below, safe**power_of / (clerks * (1 - safe)) * service_s, np.inf)
    without_room = np.maximum(np.nan_to_num(c["concurrency"]) - clerks, 0.0)
    wait_s = np.where(closed, without_room / state["served_rps"], wait_s)
    alone_s = t["step_s"] - t["prefill_s"] * t["stretch"]
    ttft_s = wait_s + alone_s / 2 + alone_s + t["prompt_s"]
    tpot_s = t["step_s"]
    return {
        "wait_s": wait_s,
        "queue": np.where(below, wait_s * state["served_rps"], np.inf),
        "ttft_s": ttft_s,
        "tpot_s": tpot_s,
        "latency_s": ttft_s + np.maximum(c["output_tokens"] - 1, 0) * tpot_s,
    }
