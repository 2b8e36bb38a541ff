"""What `joulecast report` accepts."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from joulecast.options import existing, number

OUT = Path("report.html")
NARROWEST, WIDEST = 60, 240


def lifecycle(text: str) -> tuple[float, float, float]:
    """Shares of experimentation, training and inference.

    >>> lifecycle("10:20:70")
    (10.0, 20.0, 70.0)
    """
    read = number(0, 1e9, above=True)
    parts = re.split(r"[:,]", text)
    if len(parts) != 3:
        message = f"takes three shares such as 10:20:70, not '{text}'"
        raise argparse.ArgumentTypeError(message)
    experimentation, training, inference = (float(read(part)) for part in parts)
    return experimentation, training, inference


def add_report(verbs: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `report` to the verbs of `joulecast`."""
    report = verbs.add_parser(
        "report",
        usage="joulecast report RUNS... [-o report.html] [--predict A,B,... --hw x,y] [options]",
        help="pictures and recommendations from runs, as one HTML file or as text",
        allow_abbrev=False,
    )
    add = report.add_argument
    known = "run records, folders of them, CSV tables of runs"
    add("runs", nargs="*", type=existing, metavar="RUNS", help=known)
    more = report.add_argument_group("predictions as runs, beside the given or alone")
    more.add_argument("--predict", metavar="A,B,...", help="networks")
    more.add_argument("--hw", metavar="x,y,...", help="machines")
    life = report.add_argument_group("the life cycle")
    shares = "of experimentation, training, inference (10:20:70)"
    life.add_argument(
        "--lifecycle", type=lifecycle, default=(10.0, 20.0, 70.0), metavar="E:T:I", help=shares
    )
    some = number(0, 1e15, above=True)
    life.add_argument("--requests-per-day", type=some, metavar="N", help="instead of its share")
    life.add_argument(
        "--days", type=number(0, 1e5, above=True), default=365.0, metavar="D", help="in use (365)"
    )
    out = report.add_argument_group("the answer").add_argument
    out("-o", "--out", type=Path, metavar="FILE", help="report.html")
    out("--title", metavar="TEXT", help="of the page")
    out("--figures", type=Path, metavar="DIR", help="the figures as SVG and PNG, too")
    out("--level", type=number(0.5, 0.995), default=0.9, metavar="F", help="of the intervals (0.9)")
    out("--terminal", action="store_true", help="the key figures as text on stdout instead")
    columns = number(NARROWEST, WIDEST, whole=True)
    out("--width", type=columns, metavar="N", help="columns of --terminal (the terminal's)")
    out("--quiet", action="store_true", help="no progress")
