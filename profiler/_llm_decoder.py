"""A decoder-only language model, dense or mixture of experts, as a list of counted parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.profiler import _llm_parts as p

if TYPE_CHECKING:
    from joulecast.profiler._llm_families import Config, Family


def heads_of(config: Config, hidden: float) -> p.Heads:
    """Query and key/value heads with their dimensions."""
    query = config.number("heads")
    if query == 0:
        msg = "config.json: the number of attention heads is 0."
        raise BadInput(f"{msg} Correct the file.")
    if config.raw.get("kv_lora_rank") is not None:
        dim = config.number("qk_nope_head_dim") + config.number("qk_rope_head_dim")
        return p.Heads(query, query, dim, config.number("v_head_dim"))
    dim = config.number("head_dim", hidden // query)
    return p.Heads(query, _kv_heads(config, query), dim, dim)


def _kv_heads(config: Config, query: float) -> float:
    """Key/value heads; Falcon and GPT-BigCode say it in flags."""
    kind = config.raw.get("model_type")
    if kind in {"falcon", "gpt_bigcode"} and not config.raw.get("new_decoder_architecture"):
        return 1.0 if config.flag("multi_query", default=True) else query
    return config.number("kv_heads", query)


def kv_values_per_token(config: Config, heads: p.Heads, layers: float) -> float:
    """Cached values per token: keys and values, or the compressed latent of MLA."""
    if config.raw.get("kv_lora_rank") is not None:
        return layers * (config.number("kv_lora_rank") + config.number("qk_rope_head_dim"))
    return layers * heads.kv * (heads.dim + heads.value_dim)


def decoder_parts(config: Config, family: Family, tokens: float) -> list[p.Part]:
    """Parts of the whole network at `tokens` tokens."""
    hidden, layers, vocab = (config.number(word) for word in ("hidden", "layers", "vocab"))
    width = config.number("word_embed_proj_dim", hidden)
    parts = [p.embedding(tokens, vocab, width)]
    if family.positions is not None:
        rows = config.number("positions") + family.positions
        parts += [p.embedding(tokens, rows, hidden), _residual(tokens, hidden)]
    if width != hidden:  # opt-350m: narrow embeddings, post-norm blocks, no last norm
        parts += [p.linear(tokens, width, hidden), p.linear(tokens, hidden, width)]
    else:
        parts.append(p.norm(tokens, hidden, family.norm_values))
    if family.embed_norm:
        parts.append(p.norm(tokens, hidden, family.norm_values))
    common = _attention_parts(config, family, tokens)
    common += [p.norm(tokens, hidden, family.norm_values)] * family.norms
    common += [_residual(tokens, hidden)] * 2
    sparse = sum(is_sparse(config, layer) for layer in range(int(layers)))
    parts += [part.times(layers) for part in common]
    if layers > sparse:
        parts += [part.times(layers - sparse) for part in _dense_parts(config, family, tokens)]
    if sparse:
        parts += [part.times(sparse) for part in _sparse_parts(config, family, tokens)]
    parts.append(p.linear(tokens, width, vocab, bias=family.head_bias, tied=family.tied))
    return parts


def is_sparse(config: Config, layer: int) -> bool:
    """Whether layer number `layer` (from 0) is a mixture of experts."""
    if config.number("experts", 0.0) <= 1:
        return False
    listed = config.raw.get("moe_layers")
    if isinstance(listed, list):
        return layer in listed
    if layer in (config.raw.get("mlp_only_layers") or ()):
        return False
    step = config.number("decoder_sparse_step", config.number("interleave_moe_layer_step", 1.0))
    every = config.number("moe_layer_freq", 1.0)
    first = config.number("first_k_dense_replace", config.number("moe_layer_start_index", 0.0))
    return layer >= first and layer % max(every, 1) == 0 and (layer + 1) % max(step, 1) == 0


def _residual(tokens: float, hidden: float) -> p.Part:
    """Addition of two hidden states."""
    return p.elementwise(2 * tokens * hidden, tokens * hidden)


def _attention_parts(config: Config, family: Family, tokens: float) -> list[p.Part]:
    """Projections, rotary positions, attention, output of one layer."""
    hidden = config.number("hidden")
    heads = heads_of(config, hidden)
    if config.raw.get("kv_lora_rank") is not None:
        parts = _latent_projections(config, tokens, heads)
    else:
        parts = _projections(family, tokens, hidden, heads)
    if family.rotary:
        turned = tokens * (heads.query + heads.kv) * heads.dim
        parts.append(p.elementwise(turned, turned, 2.0))
    parts.append(p.attention(tokens, tokens, heads))
    parts.append(p.linear(tokens, heads.query * heads.value_dim, hidden, bias=family.out_bias))
    if family.sinks:
        parts.append(p.loose(heads.query))
    return parts


def _projections(family: Family, tokens: float, hidden: float, heads: p.Heads) -> list[p.Part]:
    """Query, key and value projections, and their norms where the family has them."""
    query, kv = heads.query * heads.dim, heads.kv * heads.dim
    outs = (query + 2 * kv,) if family.fused else (query, kv, kv)
    parts = [p.linear(tokens, hidden, out, bias=family.qkv_bias) for out in outs]
    if family.qk_norm == "head":
        parts += [p.norm(tokens * n, heads.dim, 1) for n in (heads.query, heads.kv)]
    if family.qk_norm == "full":
        parts += [p.norm(tokens, width, 1) for width in (query, kv)]
    return parts


def _latent_projections(config: Config, tokens: float, heads: p.Heads) -> list[p.Part]:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): low-rank q and kv."""
    hidden, latent = config.number("hidden"), config.number("kv_lora_rank")
    rope, nope = config.number("qk_rope_head_dim"), config.number("qk_nope_head_dim")
    query = heads.query * heads.dim
    rank = config.number("q_lora_rank", 0.0)
    if rank:
        down = p.linear(tokens, hidden, rank)
        parts = [down, p.norm(tokens, rank, 1), p.linear(tokens, rank, query)]
    else:
        parts = [p.linear(tokens, hidden, query)]
    return [
        *parts,
        p.linear(tokens, hidden, latent + rope),
        p.norm(tokens, latent, 1),
        p.linear(tokens, latent, heads.query * (nope + heads.value_dim)),
    ]


