"""The runs that an analysis or a report is about: records, folders of them, and CSV tables."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.core.records import Run
from joulecast.core.run_files import read_runs
from joulecast.datasets import runs_table, serving_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    Place = str | Path | Run

_TABLE = ".csv"


def runs_from(places: Place | Iterable[Place]) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Runs of every place, and a sentence per file or part of a table that was not read.

    Parameters
    ----------
    places : `Run` records; run records on disk or folders of them; CSV tables in the columns of
        ``joulecast dataset build`` or, with ``model_id``, of servers. One of these or many.

    Raises
    ------
    BadInput
        If a place is not there or holds no runs at all.
    """
    if isinstance(places, str | Path | Run):
        places = (places,)
    runs: list[Run] = []
    said: list[str] = []
    for place in places:
        if isinstance(place, Run):
            runs.append(place)
        elif isinstance(place, str | Path):
            found, notices = _of_place(Path(place))
            runs += found
            said += notices
        else:
            message = f"runs holds a {type(place).__name__}. Give Run records, folders or tables"
            raise BadInput(message)
    return tuple(runs), tuple(said)


def _of_place(place: Path) -> tuple[list[Run], list[str]]:
    if place.suffix.lower() == _TABLE and not place.is_dir():
        return _of_table(place)
    found = read_runs(place)
    if not found.runs:
        tables = sorted(place.glob(f"*{_TABLE}")) if place.is_dir() else []
        hint = f" It holds tables: name one, e.g. {tables[0]}" if tables else ""
        seen = f" {found.skipped[0]}." if found.skipped else ""
        message = f"no run records in {place}.{seen}{hint}"
        raise BadInput(message)
    return list(found.runs), list(found.skipped)


def _of_table(path: Path) -> tuple[list[Run], list[str]]:
    """Runs of a CSV table; its head says of which kind it is."""
    if _is_of_servers(path):
        rows = _data_rows(path)
        runs = list(serving_table.load(path))
        return _told(path, rows, runs)
    found = [run for _, run in runs_table.rows_and_runs(path)]
    return _told(path, len(found), [run for run in found if run is not None])


def _told(path: Path, rows: int, runs: list[Run]) -> tuple[list[Run], list[str]]:
    if not runs:
        message = f"none of the {rows:,} rows of {path} names a known machine and network"
        raise BadInput(message)
    left = rows - len(runs)
    said = f"{left:,} of {rows:,} rows of {path.name} left out: unknown machine, network or task"
    return runs, [said] if left else []


def _is_of_servers(path: Path) -> bool:
    """Whether a table's head names ``model_id``."""
    if not path.is_file():
        message = f"no such file: {path}. Give a CSV table or a folder of run records"
        raise BadInput(message)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return "model_id" in next(csv.reader(file), [])


def _data_rows(path: Path) -> int:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return max(sum(1 for _ in csv.reader(file)) - 1, 0)
