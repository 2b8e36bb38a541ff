"""Mean power by model and device, in training and inference (the papers' Figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import (
    bars_of,
    draw_bars,
    entries,
    height_in,
    hidden,
    ran_first,
    shown,
    side_by_side,
)
from joulecast.reporting.figures._said import at_usual_batch, basis_of, not_drawn
from joulecast.reporting.points import PARTS, usual_batch
from joulecast.reporting.words import counted, percent, readable, watts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.figures._bars import Bar
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

PLACE = 30
TITLE = "Mean power, by model and device"
_COLOURS = {"gpu": "c1", "cpu": "c2", "dram": "c3"}
_MOST_PANELS = 6
_WORDS = {"train": "training", "infer": "inference"}


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    return "" if _points(material) else "no run knows the power of its GPU, CPU or memory"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Stacked bars of watts, a panel per machine and task; a line where the limit is."""
    points = _points(material)
    panels = {
        (m, t): bars_of(
            usual_batch([p for p in points if (p.machine, p.task) == (m, t)]),
            lambda p: {s: p.power_w[s] for s in PARTS if s in p.power_w},
        )
        for m in material.machines
        for t in _WORDS
        if any((p.machine, p.task) == (m, t) for p in points)
    }
    drawn = {key: shown(panels[key]) for key in list(panels)[:_MOST_PANELS]}
    titles = [f"{m}, {_WORDS[t]}" for m, t in drawn]
    heights = [height_in(b, per_bar=0.2) for b in drawn.values()]
    figure, axes = canvas.panels(titles, heights)
    rooms = side_by_side(list(drawn.values()), canvas)
    for ax, ((machine, _), bars), room in zip(axes, drawn.items(), rooms, strict=True):
        draw_bars(ax, canvas, bars, _COLOURS, stacked=True, room=room)
        _limit(ax, canvas, _limit_w(points, machine), max(b.total for b in bars))
        canvas.units(ax.xaxis, "W")
    legend = entries(canvas, _COLOURS, [b for d in drawn.values() for b in d])
    if any(_limit_w(points, m) for m, _ in drawn):
        from matplotlib.lines import Line2D

        ink = canvas.palette["ink"]
        legend["limit of the gpu"] = Line2D([], [], color=ink, lw=1, ls=(0, (3, 3)))
    canvas.legend(figure, legend)
    rows = [(m, t, b) for (m, t), bars in panels.items() for b in bars]
    numbers = table(("machine", "phase", "model", *PARTS, "together"), rows, _row)
    unseen = len(panels) - len(drawn)
    rest = not_drawn((unseen, "more panel"), hidden(panels[key] for key in drawn))
    alt = f"Stacked bars of power of {counted(len(rows), 'model')} by device, machine and phase"
    caption = _caption(points, panels) + at_usual_batch(points) + rest
    return Drawn(figure, caption, alt, numbers, basis_of(points))


def _row(entry: tuple[str, str, Bar]) -> tuple[str, ...]:
    machine, task, bar = entry
    each = (watts(bar.amounts.get(s)) for s in PARTS)
    return (machine, _WORDS[task], readable(bar.model), *each, watts(bar.total))


def _points(material: Material) -> list[Point]:
    return [p for p in material.of("train", "infer") if any(s in p.power_w for s in PARTS)]


def _limit(ax: Axes, canvas: Canvas, limit_w: float | None, most_w: float) -> None:
    """A line where the GPUs' limit is."""
    if limit_w:
        ax.set_xlim(0, 1.04 * max(limit_w, most_w))
        ax.axvline(limit_w, color=canvas.palette["ink"], lw=1, ls=(0, (3, 3)))


def _limit_w(points: list[Point], machine: str) -> float | None:
    """Watts of the machine's GPUs at their limit, ``None`` where runs had several."""
    own = {p.tdp_w for p in points if p.machine == machine and p.run.setup.machine.gpu}
    return own.pop() if len(own) == 1 else None


def _caption(points: list[Point], panels: dict[tuple[str, str], list[Bar]]) -> str:
    panels = {key: ran_first(bars) for key, bars in panels.items()}
    (machine, task), bars = max(panels.items(), key=lambda item: item[1][0].total)
    top = bars[0]
    parts = [
        f"{readable(top.model)} draws most: {watts(top.total)} in {_WORDS[task]} on {machine}, "
        + ", ".join(f"{s} {percent(v / top.total)}" for s, v in top.amounts.items())
    ]
    limit_w = _limit_w(points, machine)
    if limit_w:
        below = [b for b in bars if b.amounts.get("gpu", limit_w) < 0.7 * limit_w]
        stay = "stays" if len(below) == 1 else "stay"
        parts.append(
            f"There {len(below)} of {counted(len(bars), 'model')} {stay} 30 % or more below the "
            f"{watts(limit_w)} of its GPUs"
        )
    return ". ".join(parts) + "."
