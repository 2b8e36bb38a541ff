"""The public function about a model server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.core.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from joulecast.core.records import Architecture, Machine, Run
    from joulecast.core.serving_estimate import ServingEstimate


def estimate_serving(  # noqa: PLR0913 (the public interface)
    model: str | Path | Architecture | Any,  # noqa: ANN401 (refused with a sentence)
    hardware: str | Path | Machine,
    *,
    rate_rps: float | None = None,
    concurrency: float | None = None,
    prompt_tokens: float,
    output_tokens: float,
    cache_hit_frac: float = 0.0,
    weight_precision: str = "bf16",
    engine: str = "vllm",
    n_gpus: int | None = None,
    duration_s: float = 3600.0,
    level: float = 0.9,
    runs: str | Path | Iterable[str | Path | Run] | None = None,
    power_limit_w: float | None = None,
    scope: str = "system",
    engine_year: float | None = None,
    explain: bool = False,
    force: bool = False,
) -> ServingEstimate:
    """Energy per request and token of a model server, its power, capacity and latency.

    Parameters
    ----------
    model : language model of the catalogue, `Architecture`, or path to a config.json.
    hardware : as in `joulecast.estimate`.
    rate_rps : requests per second that arrive whether or not others are done. concurrency :
        instead, requests in the server at any time. Neither: a server at full load.
    prompt_tokens, output_tokens : of a request, means.
    cache_hit_frac : share of the prompt tokens whose keys and values are cached already, 0..1.
    weight_precision : bf16, fp8, int4, ... engine : vllm, sglang, trtllm, transformers, ...
    engine_year : when its version was released, e.g. 2024.7.
    duration_s : over which requests arrive. level : of the intervals, 0.5..0.995.
    runs : measured bursts to lean on, as in `joulecast.estimate`.
    power_limit_w : watts per GPU. scope : gpu, cpu, dram, system or wall.
    explain : fill `ServingEstimate.explanation`. force : answer even if the weights do not fit.

    Raises
    ------
    JoulecastError
        For unknown names, values that cannot be right, and weights larger than the memory.

    Examples
    --------
    >>> answer = estimate_serving(
    ...     "llama-3.1-8b", "hc4", rate_rps=10, prompt_tokens=200, output_tokens=300, runs=()
    ... )
    >>> answer.energy_per_request_low_j < answer.energy_per_request_j
    True
    """
    from joulecast import asking
    from joulecast.answering_serving import serving_estimate_of
    from joulecast.asking_serving import Place, setup_asked
    from joulecast.known_runs import runs_given

    asking.refuse_outside("level", level, 0.5, 0.995)
    serving = Serving(
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        rate_rps=rate_rps,
        concurrency=concurrency,
        cache_hit_frac=cache_hit_frac,
        engine=engine,
        engine_year=engine_year,
        duration_s=duration_s,
    )
    place = Place(weight_precision, n_gpus, power_limit_w, scope, force)
    setup, notices = setup_asked(model, hardware, serving, place)
    known, skipped = runs_given(runs)
    notices = (*notices, *skipped)
    return serving_estimate_of(setup, level, notices, explain=explain, runs=known, force=force)
