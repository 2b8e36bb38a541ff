"""A model server with continuous batching, event by event: what every request of a trace meets.

Independent of the fixed point that answers for means, so that either can refute the other.
Iterations in which nobody enters or leaves are taken as one stretch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.estimator.serving.simulate_loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from joulecast.core.serving import Serving

    Array = NDArray[np.float64]
    Iteration = Callable[[int, float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests in order of arrival, each array (n,).

    Attributes
    ----------
    arrival_s : seconds, ascending. prompt_tokens, output_tokens : counts, >= 1.
    cached_frac : share of the prompt that needs no computing, 0..1.
    """

    arrival_s: Array
    prompt_tokens: Array
    output_tokens: Array
    cached_frac: Array


@dataclass(frozen=True, slots=True)
class Server:
    """What an engine does per iteration, and its limits.

    Attributes
    ----------
    iteration : seconds and watts of one, from the number of requests that decode in it, the tokens
        whose keys and values these read together, and the prompt tokens that are filled in it.
    idle_w : watts with no request there. max_batch : requests at once.
    kv_tokens : whose keys and values fit into memory; where they run out the youngest request is
        put back and computed anew (as vLLM does), 1 % is kept free when requests enter.
    fill_tokens : tokens of an iteration at most, decoded ones included. mixed : whether prompts
        are filled beside decoding requests (chunked prefill), or while those wait.
    """

    iteration: Iteration
    idle_w: float
    max_batch: int
    kv_tokens: float = math.inf
    fill_tokens: float = 2048.0
    mixed: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """A server between two times: joules, share of the time busy, requests that ended.

    Attributes
    ----------
    batch : requests in an iteration, mean while busy.
    """

    duration_s: float
    energy_j: float
    busy_frac: float
    batch: float
    completed: int

    @property
    def power_w(self) -> float:
        """Mean watts."""
        return self.energy_j / self.duration_s


@dataclass(frozen=True, slots=True)
class Served:
    """What became of the requests, and stretches of like iterations.

    Attributes
    ----------
    requests : as given. first_s, ended_s : (n,), when the first and the last token came.
    start_s, duration_s, power_w, batch : (m,), of the stretches in which the server worked.
    idle_w : watts in between. preemptions : requests put back.
    """

    requests: Requests
    first_s: Array
    ended_s: Array
    start_s: Array
    duration_s: Array
    power_w: Array
    batch: Array
    idle_w: float
    preemptions: int

    @property
    def ttft_s(self) -> Array:
        """Seconds from arrival to the first token, (n,)."""
        return self.first_s - self.requests.arrival_s

    @property
    def latency_s(self) -> Array:
        """Seconds from arrival to the last token, (n,)."""
        return self.ended_s - self.requests.arrival_s

    @property
    def tpot_s(self) -> Array:
        """Seconds per token after the first, (n,); NaN for requests of one token."""
        gaps = self.requests.output_tokens - 1
        taken_s = self.ended_s - self.first_s
        each_s: Array = np.divide(taken_s, gaps, out=np.full(len(gaps), np.nan), where=gaps > 0)
        return each_s

    def window(self, from_s: float = 0.0, to_s: float | None = None) -> Window:
        """The server from `from_s` on, to `to_s` or the end of the last request."""
        until_s = float(self.ended_s.max()) if to_s is None else to_s
        begin_s = np.maximum(self.start_s, from_s)
        seconds = np.maximum(np.minimum(self.start_s + self.duration_s, until_s) - begin_s, 0.0)
        busy_s, length_s = float(seconds.sum()), until_s - from_s
        return Window(
            duration_s=length_s,
            energy_j=float(seconds @ self.power_w) + self.idle_w * max(length_s - busy_s, 0.0),
            busy_frac=busy_s / length_s,
            batch=float(seconds @ self.batch) / busy_s if busy_s > 0 else 0.0,
            completed=int(((self.ended_s > from_s) & (self.ended_s <= until_s)).sum()),
        )


def simulate(requests: Requests, server: Server) -> Served:
    """What `server` makes of `requests`, all of them worked off, first come first served.

    Raises
    ------
    BadInput
        If requests cannot be what they say, or one alone exceeds the memory for keys and values.
    """
    _check(requests, server)
    loop = Loop(
        arrival_s=requests.arrival_s.tolist(),
        prompt=np.rint(requests.prompt_tokens).tolist(),
        output=np.rint(requests.output_tokens).tolist(),
        cached=np.floor(requests.cached_frac * np.rint(requests.prompt_tokens)).tolist(),
        server=server,
    )
    loop.run()
    start_s, duration_s, power_w, batch = np.array(loop.stretches, dtype=np.float64).T
    return Served(
        requests,
        np.array(loop.first_s),
        np.array(loop.ended_s),
        start_s,
        duration_s,
        power_w,
        batch,
        idle_w=server.idle_w,
        preemptions=loop.preemptions,
    )


def poisson(
    serving: Serving, rate_rps: float, duration_s: float, seed: int, spread: float = 0.0
) -> Requests:
    """Requests that arrive at random over `duration_s`, with token counts like those of `serving`.

    Parameters
    ----------
    spread : standard deviation of the logarithm of token counts (log-normal, same means).
    """
    rng = np.random.default_rng(seed)
    n = int(rng.poisson(rate_rps * duration_s))
    arrival_s = np.sort(rng.uniform(0.0, duration_s, n))
    factor = np.exp(rng.normal(-(spread**2) / 2, spread, (2, n)))
    prompt, output = (
        np.maximum(np.rint(mean * f), 1.0)
        for mean, f in zip((serving.prompt_tokens, serving.output_tokens), factor, strict=True)
    )
    return Requests(arrival_s, prompt, output, np.full(n, serving.cache_hit_frac))


def _check(r: Requests, server: Server) -> None:
    columns = (r.arrival_s, r.prompt_tokens, r.output_tokens, r.cached_frac)
    if len({len(c) for c in columns}) != 1 or not len(r.arrival_s):
        raise BadInput(f"requests need columns of one length, seen {[len(c) for c in columns]}")
    if not all(np.isfinite(c).all() for c in columns) or (np.diff(r.arrival_s) < 0).any():
        raise BadInput("requests hold NaN or infinities, or do not come in order of arrival")
    if min(r.prompt_tokens.min(), r.output_tokens.min()) < 0.5:
        raise BadInput("a request has no prompt or no output token: leave it out")
    if r.cached_frac.min() < 0 or r.cached_frac.max() > 1:
        raise BadInput("a share of cached prompt tokens lies outside 0 to 1")
    if server.max_batch < 1 or server.fill_tokens < 1:
        raise BadInput("a server takes at least one request and one token per iteration")
    longest = float(np.rint(r.prompt_tokens + r.output_tokens).max())
    if longest + 1 > server.kv_tokens:
        raise BadInput(
            f"a request of {longest:,.0f} tokens exceeds the memory for keys and values of "
            f"{server.kv_tokens:,.0f} tokens: shorten it, or take more GPUs"
        )
