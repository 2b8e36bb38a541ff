"""The runs that an analysis or a report is about: records, folders of them, and tables."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.records import Machine, Run
from joulecast.core.run_files import read_runs
from joulecast.datasets import runs_table, serving_table
from joulecast.datasets.cells import number, text
from joulecast.estimator.insight.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Place = str | Path | Run

_TABLE, _PARQUET = ".csv", ".parquet"
_OWN = "profiler"
"""Source of the rows that ``joulecast dataset build`` and ``export`` made of sessions' records."""
_STAND_INS = {True: "rtx-a2000-12gb", False: "i5-12500"}
"""A known GPU and CPU, under which the row of an unknown one is read."""


def runs_from(places: Place | Iterable[Place]) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Runs of every place, and a sentence per file or part of a table that was not read.

    Parameters
    ----------
    places : `Run` records; run records on disk or folders of them; CSV or Parquet tables in the
        columns of ``joulecast dataset build`` or, with ``model_id``, of servers. One or many.

    Raises
    ------
    BadInput
        If a place is not there or holds no runs at all.
    MissingExtra
        For a Parquet table without pandas.
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
    once = _each_once(runs)
    if len(once) < len(runs):
        said.append(f"given twice: {counted(len(runs) - len(once), 'run')}, counted once")
    return once, tuple(said)


def _each_once(runs: Iterable[Run]) -> tuple[Run, ...]:
    """The runs, of several records of one id the first; rows of tables have none."""
    kept: dict[object, Run] = {}
    for place, run in enumerate(runs):
        kept.setdefault(run.id or place, run)
    return tuple(kept.values())


def _of_place(place: Path) -> tuple[list[Run], list[str]]:
    if place.suffix.lower() == _TABLE and not place.is_dir():
        return _of_table(place)
    if place.suffix.lower() == _PARQUET and not place.is_dir():
        return _of_parquet(place)
    found = read_runs(place)
    if not found.runs:
        tables = sorted(place.glob(f"*{_TABLE}")) if place.is_dir() else []
        hint = f" It holds tables: name one, e.g. {tables[0]}" if tables else ""
        seen = f" {found.skipped[0]}." if found.skipped else ""
        message = f"no run records in {place}.{seen}{hint}"
        raise BadInput(message)
    return list(found.runs), list(found.skipped)


def _of_parquet(path: Path) -> tuple[list[Run], list[str]]:
    """Runs of a Parquet table, by way of CSV, so that both are read alike."""
    _refuse_gone(path)
    for package in ("pandas", "pyarrow"):
        if find_spec(package) is None:
            raise MissingExtra(package, "train", "reading Parquet")
    import pandas as pd

    try:
        table = pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError, NotImplementedError) as exc:  # pyarrow's own are all of these
        message = f"{path} cannot be read as Parquet: {exc}"
        raise BadInput(message) from exc
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        table.to_csv(copy, index=False)
        try:
            return _of_table(copy)
        except BadInput as exc:
            raise BadInput(str(exc).replace(str(copy), str(path))) from exc


def _of_table(path: Path) -> tuple[list[Run], list[str]]:
    """Runs of a CSV table; its head says of which kind it is."""
    if _is_of_servers(path):
        rows, runs = _data_rows(path), list(serving_table.load(path))
    else:
        found = [run or _on_own_machine(row) for row, run in runs_table.rows_and_runs(path)]
        rows, runs = len(found), [run for run in found if run is not None]
    if not rows:
        message = f"{path} has no row below its head. Give a table of runs"
        raise BadInput(message)
    if not runs:
        message = (
            f"no run can be made out of the {counted(rows, 'row')} of {path}: unknown machine or "
            "network, or a task that is no run of one. 'joulecast list-models' and 'joulecast "
            "list-hw' name those known"
        )
        raise BadInput(message)
    left = rows - len(runs)
    said = (
        f"{left:,} of {counted(rows, 'row')} of {path.name} left out: unknown machine or network, "
        "or a task that is no run of one"
    )
    return runs, [*(said,) * bool(left), *_said_of_own(runs, path.name)]


def _on_own_machine(row: Mapping[str, Any]) -> Run | None:
    """The run of a session's row on a machine that is not in the catalogue, else ``None``.

    Of the machine is known what the row states: its name, how many GPUs, their limit.
    """
    gpu, cpu = text(row.get("gpu_name")), text(row.get("cpu_name"))
    own = text(row.get("hardware_id")) or gpu or cpu
    if text(row.get("source")) != _OWN or not own:
        return None
    known = {"hardware_id": _STAND_INS[bool(gpu)], "gpu_name": "", "cpu_name": ""}
    run = runs_table.run_of({**row, **known})
    if run is None:
        return None
    count, limit_w = number(row.get("n_gpus")), number(row.get("power_limit_w"))
    machine = Machine(own, gpu or cpu or own)
    if gpu:
        machine = replace(machine, n_gpus=int(count or 1), gpu_power_limit_w=limit_w)
    return replace(run, hardware_id=own, setup=replace(run.setup, machine=machine))


def _said_of_own(runs: Sequence[Run], name: str) -> Iterator[str]:
    """What the rows of sessions do not hold that their records do."""
    own = [run for run in runs if run.source == _OWN]
    strange = [run for run in own if run.setup.machine.accelerator is None]
    if strange:
        machines = ", ".join(dict.fromkeys(run.hardware_id for run in strange))
        yield (
            f"{counted(len(strange), 'row')} of {name} from machines outside the catalogue "
            f"({machines}): no memory, TDP or peak rate is known of these"
        )
    blank = sum(not run.measurement.energy_j and not run.measurement.power_w for run in own)
    if blank:
        yield (
            f"{counted(blank, 'row')} of {name} without energy: a table leaves blank what no "
            "sensor measured, since a modelled power teaches a predictor nothing. Give the run "
            "records themselves to analyse it"
        )


def _is_of_servers(path: Path) -> bool:
    """Whether a table's head names ``model_id``."""
    _refuse_gone(path)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return "model_id" in next(csv.reader(file), [])


def _refuse_gone(path: Path) -> None:
    if not path.is_file():
        message = f"no such file: {path}. Give a table or a folder of run records"
        raise BadInput(message)


def _data_rows(path: Path) -> int:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return max(sum(1 for cells in csv.reader(file) if cells) - 1, 0)
