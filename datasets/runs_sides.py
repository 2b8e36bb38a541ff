"""What a row of the runs table knows beside energy and time: utilisation, memory in use, accuracy.

All of it was measured during the run, so that none is a feature of a prediction.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from joulecast.core.records import Window
from joulecast.core.units import BYTES_PER_GB
from joulecast.datasets.cells import number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    Percent = AbstractSet[tuple[str, str]]

_SHARES = ("gpu_util", "gpu_mem_util", "accuracy")


def percent_of(path: Path) -> Percent:
    """(source, column) of the shares that a source writes as percent: any of them is above 1."""
    found: set[tuple[str, str]] = set()
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        at = [(names.index(name), name) for name in _SHARES if name in names]
        source = names.index("source") if "source" in names else None
        last = max([source or 0, *(i for i, _ in at)])
        for cells in reader if at else ():
            if len(cells) <= last:
                continue
            of = cells[source].strip() if source is not None else ""
            for i, name in at:
                if cells[i] and (of, name) not in found and (number(cells[i]) or 0.0) > 1:
                    found.add((of, name))
    return found


def sides_of(row: Mapping[str, Any], source: str, percent: Percent) -> dict[str, Any]:
    """Fields of a `Measurement`; a share that is none even as percent stays unknown."""
    found: dict[str, Any] = {}
    for column, field in (("gpu_util", "gpu_util_frac"), ("gpu_mem_util", "gpu_mem_util_frac")):
        if row.get(column):
            found[field] = _share(row[column], (source, column) in percent)
    if row.get("gpu_mem_used_gb"):
        used_gb = number(row["gpu_mem_used_gb"])
        found["gpu_mem_used_bytes"] = None if used_gb is None else used_gb * BYTES_PER_GB
    if row.get("accuracy"):
        accuracy = _share(row["accuracy"], (source, "accuracy") in percent)
        if accuracy is not None:
            found["windows"] = (Window("end", 0.0, 0.0, accuracy=accuracy),)
    return found


def _share(cell: object, is_percent: bool) -> float | None:  # noqa: FBT001 (of the cell)
    """A cell as 0..1."""
    value = number(cell)
    if value is None:
        return None
    share = value / 100 if is_percent else value
    return share if share <= 1 else None
