"""The user's own run records that an estimate may lean on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.core.records import Run
from joulecast.core.run_files import default_folder, read_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

NEWEST = 1000
"""Records of the user's own folder that are read, so that an answer stays quick."""


def runs_given(
    runs: str | Path | Iterable[str | Path | Run] | None,
) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Runs to lean on, and a sentence per file or part of a folder that was not read.

    Parameters
    ----------
    runs : folder or file of records, several of them, or `Run` records; ``None`` for the user's
        own folder, where sessions write; nothing at all (``()``) to lean on none.
    """
    if runs is None:
        folder = default_folder()
        if not folder.is_dir():
            return (), ()
        found = read_runs(folder, newest=NEWEST)
        return found.runs, found.skipped
    if isinstance(runs, str | Path):
        runs = (runs,)
    records: list[Run] = []
    skipped: list[str] = []
    for item in runs:
        if isinstance(item, Run):
            records.append(item)
        elif isinstance(item, str | Path):
            found = read_runs(Path(item))
            records += found.runs
            skipped += found.skipped
        else:
            message = f"runs holds a {type(item).__name__}. Give Run records, or folders of them"
            raise BadInput(message)
    return tuple(records), tuple(skipped)
