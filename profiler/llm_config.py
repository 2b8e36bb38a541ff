"""Counting a transformer from its Hugging Face config.json, by formula, without torch or weights.

Sliding windows and other sparse attention patterns are ignored: every token sees every token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from joulecast.core.errors import BadInput
from joulecast.core.records import Architecture
from joulecast.profiler import _llm_decoder, _llm_encoder
from joulecast.profiler import _llm_parts as p
from joulecast.profiler._llm_families import FAMILIES, Config, Family, adapted

KV_BYTES = 2.0  # per cached value
_TEXT_KEYS = ("text_config", "llm_config", "language_config")


@dataclass(frozen=True, slots=True)
class _Text:
    """The text part of a config and what had to be left out."""

    raw: Mapping[str, Any]
    kind: str
    notes: tuple[str, ...]


def architecture_from_config(
    config: Mapping[str, Any] | str | Path,
    *,
    name: str | None = None,
    seq_len: int = 512,
) -> Architecture:
    """Counts of one forward pass (prefill) of one sequence of `seq_len` tokens, fp32 bytes.

    Parameters
    ----------
    config : the parsed config.json, its path, or the folder that holds it.
    name : of the record, else what the config or its folder says.
    seq_len : tokens, >= 1; ViT ignores it, T5 takes it for both sides.

    Returns
    -------
    Architecture : `active_params` is all but the idle experts (embeddings included);
        `weight_bytes` of experts are those that seq_len tokens are expected to touch,
        E (1 - (1 - k/E)^seq_len). `kv_bytes_per_token` at 2 bytes a value, for MLA the latent.
        `uncounted` names a vision tower that was left out, or a family met with llama's formula.

    Raises
    ------
    BadInput : a key is missing or cannot be right.
    """
    if isinstance(seq_len, bool) or not isinstance(seq_len, int) or seq_len < 1:
        msg = f"seq_len must be a whole number of tokens >= 1; seen: {seq_len!r}."
        raise BadInput(f"{msg} Pass e.g. seq_len=512.")
    raw, origin = _read(config)
    text = _text_part(raw)
    label = name or str(raw.get("_name_or_path") or origin or text.kind)
    if text.kind == "vit":
        return _vit(text, label)
    if text.kind in _llm_encoder.BERT_LIKE or text.kind in _llm_encoder.T5_LIKE:
        return _encoder(text, label, seq_len)
    return _decoder(text, label, seq_len)


def _read(config: Mapping[str, Any] | str | Path) -> tuple[Mapping[str, Any], str]:
    """The parsed config and the name of the folder it lies in."""
    if isinstance(config, Mapping):
        return config, ""
    path = Path(config)
    path = path / "config.json" if path.is_dir() else path
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"cannot read {path} as a Hugging Face config.json: {error}."
        raise BadInput(f"{msg} Give the path of the file or of its folder.") from error
    if not isinstance(parsed, dict):
        msg = f"{path} does not hold a JSON object; seen: {type(parsed).__name__}."
        raise BadInput(f"{msg} Give a Hugging Face config.json.")
    return parsed, path.resolve().parent.name


def _text_part(raw: Mapping[str, Any]) -> _Text:
    """The text model of a multimodal config, nested keys of MPT and DBRX lifted."""
    notes: tuple[str, ...] = ()
    inner: Mapping[str, Any] = raw
    for key in _TEXT_KEYS:
        if isinstance(raw.get(key), Mapping):
            inner = {"tie_word_embeddings": raw.get("tie_word_embeddings"), **raw[key]}
            inner.setdefault("model_type", raw.get("model_type"))
            break
    if inner is not raw or raw.get("vision_config") is not None:
        notes = ("vision tower",)
    for key in ("attn_config", "ffn_config"):
        if isinstance(inner.get(key), Mapping):
            inner = {**inner[key], **inner, "model_type": inner.get("model_type")}
    kind = str(inner.get("model_type") or "").removesuffix("_text")
    if kind == "mpt":
        inner = {**inner, "kv_n_heads": None}
    if raw.get("is_encoder_decoder") and kind not in _llm_encoder.T5_LIKE:
        msg = f"encoder-decoder model_type '{kind}' has no formula here; known: t5, mt5, umt5."
        raise BadInput(f"{msg} Count the torch module instead (profiler.counters.count_module).")
    return _Text(inner, kind, notes)


def _decoder(text: _Text, name: str, seq_len: int) -> Architecture:
    """Decoder-only model; an unknown family with llama's formula and a note."""
    notes = text.notes
    family = FAMILIES.get(text.kind)
    if family is None:
        family = Family()
        notes = (*notes, f"model_type {text.kind or 'missing'}: llama formula")
    config = Config(text.raw, family.defaults)
    family = adapted(family, config, text.kind)
    parts = _llm_decoder.decoder_parts(config, family, float(seq_len))
    heads = _llm_decoder.heads_of(config, config.number("hidden"))
    layers = config.number("layers")
    cached = _llm_decoder.kv_values_per_token(config, heads, layers)
    experts = int(config.number("experts", 0.0))
    return replace(
        _record(parts, name, (seq_len,), notes),
        layers=int(layers),
        hidden=int(config.number("hidden")),
        heads=int(heads.query),
        kv_heads=int(heads.kv),
        head_dim=int((heads.dim + heads.value_dim) / 2),
        experts=experts if experts > 1 else None,
        kv_bytes_per_token=KV_BYTES * cached,
    )


def _encoder(text: _Text, name: str, seq_len: int) -> Architecture:
    """Encoder, or T5 with its decoder."""
    config = Config(text.raw)
    hidden, layers, heads = (config.number(word) for word in ("hidden", "layers", "heads"))
    dim = config.number("head_dim", hidden // max(heads, 1.0))
    cached: float | None = None
    if text.kind in _llm_encoder.T5_LIKE:
        parts = _llm_encoder.t5_parts(config, text.kind, float(seq_len))
        below = config.number("num_decoder_layers", layers)
        cached = KV_BYTES * below * 2 * heads * dim
        layers += below
    else:
        parts = _llm_encoder.bert_parts(config, text.kind, float(seq_len))
    return replace(
        _record(parts, name, (seq_len,), text.notes),
        layers=int(layers),
        hidden=int(hidden),
        heads=int(heads),
        kv_heads=int(heads),
        head_dim=int(dim),
        kv_bytes_per_token=cached,
    )


def _vit(text: _Text, name: str) -> Architecture:
    """Vision transformer; its input is an image."""
    config = Config(text.raw)
    parts, shape = _llm_encoder.vit_parts(config)
    heads = int(config.number("heads"))
    return replace(
        _record(parts, name, shape, text.notes),
        domain="vision",
        layers=int(config.number("layers")),
        hidden=int(config.number("hidden")),
        heads=heads,
        kv_heads=heads,
    )


def _record(
    parts: list[p.Part],
    name: str,
    shape: tuple[int, ...],
    notes: tuple[str, ...],
) -> Architecture:
    """Sums of the parts."""
    ops = p.op_counts(parts)
    params = sum(part.params for part in parts)
    return Architecture(
        name=name,
        domain="text",
        input_shape=shape,
        params=params,
        macs=sum(op.macs for op in ops.values()),
        ops=ops,
        trainable_params=params,
        activation_bytes=p.BYTES * sum(part.written for part in parts),
        kernels=sum(op.kernels for op in ops.values()),
        uncounted=notes,
        collection="llm",
        source="config.json",
        active_params=sum(part.active for part in parts),
    )
