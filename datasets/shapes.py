"""Architectures at another input size or with other totals than the catalogue's."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulecast.core.records import Architecture, OpCount

AGREEMENT = 1.25
"""Totals within this factor agree: the catalogue's own count stays."""


def resized(a: Architecture, input_shape: tuple[int, ...]) -> Architecture:
    """`a` at another input size: images by area, token models by length (attention squared).

    Weights and kernel counts stay. The linear head of an image network is scaled with the rest,
    an error below its share of the multiply-adds.
    """
    if not input_shape or input_shape == a.input_shape or not a.input_shape:
        return a
    factor = _extent(input_shape) / _extent(a.input_shape)
    sequence = len(a.input_shape) <= 2

    def scaled(name: str, op: OpCount) -> OpCount:
        power = 2.0 if sequence and name == "attention" else 1.0
        return replace(
            op,
            macs=op.macs * factor**power,
            activation_bytes=op.activation_bytes * factor,
        )

    ops = {name: scaled(name, op) for name, op in a.ops.items()}
    return replace(
        a,
        input_shape=input_shape,
        ops=ops,
        macs=sum(op.macs for op in ops.values()),
        activation_bytes=a.activation_bytes * factor,
    )


@lru_cache(maxsize=1024)
def _extent(shape: tuple[int, ...]) -> float:
    """Pixels of an image (c, h, w), voxels of a volume (c, d, h, w), or tokens (n,)."""
    spatial = shape[1:] if len(shape) >= 3 else shape[:1]
    return float(math.prod(spatial))


def with_totals(a: Architecture, params: float | None, macs: float | None) -> Architecture:
    """`a` with other totals; the shares of its op classes stay.

    A total within a factor of `AGREEMENT` of the count is taken to agree with it.
    """
    macs_factor = _factor(macs, a.macs)
    params_factor = _factor(params, a.params)
    if macs_factor == 1.0 and params_factor == 1.0:
        return a
    ops = {
        name: replace(
            op,
            macs=op.macs * macs_factor,
            activation_bytes=op.activation_bytes * math.sqrt(macs_factor)
            if macs_factor > 1
            else op.activation_bytes * macs_factor,
            weight_bytes=op.weight_bytes * params_factor,
        )
        for name, op in a.ops.items()
    }
    return replace(
        a,
        params=a.params * params_factor,
        trainable_params=None,
        macs=a.macs * macs_factor,
        ops=ops,
        activation_bytes=a.activation_bytes * min(macs_factor, math.sqrt(macs_factor)),
    )


def agree(wanted: float | None, counted: float) -> bool:
    """Whether a stated total is there and within a factor of `AGREEMENT` of the count."""
    return wanted is not None and _factor(wanted, counted) == 1.0


def _factor(wanted: float | None, counted: float) -> float:
    if wanted is None or counted <= 0 or not 0 < wanted < math.inf:
        return 1.0
    factor = wanted / counted
    return 1.0 if 1 / AGREEMENT <= factor <= AGREEMENT else factor


def nearest(
    entries: Iterable[Architecture],
    domain: str,
    params: float | None,
    macs: float | None,
    input_shape: tuple[int, ...] = (),
) -> Architecture:
    """The entry whose log parameters and log MACs per parameter lie nearest.

    Entries of the domain go first, and among them those made for inputs within a factor of 4 in
    area: a network for 32 pixels does far more arithmetic per parameter and pixel than one for 224.
    """
    pool = list(entries)
    same = [a for a in pool if a.domain == domain] or pool
    if input_shape:
        own = _extent(input_shape)
        like = [a for a in same if 0.25 <= _extent(a.input_shape) / own <= 4]
        same = like or same

    def distance(a: Architecture) -> float:
        far = 0.0
        if params:
            far += math.log(params / max(a.params, 1.0)) ** 2
        if params and macs:
            far += math.log((macs / params) / max(a.macs / max(a.params, 1.0), 1e-9)) ** 2
        elif macs:
            far += math.log(macs / max(a.macs, 1.0)) ** 2
        return far

    return min(same, key=distance)
