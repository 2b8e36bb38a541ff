"""Time of training and inference by model (the papers' Figure 2)."""

from __future__ import annotations

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
from joulecast.reporting.figures._said import at_usual_batch, basis_of, not_drawn
from joulecast.reporting.points import middle, usual_batch
from joulecast.reporting.words import counted, plain, readable, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joulecast.core.insight import Analysis
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.figures._bars import Bar
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

PLACE = 20
TITLE = "Time to train and to infer, by model"
SAMPLES = 50_000
"""The papers' own: one pass over CIFAR-10's training set."""
_COLOURS = {"train": "c1", "infer": "c2"}


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    return "" if _points(material) else "no training or inference run knows its time and samples"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Bars of seconds for the papers' 50,000 samples, a panel per machine."""
    points = _points(material)
    machines = [m for m in material.machines if any(p.machine == m for p in points)]
    bars = {m: _bars([p for p in points if p.machine == m]) for m in machines}
    drawn = {m: shown(bars[m]) for m in machines[:MOST_MACHINES]}
    heights = [height_in(b, per_bar=0.3) for b in drawn.values()]
    figure, axes = canvas.panels(list(drawn), heights, columns=min(2, len(drawn)))
    rooms = side_by_side(list(drawn.values()), canvas)
    for ax, some, room in zip(axes, drawn.values(), rooms, strict=True):
        draw_bars(ax, canvas, some, _COLOURS, stacked=False, room=room)
        canvas.units(ax.xaxis, "s")
        ax.set_xlabel(f"for {SAMPLES:,} samples")
    canvas.legend(figure, entries(canvas, _COLOURS, [b for d in drawn.values() for b in d]))
    rows = [(m, b) for m in machines for b in bars[m]]
    numbers = table(("machine", "model", "train", "infer", "train / infer", "basis"), rows, _row)
    rest = not_drawn((len(bars) - len(drawn), "more machine"), hidden(bars[m] for m in drawn))
    caption = _caption(bars, material.analysis) + at_usual_batch(points) + rest
    alt = f"Bars of training and inference time of {counted(len(rows), 'model')} by machine"
    return Drawn(figure, caption, alt, numbers, basis_of(points, timed=True))


def _points(material: Material) -> list[Point]:
    return [p for p in material.of("train", "infer") if p.sample_s]


def _bars(points: Sequence[Point]) -> list[Bar]:
    usual = [p for task in _COLOURS for p in usual_batch([q for q in points if q.task == task])]
    return bars_of(usual, lambda p: {p.task: p.sample_s and p.sample_s * SAMPLES})


def _caption(bars: Mapping[str, Sequence[Bar]], analysis: Analysis | None) -> str:
    bars = {machine: ran_first(group) for machine, group in bars.items()}
    machine, first = next(iter(bars.items()))
    top, last = first[0], first[-1]
    parts = [f"{_said(top)} for {SAMPLES:,} samples on {machine}"]
    if len(first) > 1:
        times = top.total / last.total
        parts[0] += f", {plain(times, 2)} times what {readable(last.model)} takes"
    ratios = [phase.time_ratio for phase in analysis.phases] if analysis else []
    if ratios:
        parts.append(
            f"Training takes {plain(middle(ratios), 2)} times as long as inference in the median "
            f"of {counted(len(ratios), 'pair')} of like runs (the papers: about 3)"
        )
    return ". ".join(parts) + "."


def _said(bar: Bar) -> str:
    doing = " and ".join(f"{seconds(v)} to {task}" for task, v in bar.amounts.items())
    verb = "would take" if bar.predicted else "takes"
    return f"{readable(bar.model)} {verb} {doing}"


def _times(bar: Bar) -> float | None:
    train, infer = bar.amounts.get("train"), bar.amounts.get("infer")
    return train / infer if train and infer else None


def _row(entry: tuple[str, Bar]) -> tuple[str, ...]:
    machine, bar = entry
    times = (seconds(bar.amounts.get(task)) for task in _COLOURS)
    basis = "predicted" if bar.predicted else "run"
    return (machine, readable(bar.model), *times, plain(_times(bar), 2), basis)
