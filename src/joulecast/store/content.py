"""What of a run is stored: one canonical text, so that equal runs are equal texts.

The text is JSON with sorted keys, in ASCII; 10 and 10.0 are one number.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from joulecast.core import run_files
from joulecast.core.errors import BadInput, BadRecord
from joulecast.core.records import Run

MOST_ID, MOST_NAME = 128, 256
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_EXACT = 2**53
"""From here on a float no longer holds every whole number."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Content:
    """A run as it is stored.

    Attributes
    ----------
    digest : SHA-256 of `record`, hexadecimal. record : canonical JSON.
    started_us : microseconds after 1970, UTC; ``None`` for an unknown start.
    """

    id: str
    digest: str
    record: str
    hardware: str
    model: str
    task: str
    started_us: int | None


def content_of(given: Run | Mapping[str, Any]) -> Content:
    """What is stored of a run; it can be read back.

    Raises
    ------
    BadRecord
        If it is no whole run record.
    BadInput
        If its id is no plain name.
    """
    run = given if isinstance(given, Run) else _run_of(given)
    try:
        facts = {"schema": run_files.SCHEMA, **_canonical(run)}
        record = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
        if "\\ud" in record:  # half a character pair is no text that anyone can send on
            json.dumps(facts, ensure_ascii=False).encode()
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        message = f"run {_shown(run.id)} holds what no record can: {exc}"
        raise BadRecord(message) from exc
    if given is run:
        run = read(record)
    refuse_id(run.id)
    workload = run.setup.workload
    return Content(
        id=run.id,
        digest=hashlib.sha256(record.encode()).hexdigest(),
        record=record,
        hardware=_name(run.setup.machine.id or run.hardware_id, "machine id", run.id),
        model=_name(run.setup.architecture.name, "name of the architecture", run.id),
        task=workload.task,
        started_us=_started_us(run.started_at),
    )


def read(record: str) -> Run:
    """The run of a stored record.

    Raises
    ------
    BadRecord
        If it is none.
    """
    try:
        facts = json.loads(record)
    except ValueError as exc:
        message = f"a stored run is no JSON: {exc}"
        raise BadRecord(message) from exc
    return _run_of(facts)


def refuse_id(run_id: str) -> None:
    """Raise BadInput unless `run_id` is a plain name."""
    if not _PLAIN_NAME.fullmatch(run_id):
        message = (
            f"run id {_shown(run_id)} is no plain name. Give each run an id of 1 to {MOST_ID} "
            "letters, digits, '-', '_' and '.', not starting with '.'"
        )
        raise BadInput(message)


def is_name(text: str) -> bool:
    """Whether a machine or architecture may be called that: printable and not too long."""
    return 0 < len(text) <= MOST_NAME and text.isprintable()


def microseconds(moment: str | datetime) -> int:
    """Microseconds after 1970 of an ISO 8601 time, UTC unless it says otherwise.

    >>> microseconds("1970-01-01T01:00:00+01:00"), microseconds("1970-01-02")
    (0, 86400000000)

    Raises
    ------
    ValueError
        If it is no such time.
    """
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def _run_of(facts: Any) -> Run:  # noqa: ANN401 (whatever was sent)
    """The run that plain values describe.

    Raises
    ------
    BadRecord
        If they describe none.
    """
    schema = facts.get("schema", run_files.SCHEMA) if isinstance(facts, Mapping) else None
    if schema != run_files.SCHEMA:
        message = f"a run record has schema {run_files.SCHEMA!r}, not {_shown(schema)}"
        raise BadRecord(message)
    return run_files.run_of(facts)


def _canonical(value: Any) -> Any:  # noqa: ANN401
    """`value` in what JSON can hold, with one spelling for each number; no number is null."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float | int):
        return _number(value)
    if isinstance(value, Mapping):
        return {str(key): _canonical(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    if is_dataclass(value):
        names = _names(type(value))  # type: ignore[arg-type]  # a class is hashable
        return {name: _canonical(getattr(value, name)) for name in names}
    return value


def _number(value: float) -> float | None:
    """`value` as int where a float would be as exact, as Python's own float elsewhere."""
    if not math.isfinite(value):
        return None
    whole = value == int(value) and abs(value) < _EXACT
    return int(value) if whole else float(value)


@cache
def _names(kind: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(f.name for f in fields(kind))


def _name(text: str, what: str, run_id: str) -> str:
    """`text`, if a column can hold it ("" for unknown)."""
    if text and not is_name(text):
        message = f"run {run_id}: {what} {_shown(text)} is longer than {MOST_NAME} characters"
        raise BadRecord(f"{message}, or holds some that cannot be printed")
    return text


def _started_us(started_at: str | None) -> int | None:
    try:
        return None if started_at is None else microseconds(started_at)
    except ValueError:
        return None


def _shown(value: object) -> str:
    seen = ascii(value)
    return seen if len(seen) <= 40 else f"{seen[:37]}..."
