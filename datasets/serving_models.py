"""The language model that a row of a serving table describes, and the family it belongs to."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from joulecast.core.catalog import normalise
from joulecast.core.errors import UnknownName
from joulecast.datasets import architectures, shapes
from joulecast.datasets.cells import number, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.records import Architecture

_SUFFIX: Final = re.compile(
    r"[-_](fp8|nvfp4|mxfp4|fp4|int4|int8|awq|gptq|bf16|w4a16|w8a8|instruct|thinking|chat|base|hf|"
    r"it|pt|\d{4}|dynamic|quantized|gguf|vl|preview|v\d(\.\d)?)$",
    re.IGNORECASE,
)
_FAMILIES: Final = (
    (r"gpt-?oss", "gpt-oss"),
    (r"kimi", "kimi"),
    (r"deepseek-(coder-6|llm)", "llama"),
    (r"deepseek", "deepseek"),
    (r"minimax", "minimax"),
    (r"nemotron-(nano|h)", "nemotron"),
    (r"codegemma|gemma", "gemma"),
    (r"mixtral|mistral|ministral|codestral", "mistral"),
    (r"qwen|qwq", "qwen"),
    (r"llava|llama|vicuna|alpaca|koala|xgen|yi-", "llama"),
    (r"pythia|neox|dolly|redpajama|stablelm-(alpha|tuned)", "gpt-neox"),
    (r"bloom|phoenix", "bloom"),
    (r"t5", "t5"),
)
"""What a name holds -> the family of architectures; the rest is the name's first word."""
_BILLIONS: Final = re.compile(r"(?<![\d.a-z])(\d{1,3}(?:\.\d{1,2})?)b(?![a-z])", re.IGNORECASE)
_LLM: Final = "llm"
_KV_BYTES: Final = 2.0
_OTHER_KIND: Final = 10.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row states of its network: counts, ``None`` where it does not."""

    kind: str = ""
    params: float | None = None
    active: float | None = None
    layers: float | None = None
    hidden: float | None = None
    kv_heads: float | None = None
    head_dim: float | None = None


def facts_of(row: Mapping[str, Any]) -> Facts:
    """The row's own facts, implausible ones left out."""
    params, active = number(row.get("total_params")), number(row.get("active_params"))
    if params is not None and not 1e6 <= params <= 1e14:
        params = None
    if active is not None and not 1e6 <= active <= (params or 1e14):
        active = None
    whole = (number(row.get(n)) for n in ("n_layers", "hidden_size", "n_kv_heads", "head_dim"))
    limits = ((1, 1000), (32, 1e5), (1, 1024), (8, 1024))
    dims = (
        n if n is not None and n == int(n) and low <= n <= high else None
        for n, (low, high) in zip(whole, limits, strict=True)
    )
    return Facts(text(row.get("architecture")).lower(), params, active, *dims)


@lru_cache(maxsize=1024)
def network_of(model_id: str, facts: Facts) -> tuple[Architecture, tuple[str, ...]]:
    """The architecture that a row names and describes, with what had to be assumed.

    Raises
    ------
    UnknownName
        When the name is not in the catalogue and the row states no parameters.
    """
    found = _named(model_id)
    if found is not None:
        return completed(found, facts), ()
    if facts.params is None:
        facts = replace(facts, params=_stated_params(model_id))
    if facts.params is None:
        raise UnknownName(
            "model",
            model_id or "(blank)",
            [a.name for a in _decoders()],
            "Give total_params (and n_layers, hidden_size, n_kv_heads, head_dim) to describe it",
        )
    entry = _nearest(facts)
    plain = replace(
        entry, name=model_id or entry.name, group=normalise(model_id), aliases=(), uncounted=()
    )
    said = f"'{model_id}' is not in the catalogue: blanks filled from {entry.name}"
    return completed(plain, facts), (said,)


def _named(model_id: str) -> Architecture | None:
    """The catalogue's language model of this name, suffixes of variants dropped one by one."""
    for name in (model_id, model_id.rpartition("/")[2]):
        stem = name
        while stem:
            found = _by_name().get(normalise(stem))
            if found is not None:
                return found
            shorter = _SUFFIX.sub("", stem)
            stem = shorter if shorter != stem else ""
    return None


