"""Run records on disk: one JSON file per run, replaced as a whole, so that it is never half there.

A killed session leaves what its last flush held. Corrupt files are named and skipped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, BadRecord
from joulecast.core.records import (
    Architecture,
    Device,
    Machine,
    Measurement,
    MeterReport,
    OpCount,
    Run,
    Setup,
    StepTimes,
    Window,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = "joulecast.run/1"
SUFFIX = ".json"
_PARTS: dict[type, dict[str, type]] = {
    Run: {"setup": Setup, "measurement": Measurement},
    Setup: {"machine": Machine, "architecture": Architecture, "workload": Workload},
    Machine: {"gpu": Device, "cpu": Device, "dram": Device},
    Measurement: {"steps": StepTimes},
}
_LISTS: dict[type, dict[str, type]] = {
    Measurement: {"epochs": Window, "windows": Window, "meters": MeterReport},
}
_STATUSES = ("running", "complete", "interrupted")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Runs read from files.

    Attributes
    ----------
    skipped : one sentence per file that could not be read.
    """

    runs: tuple[Run, ...]
    skipped: tuple[str, ...]


def default_folder() -> Path:
    """The user's own folder of runs, where sessions write and estimates look."""
    import platformdirs

    return Path(platformdirs.user_data_dir("joulecast", appauthor=False)) / "runs"


def write_run(run: Run, path: Path) -> None:
    """Write `run` to `path`, replacing what was there in one step.

    Raises
    ------
    OSError
        If the folder cannot be written; what was there stays.
    """
    write_text(json.dumps(to_dict(run), allow_nan=False), path)


def to_dict(run: Run) -> dict[str, Any]:
    """What the record of `run` holds: plain values under the field names."""
    return {"schema": SCHEMA, **_plain(run)}


def write_text(text: str, path: Path) -> None:
    """Replace the content of `path` by `text` in one step (a new file, then renamed)."""
    import secrets  # a third of what reading records costs to import

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read_run(path: Path) -> Run:
    """The run in `path`.

    Raises
    ------
    BadRecord
        If it is no run record, or holds what cannot be.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        message = f"{path.name} cannot be read as a run record: {exc}"
        raise BadRecord(message) from exc
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA:
        message = f"{path.name} has schema {schema!r}, not {SCHEMA!r}: not a run of this version"
        raise BadRecord(message)
    try:
        run: Run = _built(Run, record)
        _check(run)
    except (TypeError, ValueError, AttributeError, KeyError) as exc:
        message = f"{path.name} is no whole run record: {exc}"
        raise BadRecord(message) from exc
    return run


def read_runs(places: Path | Iterable[Path]) -> RunFolder:
    """The runs of files and folders; files that are no run of ours are named and skipped.

    Raises
    ------
    BadInput
        If a place is not there.
    """
    runs: list[Run] = []
    skipped: list[str] = []
    for place in [places] if isinstance(places, Path) else places:
        if not place.exists():
            message = f"no such file or folder of runs: {place}"
            raise BadInput(message)
        files = sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place]
        for file in files:
            if place.is_dir() and file.name.startswith(("idle-", ".")):
                continue
            try:
                runs.append(read_run(file))
            except BadRecord as exc:
                skipped.append(f"skipped: {exc}")
    return RunFolder(tuple(runs), tuple(skipped))


def _plain(value: Any) -> Any:  # noqa: ANN401
    """`value` in what JSON can hold: numbers that are not finite become null."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _built(kind: type, facts: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """A record of `kind`; keys that it does not know are left out (a later version wrote them)."""
    parts, lists = _PARTS.get(kind, {}), _LISTS.get(kind, {})
    known: dict[str, Any] = {}
    for field in fields(kind):
        if field.name not in facts:
            continue
        value = facts[field.name]
        if field.name in parts and value is not None:
            value = _built(parts[field.name], value)
        elif field.name in lists:
            value = tuple(_built(lists[field.name], item) for item in value)
        elif field.name == "ops":
            value = {name: _built(OpCount, count) for name, count in value.items()}
        elif isinstance(value, list):
            value = tuple(value)
        known[field.name] = value
    return kind(**known)


def _check(run: Run) -> None:
    """Raise ValueError where a record holds what no session writes."""
    m = run.measurement
    _refuse(run.status not in _STATUSES, f"status {run.status!r}")
    for name in ("duration_s", "samples", "steady_sample_s", "sampler_cpu_s"):
        _refuse(not _is_amount(getattr(m, name), none=True), f"{name} = {getattr(m, name)!r}")
    for name in ("energy_j", "power_w", "idle_w", "steady_power_w"):
        for scope, value in getattr(m, name).items():
            _refuse(not _is_amount(value), f"{name} of {scope} = {value!r}")
    for window in (*m.epochs, *m.windows):
        sane = _is_amount(window.duration_s) and all(map(_is_amount, window.energy_j.values()))
        _refuse(not sane, f"window {window.name!r}")
    for kind in (run.setup, run.setup.machine, run.setup.architecture, run.setup.workload):
        _refuse(not is_dataclass(kind), "its setup is missing")


def _refuse(broken: bool, what: str) -> None:  # noqa: FBT001
    if broken:
        message = f"{what} cannot be right"
        raise ValueError(message)


def _is_amount(value: Any, *, none: bool = False) -> bool:  # noqa: ANN401
    """Whether it is a finite number that is not negative."""
    if value is None:
        return none
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0
