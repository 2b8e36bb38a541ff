"""Encoders (BERT and its kin, ViT) and T5 as lists of counted parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.profiler import _llm_parts as p
from joulecast.profiler._llm_decoder import mlp_parts

if TYPE_CHECKING:
    from joulecast.profiler._llm_families import Config


def _words(text: str) -> frozenset[str]:
    """Set of the words in `text`."""
    return frozenset(text.split())


BERT_LIKE = _words(
    """
    bert roberta xlm-roberta camembert distilbert electra albert deberta deberta-v2
    """
)
T5_LIKE = frozenset(("t5", "mt5", "umt5"))
_POOLED = _words(
    """
    bert roberta xlm-roberta camembert albert
    """
)
_NO_SEGMENTS = frozenset(("distilbert", "deberta", "deberta-v2"))


def _layer(
    tokens: float, hidden: float, inner: float, heads: p.Heads, *, bias: bool
) -> list[p.Part]:
    """Attention, feed-forward, two layer norms, two additions."""
    project = p.linear(tokens, hidden, hidden, bias=bias)
    out = p.linear(tokens, hidden, hidden, bias=True)
    return [
        *([project] * 3),
        p.attention(tokens, tokens, heads),
        out,
        *mlp_parts(tokens, hidden, inner, gated=False, bias=True),
        *([p.norm(tokens, hidden, 2)] * 2),
        *([p.elementwise(2 * tokens * hidden, tokens * hidden)] * 2),
    ]


def _heads(config: Config, hidden: float) -> p.Heads:
    """Equal query and key/value heads."""
    count = max(config.number("heads"), 1.0)
    return p.Heads(count, count, hidden // count, hidden // count)


def bert_parts(config: Config, kind: str, tokens: float) -> list[p.Part]:
    """Encoder without a task head; BERT, RoBERTa and ALBERT with their pooler."""
    hidden, layers, inner = (config.number(word) for word in ("hidden", "layers", "inner"))
    width = config.number("embedding_size", hidden)
    parts = _bert_embeddings(config, kind, tokens, width)
    if width != hidden:
        parts.append(p.linear(tokens, width, hidden, bias=True))
    layer = _layer(tokens, hidden, inner, _heads(config, hidden), bias=kind != "deberta")
    if kind.startswith("deberta"):
        layer += _deberta_extras(config, kind, tokens, hidden)
        parts += _deberta_positions(config, kind, hidden)
    parts += [part.times(layers, shared=kind == "albert") for part in layer]
    if kind in _POOLED:
        parts.append(p.linear(1, hidden, hidden, bias=True))
    return parts


def _bert_embeddings(config: Config, kind: str, tokens: float, width: float) -> list[p.Part]:
    """Token, position and segment tables with their norm."""
    parts = [p.embedding(tokens, config.number("vocab"), width), p.norm(tokens, width, 2)]
    absolute = config.flag("position_biased_input", default=True)
    if absolute or not kind.startswith("deberta"):
        parts.append(p.embedding(tokens, config.number("positions"), width))
    segments = config.number("type_vocab_size", 0.0 if kind in _NO_SEGMENTS else 2.0)
    if segments and kind != "distilbert":
        parts.append(p.embedding(tokens, segments, width))
    return [*parts, p.elementwise(4 * tokens * width, 2 * tokens * width, 2.0)]


def _span(config: Config) -> float:
    """Relative positions on either side: buckets, or the longest distance."""
    buckets = config.raw.get("position_buckets")
    if isinstance(buckets, int) and buckets > 0:
        return float(buckets)
    longest = config.raw.get("max_relative_positions")
    if isinstance(longest, int) and longest > 0:
        return float(longest)
    return config.number("positions")


def _deberta_positions(config: Config, kind: str, hidden: float) -> list[p.Part]:
    """Relative position table, normed in v2 / v3."""
    rows = 2 * _span(config)
    parts = [p.loose(rows * hidden)]
    if kind == "deberta-v2" and "layer_norm" in str(config.raw.get("norm_rel_ebd", "none")):
        parts.append(p.norm(rows, hidden, 2))
    return parts


def _deberta_extras(config: Config, kind: str, tokens: float, hidden: float) -> list[p.Part]:
    """Disentangled attention (arXiv 2006.03654): position projections and their two products."""
    rows = 2 * _span(config)
    macs = 2 * tokens * rows * hidden
    scores = p.Part("attention", macs=macs, read=2 * (tokens + rows) * hidden, kernels=2.0)
    shared = config.flag("share_att_key", default=False)
    if kind == "deberta":  # v1: query and value biases apart from the projection
        biases = p.loose(2 * hidden)
        keys, queries = p.linear(rows, hidden, hidden), p.linear(rows, hidden, hidden, bias=True)
        return [scores, biases, keys, queries]
    project = p.linear(rows, hidden, hidden, bias=True, tied=shared)
    return [scores, project, project]


def vit_parts(config: Config) -> tuple[list[p.Part], tuple[int, int, int]]:
    """Vision transformer with a class token; a classifier if the config names labels."""
    hidden, layers, inner = (config.number(word) for word in ("hidden", "layers", "inner"))
    side, patch = config.number("image_size"), config.number("patch_size")
    channels = config.number("num_channels", 3.0)
    if not 0 < patch <= side:
        msg = f"config.json: patch_size {patch:g} with image_size {side:g}."
        raise BadInput(f"{msg} Correct the file.")
    patches = float((side // patch) ** 2)
    tokens, taps = patches + 1, channels * patch * patch
    values = taps * hidden + hidden
    stem = p.Part(
        "conv",
        values,
        values,
        patches * taps * hidden,
        patches * taps,
        patches * hidden,
        values,
    )
    held = (tokens + 1) * hidden
    moved = tokens * hidden
    place = p.Part("elementwise", held, held, 0.0, moved, moved, held)
    bias = config.flag("qkv_bias", default=True)
    layer = _layer(tokens, hidden, inner, _heads(config, hidden), bias=bias)
    parts = [stem, place, *(part.times(layers) for part in layer), p.norm(tokens, hidden, 2)]
    labels = config.number("num_labels", float(len(config.raw.get("id2label") or ())))
    if labels:
        parts.append(p.linear(1, hidden, labels, bias=True))
    return parts, (int(channels), int(side), int(side))


def t5_parts(config: Config, kind: str, tokens: float) -> list[p.Part]:
    """Encoder and decoder, both on `tokens` tokens (arXiv 1910.10683): no biases, RMS norms."""
    hidden, layers, inner = (config.number(word) for word in ("hidden", "layers", "inner"))
    heads = config.number("heads")
    dim = config.number("head_dim", hidden // max(heads, 1.0))
    shape = p.Heads(heads, heads, dim, dim)
    into, out = p.linear(tokens, hidden, heads * dim), p.linear(tokens, heads * dim, hidden)
    norm = p.norm(tokens, hidden, 1)
    added = p.elementwise(2 * tokens * hidden, tokens * hidden)
    look = [norm, into, into, into, p.attention(tokens, tokens, shape), out, added]
    gated = "gated" in str(config.raw.get("feed_forward_proj", "relu"))
    think = [norm, *mlp_parts(tokens, hidden, inner, gated=gated, bias=False), added]
    below = config.number("num_decoder_layers", layers)
    buckets = config.number("relative_attention_num_buckets", 32.0) * heads
    tables = (layers + below) if kind == "umt5" else 2
    vocab = config.number("vocab")
    tied = config.flag("tie_word_embeddings", default=True)
    return [
        p.embedding(tokens, vocab, hidden),
        p.embedding(tokens, 0, hidden),
        *(part.times(layers) for part in (*look, *think)),
        *(part.times(below) for part in (*look, *look, *think)),
        norm,
        norm,
        p.loose(buckets * tables),
        p.linear(tokens, hidden, vocab, tied=tied),
    ]
