"""A sweep as a table with bars that a person reads at a glance."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from joulecast.api_sweep import TOLD_APART
from joulecast.core.units import format_duration, format_si
from joulecast.render import WIDTH, decimals, energy_scale, labelled
from joulecast.sweeping import plain, said_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.insight import Sweep, SweepPoint

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BAR = 20
_LEAST_BAR = 4
_TITLES = {
    "batch_size": "batch",
    "power_limit_w": "limit",
    "precision": "precision",
    "n_gpus": "GPUs",
}
_MOST_ROWS = 40


def sweep_screen(found: Sweep, *, width: int = WIDTH) -> str:
    """The points as lines with bars, the best marked, and where memory ends."""
    lines = textwrap.wrap(found.model_text or found.model, width, subsequent_indent="  ")
    place = f"on {found.hardware_text or found.hardware}"
    if found.scope != "system":
        place += " · at the wall" if found.scope == "wall" else f" · {found.scope} only"
    lines += [*textwrap.wrap(place, width, subsequent_indent="  "), ""]
    lines += table(found, width)
    lines += ["", *labelled("best", _verdict(found), width)]
    if found.mem_ends_at is not None and found.axis == "batch_size":
        lines += labelled("memory", f"ends at {said_value(found.mem_ends_at, found.axis)}", width)
    lines += labelled("basis", ", ".join(dict.fromkeys(p.basis for p in found.points)), width)
    for notice in found.notices:
        lines += labelled("note", notice, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def table(found: Sweep, width: int) -> list[str]:
    """Lines of the points, at most as many as a screen holds."""
    shown = _thinned(found.points, (found.best, found.asked))
    rows = [_titles(found), *(_cells(p, found) for p in shown)]
    measured = any(p.measured_energy_j is not None for p in shown)
    columns = [i for i in range(len(rows[0])) if measured or rows[0][i] != "measured"]
    wide = {i: max(len(row[i]) for row in rows) for i in columns}
    room = width - 4 - sum(wide.values()) - 2 * len(columns)
    bar = min(_BAR, room) if room >= _LEAST_BAR else 0
    top_j = max(p.energy_j for p in shown)
    out = []
    for row, point in zip(rows, (None, *shown), strict=True):
        cells = [f"{row[i]:>{wide[i]}}" for i in columns[1:]]
        drawn = "" if point is None else _bar(bar * point.energy_j / top_j)
        cells.insert(1, f"{drawn:<{bar}}")
        out.append(f"  {row[0]:<1} " + "  ".join(cells))
    return out


def _thinned(points: Sequence[SweepPoint], kept: Sequence[float | str | None]) -> list[SweepPoint]:
    """At most a screen of the points, spread evenly, beside those that are `kept`."""
    step = -(-len(points) // _MOST_ROWS)
    return [p for i, p in enumerate(points) if i % step == 0 or p.value in kept]


def _titles(found: Sweep) -> list[str]:
    unit = energy_scale(min(p.energy_j for p in found.points))[1]
    level = f"{100 * found.level:g} %"
    memory = "memory/GPU" if found.axis == "n_gpus" else "memory"
    return ["", _TITLES[found.axis], unit, level, "time", "power", memory, "measured", ""]


def _cells(p: SweepPoint, found: Sweep) -> list[str]:
    scale, _ = energy_scale(min(q.energy_j for q in found.points))
    digits = max(decimals(q.energy_j / scale) for q in found.points)
    mark = "★" if p.value == found.best else "✗" if not p.fits else ""
    value = plain(p.value)
    if found.axis == "power_limit_w":
        value += " W"
    fine = max(digits, decimals(p.energy_j / scale, p.energy_low_j / scale))
    span = f"{p.energy_low_j / scale:,.{fine}f} - {p.energy_high_j / scale:,.{fine}f}"
    measured = p.measured_energy_j
    remark = "does not fit" if not p.fits else "asked" if p.value == found.asked else ""
    return [
        mark,
        value,
        f"{p.energy_j / scale:,.{digits}f}",
        span,
        format_duration(p.duration_s),
        format_si(p.power_w, "W"),
        "-" if p.mem_bytes is None else format_si(p.mem_bytes, "B", 2),
        "-" if measured is None else f"{measured / scale:,.{digits}f}",
        f"{remark:<12}",
    ]


def _bar(eighths: float) -> str:
    """A bar of so many columns."""
    whole, rest = divmod(round(8 * eighths), 8)
    return "█" * whole + _EIGHTHS[rest].strip()


def _verdict(found: Sweep) -> str:
    """What the best value is and saves."""
    if found.best is None:
        return "none of the values fits into memory"
    best = said_value(found.best, found.axis)
    if found.asked is None or found.saves_frac is None:
        return f"{best}: the least energy"
    asked = said_value(found.asked, found.axis)
    saves = f"{100 * found.saves_frac:.0f} % of the energy at {asked}"
    if found.best == found.asked:
        return f"{best}, as asked: the least energy"
    if found.saves_frac < TOLD_APART[found.axis]:
        return f"{best}: the least energy, but {asked} as asked is not told apart from it"
    slower = round(100 * (found.slower_frac or 0.0))
    pace = f"in {abs(slower)} % {'more' if slower > 0 else 'less'} time" if slower else "as fast"
    return f"{best}: saves {saves}, {pace}"
