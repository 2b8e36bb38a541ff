"""The simulated server of a setup: iterations by the same physics that the fixed point uses.

The physics knows the mean iteration of a load; here it is asked for single ones, with any number of
decoding requests, any context and any prompt tokens, once on a grid. Queues, batches and idle times
then come out of the simulation, not out of the fixed point.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import operation, physics, predictor
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.simulate import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.core.records import Setup
    from joulecast.estimator.serving.bundle import Bundle
    from joulecast.estimator.serving.simulate import Iteration

    Array = NDArray[np.float64]
    Columns = Mapping[str, Array]

_CONTEXTS = (0.0, 128.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 65536.0, 262144.0)
"""Tokens per request whose keys and values are read."""
_TOKENS = (0.0, 1.0, 32.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0)
"""Prompt tokens of an iteration."""
_NOBODY = 1e-6
"""Requests in an iteration that only fills a prompt, as the physics needs more than none."""
_MOST_BATCH = 4096


def server_of(setup: Setup, bundle: Bundle, adjust: Adjustment | None = None) -> tuple[Server, int]:
    """One replica of the server, its accelerators' watts, and how many replicas share the load."""
    c = predictor.prepared(setup, bundle, adjust or Adjustment())
    return server_from(c, bundle.coefficients), round(float(c["replicas"][0]))


def server_from(c: Columns, k: Mapping[str, float]) -> Server:
    """One replica of the server with columns `c` (one row)."""
    asked = operation.max_batch({**c, "kv_bytes_per_token": 0 * c["kv_bytes_per_token"] + 1e-9})
    most = int(min(float(asked[0]), _MOST_BATCH))
    held = float(operation.memory_limit(c)[0] * physics.mean_context(c)[0])
    one = {name: values[:1] for name, values in c.items()}
    idle_w = float(physics.step(one, k, np.ones(1))["active_idle_w"][0] / c["replicas"][0])
    recent = float(c["engine_year"][0]) >= 2025
    roomy = float(c["device_mem_bytes"][0]) >= 70e9
    return Server(
        iteration=iteration_of(c, k, most),
        idle_w=idle_w,
        max_batch=max(most, 1),
        kv_tokens=held,
        fill_tokens=8192.0 if recent and roomy else 2048.0,
        mixed=recent and float(c["engine_eager"][0]) == 0,
    )


def iteration_of(c: Columns, k: Mapping[str, float], most: int) -> Iteration:
    """Seconds and watts of one iteration of one replica with up to `most` requests."""
    sizes = sorted({0, *range(1, min(most, 16) + 1), *_spaced(most)})
    seconds, watts = _grid(c, k, np.array(sizes, dtype=float))
    every = np.arange(most + 1)
    by_s, by_w = (_each(sizes, values, every) for values in (seconds, watts))
    contexts, tokens = list(_CONTEXTS), list(_TOKENS)

    def along(batch: int, t: int, context: float) -> tuple[float, float]:
        x = bisect_right(contexts, context, 1, len(contexts) - 1)
        share = (context - contexts[x - 1]) / (contexts[x] - contexts[x - 1])
        s, w = by_s[batch][t], by_w[batch][t]
        return s[x - 1] + share * (s[x] - s[x - 1]), w[x - 1] + share * (w[x] - w[x - 1])

    def iteration(batch: int, context: float, filled: float) -> tuple[float, float]:
        each = context / batch if batch else 0.0
        if filled == 0:
            return along(batch, 0, each)
        t = bisect_right(tokens, filled, 2, len(tokens) - 1)
        share = (filled - tokens[t - 1]) / (tokens[t] - tokens[t - 1])
        low_s, low_w = along(batch, t - 1, each)
        high_s, high_w = along(batch, t, each)
        return low_s + share * (high_s - low_s), low_w + share * (high_w - low_w)

    return iteration


def _spaced(most: int) -> list[int]:
    """Batch sizes from 1 to `most`, closer where they are small."""
    return [round(b) for b in np.geomspace(1, max(most, 1), 24)]


def _grid(c: Columns, k: Mapping[str, float], sizes: Array) -> tuple[Array, Array]:
    """Seconds and watts of one replica, each (n_sizes, n_tokens, n_contexts).

    Of b requests b / output tokens enter per mean iteration, each with its whole prompt: an output
    length of b x prompt / filled makes that the filled tokens; bytes per token are scaled to the
    context that is read.
    """
    shape = (len(sizes), len(_TOKENS), len(_CONTEXTS))
    b, tokens, context = (
        np.broadcast_to(v, shape).ravel()
        for v in np.ix_(np.maximum(sizes, _NOBODY), np.array(_TOKENS), np.array(_CONTEXTS))
    )
    here = {name: np.repeat(values[:1], len(b)) for name, values in c.items()}
    filling = tokens > 0
    new = np.maximum(here["prompt_tokens"] * (1 - here["hit"]), 1.0)
    here["hit"] = np.where(filling, 1 - new / here["prompt_tokens"].clip(1.0), 1.0)
    here["prompt_tokens"] = here["prompt_tokens"].clip(1.0)
    here["output_tokens"] = np.where(filling, b * new / np.where(filling, tokens, 1.0), 1.0)
    scale = context / physics.mean_context(here)
    here["kv_bytes_per_token"] = here["kv_bytes_per_token"] * scale
    found = physics.step(here, k, b)
    replicas = here["replicas"]
    return found["step_s"].reshape(shape), (found["busy_w"] / replicas).reshape(shape)


def _each(sizes: list[int], values: Array, every: NDArray[np.intp]) -> list[list[list[float]]]:
    """`values` at `sizes` along its first axis, filled in for every size between, as lists."""
    flat = values.reshape(len(sizes), -1)
    found = np.column_stack([np.interp(every, sizes, column) for column in flat.T])
    whole: list[list[list[float]]] = found.reshape(len(every), *values.shape[1:]).tolist()
    return whole
