"""Times to the first and per further token of a model server in a closed loop, fitted to such runs.

    TPOT = T(b) x exp(structure)
    TTFT = fixed + n x TPOT + fill (g + q r / (1 - r) + s (C - 1) / 2) + w x (wait for room)

T(b) is the mean iteration (`physics`), `fill` one that fills a whole prompt alone, r the share of
the time that prompts take, C the clients. A loop begins with all its clients at once: s is the
share of the requests that meet the others' prompts so. n counts the iterations until an engine
sends its first tokens on; n, s and the fixed part are each engine's own. `structure` is linear in
what the physics does not know: latent attention, recurrent layers, experts, engine, batch, GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import operation, physics
from joulecast.estimator.serving.priors import PRIORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Columns = Mapping[str, Array]

_OWN_PRIORS = {
    "newer_overhead": (1.2, 0.03),
    "layer_2025_s": (1.0e-5, 0.17),
    "fixed_2025_s": (5.0e-4, 0.17),
    "weights_bandwidth": (0.75, 0.03),
    "experts_bandwidth": (0.70, 0.07),
    "kv_bandwidth": (0.90, 0.07),
    "decode_compute": (0.50, 0.07),
    "prefill_compute": (0.60, 0.07),
    "narrow_compute": (0.70, 0.07),
}
"""Beliefs of this fit, narrower than those of `priors`: latencies alone do not tell them apart."""
_MOVED = (
    *_OWN_PRIORS,
    *("routing_spread", "state_bandwidth", "sequence_2025_s", "expert_layer_s", "block_layer_s"),
    *("trtllm_overhead", "sglang_overhead", "link_efficiency", "link_latency_s", "imbalance"),
)
_WIDTH = 1 / 3
"""By which the widths of the other priors are narrowed."""
_ENGINES = ("vllm", "trtllm", "sglang")
_FIRST = {
    "fill": (0.6, 0.5),
    "queue": (0.5, 0.7),
    "room": (0.8, 0.3),
    **{f"start_{e}": (0.1, 0.7) for e in _ENGINES},
    "iterations_vllm": (2.0, 0.7),
    "iterations_trtllm": (10.0, 0.7),
    "iterations_sglang": (10.0, 0.7),
    "fixed_vllm": (0.02, 0.7),
    "fixed_trtllm": (0.03, 0.7),
    "fixed_sglang": (0.05, 0.7),
}
"""Prior value and width of the logarithm of what only the first token's time needs."""
_NOISE = {"tpot": 0.15, "ttft": 0.25}
_RIDGE = 0.003
_ROUNDS = 8
_FEW = 1e-6
_BUSIEST = 0.9


@dataclass(frozen=True, slots=True)
class Linear:
    """A ridge regression's mean, slopes and the features' means."""

    level: float
    slopes: Array
    means: Array

    def __call__(self, features: Array) -> Array:
        """Value at `features` (n, m), (n,)."""
        value: Array = self.level + (features - self.means) @ self.slopes
        return value


@dataclass(frozen=True, slots=True)
class Latency:
    """A fitted latency model: coefficients of an iteration, of the first token, and structure."""

    coefficients: Mapping[str, float]
    first: Mapping[str, float]
    tpot_structure: Linear
    ttft_structure: Linear


def fit(c: Columns, ttft_s: Array, tpot_s: Array, weight: Array) -> Latency:
    """The latency model of servers with columns `c` (closed loops) and their measured means."""
    batch = operation.max_batch(c)
    k = physics.default_coefficients() | _fitted(
        {p: _OWN_PRIORS.get(p, (PRIORS[p][0], PRIORS[p][1] * _WIDTH)) for p in _MOVED},
        lambda some: physics.step(c, physics.default_coefficients() | some, batch)["step_s"],
        (np.log(tpot_s), weight / _NOISE["tpot"] ** 2),
    )
    left = np.log(tpot_s / physics.step(c, k, batch)["step_s"])
    tpot = _ridge(structure(c), left, weight)
    parts = _parts(c, k, tpot)
    first = _fitted(
        _FIRST,
        lambda some: _first_s(c, parts, some),
        (np.log(ttft_s), weight / _NOISE["ttft"] ** 2),
    )
    left = np.log(ttft_s / _first_s(c, parts, first))
    return Latency(k, first, tpot, _ridge(structure(c), left, weight))


