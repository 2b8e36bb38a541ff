"""Joules per request against the request rate, drawn in a few lines of text."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.serving_estimate import RatePoint

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ROWS = 4
_LEAST_COLUMNS = 24


def curve_lines(
    points: Sequence[RatePoint],
    rate_rps: float | None,
    saturation_rps: float,
    width: int,
) -> list[str]:
    """Bars of J/request over rates (spaced by ratio), with the asked and the highest rate marked.

    Parameters
    ----------
    points : ascending in `rate_rps`. rate_rps : to mark. width : columns. Nothing is drawn where
        there are fewer than three points or too few columns.
    """
    known = [p for p in points if p.rate_rps > 0 and math.isfinite(p.energy_per_request_j)]
    if len(known) < 3:
        return []
    top_j = max(p.energy_per_request_j for p in known)
    label = f"{top_j:,.3g}" if top_j < 1000 else f"{top_j:,.0f}"
    margin = len(label) + 3
    columns = width - margin - 2
    if columns < _LEAST_COLUMNS or top_j <= 0:
        return []
    rates = _spaced(known[0].rate_rps, known[-1].rate_rps, columns)
    heights = [_ROWS * _at(known, rate) / top_j for rate in rates]
    lines = ["  J/request at requests per second"]
    for row in range(_ROWS - 1, -1, -1):
        side = f"{label:>{margin - 1}} ┤" if row == _ROWS - 1 else f"{'':>{margin}}│"
        side = f"{'0':>{margin - 1}} ┤" if row == 0 else side
        lines.append((side + "".join(_cell(h - row) for h in heights)).rstrip())
    return [*lines, *_axis(rates, rate_rps, saturation_rps, margin)]


def _spaced(low: float, high: float, count: int) -> list[float]:
    """`count` rates from `low` to `high`, each the same factor above the one before."""
    ratio = (high / low) ** (1 / (count - 1))
    return [low * ratio**i for i in range(count)]


def _at(points: Sequence[RatePoint], rate_rps: float) -> float:
    """J/request at `rate_rps`, between its neighbours a power law."""
    for left, right in pairwise(points):
        if rate_rps <= right.rate_rps:
            span = math.log(right.rate_rps / left.rate_rps)
            share = math.log(rate_rps / left.rate_rps) / span if span else 0.0
            a, b = left.energy_per_request_j, right.energy_per_request_j
            between: float = a * (b / a) ** min(max(share, 0.0), 1.0)
            return between
    return points[-1].energy_per_request_j


def _cell(height: float) -> str:
    return _EIGHTHS[round(8 * min(max(height, 0.0), 1.0))]


def _axis(
    rates: Sequence[float], rate_rps: float | None, saturation_rps: float, margin: int
) -> list[str]:
    """The line below the bars with a mark per named rate, and their names."""
    marks = {_nearest(rates, saturation_rps): f"{_figure(saturation_rps, 3)} full"}
    if rate_rps is not None:
        here = _nearest(rates, rate_rps)
        marks[here] = _figure(rate_rps, 3) + (" here" if here not in marks else " here, full")
    line = "".join("┴" if i in marks else "─" for i in range(len(rates)))
    names, room = "", len(rates)
    for column in sorted(marks, reverse=True):  # from the right, each left of the one before
        text = marks[column]
        start = min(column - len(text) // 2, room - len(text))
        if start >= 0:
            names = f"{text}{names:>{len(names) + room - start - len(text)}}"
            room = start - 1
            names = " " + names
    pad = " " * (margin + 1)
    first = _figure(rates[0], 2)
    names = f"{'':>{room + 1}}{names[1:]}"
    names = first + names[len(first) :] if not names[: len(first) + 1].strip() else names
    return [f"{'':>{margin}}└{line}", f"{pad}{names}"]


def _figure(value: float, digits: int) -> str:
    """`value` in so many digits, never as a power of ten.

    >>> _figure(2418.0, 3), _figure(0.0816, 2)
    ('2,420', '0.082')
    """
    return f"{float(f'{value:.{digits}g}'):,.12g}"


def _nearest(rates: Sequence[float], rate_rps: float) -> int:
    return min(range(len(rates)), key=lambda i: abs(math.log(rates[i] / rate_rps)))
