"""Prediction against measurement, with the intervals of the predictions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from joulecast.reporting import pairs
from joulecast.reporting.canvas import at_least_visible
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._said import basis_of, not_drawn, thinned
from joulecast.reporting.points import by
from joulecast.reporting.words import joules, readable, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.pairs import Pair

PLACE = 120
TITLE = "Prediction against measurement"
_COLOURS = {"train": "c1", "infer": "c2", "serve": "c4"}
_MOST = 600
"""Points of a panel."""


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    if material.energies or material.times:
        return ""
    if material.points and all(p.predicted for p in material.points):
        return "nothing was run: a prediction against itself proves nothing"
    return "no measured run of a network and a machine that the predictor knows"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Points with interval bars on logarithmic axes; on the line they agree."""
    every = {"energy": material.energies, "time": material.times}
    panels = {what: some for what, some in every.items() if some}
    figure, axes = canvas.panels([f"{what} per sample" for what in panels], 3.2)
    unseen = 0
    for ax, (what, some) in zip(axes, panels.items(), strict=True):
        drawn = thinned(some, _MOST)
        unseen += len(some) - len(drawn)
        _draw(ax, canvas, drawn, "J" if what == "energy" else "s")
    axes[0].set_ylabel("predicted before the run")
    seen = [pair for some in panels.values() for pair in some]
    canvas.legend(figure, _legend(canvas, seen))
    rows = [(what, p) for what, some in panels.items() for p in sorted(some, key=_worst_first)]
    head = ("model", "machine", "task", "of", "run", "predicted", "off by", "in-sample")
    parts = [pairs.told(what, some, material.level) for what, some in panels.items()]
    parts += ["Bars are the intervals.", pairs.uncompared(material.points)]
    caption = " ".join(part for part in parts if part) + not_drawn((unseen, "more point"))
    alt = "Points with bars: measured across, predicted upwards; a line where they agree"
    basis = basis_of([pair.point for pair in seen], timed=True)
    return Drawn(figure, caption, alt, table(head, rows, _row), basis)


def _worst_first(pair: Pair) -> float:
    return -abs(math.log(pair.said / pair.seen))


def _row(entry: tuple[str, Pair]) -> tuple[str, ...]:
    what, pair = entry
    p, told = pair.point, joules if what == "energy" else seconds
    said = f"{told(pair.said)} ({told(pair.low)} to {told(pair.high)})"
    off = f"{100 * (pair.said / pair.seen - 1):+.0f} %"
    known = "yes" if pair.fitted else "no"
    return (readable(p.model), p.machine, p.task, what, told(pair.seen), said, off, known)


def _legend(canvas: Canvas, seen: Sequence[Pair]) -> dict[str, Any]:
    fitted = {task: {p.fitted for p in seen if p.point.task == task} for task in _COLOURS}
    legend = {t: canvas.dot(_COLOURS[t], hollow=f == {True}) for t, f in fitted.items() if f}
    if any(True in f for f in fitted.values()):
        legend["hollow: in-sample"] = canvas.dot("muted", hollow=True)
    return legend


def _draw(ax: Axes, canvas: Canvas, some: Sequence[Pair], unit: str) -> None:
    every = [v for p in some for v in (p.seen, p.said, p.low, p.high)]
    span = (min(every) / 1.4, max(every) * 1.4)
    ax.plot(span, span, color=canvas.palette["muted"], lw=1)
    for task, colour in _COLOURS.items():
        ink = canvas.palette[colour]
        for (fitted,), own in by((p for p in some if p.point.task == task), "fitted").items():
            seen, face = [p.seen for p in own], canvas.palette["paper"] if fitted else ink
            ax.vlines(
                seen, [p.low for p in own], [p.high for p in own], color=ink, lw=1.2, alpha=0.45
            )
            ax.plot(seen, [p.said for p in own], "o", mec=ink, mfc=face, ms=4)
    ax.set_xscale("log")
    ax.set_yscale("log")
    at_least_visible(ax.set_xlim, [p.seen for p in some])
    ax.set_ylim(*span)
    canvas.units(ax.xaxis, unit, log=True)
    canvas.units(ax.yaxis, unit, log=True)
    ax.set_xlabel("in the run")