def times(c: Columns, latency: Latency) -> dict[str, Array]:
    """``ttft_s`` and ``tpot_s`` of closed loops, means in seconds, each (n,)."""
    parts = _parts(c, latency.coefficients, latency.tpot_structure)
    move = np.exp(latency.ttft_structure(structure(c)))
    return {"tpot_s": parts["tpot_s"], "ttft_s": _first_s(c, parts, latency.first) * move}


def structure(c: Columns) -> Array:
    """What sets networks, engines and spreads apart beyond the physics, (n, 9)."""
    kept = c["kv_bytes_per_token"] / (4 * c["layers"] * c["kv_heads"] * c["head_dim"])
    recurrent = c["state_bytes"] > 0
    latent = (kept < 0.3) & ~recurrent
    size = np.log(operation.max_batch(c) / c["ranks"]) / 5
    spread = np.log(c["tensor"]) / 2
    columns = (
        *(latent, recurrent, c["expert_params"] > 0),
        *(c["engine_trtllm"], c["engine_sglang"], size, size**2, spread, latent * spread),
    )
    return np.column_stack([np.asarray(column, dtype=float) for column in columns])


def _parts(c: Columns, k: Mapping[str, float], tpot: Linear) -> dict[str, Array]:
    """Seconds of which the first token's time is made."""
    batch = operation.max_batch(c)
    tpot_s = physics.step(c, k, batch)["step_s"] * np.exp(tpot(structure(c)))
    one = np.full(len(batch), _FEW)
    alone = physics.step({**c, "output_tokens": one}, k, one)
    life_s = c["output_tokens"] * tpot_s
    prompts = np.minimum(batch * alone["prompt_s"] / life_s, _BUSIEST)
    without_room = np.maximum(c["concurrency"] / c["replicas"] - batch, 0.0)
    return {
        "tpot_s": tpot_s,
        "fill_s": alone["step_s"],
        "crowd": prompts / (1 - prompts),
        "room_s": without_room * life_s / batch,
    }


def _first_s(c: Columns, parts: Mapping[str, Array], k: Mapping[str, float]) -> Array:
    """Seconds to the first token without structure, (n,); engines not known count as vLLM."""
    own = {e: c[f"engine_{e}"] for e in _ENGINES[1:]}
    own["vllm"] = 1 - sum(own.values(), np.zeros(1))
    mean = {
        name: sum((own[e] * k[f"{name}_{e}"] for e in _ENGINES), np.zeros(1))
        for name in ("start", "iterations", "fixed")
    }
    others = np.maximum(c["concurrency"] / c["replicas"] - 1, 0.0) / 2
    fills = k["fill"] + k["queue"] * parts["crowd"] + mean["start"] * others
    first: Array = (
        mean["fixed"]
        + mean["iterations"] * parts["tpot_s"]
        + fills * parts["fill_s"]
        + k["room"] * parts["room_s"]
    )
    return first


def _fitted(
    priors: Mapping[str, tuple[float, float]],
    seconds: Callable[[dict[str, float]], Array],
    measured: tuple[Array, Array],
) -> dict[str, float]:
    """Coefficients that fit `measured` (logarithms, weights) under `priors`, robustly."""
    from scipy.optimize import least_squares

    centre = np.log([value for value, _ in priors.values()])
    width = np.array([sd for _, sd in priors.values()])
    log_s, weight = measured

    def named(log_k: Array) -> dict[str, float]:
        return {p: float(v) for p, v in zip(priors, np.exp(log_k), strict=True)}

    def errors(log_k: Array) -> Array:
        scale = np.sqrt(weight / weight.mean()), np.sqrt(weight.mean())
        miss = (log_s - np.log(seconds(named(log_k)))) * scale[1]
        soft = np.sign(miss) * np.sqrt(2 * (np.sqrt(1 + miss**2) - 1)) * scale[0]
        return np.concatenate([soft, (log_k - centre) / width])

    found = least_squares(errors, centre, x_scale="jac", max_nfev=40)
    return named(found.x)


def _ridge(features: Array, left: Array, weight: Array) -> Linear:
    """Robust ridge regression of what the physics left, slopes shrunken towards 0."""
    means = features.mean(axis=0)
    centred = features - means
    penalty = _RIDGE * len(left) * np.eye(features.shape[1])
    w, level, slopes = weight, 0.0, np.zeros(features.shape[1])
    for _ in range(_ROUNDS):
        level = float(np.average(left, weights=w))
        weighted = (centred * w[:, None]).T
        slopes = np.linalg.solve(weighted @ centred + penalty, weighted @ (left - level))
        miss = (left - level - centred @ slopes) / _NOISE["tpot"]
        w = weight / np.sqrt(1 + miss**2)
    return Linear(level, slopes, means)
