"""What `joulecast analyse` accepts."""

from __future__ import annotations

from typing import Any

from joulecast.options import existing, number

SCOPES = ("gpu", "cpu", "dram", "system", "wall")


def add_analyse(verbs: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `analyse` to the verbs of `joulecast`."""
    analyse = verbs.add_parser(
        "analyse",
        usage="joulecast analyse RUNS... [--scope S] [--predict A,B,... --hw x,y] [options]",
        help="what many runs show together: correlations, phases, saturation, advice",
        allow_abbrev=False,
    )
    add = analyse.add_argument
    known = "run records, folders of them, CSV tables of runs"
    add("runs", nargs="*", type=existing, metavar="RUNS", help=known)
    add("--scope", choices=SCOPES, help="whose energy (default: the one that most runs know)")
    add("--seed", type=number(0, 2**31, whole=True), default=0, metavar="N", help="of splits (0)")
    more = analyse.add_argument_group("predictions as runs, beside the given or alone")
    more.add_argument("--predict", metavar="A,B,...", help="networks")
    more.add_argument("--hw", metavar="x,y,...", help="machines")
    more.add_argument("--batch-sizes", type=_sizes, metavar="N,N,...", help="(128)")
    out = analyse.add_argument_group("the answer")
    out.add_argument("--json", action="store_true", help="one JSON object on stdout")
    out.add_argument("--all", action="store_true", help="every machine, task and notice")


def _sizes(text: str) -> tuple[float, ...]:
    read = number(1, 1e7, whole=True)
    return tuple(read(part.strip()) for part in text.split(","))
