"""What `joulecast dataset export` and `import` accept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.options import existing

if TYPE_CHECKING:
    import argparse

_URL = "sqlite:///runs.sqlite or postgresql://user@host/database (default: your own file)"


def add_steps(steps: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `export` and `import` to the steps of `joulecast dataset`."""
    export = steps.add_parser("export", help="a store's runs into one table, nodes merged")
    export.add_argument("--parquet", type=Path, required=True, metavar="FILE", help="is replaced")
    _store(export)
    bring = steps.add_parser("import", help="run records into a store")
    bring.add_argument("places", nargs="*", type=existing, metavar="RUNS", help="default: yours")
    unfinished = "take records too that say they are still running (of killed jobs)"
    bring.add_argument("--unfinished", action="store_true", help=unfinished)
    _store(bring)


def _store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", metavar="URL", help=_URL)
    parser.add_argument("--quiet", action="store_true", help="no progress")
