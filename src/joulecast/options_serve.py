"""What `joulecast serve` accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joulecast.options import number

HOST, PORT = "127.0.0.1", 8765


def add_serve(verbs: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `serve` to the verbs of `joulecast`."""
    ask = verbs.add_parser(
        "serve",
        usage="joulecast serve [--host H] [--port P] [options]",
        help="answer over HTTP, and keep the runs of a fleet",
        description=(
            "Answers on this machine only, unless --host says otherwise; then tokens are needed."
        ),
        allow_abbrev=False,
    )
    add = ask.add_argument
    add("--host", default=HOST, metavar="H", help=f"interface to listen on ({HOST})")
    port = number(1, 65535, whole=True)
    add("--port", type=port, default=PORT, metavar="P", help=f"({PORT})")
    workers = number(1, 256, whole=True)
    add("--workers", type=workers, default=1, metavar="N", help="processes (1)")
    add("--store", metavar="URL", help="sqlite:///FILE or postgresql://... (the user's own file)")
    doors = ask.add_argument_group("who may ask")
    doors.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="lines scope:sha256; or the variable JOULECAST_TOKENS",
    )
    doors.add_argument(
        "--new-token", choices=("read", "write"), metavar="SCOPE", help="print one (read, write)"
    )
    doors.add_argument(
        "--name",
        dest="names",
        action="append",
        default=[],
        metavar="HOST",
        help="answer under this name too, without tokens (localhost is)",
    )
    rate = number(0, 1e6, above=True)
    doors.add_argument(
        "--rate-limit", type=rate, metavar="R", help="requests per second and client"
    )
    ask.add_argument("--quiet", action="store_true", help="log no answered requests")
