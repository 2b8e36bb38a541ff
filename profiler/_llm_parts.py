"""The pieces a transformer is made of, as counted parts; their sum is an `Architecture`.

Conventions as in `counters`: fp32 bytes, one sequence, embedding rows are activations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from joulecast.core.records import OP_CLASSES, OpCount

if TYPE_CHECKING:
    from collections.abc import Iterable

BYTES = 4.0


@dataclass(frozen=True, slots=True)
class Part:
    """One operator of one forward pass of one sequence.

    Attributes
    ----------
    params, active : parameters, and those that one token uses. read, written : activation values.
    weights : parameter values read. kernels : launches.
    """

    kind: str
    params: float = 0.0
    active: float = 0.0
    macs: float = 0.0
    read: float = 0.0
    written: float = 0.0
    weights: float = 0.0
    kernels: float = 1.0

    def times(self, count: float, *, shared: bool = False) -> Part:
        """`count` such parts; `shared` ones use the same parameters every time."""
        once = 1.0 if shared else count
        return Part(
            kind=self.kind,
            params=self.params * once,
            active=self.active * once,
            macs=self.macs * count,
            read=self.read * count,
            written=self.written * count,
            weights=self.weights * count,
            kernels=self.kernels * count,
        )


@dataclass(frozen=True, slots=True)
class Heads:
    """Shape of attention: query heads, key/value heads, dimension of scores and of values."""

    query: float
    kv: float
    dim: float
    value_dim: float


def linear(
    tokens: float, inp: float, out: float, *, bias: bool = False, tied: bool = False
) -> Part:
    """Dense layer on `tokens` rows; a `tied` one reads parameters that are counted elsewhere."""
    values = inp * out + out * bias
    owned = 0.0 if tied else values
    return Part("matmul", owned, owned, tokens * inp * out, tokens * inp, tokens * out, values)


def distinct_experts(tokens: float, experts: float, used: float) -> float:
    """Expected number of experts that `tokens` tokens touch, E (1 - (1 - k/E)^n), routing uniform.

    >>> distinct_experts(1, 8, 2)
    2.0
    """
    idle: float = (1.0 - used / experts) ** tokens
    return experts * (1.0 - idle)


def expert_linear(tokens: float, inp: float, out: float, moe: Experts) -> Part:
    """One matrix of every expert: `used` of them per token, one grouped product."""
    values = inp * out + out * moe.bias
    touched = distinct_experts(tokens, moe.count, moe.used)
    rows = tokens * moe.used
    macs = rows * inp * out
    return Part(
        "matmul",
        moe.count * values,
        moe.used * values,
        macs,
        rows * inp,
        rows * out,
        touched * values,
    )


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture: experts, experts per token, inner width, biases."""

    count: float
    used: float
    inner: float
    bias: bool = False


def norm(tokens: float, width: float, values: float) -> Part:
    """Normalisation of `tokens` rows of `width` with `values` parameters per column (0, 1, 2)."""
    held = width * values
    moved = tokens * width
    return Part("norm", held, held, 0.0, moved, moved, held)


def attention(queries: float, keys: float, heads: Heads) -> Part:
    """Fused score and value products, a causal mask not halved."""
    macs = queries * keys * heads.query * (heads.dim + heads.value_dim)
    read = queries * heads.query * heads.dim + keys * heads.kv * (heads.dim + heads.value_dim)
    return Part("attention", macs=macs, read=read, written=queries * heads.query * heads.value_dim)


def elementwise(read: float, written: float, kernels: float = 1.0) -> Part:
    """Additions, activations, rotary positions."""
    return Part("elementwise", read=read, written=written, kernels=kernels)


def embedding(tokens: float, rows: float, width: float) -> Part:
    """Look-up of one of `rows` rows per token: reads and writes only those rows, no MACs."""
    values = rows * width
    return Part("embedding", values, values, 0.0, tokens * (1 + width), tokens * width)


def loose(values: float) -> Part:
    """Small parameters inside attention (sinks, position biases): no operator of their own."""
    return Part("attention", values, values, weights=values, kernels=0.0)


def op_counts(parts: Iterable[Part]) -> dict[str, OpCount]:
    """Sum per op class, in the order of `OP_CLASSES`."""
    ops: dict[str, OpCount] = {}
    for part in parts:
        old = ops.get(part.kind, OpCount())
        ops[part.kind] = replace(
            old,
            macs=old.macs + part.macs,
            activation_bytes=old.activation_bytes + BYTES * (part.read + part.written),
            weight_bytes=old.weight_bytes + BYTES * part.weights,
            kernels=old.kernels + part.kernels,
        )
    return {kind: ops[kind] for kind in OP_CLASSES if kind in ops}
