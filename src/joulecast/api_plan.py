"""The public function that chooses among machines and models for requests to come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput
from joulecast.core.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from joulecast.core.records import Architecture, Machine, Run
    from joulecast.planning import Wish
    from joulecast.planning_records import Plan, PlanOption
    from joulecast.serving_times import Asked

    OptionOf = Callable[[Asked, Wish, tuple[str, ...]], PlanOption]


@dataclass(frozen=True, slots=True)
class _Requests:
    """Requests to come: means, and for a trace what makes an option of it."""

    rate_rps: float
    prompt_tokens: float
    output_tokens: float
    duration_s: float = 3600.0
    option_of: OptionOf | None = None
    notices: tuple[str, ...] = ()


def plan(  # noqa: PLR0913 (the public interface)
    models: str | Path | Architecture | Sequence[str | Path | Architecture],
    hardware: str | Path | Machine | Sequence[str | Path | Machine],
    *,
    rate_rps: float | None = None,
    prompt_tokens: float | None = None,
    output_tokens: float | None = None,
    trace: str | Path | None = None,
    p95_latency_s: float | None = None,
    p95_ttft_s: float | None = None,
    max_replicas: int = 64,
    cache_hit_frac: float = 0.0,
    weight_precision: str = "bf16",
    engine: str = "vllm",
    engine_year: float | None = None,
    n_gpus: int | None = None,
    power_limit_w: float | None = None,
    scope: str = "system",
    level: float = 0.9,
    runs: str | Path | Iterable[str | Path | Run] | None = None,
    force: bool = False,
) -> Plan:
    """Which machine and model for a rate of requests, with how many replicas, and why not others.

    Parameters
    ----------
    models, hardware : one or several, as in `estimate_serving`.
    rate_rps : requests per second of all replicas together; tokens are then needed too.
    trace : instead of a rate and tokens, a CSV file ``arrival_s,prompt_tokens,output_tokens``.
    p95_latency_s, p95_ttft_s : seconds to the last and to the first token that 95 of 100 requests
        have to stay below. max_replicas : per machine of the list.

    Raises
    ------
    JoulecastError
        For unknown names, values that cannot be right and bad rows of the trace. A model that does
        not fit a machine is no error: its option says why.

    Examples
    --------
    >>> found = plan(
    ...     ["llama-3.2-1b", "llama-3.1-8b"], ["hc4", "a100-sxm-80gb"],
    ...     rate_rps=5, prompt_tokens=200, output_tokens=100, runs=(),
    ... )
    >>> found.best_model
    'llama-3.2-1b'
    """
    from joulecast import asking, planning
    from joulecast.asking_serving import Place, checked, place_checked
    from joulecast.known_runs import runs_given
    from joulecast.planning_records import Bounds

    asking.refuse_outside("level", level, 0.5, 0.995)
    asking.refuse_absurd(
        p95_latency_s=p95_latency_s, p95_ttft_s=p95_ttft_s, max_replicas=max_replicas
    )
    if max_replicas != int(max_replicas):
        message = f"max_replicas = {max_replicas!r} cannot be right. Give a positive whole number"
        raise BadInput(message)
    requests = _requests_asked(rate_rps, prompt_tokens, output_tokens, trace)
    serving = Serving(
        prompt_tokens=requests.prompt_tokens,
        output_tokens=requests.output_tokens,
        rate_rps=requests.rate_rps,
        duration_s=requests.duration_s,
        cache_hit_frac=cache_hit_frac,
        engine=engine,
        engine_year=engine_year,
    )
    checked(serving)
    place = Place(weight_precision, n_gpus, power_limit_w, scope, force)
    place_checked(place)
    known, skipped = runs_given(runs)
    wish = planning.Wish(
        serving,
        place,
        Bounds(p95_latency_s, p95_ttft_s, int(max_replicas)),
        level,
        known,
    )
    found = planning.planned(_several(models), _several(hardware), wish, requests.option_of)
    return found.with_notices(*requests.notices, *skipped)


def _several(given: Any) -> list[Any]:  # noqa: ANN401 (one thing or several)
    """`given` as a list; a text with commas names several."""
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",")]
    things = list(given) if isinstance(given, list | tuple) else [given]
    if not things or "" in things or None in things:
        message = f"{given!r} names nothing to choose from. Give one name or several"
        raise BadInput(message)
    return list(dict.fromkeys(things)) if all(isinstance(t, str) for t in things) else things


def _requests_asked(
    rate_rps: float | None,
    prompt_tokens: float | None,
    output_tokens: float | None,
    trace: str | Path | None,
) -> _Requests:
    """The requests that were described, by a rate or by a trace.

    Raises
    ------
    BadInput
        For both, for neither, and for a trace that cannot be read.
    """
    if trace is None:
        if rate_rps is None or prompt_tokens is None or output_tokens is None:
            message = (
                "say what is to be served: rate_rps (--rps) with prompt_tokens and output_tokens, "
                "or a trace of requests (--trace)"
            )
            raise BadInput(message)
        return _Requests(rate_rps, prompt_tokens, output_tokens)
    given = {"rate_rps": rate_rps, "prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
    twice = [name for name, value in given.items() if value is not None]
    if twice:
        message = f"a trace tells rate and lengths of its requests: leave out {', '.join(twice)}"
        raise BadInput(message)
    return _of_trace(Path(trace))


def _of_trace(path: Path) -> _Requests:
    from joulecast.planning_trace import over
    from joulecast.request_trace import read_trace

    if not path.is_file():
        message = f"no such file: {path}. Give a CSV file arrival_s,prompt_tokens,output_tokens"
        raise BadInput(message)
    found = read_trace(path)
    return _Requests(
        rate_rps=len(found.arrival_s) / found.duration_s,
        prompt_tokens=float(found.prompt_tokens.mean()),
        output_tokens=float(found.output_tokens.mean()),
        duration_s=found.duration_s,
        option_of=over(found),
        notices=found.notices,
    )
