"""Amounts in a row of the runs table: of samples, time and energy, and cells that hold none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from joulecast.datasets.cells import number, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Column = tuple[int, str, float]

_MOST: Final = {
    "samples": 1e15,
    "batch_size": 1e7,
    "power_limit_w": 1e5,
    "duration_s": 1e10,
    "samples_per_s": 1e12,
    "avg_power_w": 1e7,
    "energy_j": 1e17,
    "energy_per_sample_j": 1e15,
}
"""Columns of amounts above 0, with what no run has reached by far."""
_PERCENT: Final = ("gpu_util", "gpu_mem_util", "accuracy")
"""Shares, or percent of them: 0 is one."""
_TOTAL = ("", "total")
"""Duration scopes of rows whose time and energy are those of all their samples, of one epoch."""


def columns_of(names: Sequence[str]) -> tuple[Column, ...]:
    """Place, name and largest amount of the columns that `odd_cells` looks at."""
    most = {**_MOST, **dict.fromkeys(_PERCENT, 100.0)}
    return tuple((i, name, most[name]) for i, name in enumerate(names) if name in most)


def odd_cells(cells: Sequence[str], columns: Sequence[Column]) -> dict[str, str]:
    """The cells of a row that hold no amount, by column: text, not finite, not above 0, absurd.

    Blank ones are not given, not odd.

    >>> odd_cells(["0", "80", "1e9"], columns_of(["batch_size", "gpu_util", "avg_power_w"]))
    {'batch_size': '0', 'avg_power_w': '1e9'}
    """
    odd = {}
    for i, name, most in columns:
        cell = cells[i]
        if not cell:
            continue
        try:
            value = float(cell)
        except ValueError:
            if cell.strip():
                odd[name] = cell.strip()
            continue
        if not (0 < value <= most or (value == 0 and name in _PERCENT)):
            odd[name] = cell.strip()
    return odd


def amounts_of(row: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    """Samples, and the seconds and joules that they took.

    Of one sample where the row says them or its totals tell; an epoch without a count is whole.
    """
    samples_per_s, sample_j = (
        number(row.get("samples_per_s")),
        number(row.get("energy_per_sample_j")),
    )
    sample_s = 1 / samples_per_s if samples_per_s else None
    if sample_s and sample_j:
        return 1.0, sample_s, sample_j
    whole_s, whole_j = number(row.get("duration_s")), number(row.get("energy_j"))
    stated, of = number(row.get("samples")), text(row.get("duration_scope"))
    if not stated and of == "per_epoch" and not (sample_s or sample_j):
        return None, whole_s, whole_j
    is_of_stated = of == "per_epoch" or (of in _TOTAL and number(row.get("epochs")) in {None, 1.0})
    if stated and is_of_stated:
        sample_s = sample_s or (whole_s and whole_s / stated)
        sample_j = sample_j or (whole_j and whole_j / stated)
    return 1.0, sample_s, sample_j
