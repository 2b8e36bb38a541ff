"""Run records on disk: one JSON file per run, replaced as a whole, so that it is never half there.

A killed session leaves what its last flush held. Corrupt files are named and skipped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from joulecast.core.errors import BadInput, BadRecord
from joulecast.core.records import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Reader = Callable[[Any], Any]

SCHEMA = "joulecast.run/1"
SUFFIX = ".json"
_MOST = 1e30
"""More than any amount in SI units is."""
_MOST_WHOLE = 1e12
"""More than any count is."""
_SIGNED = ("start_s", "stall_s", "warmup_s", "loss")
"""Numbers that may be below 0; all others are amounts."""


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
    return run_of(record, path.name)


def run_of(record: Mapping[str, Any], name: str = "this") -> Run:
    """The run that a record's plain values stand for; `name` is what messages call it.

    Raises
    ------
    BadRecord
        If it is no whole record, or holds what cannot be.
    """
    try:
        run: Run = _built(Run, record)
    except (TypeError, ValueError) as exc:
        message = f"{name} is no whole run record: {exc}"
        raise BadRecord(message) from exc
    return run


def read_runs(places: Path | Iterable[Path], newest: int | None = None) -> RunFolder:
    """The runs of files and folders; files that are no run of ours are named and skipped.

    Parameters
    ----------
    newest : records read of a folder at most, those that were written last; ``None`` for all.

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
        files = _records_in(place) if place.is_dir() else [place]
        if newest is not None and len(files) > newest:
            skipped.append(
                f"of {len(files):,} run records in {place} the newest {newest:,} were read: "
                "move old ones elsewhere, or name those to lean on"
            )
            files = sorted(sorted(files, key=_written_s)[-newest:])
        for file in files:
            try:
                runs.append(read_run(file))
            except BadRecord as exc:
                skipped.append(f"skipped: {exc}")
    return RunFolder(tuple(runs), tuple(skipped))


def _records_in(folder: Path) -> list[Path]:
    """Files of a folder that may be run records, by name."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return [file for file in files if not file.name.startswith(("idle-", "."))]


def _written_s(file: Path) -> float:
    """Time at which a file was last written, 0 if it is gone."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


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


def _built(kind: Any, facts: Any) -> Any:  # noqa: ANN401
    """A record of `kind`; keys that it does not know are left out (a later version wrote them).

    Raises
    ------
    ValueError, TypeError
        If a field is missing, or is not of the type that its annotation names.
    """
    if type(facts) is not dict:
        raise _wrong(facts, f"no {kind.__name__.lower()}")
    known: dict[str, Any] = {}
    for name, reader in _readers(kind):
        if name in facts:
            try:
                known[name] = reader(facts[name])
            except ValueError as exc:
                message = f"{name}: {exc}" if ": " not in str(exc) else f"{name}.{exc}"
                raise ValueError(message) from exc
    return kind(**known)


@cache
def _readers(kind: Any) -> tuple[tuple[str, Reader], ...]:  # noqa: ANN401
    """Per field of a record its name and what checks a plain value of it."""
    hints = get_type_hints(kind, localns={"Mapping": Mapping})
    return tuple((f.name, _reader(hints[f.name], signed=f.name in _SIGNED)) for f in fields(kind))


def _reader(hint: Any, *, signed: bool = False) -> Reader:  # noqa: ANN401
    """What turns a plain value into one of the annotated type, or raises ValueError."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        (inner,) = (_reader(part, signed=signed) for part in parts if part is not NoneType)
        return lambda value: None if value is None else inner(value)
    if origin is Literal:
        return lambda value: _one_of(value, parts)
    if origin is tuple:
        return _listed(_reader(parts[0]))
    if origin is Mapping:
        return _mapped(_reader(parts[1]))
    if is_dataclass(hint):
        return lambda value: _built(hint, value)
    own = {str: _text, bool: _flag}.get(hint)
    return own or _number(whole=hint is int, least=-_MOST if signed else 0)


def _listed(item: Reader) -> Reader:
    def read(value: Any) -> Any:  # noqa: ANN401
        if type(value) is not list:
            raise _wrong(value, "no list")
        return tuple([item(one) for one in value])

    return read


def _mapped(item: Reader) -> Reader:
    def read(value: Any) -> Any:  # noqa: ANN401
        if type(value) is not dict:
            raise _wrong(value, "no object")
        return {key: item(one) for key, one in value.items()}

    return read


def _number(*, whole: bool, least: float) -> Reader:
    """Checks a number from `least` on; NaN and infinities are outside, truth values no numbers."""
    most = _MOST_WHOLE if whole else _MOST

    def read(value: Any) -> Any:  # noqa: ANN401
        if type(value) is float or type(value) is int:
            if not least <= value <= most:
                raise _wrong(value, "outside what it can be")
            if not whole:
                return value
            if value == int(value):
                return int(value)
        raise _wrong(value, "no whole number" if whole else "no number")

    return read


def _flag(value: Any) -> bool:  # noqa: ANN401
    if type(value) is not bool:
        raise _wrong(value, "neither true nor false")
    return value


def _text(value: Any) -> str:  # noqa: ANN401
    if type(value) is not str:
        raise _wrong(value, "no text")
    return value


def _one_of(value: Any, known: tuple[str, ...]) -> str:  # noqa: ANN401
    if type(value) is not str or value not in known:
        raise _wrong(value, f"none of {', '.join(known)}")
    return value


def _wrong(value: Any, what: str) -> ValueError:  # noqa: ANN401
    """The error of a field, with the value as seen, cut short."""
    seen = repr(value)
    return ValueError(f"{seen if len(seen) <= 40 else seen[:37] + '...'} is {what}")