@lru_cache(maxsize=1)
def _by_name() -> dict[str, Architecture]:
    """Language models by normalised name, alias, and alias without its publisher."""
    index: dict[str, Architecture] = {}
    llms = [a for a in architectures.all_architectures() if a.collection == _LLM]
    for a in llms:
        index.setdefault(normalise(a.name), a)
    for a in llms:
        for alias in a.aliases:
            index.setdefault(normalise(alias), a)
            index.setdefault(normalise(alias.rpartition("/")[2]), a)
    return index


def _stated_params(model_id: str) -> float | None:
    """Parameters that a name states: ``MyModel-7B`` has 7e9."""
    found = [float(n) for n in _BILLIONS.findall(model_id.replace("_", "-"))]
    return 1e9 * max(found) if found and max(found) > 0 else None


@lru_cache(maxsize=1)
def _decoders() -> tuple[Architecture, ...]:
    every = architectures.all_architectures()
    return tuple(a for a in every if a.collection == _LLM and a.kv_bytes_per_token)


def _nearest(facts: Facts) -> Architecture:
    """The decoder whose parameters, and active ones where stated, lie nearest in logarithm.

    Those of the stated kind (mixture of experts, hybrid) go first.
    """
    active = facts.active or (None if facts.kind == "moe" else facts.params)

    def distance(a: Architecture) -> float:
        far = abs(math.log((facts.params or a.params) / a.params))
        if facts.kind == "moe" and not a.experts:
            far += _OTHER_KIND
        if (facts.kind == "hybrid") != bool(a.state_bytes):
            far += _OTHER_KIND
        return far + (abs(math.log(active / (a.active_params or a.params))) if active else 0.0)

    return min(_decoders(), key=distance)


def completed(entry: Architecture, facts: Facts) -> Architecture:
    """`entry` with what the row states; totals within a factor of 1.25 leave the count as it is.

    Keys and values follow layers, heads and their width; where they are compressed or kept by some
    layers only (far fewer bytes than the heads would need), they follow the layers alone.
    """
    counted_active = entry.active_params or entry.params
    active = facts.active
    if active is None and facts.params and not shapes.agree(facts.params, entry.params):
        active = counted_active * facts.params / entry.params
    if active is None or shapes.agree(active, counted_active):
        active, macs = counted_active, None
    else:
        macs = entry.macs * active / counted_active
    a = shapes.with_totals(entry, facts.params, macs)
    layers, hidden, kv_heads, head_dim = (
        int(stated) if stated else counted
        for stated, counted in (
            (facts.layers, a.layers),
            (facts.hidden, a.hidden),
            (facts.kv_heads, a.kv_heads),
            (facts.head_dim, a.head_dim),
        )
    )
    whole = replace(
        a,
        active_params=min(active, a.params),
        layers=layers,
        hidden=hidden,
        kv_heads=kv_heads,
        head_dim=head_dim,
    )
    state = a.state_bytes and a.state_bytes * a.params / entry.params
    return replace(whole, kv_bytes_per_token=_kv_bytes(entry, whole), state_bytes=state)


def _kv_bytes(before: Architecture, after: Architecture) -> float | None:
    """Bytes of keys and values per token at 2 bytes a value, after layers or heads changed."""
    plain_before, plain_after = _plain_kv_bytes(before), _plain_kv_bytes(after)
    counted = before.kv_bytes_per_token
    if counted is None or not plain_before:
        return plain_after or counted
    if counted < 0.5 * plain_before:
        return counted * (after.layers or 1) / (before.layers or 1)
    return counted * plain_after / plain_before


def _plain_kv_bytes(a: Architecture) -> float:
    """Bytes if every layer keeps a key and a value of every head."""
    return _KV_BYTES * 2 * (a.layers or 0) * (a.kv_heads or 0) * (a.head_dim or 0)


def family_of(network: Architecture) -> str:
    """Family of architectures (llama, qwen, gemma, mistral, deepseek, gpt-oss, ...) by its name.

    A fine-tuned network belongs to the family it was tuned from, as the catalogue knows it.
    """
    name = network.name.lower().rpartition("/")[2]
    for part, family in _FAMILIES:
        if re.search(part, name):
            return family
    return re.split(r"[-_\d.]", name, maxsplit=1)[0] or name
