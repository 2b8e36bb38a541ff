"""How long the slowest of a server's requests take: simulated request by request."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import predictor
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.simulate import Server, poisson, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.answering_bursts import Leaning
    from joulecast.core.records import Scope, Setup
    from joulecast.core.serving import Serving
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.estimator.serving.bundle import Bundle
    from joulecast.estimator.serving.simulate import Served

    Array = NDArray[np.float64]

LENGTHS_SPREAD = 0.7
"""Standard deviation of the logarithm of token counts. Public traces of chats and of code have 0.5
to 1.2 (Azure LLM inference traces 2023); engines cap the longest answers."""
SPREAD_SAID = "p95: lengths of requests taken to spread as in chats (log-normal, by a factor of 2)"
_NOT_LOADED = 0.97
"""Share of the saturation rate beyond which a queue grows too slowly to be simulated to its end."""
_FEWEST, _MOST = 1500, 12_000
_LIFETIMES = 40.0
_WARM_UP = 0.15
_GRID = 24
PARTS = ("gpu", "cpu", "dram")


def scope_parts(scope: Scope) -> tuple[str, ...]:
    """The parts of a machine that count in `scope`."""
    return PARTS if scope in {"system", "wall"} else (scope,)


def rate_said(rate_rps: float) -> str:
    """A rate in three digits, never as a power of ten.

    >>> rate_said(0.08943), rate_said(1234.5)
    ('0.0894', '1230')
    """
    return f"{float(f'{rate_rps:.3g}'):.9g}"


def copies_of(setup: Setup) -> tuple[int, int]:
    """Copies of the model on a machine, each serving on its own, and the GPUs of one of them."""
    c = columns_of([setup])
    return int(c["replicas"][0]), int(c["gpus"][0])


def copies_said(setup: Setup) -> str:
    """How several copies share the GPUs, empty for one."""
    copies, together = copies_of(setup)
    each = "one on each GPU" if together == 1 else f"each over {together} GPUs"
    return f"{copies} copies, {each}" if copies > 1 else ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what answers it; `leaning` is what measured bursts say about it."""

    setup: Setup
    bundle: Bundle
    level: float
    leaning: Leaning

    @property
    def serving(self) -> Serving:
        """How requests arrive."""
        serving = self.setup.workload.serving
        if serving is None:
            message = "a question about serving says how requests arrive"
            raise ValueError(message)
        return serving

    def answer(self) -> ServingAnswers:
        """The figures, arrays of one."""
        return self.answers([self.setup])

    def answers(self, setups: Sequence[Setup]) -> ServingAnswers:
        """The figures of the same server under other requests, arrays (n_setups,)."""
        return predictor.answer(setups, self.bundle, self.level, self.leaning.adjust)

    def idle_w(self, a: ServingAnswers) -> float:
        """Watts in the asked scope with no request there; `a` are figures of this server."""
        return sum(float(a.idle_w[part][0]) for part in scope_parts(self.setup.scope))

    def copies(self) -> int:
        """Groups of GPUs that serve on their own and share the requests."""
        return copies_of(self.setup)[0]

    def serving_as(self, serving: Serving) -> Asked:
        """The same server under other requests."""
        workload = replace(self.setup.workload, serving=serving)
        return replace(self, setup=replace(self.setup, workload=workload))


@dataclass(frozen=True, slots=True)
class Late:
    """Seconds that 95 of 100 requests stay below; infinite where the queue grows."""

    ttft_p95_s: float
    latency_p95_s: float


def late(asked: Asked, a: ServingAnswers) -> Late | None:
    """The slow requests at the asked rate, ``None`` in a closed loop.

    Parameters
    ----------
    a : the figures of `asked`, arrays of one.
    """
    rate = asked.serving.rate_rps
    if rate is None:
        return None
    if rate >= _NOT_LOADED * float(a.saturation_rps[0]):
        return Late(math.inf, math.inf)
    each_rps = rate / asked.copies()
    latency_s = float(a.latency_s[0])
    count = min(max(_LIFETIMES * each_rps * latency_s, _FEWEST), _MOST)
    requests = poisson(asked.serving, each_rps, count / each_rps, 0, LENGTHS_SPREAD)
    served = simulate(requests, server_of(asked, a))
    settled = slice(int(_WARM_UP * len(requests.arrival_s)), None)
    return slowest(served, settled)


def slowest(served: Served, chosen: slice) -> Late:
    """95th percentiles of the `chosen` requests."""
    return Late(
        float(np.percentile(served.ttft_s[chosen], 95)),
        float(np.percentile(served.latency_s[chosen], 95)),
    )


def server_of(asked: Asked, a: ServingAnswers) -> Server:
    """One copy of the server for the simulation, its iterations taken from the predictor.

    Watts are of the asked scope; what the copies share is split evenly between them.

    An iteration reads the weights, decodes, and is longer by every prompt token that it fills.
    """
    copies, limit = asked.copies(), max(float(a.max_batch[0]), 1.0)
    batch, step_s, token_s, kv_s, power_w = _iterations(asked, copies, limit)
    context = asked.serving.prompt_tokens + asked.serving.output_tokens / 2

    def iteration(decoding: int, tokens: float, filled: float) -> tuple[float, float]:
        at = max(float(decoding), 1.0)
        seconds = float(np.interp(at, batch, step_s))
        seconds += float(np.interp(at, batch, kv_s)) * (tokens / (at * context) - 1)
        return max(seconds, 1e-6) + filled * token_s, float(np.interp(at, batch, power_w))

    return Server(iteration, asked.idle_w(a) / copies, max_batch=int(limit))


def _iterations(
    asked: Asked, copies: int, limit: float
) -> tuple[Array, Array, float, Array, Array]:
    """Batches, their seconds without prompts, seconds a prompt token, of keys, and watts: (m,)."""
    s = asked.serving
    batch: Array = np.unique(np.rint(np.geomspace(1.0, limit, _GRID)))
    loops = [replace(s, rate_rps=None, concurrency=float(b) * copies) for b in batch]
    a = asked.answers([asked.serving_as(loop).setup for loop in loops])
    scale = a.step_s / sum(a.terms.values(), np.zeros(len(batch)))
    prompts_s = a.terms["prefill"] * scale
    new_tokens = max(s.prompt_tokens * (1 - s.cache_hit_frac), 1.0)
    token_s = float(np.median(prompts_s * s.output_tokens / (batch * new_tokens)))
    step_s: Array = np.maximum.accumulate(a.step_s - prompts_s)
    return batch, step_s, token_s, a.terms["kv"] * scale, a.power_w / copies
