"""What `estimate` and `plan` accept about model servers, and how it becomes one question."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput
from joulecast.options import existing, number
from joulecast.options_profile import duration

if TYPE_CHECKING:
    from collections.abc import Callable

#: Options that are arguments of `joulecast.estimate_serving` under the same name.
SERVING = (
    "rate_rps",
    "concurrency",
    "prompt_tokens",
    "output_tokens",
    "cache_hit_frac",
    "engine",
    "engine_year",
    "duration_s",
    "weight_precision",
)
_SHARED = ("n_gpus", "power_limit_w", "level", "scope", "runs", "explain", "force")
_SPELLED = {
    "rate_rps": "--rps",
    "cache_hit_frac": "--cache-hit",
    "duration_s": "--duration",
    "input_shape": "--input",
    "loader_workers": "--workers",
}
_OF_RUNS = (
    "until_accuracy",
    "curve",
    "epochs",
    "samples",
    "batch_size",
    "input_shape",
    "seq_len",
    "framework",
    "optimiser",
    "trainable_frac",
    "loader_workers",
)
_PLAN = (
    *("rate_rps", "prompt_tokens", "output_tokens", "trace", "p95_latency_s", "p95_ttft_s"),
    *("max_replicas", "cache_hit_frac", "weight_precision", "engine", "engine_year"),
    *("n_gpus", "power_limit_w", "scope", "level", "runs", "force"),
)
TOKENS = {"prompt_tokens": 512.0, "output_tokens": 256.0}
"""A chat's request, where none was described."""


def share(text: str) -> float:
    """A share from 0 to 1, percent accepted.

    >>> share("30%"), share("0.3")
    (0.3, 0.3)
    """
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        message = f"takes a share from 0 to 1 such as 0.3 or 30%, not '{text}'"
        raise argparse.ArgumentTypeError(message)
    return value


def answer_tokens(text: str) -> float:
    """Reader of the length of an answer; none at all is refused with what to ask instead."""
    if text.strip() in {"0", "0.0"}:
        message = (
            "takes 1 or more: a request without an answer has no energy per token. "
            "For prompts alone ask with --task infer --seq-len N"
        )
        raise argparse.ArgumentTypeError(message)
    return number(0, 1e8, above=True)(text)


def bound(low_s: float, high_s: float) -> Callable[[str], float]:
    """Reader of a short time such as ``500ms``, ``2s`` or ``2``, within `low_s` and `high_s`."""
    longer = duration(low_s, high_s)

    def read(text: str) -> float:
        if not text.endswith("ms"):
            return longer(text)
        return longer(f"{number(0, 1e9)(text[:-2]) / 1e3:.9f}")

    return read


