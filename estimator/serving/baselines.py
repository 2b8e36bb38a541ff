"""What simple rules say of the same rows, printed beside the predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.units import J_PER_WH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.estimator.serving.frame import Frame

    Array = NDArray[np.float64]

BASELINES = ("ecologits", "tdp_time", "other_gpu")
_ALPHA, _BETA, _GAMMA = 1.1665273170451914e-06, -0.011205921025579175, 4.052928146734005e-05
_BATCH = 64.0
"""EcoLogits: Wh per output token and GPU, a exp(b B) P + c with P active parameters in 1e9 and B
taken as 64 (genai-impact/ecologits, ecologits/impacts/llm.py, GPU_ENERGY_ALPHA, BETA, GAMMA)."""


def log_token_j(known: Frame, asked: Frame) -> dict[str, Array]:
    """Natural log of joules per output token by each of `BASELINES`, (n_asked,)."""
    return {
        "ecologits": ecologits(asked),
        "tdp_time": np.log(asked.columns["tdp_w"] * asked.columns["count"]) + asked.log_token_s,
        "other_gpu": other_gpu(known, asked),
    }


def ecologits(asked: Frame) -> Array:
    """EcoLogits' published formula with the true number of GPUs."""
    billions = asked.columns["active_params"] / 1e9
    wh = _ALPHA * np.exp(_BETA * _BATCH) * billions + _GAMMA
    log: Array = np.log(J_PER_WH * wh * asked.columns["count"])
    return log


def other_gpu(known: Frame, asked: Frame) -> Array:
    """The known row of the same model group at the nearest batch on another GPU; NaN without."""
    out = np.full(len(asked), np.nan)
    theirs = np.log(known.columns["concurrency"])
    mine = np.log(asked.columns["concurrency"])
    for i in range(len(asked)):
        rows = (known.model == asked.model[i]) & (known.device != asked.device[i])
        rows &= np.isfinite(known.log_token_j) & np.isfinite(theirs)
        if rows.any() and np.isfinite(mine[i]):
            near = np.flatnonzero(rows)
            out[i] = known.log_token_j[near[np.argmin(np.abs(theirs[near] - mine[i]))]]
    return out
