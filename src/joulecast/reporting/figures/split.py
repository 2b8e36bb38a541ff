"""Energy per request by device, at one request rate (the papers' Figure 10)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import (
    MOST_MACHINES,
    bars_of,
    draw_bars,
    entries,
    height_in,
    hidden,
    ran_first,
    shown,
    side_by_side,
)
from joulecast.reporting.figures._said import basis_of, not_drawn
from joulecast.reporting.points import PARTS, by, middle
from joulecast.reporting.words import counted, joules, percent, plain, readable

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.figures._bars import Bar
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

PLACE = 100
TITLE = "Energy per request, by device"
_RATE_RPS = 10.0
"""The papers' own."""
_BAND = 0.3
"""Width of a band of rates that count as one, in e-folds: 15 % to each side."""
_COLOURS = {"gpu": "c1", "cpu": "c2", "dram": "c3"}


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    return "" if _points(material) else "no burst knows the energy of two devices or more"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Stacked bars of joules per request, a bar per server."""
    points = _points(material)
    rate, near = _near(points)
    machines = [m for m in material.machines if any(p.machine == m for p in near)]
    panels = {
        m: bars_of(
            [p for p in near if p.machine == m],
            lambda p: {s: p.per_sample_j(s) for s in PARTS if p.per_sample_j(s)},
        )
        for m in machines
    }
    drawn = {m: shown(panels[m]) for m in machines[:MOST_MACHINES]}
    figure, axes = canvas.panels(
        list(drawn), [height_in(b, per_bar=0.22) for b in drawn.values()], columns=2
    )
    rooms = side_by_side(list(drawn.values()), canvas)
    for ax, bars, room in zip(axes, drawn.values(), rooms, strict=True):
        draw_bars(ax, canvas, bars, _COLOURS, stacked=True, room=room)
        canvas.units(ax.xaxis, "J")
        ax.set_xlabel("per request")
    canvas.legend(figure, entries(canvas, _COLOURS, [b for d in drawn.values() for b in d]))
    every = [(m, b) for m, bars in panels.items() for b in bars]
    top = max(ran_first([b for _, b in every]), key=lambda b: b.total)
    parts = ", ".join(f"{s} {percent(v / top.total)}" for s, v in top.amounts.items())
    caption = (
        f"At about {plain(rate)} requests per second {readable(top.model)} needs most: "
        f"{joules(top.total)} per request ({parts})."
    )
    unseen = len(panels) - len(drawn)
    caption += not_drawn((unseen, "more machine"), hidden(panels[m] for m in drawn))
    alt = f"Stacked bars of the energy per request of {counted(len(every), 'server')} by device"
    numbers = table(("machine", "model", *PARTS, "together"), every, _row)
    return Drawn(figure, caption, alt, numbers, basis_of(near))


def _row(entry: tuple[str, Bar]) -> tuple[str, ...]:
    machine, bar = entry
    each = (joules(bar.amounts.get(s)) for s in PARTS)
    return (machine, readable(bar.model), *each, joules(bar.total))


def _points(material: Material) -> list[Point]:
    known = [p for p in material.of("serve") if p.rate_rps and p.samples]
    return [p for p in known if sum(s in p.energy_j for s in PARTS) > 1]


def _near(points: list[Point]) -> tuple[float, list[Point]]:
    """The rate about which most servers were asked, of equals the one nearest the papers'."""
    bands: dict[int, list[Point]] = {}
    for p in points:
        band = round(math.log((p.rate_rps or _RATE_RPS) / _RATE_RPS) / _BAND)
        bands.setdefault(band, []).append(p)

    def servers(band: int) -> int:
        return len(by(bands[band], "model", "machine", "predicted"))

    near = bands[max(bands, key=lambda band: (servers(band), -abs(band)))]
    return middle(p.rate_rps for p in near) or _RATE_RPS, near