def fill_serving(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add the options of a model server to `group`."""
    add, positive = group.add_argument, number(0, 1e9, above=True)
    add("--rps", dest="rate_rps", type=positive, metavar="R", help="requests per second")
    add("--concurrency", type=positive, metavar="N", help="instead: requests at any time")
    fill_requests(group)
    seconds = duration(1, 1e9)
    add("--duration", dest="duration_s", type=seconds, metavar="TIME", help="90s, 1h, ... (1h)")


def fill_requests(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add what a request and the engine are like; shared by `estimate` and `plan`."""
    add, tokens = group.add_argument, number(0, 1e8, above=True)
    prompt, output = (f"{n:g}" for n in TOKENS.values())
    add("--prompt-tokens", type=tokens, metavar="N", help=f"of a request, mean ({prompt})")
    add("--output-tokens", type=answer_tokens, metavar="N", help=f"of its answer, mean ({output})")
    hits = "share of the prompt that is cached already, 0 to 1 (0)"
    add("--cache-hit", dest="cache_hit_frac", type=share, metavar="F", help=hits)
    add("--weight-precision", metavar="P", help="bf16, fp8, int4, ... (bf16)")
    add("--engine", metavar="NAME", help="vllm, sglang, trtllm, transformers, ... (vllm)")
    add("--engine-year", type=number(2018, 2035), metavar="Y", help="of its release, e.g. 2024.7")


def is_serving(ask: argparse.Namespace) -> bool:
    """Whether the options ask about a model server.

    Raises
    ------
    BadInput
        When they ask about a server and about a run at once.
    """
    given = [name for name in SERVING if getattr(ask, name) is not None]
    if ask.rate_rps is not None and ask.concurrency is not None:
        message = (
            "--rps and --concurrency are two ways to load a server: --rps for requests that arrive "
            "whether or not others are done, --concurrency for so many at any time. Give one"
        )
        raise BadInput(message)
    if ask.task == "serve" or (given and ask.task is None):
        strange = [name for name in _OF_RUNS if getattr(ask, name) is not None]
        if strange:
            words = _spelled(strange[0])
            message = f"{words} is of training and inference, a model server has none. Leave it out"
            raise BadInput(message)
        return True
    if given:
        message = f"{_spelled(given[0])} asks about a model server: leave out --task {ask.task}"
        raise BadInput(message)
    return False


def plan_question(ask: argparse.Namespace) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Arguments of `joulecast.plan`, and what was assumed where nothing was said.

    Raises
    ------
    BadInput
        When no model, no machine or no requests are named.
    """
    if ask.model is None or ask.hw is None or (ask.rate_rps is None and ask.trace is None):
        message = (
            "name models, machines and requests, e.g. 'joulecast plan --model llama-3.1-8b "
            "--hw hc4,h200 --rps 10', or --trace requests.csv"
        )
        raise BadInput(message)
    given = {name: getattr(ask, name) for name in _PLAN if getattr(ask, name) is not None}
    if ask.no_runs:
        given["runs"] = ()
    if ask.trace is not None:
        twice = [_spelled(n) for n in ("rate_rps", *TOKENS) if n in given]
        if twice:
            message = (
                f"a trace tells rate and lengths of its requests: leave out {', '.join(twice)}"
            )
            raise BadInput(message)
        return given, ()
    assumed = {name: n for name, n in TOKENS.items() if name not in given}
    return given | assumed, tokens_assumed(assumed)


def _spelled(name: str) -> str:
    return _SPELLED.get(name, f"--{name.replace('_', '-')}")


def question(ask: argparse.Namespace) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Arguments of `joulecast.estimate_serving`, and what was assumed where nothing was said."""
    names = (*SERVING, *_SHARED)
    given = {name: getattr(ask, name) for name in names if getattr(ask, name) is not None}
    if ask.precision is not None:
        given.setdefault("weight_precision", ask.precision)
    if ask.no_runs:
        given["runs"] = ()
    assumed = {name: n for name, n in TOKENS.items() if name not in given}
    return given | assumed, tokens_assumed(assumed)


def tokens_assumed(assumed: dict[str, float]) -> tuple[str, ...]:
    """A sentence for lengths of requests that nobody gave."""
    said = [f"{n:g} {name.replace('_', ' ')}" for name, n in assumed.items()]
    return (f"not given: {' and '.join(said)} per request assumed",) if said else ()


def add_plan(verbs: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `plan` to the verbs of `joulecast`."""
    plan = verbs.add_parser(
        "plan",
        usage="joulecast plan --model A[,B] --hw a,b,c --rps R [options]",
        help="which machine, model and number of replicas for a rate of requests",
        allow_abbrev=False,
    )
    add = plan.add_argument
    add("--model", metavar="A,B", help="language models that would do")
    add("--hw", metavar="a,b,c", help="machines that could be had")
    rates = plan.add_argument_group("what is served")
    positive = number(0, 1e9, above=True)
    rates.add_argument("--rps", dest="rate_rps", type=positive, metavar="R", help="all replicas'")
    trace = "requests to come: arrival_s,prompt_tokens,output_tokens"
    rates.add_argument("--trace", type=existing, metavar="CSV", help=trace)
    fill_requests(rates)
    below = bound(1e-4, 1e6)
    limits = plan.add_argument_group("bounds")
    words = "that 95 of 100 requests stay below"
    limits.add_argument(
        "--p95-latency", dest="p95_latency_s", type=below, metavar="TIME", help=words
    )
    first = "the same to the first token"
    limits.add_argument("--p95-ttft", dest="p95_ttft_s", type=below, metavar="TIME", help=first)
    most = number(1, 1e5, whole=True)
    limits.add_argument("--max-replicas", type=most, metavar="N", help="per machine (64)")
    _plan_output(plan)


def _plan_output(plan: argparse.ArgumentParser) -> None:
    from joulecast.options import fill_machine, fill_tariff

    fill_machine(plan.add_argument_group("on what"))
    fill_tariff(plan.add_argument_group("CO2e and money"))
    add = plan.add_argument_group("the answer").add_argument
    add("--level", type=number(0.5, 0.995), metavar="F", help="of the intervals (0.9)")
    known = "measured bursts to lean on (default: your own)"
    add("--runs", nargs="+", action="extend", type=existing, metavar="DIR", help=known)
    add("--no-runs", action="store_true", help="lean on none")
    add("--json", action="store_true", help="one JSON object on stdout")
