"""Tables of workloads as they arrive: pieces of text with whole rows, answered piece by piece.

A row that cannot be read keeps its place in the answer and says why in ``notices``; nothing that
stands in one row can stop the others. Pieces are plain values: another process may answer them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import from_json

from joulecast import api
from joulecast.core.errors import BadInput, JoulecastError
from joulecast.datasets import architectures
from joulecast.service.names import Catalogue
from joulecast.service.problems import Problem
from joulecast.service.texts import text_of
from joulecast.table import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Row = dict[str, Any]

Kind = Literal["json", "csv"]
MOST_CELL = 1000
"""Characters of a cell."""
MOST_COLUMNS = 200
MOST_UNKNOWN = 100
"""Names that nobody knows, per table: the nearest of each take up to half a second to find."""
_MOST_NAME = 100
"""Characters of a name that nobody knows."""
_SHORT = MOST_CELL
"""Bytes of a row in which no cell can be too long."""
_NEEDED = ("model", "model_id", "params", "total_params", "hardware_id", "gpu_name", "task")
_BLANK = dict.fromkeys(OUTPUTS, "")


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole rows of a table.

    Attributes
    ----------
    head : of a CSV table, empty in its first piece. rows_left : that the table may still have.
    unknown_left : names that nobody knows that it may still hold.
    """

    kind: Kind
    text: bytes
    rows_left: int
    unknown_left: int = MOST_UNKNOWN
    head: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The text of the answers to a piece; what of its limits it used up; the head of its table."""

    text: bytes
    rows: int
    unknown: int
    head: tuple[str, ...] = ()


def split(kind: Kind, text: bytes) -> tuple[bytes, bytes]:
    r"""Whole rows of `text`, and the beginning of the next.

    In CSV a line break between quotes belongs to a cell.

    >>> split("csv", b'a,"1\n2"\nb,"3\n')
    (b'a,"1\n2"\n', b'b,"3\n')
    """
    if kind == "json" or b'"' not in text:
        cut = text.rfind(b"\n") + 1
        return text[:cut], text[cut:]
    parts = text.split(b'"')
    end = len(text)
    for place in range(len(parts) - 1, -1, -1):
        start = end - len(parts[place])
        found = parts[place].rfind(b"\n") if place % 2 == 0 else -1
        if found >= 0:
            return text[: start + found + 1], text[start + found + 1 :]
        end = start - 1
    return b"", text


def answered(piece: Piece) -> Answered:
    """The rows of a piece with predictions added, in their order.

    Raises
    ------
    Problem
        If the table has too many rows.
    BadInput
        If it is no CSV text in UTF-8, or its head is none of a table of workloads.
    """
    head = piece.head
    if piece.kind == "csv":
        rows, head = _csv_rows(piece)
    else:
        rows = [_object(line) for line in piece.text.split(b"\n") if line.strip()]
    if len(rows) > piece.rows_left:
        raise Problem("too-large", "the table has too many rows. Send it in parts")
    found, unknown = _answers(rows, piece.unknown_left)
    if piece.kind == "csv":
        text = _csv_text(found, head, with_head=bool(head) and not piece.head)
    else:
        text = b"".join([text_of(row) + b"\n" for row in found])
    return Answered(text, len(rows), unknown, head)


def _object(line: bytes) -> Row | str:
    """The row in a line of JSON, or why there is none."""
    try:
        found = from_json(line, allow_inf_nan=False)
    except (ValueError, RecursionError) as exc:
        return f"the row is no JSON: {str(exc)[:100]}"
    if not isinstance(found, dict):
        return "the row is no JSON object"
    return _too_much(found) or found if len(line) > _SHORT else found


def _csv_rows(piece: Piece) -> tuple[list[Row | str], tuple[str, ...]]:
    """The rows by the names in the head, and the head."""
    try:
        text = piece.text.decode("utf-8" if piece.head else "utf-8-sig")
        lines = [c for c in csv.reader(io.StringIO(text, newline=""), strict=True) if c]
    except (csv.Error, UnicodeDecodeError) as exc:
        message = f"the body is no CSV text in UTF-8: {exc}"
        raise BadInput(message) from exc
    head = piece.head or (_head(lines.pop(0)) if lines else ())
    return [_named(cells, head) for cells in lines], head


def _named(cells: list[str], head: tuple[str, ...]) -> Row | str:
    missing = len(head) - len(cells)
    if missing < 0:
        return f"the row has {len(cells)} cells, the head has {len(head)}"
    row: Row = dict(zip(head, cells + [""] * missing, strict=True))
    return row if sum(map(len, cells)) <= MOST_CELL else _too_much(row) or row


def _head(cells: list[str]) -> tuple[str, ...]:
    if len(set(cells)) != len(cells) or len(cells) > MOST_COLUMNS:
        message = f"the head names a column twice, or more than {MOST_COLUMNS} columns"
        raise BadInput(message)
    if not set(cells) & set(_NEEDED):
        message = (
            f"no table of workloads: the head is '{', '.join(cells)[:80]}'. "
            "Name columns such as model, hardware_id, task, batch_size, samples"
        )
        raise BadInput(message)
    return tuple(cells)


def _csv_text(rows: Iterable[Row], head: Sequence[str], *, with_head: bool) -> bytes:
    """Lines of CSV; every figure of an answer is finite."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [*head, *(name for name in OUTPUTS if name not in head)]
    if with_head:
        writer.writerow(names)
    blank = dict.fromkeys(names, "")
    whole = (row if len(row) == len(names) else {**blank, **row} for row in rows)
    writer.writerows(map(itemgetter(*names), whole))
    return out.getvalue().encode()


