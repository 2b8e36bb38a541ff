"""What the learners see of a server, whatever its load: rate, hit share and batch stay out.

Shares of an iteration are those of a reference batch of reference requests without cached prompts,
so that a learned factor moves a whole curve and never bends it: over the rate, the lengths of
prompts and answers and the hit share an answer rises and falls as the physics does. No ratio of the
hardware's figures is among them: trees would know the few devices by it.
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
REFERENCE_TOKENS = (512.0, 256.0)
"""Their tokens of prompt and answer."""
_AMOUNTS = (
    *("count", "params", "active_params"),
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
    same = np.ones_like(c["hit"])
    prompt, output = REFERENCE_TOKENS
    fresh = {**c, "hit": 0 * same, "prompt_tokens": prompt * same, "output_tokens": output * same}
    t = physics.step(fresh, k, np.full_like(c["hit"], REFERENCE))
    parts = [t[f"{name}_s"] / t["raw_s"] for name in physics.TERMS]
    parts += [np.log(c[name]) for name in _AMOUNTS]
    parts += [(c["expert_params"] > 0).astype(float), (c["state_bytes"] > 0).astype(float)]
    parts += [c["narrow"], c["engine_eager"], c["engine_trtllm"], c["engine_sglang"]]
    return np.column_stack([*parts, *(c[f"era_{era}"] for era in ERAS)])
