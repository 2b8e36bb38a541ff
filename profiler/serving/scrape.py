"""What a model server says of itself on its metrics page, in the words of all engines.

Names as documented by vLLM (both engine generations), SGLang, llama.cpp and Text Generation
Inference. What an engine does not tell is ``None``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from joulecast.profiler.serving.scrape_text import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from joulecast.profiler.serving.scrape_text import Sample

_ENGINES = {
    "vllm_": "vllm",
    "sglang_": "sglang",
    "llamacpp_": "llama.cpp",
    "tgi_": "tgi",
}
_RUNNING = (
    "vllm_num_requests_running",
    "sglang_num_running_reqs",
    "llamacpp_requests_processing",
    "tgi_batch_current_size",
)
_WAITING = (
    "vllm_num_requests_waiting",
    "sglang_num_queue_reqs",
    "llamacpp_requests_deferred",
    "tgi_queue_size",
)
_KV_USED = (
    "vllm_kv_cache_usage_perc",  # both of vLLM's tell a share of 1 in spite of the name
    "vllm_gpu_cache_usage_perc",
    "sglang_token_usage",
    "llamacpp_kv_cache_usage_ratio",
)
_PREEMPTIONS = ("vllm_num_preemptions_total", "sglang_num_retracted_requests_total")
_PROMPT = ("sglang_prompt_tokens_total", "llamacpp_prompt_tokens_total")
_QUERIES = ("vllm_prefix_cache_queries_total", "vllm_gpu_prefix_cache_queries_total")
_HITS = ("vllm_prefix_cache_hits_total", "vllm_gpu_prefix_cache_hits_total")
_CACHED = (
    "sglang_cached_tokens_total",
    "llamacpp_prompt_tokens_cached_total",
    "llamacpp_prompt_tokens_cache_total",
)
_HIT_RATE = ("sglang_cache_hit_rate", "vllm_gpu_prefix_cache_hit_rate")
_SAME_THING = ("tp_rank", "pp_rank", "moe_ep_rank", "pid")
"""Labels of processes that work on the same requests: they repeat a value."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """One look at a server.

    Attributes
    ----------
    time_s : of the monotonic clock. engine : ``vllm``, ``sglang``, ...; empty if not made out.
    running, waiting : requests in the batch and in the queue, now. kv_used_frac : 0..1, now.
    prefix_queries, prefix_hits : since its start, in tokens or in blocks (of each other's kind).
    preemptions : since its start.
    hit_frac : of the prefix cache as the engine itself averages it, 0..1.
    """

    time_s: float
    engine: str = ""
    running: float | None = None
    waiting: float | None = None
    kv_used_frac: float | None = None
    prefix_queries: float | None = None
    prefix_hits: float | None = None
    preemptions: float | None = None
    hit_frac: float | None = None


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What a server did between the first and the last of several looks; see `ServerState`."""

    engine: str = ""
    running_mean: float | None = None
    waiting_mean: float | None = None
    kv_used_frac: float | None = None
    cache_hit_frac: float | None = None
    preemptions: float | None = None


def state_of(text: str, time_s: float, model: str = "") -> ServerState:
    """What the page `text` says at `time_s`.

    Parameters
    ----------
    model : whose series count where a server has several; empty for all.
    """
    samples = _of_model(parse(text), model)
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    queries, hits = _prefix(by_name)
    return ServerState(
        time_s=time_s,
        engine=engine_of(samples),
        running=_first(by_name, _RUNNING, sum),
        waiting=_first(by_name, _WAITING, sum),
        kv_used_frac=_share(_first(by_name, _KV_USED, _mean)),
        prefix_queries=queries,
        prefix_hits=hits,
        preemptions=_first(by_name, _PREEMPTIONS, sum),
        hit_frac=_hit_rate(by_name),
    )


def engine_of(samples: Iterable[Sample]) -> str:
    """The engine whose names a page has; empty if none's."""
    for sample in samples:
        for prefix, engine in _ENGINES.items():
            if sample.name.startswith(prefix):
                return engine
    return ""


def figures_of(states: Sequence[ServerState]) -> ServerFigures:
    """Means of what holds at a moment, differences of what is counted.

    A count that fell in between (the server was started anew), or of a single look, is ``None``.
    """
    return ServerFigures(
        engine=next((s.engine for s in states if s.engine), ""),
        running_mean=_mean_of([s.running for s in states]),
        waiting_mean=_mean_of([s.waiting for s in states]),
        kv_used_frac=_mean_of([s.kv_used_frac for s in states]),
        cache_hit_frac=_hit_frac(states),
        preemptions=_gained([s.preemptions for s in states]),
    )


def metrics_url(url: str) -> str:
    """Where the metrics of the server at `url` (up to and with ``/v1``) are.

    >>> metrics_url("http://host:8000/v1"), metrics_url("http://host:8000/llm/v1/")
    ('http://host:8000/metrics', 'http://host:8000/llm/metrics')
    """
    return re.sub(r"/v\d+$", "", url.rstrip("/")) + "/metrics"


def _of_model(samples: Sequence[Sample], model: str) -> Sequence[Sample]:
    """Without the series of other models, where any series is of `model`."""
    if not any(s.labels.get("model_name") == model for s in samples):
        return samples
    return [s for s in samples if s.labels.get("model_name", model) == model]


def _first(
    by_name: Mapping[str, Sequence[Sample]],
    names: Sequence[str],
    joined: Callable[[Sequence[float]], float],
) -> float | None:
    """The first of `names` that the page has: old and new spellings may stand side by side."""
    for name in names:
        if name in by_name:
            return joined(_distinct(by_name[name]))
    return None


def _distinct(samples: Sequence[Sample]) -> list[float]:
    """One value per group of processes that work on the same requests, the highest."""
    found: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in samples:
        key = tuple(sorted((k, v) for k, v in sample.labels.items() if k not in _SAME_THING))
        found[key] = max(sample.value, found.get(key, sample.value))
    return list(found.values())


def _prefix(by_name: Mapping[str, Sequence[Sample]]) -> tuple[float | None, float | None]:
    """What was looked up in the prefix cache, and what was found there."""
    queries, hits = _first(by_name, _QUERIES, sum), _first(by_name, _HITS, sum)
    cached = _first(by_name, _CACHED, sum)
    if queries is not None or cached is None:
        return queries, hits
    prompt = _first(by_name, _PROMPT, sum)
    if prompt is None:
        return None, cached
    # llama.cpp counts only the prompt tokens that it had to compute, SGLang all of them.
    computed_only = "llamacpp_prompt_tokens_total" in by_name
    return (prompt + cached if computed_only else prompt), cached


def _hit_rate(by_name: Mapping[str, Sequence[Sample]]) -> float | None:
    rate = _first(by_name, _HIT_RATE, _mean)
    if rate is None or rate < 0:  # vLLM's -1: the cache is off
        return None
    return _share(rate / 100 if rate > 1 else rate)  # SGLang's first releases told percent


def _hit_frac(states: Sequence[ServerState]) -> float | None:
    """Of what was looked up between the looks; the engine's own mean where nothing is counted."""
    both = [s for s in states if s.prefix_queries is not None and s.prefix_hits is not None]
    queries = _gained([s.prefix_queries for s in both])
    hits = _gained([s.prefix_hits for s in both])
    if queries is not None and hits is not None:
        return _share(hits / queries) if queries > 0 else None
    return _mean_of([s.hit_frac for s in states])


def _gained(counts: Iterable[float | None]) -> float | None:
    """From the first to the last that is known; ``None`` for fewer than two, or if one fell."""
    known = [c for c in counts if c is not None]
    if len(known) < 2 or any(later < earlier for earlier, later in pairwise(known)):
        return None
    return known[-1] - known[0]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_of(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return _mean(known) if known else None


def _share(value: float | None) -> float | None:
    return None if value is None or value < 0 else min(value, 1.0)
