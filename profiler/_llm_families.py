"""What distinguishes the families of language models in a Hugging Face config, as one table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS: Mapping[str, tuple[str, ...]] = {
    "hidden": ("hidden_size", "n_embd", "n_embed", "d_model", "dim"),
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads"),
    "head_dim": ("head_dim", "d_kv", "attention_head_dim"),
    "inner": (
        "intermediate_size",
        "ffn_dim",
        "n_inner",
        "ffn_hidden_size",
        "d_ff",
        "hidden_dim",
    ),
    "vocab": ("vocab_size", "padded_vocab_size"),
    "positions": ("max_position_embeddings", "n_positions", "n_ctx"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
    "used_experts": (
        "num_experts_per_tok",
        "num_experts_per_token",
        "experts_per_token",
        "moe_top_k",
        "moe_k",
    ),
    "expert_inner": ("moe_intermediate_size",),
    "shared_experts": ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"),
}


def _words(text: str) -> frozenset[str]:
    """Set of the words in `text`."""
    return frozenset(text.split())


_SPELLED_OUT = frozenset(("gelu_new", "gelu_fast"))
"""Activations that Hugging Face composes of elementary operators."""


@dataclass(frozen=True, slots=True)
class Family:
    """Traits that a config does not say, or says in a key of its own.

    Attributes
    ----------
    norm_values : parameters per column of a norm: 1 RMS, 2 layer norm, 0 none.
    norms : norms of hidden width per layer. qk_norm : "", "head" (per dimension) or "full".
    out_follows : `attention_bias` also means the output projection.
    positions : learned positions: extra rows, ``None`` for no table.
    wide : the inner width is 4 x hidden if no key says it.
    spelled_out : GELU's tanh form is not one operator but eight.
    """

    gated: bool = True
    mlp_bias: bool = False
    qkv_bias: bool = False
    out_bias: bool = False
    out_follows: bool = True
    head_bias: bool = False
    norm_values: int = 1
    norms: int = 2
    qk_norm: str = ""
    tied: bool = False
    positions: int | None = None
    embed_norm: bool = False
    wide: bool = False
    spelled_out: bool = False
    fused: bool = False
    rotary: bool = True
    sinks: bool = False
    router_bias: bool = False
    shared_experts: int = 0
    defaults: Mapping[str, int] = field(default_factory=dict)


_LLAMA = Family()
_OLD = Family(  # GPT-2: biases everywhere, layer norms, two matrices, fused q, k, v
    gated=False,
    mlp_bias=True,
    qkv_bias=True,
    out_bias=True,
    norm_values=2,
    tied=True,
    wide=True,
    fused=True,
    rotary=False,
)
_GEMMA = Family(tied=True, defaults={"head_dim": 256})
_QWEN3 = Family(qk_norm="head", defaults={"head_dim": 128})
_GPTJ = Family(
    gated=False,
    mlp_bias=True,
    norm_values=2,
    norms=1,
    head_bias=True,
    wide=True,
    spelled_out=True,
)
_COHERE = Family(norms=1, tied=True)

FAMILIES: Mapping[str, Family] = {
    **dict.fromkeys(
        _words(
            """
    llama mistral mistral3 ministral ministral3 mixtral deepseek granite granitemoe
    internlm3 exaone4_dense yi llama4 deepseek_v2 deepseek_v3 kimi_k2 arcee_gated seed_oss
    """
        ),
        _LLAMA,
    ),
    "smollm3": replace(_LLAMA, tied=True),
    "phi3": replace(_LLAMA, fused=True),
    "phi4_multimodal": replace(_LLAMA, fused=True),
    "qwen2": replace(_LLAMA, qkv_bias=True, out_follows=False),
    "qwen2_vl": replace(_LLAMA, qkv_bias=True, out_follows=False),
    "qwen2_5_vl": replace(_LLAMA, qkv_bias=True, out_follows=False),
    "qwen2_moe": replace(_LLAMA, qkv_bias=True, out_follows=False),
    "qwen3": _QWEN3,
    "qwen3_vl": _QWEN3,
    "qwen3_moe": replace(_QWEN3, defaults={}),
    "qwen3_vl_moe": replace(_QWEN3, defaults={}),
    "gemma": _GEMMA,
    "gemma2": replace(_GEMMA, norms=4),
    "gemma3": replace(
        _GEMMA,
        norms=4,
        qk_norm="head",
        defaults={"head_dim": 256, "heads": 8, "kv_heads": 4, "vocab": 262_208},
    ),
    "glm": replace(_LLAMA, qkv_bias=True, out_follows=False, fused=True),
    "glm4": replace(_LLAMA, qkv_bias=True, out_follows=False, norms=4),
    "glm4_moe": replace(_LLAMA, out_follows=False),
    "olmo": replace(_LLAMA, norm_values=0),
    "olmo2": replace(_LLAMA, qk_norm="full"),
    "olmo3": replace(_LLAMA, qk_norm="full"),
    "olmoe": replace(_LLAMA, qk_norm="full"),
    "gpt_oss": replace(
        _LLAMA,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        sinks=True,
        router_bias=True,
    ),
    "phimoe": replace(_LLAMA, norm_values=2),
    "dbrx": replace(_LLAMA, fused=True),
    "stablelm": replace(_LLAMA, norm_values=2),
    "cohere": _COHERE,
    "cohere2": _COHERE,
    "nemotron": replace(_LLAMA, gated=False, norm_values=2),
    "starcoder2": replace(_OLD, fused=False, rotary=True),
    "phi": replace(
        _OLD,
        norms=1,
        head_bias=True,
        tied=False,
        fused=False,
        rotary=True,
        spelled_out=True,
    ),
    "gpt2": replace(_OLD, positions=0, spelled_out=True),
    "gpt_bigcode": replace(_OLD, positions=0),
    "gpt_neo": replace(_OLD, positions=0, qkv_bias=False, fused=False, spelled_out=True),
    "gpt_neox": replace(_OLD, tied=False, rotary=True),
    "opt": replace(_OLD, positions=2, fused=False),
    "bloom": replace(_OLD, embed_norm=True),
    "gptj": _GPTJ,
    "codegen": replace(_GPTJ, fused=True),
    "mpt": replace(
        _OLD,
        mlp_bias=False,
        qkv_bias=False,
        out_bias=False,
        norm_values=1,
    ),
    "falcon": replace(
        _OLD,
        mlp_bias=False,
        qkv_bias=False,
        out_bias=False,
        rotary=True,
    ),
}


class Config:
    """Checked access to a Hugging Face config under this package's words (`KEYS`)."""

    def __init__(self, raw: Mapping[str, Any], defaults: Mapping[str, int] | None = None) -> None:
        self.raw = raw
        self.defaults = dict(defaults or {})

    def number(self, word: str, default: float | None = None) -> float:
        """Positive number under any spelling of `word`; BadInput if missing without a default."""
        for key in KEYS.get(word, (word,)):
            if self.raw.get(key) is not None:
                return self._checked(key, self.raw[key])
        if word in self.defaults:
            return float(self.defaults[word])
        if default is not None:
            return default
        spellings = " / ".join(KEYS.get(word, (word,)))
        msg = f"config.json lacks {spellings}; seen keys: {', '.join(sorted(self.raw)[:12])}."
        raise BadInput(f"{msg} Add the key, or pass the whole config.json of the text model.")

    def has(self, word: str) -> bool:
        """Whether some spelling of `word` holds a value."""
        keys = KEYS.get(word, (word,))
        return word in self.defaults or any(self.raw.get(key) is not None for key in keys)

    def flag(self, key: str, *, default: bool) -> bool:
        """Truth of `key`, `default` if missing or null."""
        held = self.raw.get(key)
        return default if held is None else bool(held)

    def _checked(self, key: str, held: object) -> float:
        if isinstance(held, bool) or not isinstance(held, int | float):
            msg = f"config.json: '{key}' must be a number; seen: {held!r}."
            raise BadInput(f"{msg} Correct the file.")
        if not isfinite(held) or held < 0:
            msg = f"config.json: '{key}' must be finite and not negative; seen: {held!r}."
            raise BadInput(f"{msg} Correct the file.")
        return float(held)


