"""Cells of a table as numbers and texts."""

from __future__ import annotations

import math


def number(value: object) -> float | None:
    """`value` as a finite number > 0, else ``None`` (blank, NaN, text, zero, negative)."""
    if value is None or value == "":
        return None
    try:
        x = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return x if 0 < x < math.inf else None


def text(value: object) -> str:
    """`value` as stripped text; blank for missing and NaN."""
    if type(value) is str:  # nearly all cells: tables of many thousand rows wait for this line
        return value.strip()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).strip()
