"""One iteration of continuous batching as a sum of terms, and its watts.

    T(b) = weights / bandwidth + experts touched / bandwidth + keys and values / bandwidth
         + decode FLOPs / rate + prefill FLOPs of the requests that enter / rate
         + layers x overhead + fixed + b x sequence + all-reduce

Of `b` requests in the batch b / output tokens enter per iteration, so their prompts' prefill is
part of the mean iteration. Every term divided by b falls with b, and none rises with the hit share:
energy per request of a batch therefore falls with both (`power` keeps this; `operation` does at a
given rate). Coefficients: `priors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import power
from joulecast.estimator.serving.columns import ERAS
from joulecast.estimator.serving.priors import PRIORS
from joulecast.estimator.serving.weights import EIGHT, FOUR, WIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Columns = Mapping[str, Array]
    Coefficients = Mapping[str, float] | Mapping[str, Array]

PARAMETERS = tuple(PRIORS)
TERMS = (
    *("weights", "experts", "kv", "decode", "prefill"),
    *("layers", "fixed", "sequences", "comm"),
)
_VALUE_BYTES = 2.0
"""Bytes of an activation that GPUs exchange."""


def default_coefficients() -> dict[str, float]:
    """The prior value of every coefficient."""
    return {name: value for name, (value, _) in PRIORS.items()}


def step(c: Columns, k: Coefficients, batch: Array) -> dict[str, Array]:
    """Time and watts of an iteration with `batch` requests in it, per replica, each (n,).

    Returns
    -------
    dict of (n,)
        ``step_s`` seconds, throttling included; ``busy_w`` watts of all accelerators while every
        replica works; ``<term>_s`` seconds of each of `TERMS`; ``prompt_s`` seconds by which one
        prompt's prefill lengthens an iteration; ``active_idle_w`` watts of all accelerators with
        the model loaded and no request.
    """
    terms = _memory_terms(c, k, batch) | _compute_terms(c, k, batch)
    terms |= _overheads(c, k, batch)
    move = np.exp(c["shift_step"])
    for name in TERMS:
        terms[f"{name}_s"] = terms[f"{name}_s"] * move
    terms["prefill_s"] = terms["prefill_s"] * np.exp(c["shift_prefill"])
    terms["raw_s"] = sum((terms[f"{name}_s"] for name in TERMS), np.zeros_like(batch))
    terms |= power.of_iteration(c, k, terms)
    terms["step_s"] = terms["raw_s"] * terms["stretch"]
    terms["prompt_s"] = terms["prefill_s"] * terms["stretch"] / _entering(c, batch)
    return terms


def mean_context(c: Columns) -> Array:
    """Tokens whose keys and values a request in the batch keeps, mean over its life, (n,)."""
    context: Array = c["prompt_tokens"] + c["output_tokens"] / 2
    return context


def _entering(c: Columns, batch: Array) -> Array:
    """Requests that enter per iteration."""
    entering: Array = batch / c["output_tokens"]
    return entering


def _memory_terms(c: Columns, k: Coefficients, batch: Array) -> dict[str, Array]:
    bandwidth = c["bandwidth"] * np.where(c["is_cpu"] > 0, k["cpu_bandwidth"], 1.0)
    widened = np.where((c["narrow"] > WIDE) & (_rate_kind(c) == WIDE), k["widen_weights"], 1.0)
    on_gpu = c["is_cpu"] == 0
    weights = bandwidth * widened * np.where(on_gpu, k["weights_bandwidth"], 1.0)
    experts = bandwidth * widened * np.where(on_gpu, k["experts_bandwidth"], 1.0)
    cached = bandwidth * np.where(on_gpu, k["kv_bandwidth"], 1.0)
    each = c["bytes_per_weight"]
    uneven = 1 + k["imbalance"] * (c["is_spread"] * (c["expert_gpus"] > 1))
    over = c["expert_gpus"] / c["pipeline"]
    touched = _touched(c, k, batch)
    kv_shards = np.minimum(c["tensor"], c["kv_heads"]) * c["pipeline"] * c["ranks"]
    states = 2 * batch * c["state_bytes"] / (c["tensor"] * c["pipeline"] * c["ranks"])
    kv_bytes = batch * mean_context(c) * c["kv_bytes_per_token"]
    return {
        "weights_s": c["shared_params"] * each / c["tensor"] / weights,
        "experts_s": c["expert_params"] * each * touched * uneven / over / experts,
        "kv_s": kv_bytes / kv_shards / cached + states / (bandwidth * k["state_bandwidth"]),
    }


def _touched(c: Columns, k: Coefficients, batch: Array) -> Array:
    """Share of the experts whose weights an iteration reads, mean.

    Requests in one batch ask for like experts: further ones count as `routing_spread` of one.
    """
    others = np.maximum(batch / c["pipeline"] - 1, 0.0)
    tokens = 1 + np.minimum(k["routing_spread"], 1.0) * others
    entering = 1 - np.exp(-_entering(c, batch))
    prompt = c["prompt_tokens"] * (1 - c["hit"])
    missed = np.log1p(-np.minimum(c["routed"], 1 - 1e-12))
    decoding = -np.expm1(missed * tokens)
    filling = -np.expm1(missed * (tokens + prompt))
    share: Array = decoding + entering * (filling - decoding)
    return share


def _rate_kind(c: Columns) -> Array:
    """As which numbers the device multiplies: what it lacks is widened to two bytes."""
    eight = (c["narrow"] == EIGHT) & (np.maximum(c["peak_fp8"], c["peak_int8"]) > 0)
    four = (c["narrow"] == FOUR) & (c["peak_fp4"] > 0)
    return np.where(eight, EIGHT, np.where(four, FOUR, WIDE))


def _flops_per_s(c: Columns, k: Coefficients) -> Array:
    """Peak of one accelerator at the run's numbers, as far as narrow ones are worth it."""
    kind = _rate_kind(c)
    half = c["peak_half"]
    eight = np.maximum(c["peak_fp8"], c["peak_int8"])
    narrow = np.where(kind == EIGHT, eight, np.where(kind == FOUR, c["peak_fp4"], half))
    gain = np.maximum(narrow / half, 1.0)
    rate: Array = np.where(
        c["is_cpu"] > 0, c["peak_fp32"], half * gain ** np.minimum(k["narrow_compute"], 1.0)
    )
    return rate