def adapted(family: Family, config: Config, model_type: str) -> Family:
    """The family with what the config itself says about biases, norms, tying."""
    attention_bias = config.raw.get("attention_bias")
    if attention_bias is None:
        attention_bias = config.raw.get("use_qkv_bias")
        family = replace(family, out_follows=family.out_follows and attention_bias is None)
    if attention_bias is not None:
        out = bool(attention_bias) if family.out_follows else family.out_bias
        family = replace(family, qkv_bias=bool(attention_bias), out_bias=out)
    for key in ("activation_function", "hidden_act"):
        if isinstance(config.raw.get(key), str):
            family = replace(family, spelled_out=config.raw[key] in _SPELLED_OUT)
    if model_type == "starcoder2":
        on = config.flag("use_bias", default=True)
        family = replace(family, qkv_bias=on, out_bias=on, mlp_bias=on)
    if model_type == "falcon":
        family = _falcon(family, config)
    if config.flag("use_qk_norm", default=False):
        family = replace(family, qk_norm="full" if model_type.startswith("cohere") else "head")
    return replace(
        family,
        mlp_bias=config.flag("mlp_bias", default=family.mlp_bias),
        head_bias=config.flag("lm_head_bias", default=family.head_bias),
        tied=config.flag("tie_word_embeddings", default=family.tied),
    )


def _falcon(family: Family, config: Config) -> Family:
    """Falcon's two generations: parallel blocks with one norm, later with two."""
    on = config.flag("bias", default=False)
    parallel = config.flag("parallel_attn", default=True)
    later = config.flag("new_decoder_architecture", default=False)
    norms = int(config.number("num_ln_in_parallel_attn", 2.0)) if later else 2 - parallel
    return replace(family, qkv_bias=on, out_bias=on, mlp_bias=on, norms=norms)