def mlp_parts(
    tokens: float,
    hidden: float,
    inner: float,
    *,
    gated: bool,
    bias: bool,
    spelled_out: bool = False,
) -> list[p.Part]:
    """Feed-forward layer of one block, gated (three matrices) or plain (two).

    Spelled out, GELU is x/2 (1 + tanh(a (x + b x^3))): eight operators that read ten tensors.
    """
    up = p.linear(tokens, hidden, inner, bias=bias)
    down = p.linear(tokens, inner, hidden, bias=bias)
    bent = [p.elementwise(tokens * inner, tokens * inner)]
    if spelled_out:
        bent = [p.elementwise(10 * tokens * inner, 8 * tokens * inner, 8.0)]
    if gated:
        bent.append(p.elementwise(2 * tokens * inner, tokens * inner))
    return [*([up] * (1 + gated)), *bent, down]


def _dense_parts(config: Config, family: Family, tokens: float) -> list[p.Part]:
    """Feed-forward of a dense layer."""
    hidden = config.number("hidden")
    four = 4 * hidden if family.wide else None
    inner = config.number("intermediate_size_mlp", -1.0)
    if inner < 0:
        inner = config.number("inner", four)
    return mlp_parts(
        tokens,
        hidden,
        inner,
        gated=family.gated,
        bias=family.mlp_bias,
        spelled_out=family.spelled_out,
    )


def _sparse_parts(config: Config, family: Family, tokens: float) -> list[p.Part]:
    """Router, experts and shared experts of a sparse layer."""
    hidden = config.number("hidden")
    inner = config.number("expert_inner", -1.0)
    inner = inner if inner > 0 else config.number("inner")
    moe = p.Experts(
        config.number("experts"),
        config.number("used_experts"),
        inner,
        bias=family.mlp_bias,
    )
    if moe.used > moe.count:
        msg = f"config.json: {moe.used:g} experts per token of {moe.count:g}."
        raise BadInput(f"{msg} Correct the file.")
    width = moe.used * inner
    parts = [
        p.linear(tokens, hidden, moe.count, bias=family.router_bias),
        p.elementwise(tokens * moe.count, tokens * moe.used, 2.0),
        p.expert_linear(tokens, hidden, inner, moe),
        p.expert_linear(tokens, hidden, inner, moe),
        p.elementwise(3 * tokens * width, 2 * tokens * width, 2.0),
        p.expert_linear(tokens, inner, hidden, moe),
        p.elementwise(tokens * moe.used * hidden, tokens * hidden),
    ]
    return parts + _shared_parts(config, family, tokens, inner)


def _shared_parts(config: Config, family: Family, tokens: float, inner: float) -> list[p.Part]:
    """Experts that every token uses."""
    hidden = config.number("hidden")
    kind = str(config.raw.get("model_type", "")).removesuffix("_text")
    default = float(kind == "llama4")
    width = config.number("shared_experts", default) * inner
    for key in ("shared_expert_intermediate_size", "shared_intermediate_size"):
        width = config.number(key, width)
    if not width:
        return []
    parts = mlp_parts(tokens, hidden, width, gated=True, bias=family.mlp_bias)
    if config.raw.get("shared_expert_intermediate_size") is not None:
        parts.append(p.linear(tokens, hidden, 1))
    return [*parts, _residual(tokens, hidden)]
