"""The words of model serving: how requests reach a server, and what a burst of them showed.

SI units inside, the unit in every name. Missing is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Serving:
    """How requests reach a model server and on what it works them off.

    Attributes
    ----------
    prompt_tokens, output_tokens : tokens per request, means.
    rate_rps : requests per second that arrive whether or not others are done (open loop);
        ``None`` in a closed loop.
    concurrency : requests in the server at once: all the time in a closed loop, at most in an open
        one; ``None`` for the engine's own limit.
    cache_hit_frac : share of the prompt tokens whose keys and values are cached already, 0..1.
    engine : vllm, sglang, trtllm, transformers, llama.cpp, ...
    engine_year : when its version was released, e.g. 2024.7; ``None`` for unknown.
    duration_s : seconds over which requests arrive.
    tensor_parallel, pipeline_parallel, data_parallel, expert_parallel : GPUs over which a layer,
        the layers, the requests, the experts are spread; ``None`` for the engine's usual choice.
    image_tokens : of the prompt, those that come from images or frames.
    prompt_tokens_guessed : the prompt's length is an assumption.
    """

    prompt_tokens: float
    output_tokens: float
    rate_rps: float | None = None
    concurrency: float | None = None
    cache_hit_frac: float = 0.0
    engine: str = "vllm"
    engine_year: float | None = None
    duration_s: float = 3600.0
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    data_parallel: int | None = None
    expert_parallel: int | None = None
    image_tokens: float = 0.0
    prompt_tokens_guessed: bool = False


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a time, seconds."""

    mean_s: float
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class BurstFigures:
    """What one burst of requests showed, warm-up and drain cut away.

    Attributes
    ----------
    sent, failed : requests that arrived in the measured window, counts. completed : answers that
        ended in it, over the same time as its joules.
    achieved_rps : completed requests per second. offered_rps : arrivals per second as sent.
    prompt_tokens, output_tokens : of the completed requests together, counts.
    cached_tokens : prompt tokens that the server says it had cached, ``None`` if it does not say.
    ttft : to the first token. itl : between tokens. latency : to the last token.
    running_mean, waiting_mean : requests in the batch and in the queue, as the server says.
    kv_used_frac : of the memory for keys and values, mean, 0..1.
    cache_hit_frac : of the prompt tokens, from the server's own counters, 0..1.
    preemptions : requests put back into the queue. lag_p99_s : of arrivals behind their schedule.
    saturated : requests arrived faster than they were worked off.
    """

    sent: int
    completed: int
    failed: int
    offered_rps: float
    achieved_rps: float
    prompt_tokens: float | None = None
    output_tokens: float | None = None
    cached_tokens: float | None = None
    ttft: Spread | None = None
    itl: Spread | None = None
    latency: Spread | None = None
    running_mean: float | None = None
    waiting_mean: float | None = None
    kv_used_frac: float | None = None
    cache_hit_frac: float | None = None
    preemptions: float | None = None
    lag_p99_s: float | None = None
    saturated: bool | None = None
