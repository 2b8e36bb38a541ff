"""A CSV file of workloads, answered row by row: any length, in constant memory."""

from __future__ import annotations

import csv
import math
import os
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Row = dict[str, Any]
_EITHER = ("model", "model_id", "params", "total_params", "hardware_id", "gpu_name", "task")
_REASONS_KEPT = 10_000


@dataclass(slots=True)
class Tally:
    """How many rows were answered, how many stayed blank and why."""

    rows: int = 0
    blank: int = 0
    overlong: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one answered row."""
        self.rows += 1
        figures = (value for name, value in row.items() if name.startswith("predicted_"))
        if any(_cell(value) not in (None, "") for value in figures):
            return
        self.blank += 1
        reason = str(row.get("notices") or "no reason given")
        if reason in self.reasons or len(self.reasons) < _REASONS_KEPT:
            self.reasons[reason] += 1

    def __str__(self) -> str:
        text = f"{self.rows - self.blank:,} of {self.rows:,} rows answered"
        if self.reasons:
            text += f", {self.blank:,} blank, most often: {self.reasons.most_common(1)[0][0]}"
        if self.overlong:
            text += f"; {self.overlong:,} rows had more cells than the head, which were dropped"
        return text


def predict_file(
    source: str,
    target: str,
    predict_rows: Callable[[Iterable[dict[str, str]]], Iterator[Row]],
) -> Tally:
    """Answer every row of the CSV file `source` into `target`; ``-`` is stdin or stdout.

    Rows pass one at a time, so the file may be of any length. `target` appears when it is whole.

    Raises
    ------
    BadInput
        When `source` is missing, empty, no CSV file, or has no column of a table of workloads.
    """
    tally = Tally()
    with _reading(source) as file:
        reader = csv.reader(file, strict=True)
        head = _head(reader, source)
        with _writing(target) as out, _progress(file, source) as advance:
            writer = csv.writer(out, lineterminator="\n")
            answers = predict_rows(_rows(reader, head, source, tally))
            added: list[str] | None = None
            for answer in answers:
                if added is None:
                    added = [name for name in answer if name not in head]
                    writer.writerow([*head, *added])
                writer.writerow([_cell(answer.get(name)) for name in (*head, *added)])
                tally.add(answer)
                advance()
            if added is None:
                blank = next(iter(predict_rows([dict.fromkeys(head, "")])))
                writer.writerow([*head, *(name for name in blank if name not in head)])
    return tally


def _cell(value: Any) -> Any:  # noqa: ANN401 (whatever a row holds)
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return "; ".join(map(str, value)) if isinstance(value, tuple | list) else value


def _head(reader: Iterator[list[str]], source: str) -> list[str]:
    try:
        head = next(reader, [])
    except (csv.Error, UnicodeDecodeError) as exc:
        raise _not_csv(source, exc) from exc
    if not any(head):
        message = f"{source} is empty. It takes a head and one workload per row"
        raise BadInput(message)
    twice = [name for name, count in Counter(head).items() if count > 1]
    if twice:
        message = f"{source}: the column '{twice[0]}' is there twice. Rename one"
        raise BadInput(message)
    if not set(head) & set(_EITHER):
        seen = ", ".join(head)[:80]
        message = f"{source} is no table of workloads: the head is '{seen}'. Name columns such as "
        raise BadInput(message + "model, hardware_id, task, batch_size, samples")
    return head


def _not_csv(source: str, exc: Exception) -> BadInput:
    return BadInput(f"{source} is not a CSV file in UTF-8: {exc}")


def _rows(
    reader: Iterator[list[str]],
    head: Sequence[str],
    source: str,
    tally: Tally,
) -> Iterator[dict[str, str]]:
    wide = len(head)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, UnicodeDecodeError) as exc:
            raise _not_csv(source, exc) from exc
        if not cells:
            continue
        tally.overlong += len(cells) > wide
        yield dict(zip(head, cells + [""] * (wide - len(cells)), strict=False))


@contextmanager
def _reading(source: str) -> Iterator[IO[str]]:
    if source == "-":
        yield sys.stdin
        return
    path = Path(source)
    if not path.exists():
        message = f"no such file: {source}"
        raise BadInput(message)
    if path.is_dir():
        message = f"{source} is a folder. Name a CSV file"
        raise BadInput(message)
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield file


@contextmanager
def _writing(target: str) -> Iterator[IO[str]]:
    """`target` for writing; a plain file is replaced only when all of it was written."""
    if target == "-":
        yield sys.stdout
        return
    path = Path(target).resolve()
    if not path.parent.is_dir():
        message = f"no such folder: {path.parent}"
        raise BadInput(message)
    if path.exists() and not path.is_file():  # a device or a pipe
        with path.open("w", encoding="utf-8", newline="") as out:
            yield out
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            yield out
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _progress(file: IO[str], source: str) -> Iterator[Callable[[], None]]:
    """A bar on stderr while a person watches; the returned function counts one row."""
    if source == "-" or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("predicting", total=Path(source).stat().st_size or None)
        buffer = getattr(file, "buffer", None)
        rows = 0

        def advance() -> None:
            nonlocal rows
            rows += 1
            if rows % 256 == 0 and buffer is not None:
                bar.update(task, completed=buffer.tell(), description=f"{rows:,} rows")

        yield advance
