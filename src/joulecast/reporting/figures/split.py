"""Energy per request by device, at one request rate (the papers' Figure 10)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import (
    bars_of,
    basis_of,
    draw_bars,
    entries,
    height_in,
    ran_first,
    shown,
    side_by_side,
)
from joulecast.reporting.points import PARTS, by
from joulecast.reporting.words import joules, percent, plain, readable

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

PLACE = 100
TITLE = "Energy per request, by device"
_RATE_RPS = 10.0
"""The papers' own."""
_COLOURS = {"gpu": "c1", "cpu": "c2", "dram": "c3"}


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    return "" if _points(material) else "no burst knows the energy of two devices or more"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Stacked bars of joules per request, a bar per server."""
    points = _points(material)
    rate, near = _near(points)
    machines = [m for m in material.machines if any(p.machine == m for p in near)][:4]
    panels = {
        m: bars_of(
            [p for p in near if p.machine == m],
            lambda p: {s: p.per_sample_j(s) for s in PARTS if p.per_sample_j(s)},
        )
        for m in machines
    }
    drawn = {m: shown(bars, canvas) for m, bars in panels.items()}
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
    rows = [
        (m, readable(b.model), *(joules(b.amounts.get(s)) for s in PARTS), joules(b.total))
        for m, b in every
    ]
    top = max(ran_first([b for _, b in every]), key=lambda b: b.total)
    parts = ", ".join(f"{s} {percent(v / top.total)}" for s, v in top.amounts.items())
    caption = (
        f"At about {plain(rate)} requests per second {readable(top.model)} needs most: "
        f"{joules(top.total)} per request ({parts})."
    )
    alt = f"Stacked bars of the energy per request of {len(every)} servers by device"
    head = ("machine", "model", *PARTS, "together")
    return Drawn(figure, caption, alt, table(head, rows), basis_of(near))


def _points(material: Material) -> list[Point]:
    known = [p for p in material.of("serve") if p.rate_rps and p.samples]
    return [p for p in known if sum(s in p.energy_j for s in PARTS) > 1]


def _near(points: list[Point]) -> tuple[float, list[Point]]:
    """The rate that most servers were asked at, of equals the one nearest the papers'."""
    servers = by(points, "model", "machine", "predicted").values()

    def distance(rate: float) -> float:
        return abs(math.log(rate / _RATE_RPS))

    def reached(rate: float) -> int:
        return sum(any(_close(p, rate) for p in some) for some in servers)

    rates = dict.fromkeys(p.rate_rps for p in points if p.rate_rps)
    best = max(rates, key=lambda r: (reached(r), -distance(r)))
    return best, [p for p in points if _close(p, best)]


def _close(point: Point, rate: float) -> bool:
    return abs(math.log((point.rate_rps or rate) / rate)) < 0.15
