"""`joulecast dataset export` and `import`: between a store of runs and files."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, BadRecord, MissingExtra
from joulecast.core.run_files import default_folder, read_runs
from joulecast.dataset_table import COLUMNS, row_of
from joulecast.live import ProgressLine
from joulecast.store import Conflict, open_store
from joulecast.store.opening import default_url

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from joulecast.core.records import Run
    from joulecast.store import RunStore

ANSWERED, BAD_INPUT = 0, 2
_PER_PAGE, _AT_ONCE = 1000, 200
_NUMBERS = frozenset(
    {
        *("params", "macs_per_sample", "samples", "epochs", "batch_size", "n_gpus"),
        *("power_limit_w", "duration_s", "samples_per_s", "avg_power_w", "energy_j"),
        *("energy_per_sample_j", "gpu_util", "gpu_mem_util", "gpu_mem_used_gb", "accuracy"),
    }
)


def export_runs(ask: argparse.Namespace) -> int:
    """`joulecast dataset export`: every run of a store as one row of a Parquet file."""
    from joulecast.profiler.merge import merge

    _refuse_without_pyarrow()
    _refuse_absent(ask.store)
    with closing(open_store(ask.store)) as store:
        found, skipped = _all_runs(store, quiet=ask.quiet)
    merged = merge(found)
    told = [run for run in merged.runs if run.measurement.samples and run.measurement.duration_s]
    write_parquet([{"id": run.id, **row_of(run)} for run in told], ask.parquet)
    _tell(*skipped, *merged.doubts)
    silent = len(merged.runs) - len(told)
    said = f", {silent:,} without samples left out" if silent else ""
    _tell(f"{len(found):,} runs, {len(told):,} rows in {ask.parquet}{said}")
    return ANSWERED


def import_runs(ask: argparse.Namespace) -> int:
    """`joulecast dataset import`: run records into a store; 2 if an id has other content there.

    Running it again changes nothing, so it can go on after whatever broke it off.
    """
    places = ask.places or [default_folder()]
    refused: list[str] = []
    new = 0
    with _progress(quiet=ask.quiet) as show, closing(open_store(ask.store)) as store:
        show(f"reading {', '.join(str(place) for place in places)}")
        found = read_runs(places)
        runs = [run for run in found.runs if ask.unfinished or run.status != "running"]
        for start in range(0, len(runs), _AT_ONCE):
            new += _added(store, runs[start : start + _AT_ONCE], refused)
            show(f"{start:,} of {len(runs):,} records")
    _tell(*found.skipped, *refused)
    if left := len(found.runs) - len(runs):
        _tell(
            f"{left:,} left out that are still running or were killed: import them when they are "
            "done, or with --unfinished as they are"
        )
    known = len(runs) - new - len(refused)
    _tell(f"{len(runs):,} records: {new:,} new, {known:,} known, {len(refused):,} refused")
    return BAD_INPUT if refused else ANSWERED


STEPS: dict[str, Callable[[argparse.Namespace], int]] = {
    "export": export_runs,
    "import": import_runs,
}


def write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows of the runs table, with their ``id``, replacing `path` in one step.

    A blank is null; numbers are float64.
    """
    import pyarrow as pa
    from pyarrow import parquet

    types = {name: pa.float64() if name in _NUMBERS else pa.string() for name in COLUMNS}
    schema = pa.schema([("id", pa.string()), *types.items()])
    columns = {
        name: [_cell(row[name], is_number=name in _NUMBERS) for row in rows]
        for name in schema.names
    }
    draft = path.with_name(f".{path.name}.part")
    try:
        parquet.write_table(pa.table(columns, schema=schema), draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _cell(value: Any, *, is_number: bool) -> Any:  # noqa: ANN401
    if value in ("", None):
        return None
    return float(value) if is_number else value


def _all_runs(store: RunStore, *, quiet: bool) -> tuple[list[Run], list[str]]:
    """Every run of a store, and a sentence per record that cannot be read."""
    found: list[Run] = []
    skipped: list[str] = []
    after: int | None = None
    with _progress(quiet=quiet) as show:
        total = store.count()
        while True:
            page = store.find(limit=_PER_PAGE, after=after)
            found += page.runs
            skipped += page.skipped
            show(f"{len(found):,} of {total:,} runs")
            after = page.next_after
            if after is None:
                return found, skipped


def _added(store: RunStore, runs: Sequence[Run], refused: list[str]) -> int:
    """How many of `runs` were new; a sentence per run that was not taken goes to `refused`."""
    try:
        return store.add_many(runs).count("new")
    except (BadInput, BadRecord, Conflict) as exc:
        if len(runs) == 1:
            refused.append(f"refused: {exc}")
            return 0
    return sum(_added(store, [run], refused) for run in runs)  # so that the others get in


def _refuse_without_pyarrow() -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise MissingExtra("pyarrow", "train", "writing Parquet")


def _refuse_absent(url: str | None) -> None:
    """Refuse a file that is not there, which opening would create; other flaws `open_store` says.

    Raises
    ------
    BadInput
    """
    scheme, _, name = (default_url() if url is None else url).partition(":///")
    if scheme == "sqlite" and name and "?" not in name and not Path(name).is_file():
        hint = "'joulecast dataset import' puts run records into one"
        message = f"no store of runs at {name}. Check --store; {hint}"
        raise BadInput(message)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Shows progress on standard error, and takes it away at the end."""
    line = ProgressLine(sys.stderr, quiet=quiet)
    try:
        yield lambda text: line.show(lambda: text)
    finally:
        line.clear()


def _tell(*sentences: str) -> None:
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")
