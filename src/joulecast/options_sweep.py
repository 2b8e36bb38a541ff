"""What `joulecast sweep` accepts."""

from __future__ import annotations

import argparse
from typing import Any

from joulecast import options
from joulecast.options import existing, fill_loads, fill_workload, number

#: Options that are arguments of `joulecast.sweep` under the same name.
QUESTION = tuple(name for name in options.QUESTION if name != "explain")

OVER = ("batch-size", "power-limit", "precision", "gpus")
"""The axes; repeated from `joulecast.sweeping`, which takes longer to import than to ask."""


def add_sweep(verbs: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `sweep` to the verbs of `joulecast`."""
    ask = verbs.add_parser(
        "sweep",
        usage="joulecast sweep --model NAME --hw NAME [--over AXIS] [options]",
        help="energy and time over batch sizes, power limits, precisions or GPUs",
        allow_abbrev=False,
    )
    add = ask.add_argument
    add("--model", metavar="NAME", help="network: a catalogue name, or a config.json")
    add("--hw", metavar="NAME", help="machine: an id such as hc3, a GPU, a TOML file, or auto")
    axes = f"{', '.join(OVER)} ({OVER[0]})"
    add("--over", choices=OVER, default=OVER[0], metavar="AXIS", help=axes)
    add("--values", type=values, metavar="A,B,C", help="default: a range that suits the machine")
    fill_workload(ask.add_argument_group("what is run"))
    fill_loads(ask.add_argument_group("on what"))
    fill_answer(ask)


def fill_answer(ask: argparse.ArgumentParser) -> None:
    """Add level, runs and JSON; shared by `sweep` and `compare`."""
    add = ask.add_argument_group("the answer").add_argument
    add("--level", type=number(0.5, 0.995), metavar="F", help="of the intervals (0.9)")
    known = "measured runs to lean on (default: your own)"
    add("--runs", nargs="+", action="extend", type=existing, metavar="DIR", help=known)
    add("--no-runs", action="store_true", help="lean on none")
    add("--json", action="store_true", help="one JSON object on stdout")


def values(text: str) -> list[str]:
    """Values of an axis between commas.

    >>> values("16, 32,64")
    ['16', '32', '64']
    """
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        message = f"takes values between commas such as 16,32,64, not '{text}'"
        raise argparse.ArgumentTypeError(message)
    return found


def question(ask: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `joulecast.sweep` or `joulecast.compare` that were given."""
    given = {name: getattr(ask, name) for name in QUESTION if getattr(ask, name) is not None}
    if not ask.force:
        given.pop("force", None)
    if ask.no_runs:
        given["runs"] = ()
    return given