def _is_huge(value: object) -> bool:
    """Whether a whole number is one that no float can hold, or close to it."""
    return isinstance(value, int) and abs(value) > 10**30


def _too_much(row: Row) -> str | None:
    """Why a long row is not asked."""
    if len(row) > MOST_COLUMNS:
        return f"the row has more than {MOST_COLUMNS} columns"
    for name, value in row.items():
        if len(name) > MOST_CELL or (isinstance(value, str) and len(value) > MOST_CELL):
            return f"{name[:40]} has more than {MOST_CELL:,} characters"
        if isinstance(value, dict | list) or _is_huge(value):
            return f"{name[:40]} is no plain value"
    return None


def _answers(rows: Sequence[Row | str], unknown_left: int) -> tuple[list[Row], int]:
    """One answer per row, and how many names were sought that nobody knows."""
    names = _Names(unknown_left)
    asked: list[Row] = []
    refused: dict[int, Row] = {}
    for place, row in enumerate(rows):
        if isinstance(row, str):
            refused[place] = {**_BLANK, "notices": row}
            continue
        why = names.refusal(row)
        if why is None:
            asked.append(row)
        else:
            refused[place] = {**row, **_BLANK, "notices": why}
    found = iter(_together(asked))
    return [refused.get(place) or next(found) for place in range(len(rows))], names.unknown


class _Names:
    """The names in the rows of a piece: those that nobody knows are sought a few times only."""

    def __init__(self, unknown_left: int) -> None:
        self._left = unknown_left
        self._seen: set[str] = set()
        self.unknown = 0

    def refusal(self, row: Row) -> str | None:
        """Why a row is not asked."""
        for column, is_known in _NAMING:
            value = row.get(column)
            if not value or (isinstance(value, str) and value in self._seen):
                continue
            if not isinstance(value, str | int | float) or _is_huge(value):
                return f"{column} is no name"
            name = str(value)
            if name not in self._seen and not is_known(name):
                if len(name) > _MOST_NAME or self.unknown >= self._left:
                    return f"unknown {column} '{name[:60]}', too long or after many others"
                self.unknown += 1
            self._seen.add(name)
        return None


def _is_model(name: str) -> bool:
    return bool(architectures.candidates(name))


def _is_machine(name: str) -> bool:
    return _catalogue().knows_machine(name)


@cache
def _catalogue() -> Catalogue:
    return Catalogue()


_NAMING = (
    ("model", _is_model),
    ("model_id", _is_model),
    ("hardware_id", _is_machine),
    ("gpu_name", _is_machine),
    ("cpu_name", _is_machine),
)


def _together(rows: Sequence[Row]) -> list[Row]:
    """The answers to all; if the whole fails, to each on its own."""
    try:
        return list(api.predict_rows(rows)) if rows else []
    except (
        JoulecastError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as exc:
        if len(rows) == 1:
            why = f"the row cannot be read: {str(exc)[:100]}"
            return [{**rows[0], **_BLANK, "notices": why}]
    return [answer for row in rows for answer in _together([row])]
