"""A CSV file of requests to come: when each arrives and how long it and its answer are."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.units import S_PER_H

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COLUMNS = ("arrival_s", "prompt_tokens", "output_tokens")
_NAMED = 3
_LONGEST_S = 366 * 24 * S_PER_H
_SHORTEST_HOUR_S = S_PER_H / 2
"""A rest shorter than that belongs to the hour before: a second's requests are no rate."""
_MOST_TOKENS = 1e8


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in order of arrival, each array (n,).

    Attributes
    ----------
    arrival_s : seconds after the first request, ascending. prompt_tokens, output_tokens : counts.
    notices : what was left out or put in order.
    """

    arrival_s: Array
    prompt_tokens: Array
    output_tokens: Array
    notices: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Seconds from the first arrival to the last, one at least."""
        return max(float(self.arrival_s[-1]), 1.0)


@dataclass(frozen=True, slots=True)
class Hour:
    """The requests of one hour: indices `first` up to `last` of the trace, means of their tokens.

    Attributes
    ----------
    start_s, duration_s : of the hour; the last one, of 30 to 90 minutes, ends with the trace.
    peak_rps : of its busiest minute.
    """

    start_s: float
    duration_s: float
    first: int
    last: int
    prompt_tokens: float
    output_tokens: float
    peak_rps: float

    @property
    def requests(self) -> int:
        """How many requests arrive."""
        return self.last - self.first

    @property
    def rate_rps(self) -> float:
        """Requests per second, mean."""
        return self.requests / self.duration_s


def read_trace(path: Path) -> Trace:
    """The requests in the CSV file at `path`, sorted, the first at 0 s.

    Raises
    ------
    BadInput
        When the file is no such table, or when rows cannot be read: the first few are named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows, bad = _rows(csv.reader(file, strict=True), str(path))
    except (UnicodeDecodeError, csv.Error) as exc:
        message = f"{path} is not a CSV file in UTF-8: {exc}"
        raise BadInput(message) from exc
    if bad:
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        message = f"{path}: {'; '.join(bad[:_NAMED])}{more}. Mend or delete these rows"
        raise BadInput(message)
    if not rows:
        message = f"{path} holds no request. Write one per row: {','.join(COLUMNS)}"
        raise BadInput(message)
    return _trace(np.array(rows, dtype=np.float64))


def _trace(table: Array) -> Trace:
    """The requests of `table`, (n, 3), in order."""
    arrival_s = table[:, 0]
    order = np.argsort(arrival_s, kind="stable")
    moved = int((np.diff(arrival_s) < 0).sum())
    said = (f"rows were not in order of arrival ({moved} stepped back): sorted",) if moved else ()
    arrival_s, prompt, output = table[order].T
    return Trace(arrival_s - arrival_s[0], prompt, output, said)


def _rows(reader: Iterator[list[str]], name: str) -> tuple[list[tuple[float, ...]], list[str]]:
    """Numbers of every good row, and what is wrong with each bad one."""
    head = [cell.strip().lower() for cell in next(reader, [])]
    missing = [column for column in COLUMNS if column not in head]
    if missing:
        seen = ", ".join(head)[:80] or "nothing"
        message = f"{name} has no column {missing[0]}: the head is '{seen}'. "
        raise BadInput(message + f"Write {','.join(COLUMNS)}")
    places = [head.index(column) for column in COLUMNS]
    good: list[tuple[float, ...]] = []
    bad: list[str] = []
    for line, cells in enumerate(reader, 2):
        if not any(cell.strip() for cell in cells):
            continue
        read = _request(cells, places)
        if isinstance(read, str):
            bad.append(f"row {line}: {read}")
        else:
            good.append(read)
    return good, bad


def _request(cells: list[str], places: Iterable[int]) -> tuple[float, ...] | str:
    """The numbers of one row, or what is wrong with it."""
    numbers = []
    for name, place in zip(COLUMNS, places, strict=True):
        text = cells[place].strip() if place < len(cells) else ""
        try:
            value = float(text)
        except ValueError:
            return f"{name} is '{text}'" if text else f"{name} is blank"
        low = 0.0 if name == "arrival_s" else 1.0
        if not math.isfinite(value) or value < low:
            return f"{name} is {text}, not a number from {low:g} on"
        if name != "arrival_s" and value > _MOST_TOKENS:
            return f"{name} is {text}, more than any model takes in"
        numbers.append(value)
    return tuple(numbers)


def hours_of(trace: Trace) -> tuple[Hour, ...]:
    """The trace in hours from its first request on, those without a request included.

    Raises
    ------
    BadInput
        For a trace of more than a year.
    """
    if trace.duration_s > _LONGEST_S:
        days = trace.duration_s / (24 * S_PER_H)
        message = f"the trace spans {days:,.0f} days. arrival_s counts seconds; give up to a year"
        raise BadInput(message)
    begun_s = np.arange(0.0, trace.duration_s, S_PER_H)
    if len(begun_s) > 1 and trace.duration_s - begun_s[-1] < _SHORTEST_HOUR_S:
        begun_s = begun_s[:-1]
    edges_s = np.append(begun_s, trace.duration_s)
    inner = np.searchsorted(trace.arrival_s, edges_s[1:-1], side="left")
    first = [0, *inner.tolist()]
    last = [*inner.tolist(), len(trace.arrival_s)]
    spans = zip(edges_s[:-1].tolist(), edges_s[1:].tolist(), first, last, strict=True)
    return tuple(_hour(trace, *span) for span in spans)


def _hour(trace: Trace, start_s: float, end_s: float, first: int, last: int) -> Hour:
    here = slice(first, last)
    n, duration_s = last - first, end_s - start_s
    prompt = float(trace.prompt_tokens[here].mean()) if n else 0.0
    output = float(trace.output_tokens[here].mean()) if n else 0.0
    minute = ((trace.arrival_s[here] - start_s) // 60).astype(int)
    busiest = int(np.bincount(minute).max()) if n else 0
    return Hour(start_s, duration_s, first, last, prompt, output, busiest / min(60.0, duration_s))
