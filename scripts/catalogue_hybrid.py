"""Language models some of whose layers keep a state of fixed size in place of keys and values.

Counted as if every layer attended, then the layers that do not are exchanged for their mixer:
Mamba-2 (arXiv 2405.21060), gated DeltaNet (arXiv 2412.06464) or RWKV-4 (arXiv 2305.13048).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from joulecast.core.records import OpCount
from joulecast.profiler import _llm_parts as p
from joulecast.profiler.llm_config import architecture_from_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joulecast.core.records import Architecture

TOKENS = 512.0
STATE_BYTES = 4.0
"""Bytes of a value of a recurrent state: the configs ask for fp32."""


def hybrid_from_config(config: Mapping[str, Any], name: str) -> Architecture:
    """Counts of a network whose config names a ``mixer`` (mamba2, delta, rwkv4)."""
    makers = {"mamba2": _mamba2, "delta": _delta, "rwkv4": _rwkv4}
    return makers[config["mixer"]](config, name)


def _delta(config: Mapping[str, Any], name: str) -> Architecture:
    """Qwen3-Next and Qwen3.5: every n-th layer attends, with a gate as wide as its queries."""
    layers = config["num_hidden_layers"]
    attending = layers // config["full_attention_interval"]
    hidden, heads, dim = config["hidden_size"], config["num_attention_heads"], config["head_dim"]
    keys = config["linear_num_key_heads"] * config["linear_key_head_dim"]
    value_heads, value_dim = config["linear_num_value_heads"], config["linear_value_head_dim"]
    values = value_heads * value_dim
    mixer = [
        p.linear(TOKENS, hidden, 2 * keys + 2 * values),
        p.linear(TOKENS, hidden, 2 * value_heads),
        _short_convolution(2 * keys + values, config["linear_conv_kernel_dim"]),
        _recurrence(value_heads * config["linear_key_head_dim"] * value_dim, values),
        p.norm(TOKENS * value_heads, value_dim, 0),
        p.loose(2 * value_heads + value_dim),
        p.elementwise(2 * TOKENS * values, TOKENS * values),
        p.linear(TOKENS, values, hidden),
    ]
    gate = [p.linear(TOKENS, hidden, heads * dim), p.elementwise(TOKENS * heads * dim, 0.0)]
    whole = architecture_from_config({**config, "model_type": "qwen3_moe"}, name=name)
    less = [part.times(attending - layers) for part in _grouped_attention(config, qk_norm=True)]
    more = [part.times(attending) for part in gate]
    more += [part.times(layers - attending) for part in mixer]
    state = (layers - attending) * value_heads * config["linear_key_head_dim"] * value_dim
    return _with(whole, [*less, *more], attending / layers, state)


def _mamba2(config: Mapping[str, Any], name: str) -> Architecture:
    """Nemotron-H: each layer is a mixer (M), attention (*) or feed-forward (-), with one norm."""
    pattern = config["hybrid_override_pattern"]
    mixing, attending, feeding = (pattern.count(mark) for mark in "M*-")
    hidden, state = config["hidden_size"], config["ssm_state_size"]
    heads, dim = config["mamba_num_heads"], config["mamba_head_dim"]
    inner, groups = heads * dim, config["n_groups"]
    mixer = [
        p.linear(TOKENS, hidden, 2 * inner + 2 * groups * state + heads),
        _short_convolution(inner + 2 * groups * state, config["conv_kernel"], bias=True),
        _recurrence(inner * state, inner),
        p.norm(TOKENS, inner, 1),
        p.loose(3 * heads),
        p.elementwise(2 * TOKENS * inner, TOKENS * inner),
        p.linear(TOKENS, inner, hidden),
    ]
    whole = architecture_from_config(
        {**config, "model_type": "nemotron", "num_hidden_layers": feeding}, name=name
    )
    square = p.elementwise(TOKENS * config["intermediate_size"], 0.0)
    norm = p.norm(TOKENS, hidden, 1)
    ends = [p.loose(-hidden), *(_norm_bias(hidden).times(-2.0 * feeding),)]
    attention = [part.times(attending - feeding) for part in _grouped_attention(config)]
    layered = [norm.times(float(mixing + attending - feeding)), square.times(float(feeding))]
    parts = [*attention, *(part.times(mixing) for part in mixer), *layered, *ends]
    changed = _with(whole, parts, attending / feeding, mixing * inner * state)
    return replace(changed, layers=len(pattern))


def _rwkv4(config: Mapping[str, Any], name: str) -> Architecture:
    """RWKV-4: receptance, key, value, output, and a gated pair of matrices; nothing attends."""
    layers, hidden = config["num_hidden_layers"], config["hidden_size"]
    inner = config["intermediate_size"]
    plain = {**config, "model_type": "gpt_neox", "num_attention_heads": hidden // 64}
    whole = architecture_from_config({**plain, "attention_bias": False}, name=name)
    heads = p.Heads(hidden / 64, hidden / 64, 64.0, 64.0)
    turned = 2 * TOKENS * hidden
    less = [
        p.attention(TOKENS, TOKENS, heads),
        p.elementwise(turned, turned, 2.0),
        replace(p.loose(inner + hidden), kind="matmul"),
    ]
    more = [
        p.linear(TOKENS, hidden, hidden),
        _recurrence(4.0 * hidden, hidden),
        p.loose(7.0 * hidden),
        p.elementwise(6 * TOKENS * hidden, 4 * TOKENS * hidden, 6.0),
    ]
    parts = [part.times(-layers) for part in less] + [part.times(layers) for part in more]
    return _with(whole, [*parts, p.norm(TOKENS, hidden, 2)], 0.0, 5 * layers * hidden)


def _grouped_attention(config: Mapping[str, Any], *, qk_norm: bool = False) -> list[p.Part]:
    """What `architecture_from_config` counts for the attention of one layer without its norm."""
    hidden, query = config["hidden_size"], config["num_attention_heads"]
    kv, dim = config["num_key_value_heads"], config["head_dim"]
    heads = p.Heads(query, kv, dim, dim)
    turned = TOKENS * (query + kv) * dim
    parts = [p.linear(TOKENS, hidden, n * dim) for n in (query, kv, kv)]
    if qk_norm:
        parts += [p.norm(TOKENS * n, dim, 1) for n in (query, kv)]
    parts += [p.elementwise(turned, turned, 2.0), p.attention(TOKENS, TOKENS, heads)]
    return [*parts, p.linear(TOKENS, query * dim, hidden)]


def _short_convolution(channels: float, width: float, *, bias: bool = False) -> p.Part:
    """A causal convolution of each channel over the last few tokens."""
    held, moved = channels * (width + bias), TOKENS * channels
    return p.Part("matmul", held, held, moved * width, moved, moved, held)


def _recurrence(state: float, written: float) -> p.Part:
    """Per token: decay the state, add to it, read from it; three products per value of it."""
    return p.Part("attention", macs=3 * TOKENS * state, read=4 * TOKENS * written, written=written)


def _norm_bias(hidden: float) -> p.Part:
    """The bias of a layer norm that is an RMS norm here."""
    return replace(p.norm(TOKENS, hidden, 1), read=0.0, written=0.0, kernels=0.0)


def _with(
    whole: Architecture, parts: Sequence[p.Part], attending: float, state: float
) -> Architecture:
    """`whole` with `parts` added (negative ones taken away) and what it keeps per sequence.

    Keys and values in a share `attending` of its layers, and `state` values of recurrent state.
    """
    ops = dict(whole.ops)
    for kind, more in p.op_counts(parts).items():
        old = ops.get(kind, OpCount())
        ops[kind] = OpCount(
            old.macs + more.macs,
            old.activation_bytes + more.activation_bytes,
            old.weight_bytes + more.weight_bytes,
            old.kernels + more.kernels,
        )
    params = whole.params + sum(part.params for part in parts)
    return replace(
        whole,
        ops=ops,
        params=params,
        trainable_params=params,
        active_params=(whole.active_params or 0.0) + sum(part.active for part in parts),
        macs=sum(op.macs for op in ops.values()),
        activation_bytes=whole.activation_bytes + p.BYTES * sum(part.written for part in parts),
        kernels=sum(op.kernels for op in ops.values()),
        kv_bytes_per_token=attending * (whole.kv_bytes_per_token or 0.0),
        state_bytes=STATE_BYTES * state,
    )
