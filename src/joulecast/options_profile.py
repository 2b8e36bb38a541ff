"""What `joulecast profile`, `doctor` and `dataset` accept."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.units import parse_duration_s
from joulecast.options import Parser, existing, input_shape, number
from joulecast.options_burst import fill_burst
from joulecast.options_push import fill_push

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPILOG = "Exit codes: 0 measured, 2 bad input, 4 --require-measured not met; 'run' passes the "
_EPILOG += "command's own code through, 128 + n if signal n ended it."


def split_command(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first ``--``, and the command behind it.

    >>> split_command(["profile", "run", "--", "make", "--", "all"])
    (['profile', 'run'], ['make', '--', 'all'])
    """
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def duration(low_s: float, high_s: float) -> Callable[[str], float]:
    """Reader of a duration such as ``90``, ``90s`` or ``5min``, within `low_s` and `high_s`."""

    def read(text: str) -> float:
        try:
            seconds = parse_duration_s(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc
        if not low_s <= seconds <= high_s:
            message = f"takes a duration from {low_s:g} s to {high_s:,g} s, not '{text}'"
            raise argparse.ArgumentTypeError(message)
        return seconds

    return read


def fraction(text: str) -> float:
    """A share such as ``5%`` or ``0.05``, above 0 and below 1.

    >>> fraction("5%"), fraction("0.05")
    (0.05, 0.05)
    """
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        message = f"takes a share such as 5%, not '{text}'"
        raise argparse.ArgumentTypeError(message)
    return value


def batch_sizes(text: str) -> tuple[int, ...]:
    """One batch size, or several to sweep over.

    >>> batch_sizes("16,64")
    (16, 64)
    """
    one = number(1, 1e6, whole=True)
    return tuple(int(one(part)) for part in text.split(","))


def add_verbs(verbs: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `profile`, `doctor` and `dataset` to the verbs of `joulecast`."""
    profile = verbs.add_parser("profile", help="measure a short run", allow_abbrev=False)
    kinds = profile.add_subparsers(dest="kind", metavar="WHAT", parser_class=Parser, required=True)
    for kind, what in (("train", "the training of a network"), ("infer", "its forward pass")):
        _workload(_kind(kinds, kind, what))
    run = _kind(kinds, "run", "any command; with --json its output goes to stderr")
    run.usage = "joulecast profile run [options] -- COMMAND [ARGUMENTS]"
    run.add_argument("--name", metavar="TEXT", help="what the record is called")
    run.add_argument("--stop-after", type=duration(1, 1e7), metavar="TIME", help="then end it")
    idle = _kind(kinds, "idle", "the machine doing nothing")
    idle.add_argument(
        "--seconds", type=duration(1, 86400), default=60.0, metavar="TIME", help="60 s"
    )
    idle.add_argument(
        "--settle",
        type=duration(0, 86400),
        default=30.0,
        metavar="TIME",
        help="before it counts (30 s)",
    )
    idle.add_argument("--model", metavar="NAME", help="with this network resident in memory")
    idle.set_defaults(push=None, push_token_file=None)  # an idle reading is no run record
    hardware = _kind(kinds, "hardware", "a machine that is not in the catalogue (2-3 minutes)")
    hardware.add_argument("--quick", action="store_true", help="20 s instead, less sure")
    hardware.add_argument("--toml", type=Path, metavar="FILE", help="where its description goes")
    burst = _kind(kinds, "burst", "a model server at one request rate or several")
    fill_burst(burst, duration)
    doctor = verbs.add_parser("doctor", help="what can be measured here", allow_abbrev=False)
    _machine(doctor)
    from joulecast.options_store import add_steps

    dataset = verbs.add_parser("dataset", help="work with run records", allow_abbrev=False)
    steps = dataset.add_subparsers(dest="step", metavar="STEP", parser_class=Parser, required=True)
    build = steps.add_parser("build", help="records into one table, nodes merged")
    build.add_argument("places", nargs="*", type=existing, metavar="RUNS", help="default: yours")
    build.add_argument("-o", "--out", default="-", metavar="OUT.csv", help="default: stdout")
    add_steps(steps)


def _kind(kinds: Any, name: str, what: str) -> argparse.ArgumentParser:  # noqa: ANN401
    parser: argparse.ArgumentParser = kinds.add_parser(
        name, help=what, description=f"Measure {what}.", epilog=_EPILOG, allow_abbrev=False
    )
    _machine(parser)
    record = parser.add_argument_group("the record")
    _record(record)
    if name != "idle":
        fill_push(record)
    return parser


def _machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the machine")
    add = group.add_argument
    add("--hw", default="auto", metavar="NAME", help="this machine (default: found out)")
    add("--meter", action="append", default=[], metavar="NAME", help="nvml, rapl, constant:65, ...")
    add("--replay", type=existing, metavar="TRACE.csv", help="a recorded trace instead of sensors")
    add("--sysfs-root", type=Path, default=Path("/sys"), metavar="DIR", help="default: /sys")
    add("--require-measured", action="store_true", help="exit 4 rather than model a power")
    add("--json", action="store_true", help="one JSON object on stdout")


def _record(group: Any) -> None:  # noqa: ANN401
    add = group.add_argument
    add("-o", "--out", type=Path, metavar="DIR", help="folder of run records (default: yours)")
    add("--no-save", action="store_true", help="measure only, keep no record")
    add("--no-trace", action="store_true", help="keep the record without its power trace")
    add(
        "--period",
        type=duration(0.001, 60),
        default=0.1,
        metavar="TIME",
        help="between samples (0.1 s)",
    )
    literal = "idle time that net energy subtracts (the papers' fixed T_idle; default: the run's)"
    add("--idle-time", dest="idle_s", type=duration(0, 1e7), metavar="TIME", help=literal)
    add("--quiet", action="store_true", help="no progress")


def _workload(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is run")
    add = group.add_argument
    add("--model", required=True, metavar="NAME", help="a network of models/, or module:attr")
    add("--input", dest="input_shape", type=input_shape, metavar="3x32x32", help="of one sample")
    batches = "one (128), or several to sweep: 16,64,256"
    add("--batch-size", type=batch_sizes, default=(128,), metavar="N", help=batches)
    _length(group.add_mutually_exclusive_group())
    add("--until", type=fraction, metavar="5%", help="stop as soon as energy is this sure")
    add("--data", choices=("cifar10", "digits", "synthetic"), help="default: digits")
    add("--data-dir", type=existing, metavar="DIR", help="folder of CIFAR-10 (binary or python)")
    add("--samples", type=number(1, 1e9, whole=True), metavar="N", help="per epoch")
    add("--workers", dest="loader_workers", type=number(0, 256, whole=True), metavar="N")
    add("--precision", default="fp32", metavar="P", help="fp32, bf16, fp16")
    add("--device", default="auto", metavar="D", help="cuda, cuda:1, cpu (default: found out)")
    add("--repeats", type=number(1, 1000, whole=True), default=1, metavar="N")
    add("--seed", type=number(0, 2**31, whole=True), default=0, metavar="N")
    add("--no-evaluate", action="store_true", help="no accuracy after each epoch")
    add(
        "--total-epochs",
        type=number(1, 1e6, whole=True),
        metavar="N",
        help="extrapolate to so many epochs",
    )


def _length(group: Any) -> None:  # noqa: ANN401
    add = group.add_argument
    add("--epochs", type=number(1, 1e6, whole=True), metavar="N", help="default: 1")
    add("--steps", type=number(1, 1e9, whole=True), metavar="N")
    add("--seconds", type=duration(1, 1e7), metavar="TIME")
