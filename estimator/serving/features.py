"""What the learners see of a server, whatever its load: rate, hit share and batch stay out.

Shares of an iteration are those of a reference batch without cached prompts, so that a learned
factor moves a whole curve and never bends it. No ratio of the hardware's figures is among them:
trees would know the few devices by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import physics
from joulecast.estimator.serving.columns import ERAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

REFERENCE = 32.0
"""Requests in the batch at which shares of an iteration are taken."""
_AMOUNTS = (
    *("prompt_tokens", "output_tokens", "count", "params", "active_params"),
    *("layers", "hidden", "kv_bytes_per_token"),
)
FEATURES = (
    *(f"share_{name}" for name in physics.TERMS),
    *(f"log_{name}" for name in _AMOUNTS),
    *("has_experts", "has_state", "narrow", "is_eager", "is_trtllm", "is_sglang"),
    *(f"era_{era}" for era in ERAS),
)


def matrix(c: Mapping[str, Array], k: Mapping[str, float]) -> Array:
    """Features of shape (n, n_features), see `FEATURES`."""
    fresh = {**c, "hit": np.zeros_like(c["hit"])}
    t = physics.step(fresh, k, np.full_like(c["hit"], REFERENCE))
    parts = [t[f"{name}_s"] / t["raw_s"] for name in physics.TERMS]
    parts += [np.log(c[name]) for name in _AMOUNTS]
    parts += [(c["expert_params"] > 0).astype(float), (c["state_bytes"] > 0).astype(float)]
    parts += [c["narrow"], c["engine_eager"], c["engine_trtllm"], c["engine_sglang"]]
    return np.column_stack([*parts, *(c[f"era_{era}"] for era in ERAS)])
