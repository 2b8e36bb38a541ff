"""What `joulecast profile burst` accepts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from joulecast.options import existing, number

if TYPE_CHECKING:
    from collections.abc import Callable

AUTO = "auto"
SWEEP = (0.0, 0.25, 0.5, 0.75, 0.95)
"""Shared shares of the prompts that ``--cache-hit sweep`` goes through."""


def rates(text: str) -> tuple[float, ...] | str:
    """Requests per second, one or several, or ``auto``.

    >>> rates("1,2.5"), rates("auto")
    ((1, 2.5), 'auto')
    """
    if text.strip().lower() == AUTO:
        return AUTO
    one = number(0, 1e5, above=True)
    return tuple(one(part) for part in text.split(","))


def shares(text: str) -> tuple[float, ...]:
    """Shares from 0 to 1, one or several.

    >>> shares("0,50%,0.95")
    (0.0, 0.5, 0.95)
    """
    found = []
    for part in text.split(","):
        try:
            value = float(part.removesuffix("%")) / (100 if part.endswith("%") else 1)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            message = f"takes shares from 0 to 1 such as 0.5,0.75, not '{part}'"
            raise argparse.ArgumentTypeError(message)
        found.append(value)
    return tuple(found)


def hit_sweep(text: str) -> tuple[float, ...]:
    """The shares of ``sweep``, or those listed.

    >>> hit_sweep("sweep")[-1]
    0.95
    """
    return SWEEP if text.strip().lower() == "sweep" else shares(text)


def fill_burst(
    parser: argparse.ArgumentParser, duration: Callable[[float, float], Callable[[str], float]]
) -> None:
    """Add the options of `profile burst` to `parser`."""
    _server(parser.add_argument_group("the server"))
    _load(parser.add_argument_group("the load"), duration)
    _prompts(parser.add_argument_group("what is asked"))
    add = parser.add_argument_group("power from elsewhere").add_argument
    told = "a DCGM exporter's page or a Prometheus server; #gpu=0,1 chooses"
    add("--power-from", metavar="URL", help=told)


def _server(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    add = group.add_argument
    add("--url", required=True, metavar="URL", help="up to and with /v1")
    add("--model", metavar="NAME", help="as the server names it (default: asked)")
    add("--api", choices=("chat", "completions"), default="chat", help="default: chat")
    add("--api-key", metavar="VARIABLE", help="environment variable that holds the key")
    add("--network", metavar="NAME", help="of the catalogue (default: guessed from the model)")
    add("--engine", metavar="NAME", help="vllm, sglang, llama.cpp, ... (default: found out)")
    add("--precision", metavar="P", help="of the weights (default: from the model's name, or bf16)")
    add("--gpus", type=number(1, 1e5, whole=True), metavar="N", help="GPUs that serve")


def _load(group: Any, duration: Callable[[float, float], Callable[[str], float]]) -> None:  # noqa: ANN401
    add, whole = group.add_argument, number(1, 1e6, whole=True)
    add("--rps", type=rates, required=True, metavar="R", help="1,2,4,8, or auto for saturation")
    add("--seconds", type=duration(1, 86400), default=60.0, metavar="TIME", help="measured (60 s)")
    told = "before it counts (default: from the first answer)"
    add("--warmup", type=duration(0, 86400), metavar="TIME", help=told)
    add("--drain", type=duration(0, 3600), default=30.0, metavar="TIME", help="for answers (30 s)")
    add("--timeout", type=duration(0.1, 3600), default=60.0, metavar="TIME", help="stalled (60 s)")
    add("--arrivals", choices=("poisson", "constant"), default="poisson")
    add("--max-in-flight", type=whole, metavar="N", help="requests at once (2,048)")
    add("--seed", type=number(0, 2**31, whole=True), default=0, metavar="N")


def _prompts(group: Any) -> None:  # noqa: ANN401
    add, whole = group.add_argument, number(1, 1e6, whole=True)
    given = "JSON lines, ShareGPT or Chatbot Arena (default: a small set of our own)"
    add("--prompts", type=existing, metavar="FILE", help=given)
    add("--prompt-tokens", type=whole, metavar="N", help="made up, about so long")
    add("--output-tokens", type=whole, metavar="N", help="of an answer, at most (256)")
    add("--shared", type=shares, metavar="F", help="share that all made-up prompts begin with")
    told = "'sweep' for 0 to 95 %% shared, so that the prefix cache answers for it"
    add("--cache-hit", type=hit_sweep, metavar="sweep", help=told)