def _compute_terms(c: Columns, k: Coefficients, batch: Array) -> dict[str, Array]:
    peak = _flops_per_s(c, k) * c["gpus"]
    on_cpu = c["is_cpu"] > 0
    decode = peak * np.where(on_cpu, k["cpu_compute"], k["decode_compute"])
    prefill = peak * np.where(on_cpu, k["cpu_compute"], k["prefill_compute"])
    new = c["prompt_tokens"] * (1 - c["hit"])
    seen = c["prompt_tokens"] * (1 + c["hit"]) / 2
    width = c["layers"] * c["heads"] * c["head_dim"]
    prompt_flops = 2 * c["active_params"] * new + 4 * width * new * seen
    return {
        "decode_s": 2 * c["active_params"] * batch / decode,
        "prefill_s": _entering(c, batch) * prompt_flops / prefill,
    }


def _overheads(c: Columns, k: Coefficients, batch: Array) -> dict[str, Array]:
    engine = (
        1
        + c["engine_trtllm"] * (k["trtllm_overhead"] - 1)
        + c["engine_sglang"] * (k["sglang_overhead"] - 1)
    )
    newer = np.where(c["is_newest"] > 0, k["newer_overhead"], 1.0)
    routed = c["expert_params"] > 0
    blocks = k["block_layer_s"] * (c["narrow"] == EIGHT) * newer
    layer_s = _of_era("layer", c, k) * engine + routed * (k["expert_layer_s"] + blocks)
    new = c["prompt_tokens"] * (1 - c["hit"])
    tokens = (batch + _entering(c, batch) * new) / c["ranks"] / c["pipeline"]
    together = c["tensor"] * np.where(c["is_spread"] > 0, c["ranks"], 1.0)
    moved = 2 * c["layers"] * tokens * c["hidden"] * _VALUE_BYTES * 2 * (together - 1) / together
    hops = np.log2(np.maximum(together, 1.0))
    return {
        "layers_s": c["layers"] * layer_s,
        "fixed_s": _of_era("fixed", c, k) * engine * newer,
        "sequences_s": batch / c["ranks"] * _of_era("sequence", c, k) * engine,
        "comm_s": moved / (k["link_efficiency"] * c["link"])
        + 2 * c["layers"] * k["link_latency_s"] * hops,
    }


def _of_era(name: str, c: Columns, k: Coefficients) -> Array:
    """Seconds of an overhead in the engine's year, between eras by their logarithms."""
    log = sum((c[f"era_{e}"] * np.log(k[f"{name}_{e}_s"]) for e in ERAS), np.zeros(1))
    return np.where(c["engine_eager"] > 0, k[f"eager_{name}_s"], np.exp(log))
