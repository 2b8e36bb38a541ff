"""Loss, energy and accuracy per epoch, with the range over the runs (the papers' Figure 5)."""

from __future__ import annotations

import math
from itertools import accumulate
from statistics import fmean
from typing import TYPE_CHECKING

from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._said import basis_of
from joulecast.reporting.points import SCOPES, positive
from joulecast.reporting.words import NONE, counted, joules, percent, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Window
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.figures import Table
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

    Curves = list[list[float | None]]

PLACE = 50
TITLE = "Loss, energy and accuracy per epoch"
_PANELS = {"loss": "c4", "energy so far": "c1", "accuracy": "c3"}


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    named, _, _ = _curves(material)
    return "" if named else "no training run holds two epochs or more"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Means over the runs as lines, their ranges as bands."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    named, points, scope = _curves(material)
    figure, axes = canvas.panels(list(named), 2.0, columns=3)
    for ax, (name, rows) in zip(axes, named.items(), strict=True):
        bands = _bands(rows)
        epoch = [i + 1 for i, b in enumerate(bands) if b]
        low, middle, high = zip(*(b for b in bands if b), strict=True)
        colour = canvas.palette[_PANELS[name]]
        ax.fill_between(epoch, low, high, color=colour, alpha=0.18, lw=0)
        ax.plot(epoch, middle, color=colour, marker="o" if len(epoch) < 25 else "")
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        if name == "energy so far":
            ax.set_ylim(bottom=0)
            canvas.units(ax.yaxis, "J")
        elif name == "accuracy":
            ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    runs = counted(len(points), "run")
    alt = f"Lines of {', '.join(named)} over the epochs, mean and range of {runs}"
    return Drawn(figure, _caption(named, points, scope), alt, _table(named), basis_of(points))


def _curves(material: Material) -> tuple[dict[str, Curves], list[Point], str]:
    """Per panel a row of values for each run, those runs, and the scope of the energy."""
    every = [p for p in material.of("train") if len(p.run.measurement.epochs) > 1]
    count, points = _alike(every) if every else (0, [])
    scope = _scope(points)
    epochs = [p.run.measurement.epochs[:count] for p in points]
    curves = {
        "loss": [[_finite(e.loss) for e in run] for run in epochs],
        "energy so far": [_so_far(run, scope) for run in epochs],
        "accuracy": [[_share(e.accuracy) for e in run] for run in epochs],
    }
    known = {n: c for n, c in curves.items() if any(v is not None for row in c for v in row)}
    return known, points, scope


def _alike(points: Sequence[Point]) -> tuple[int, list[Point]]:
    """Epochs that at least half of the runs have, and those runs: the same ones all along."""
    lengths = sorted((len(p.run.measurement.epochs) for p in points), reverse=True)
    count = lengths[(len(lengths) - 1) // 2]
    return count, [p for p in points if len(p.run.measurement.epochs) >= count]


def _scope(points: Sequence[Point]) -> str:
    """The scope that most runs have for all their epochs."""

    def count(scope: str) -> int:
        return sum(all(scope in e.energy_j for e in p.run.measurement.epochs) for p in points)

    return max(SCOPES, key=count)


def _so_far(epochs: Sequence[Window], scope: str) -> list[float | None]:
    each = [positive(e.energy_j.get(scope)) for e in epochs]
    known = [e for e in each if e is not None]
    return list(accumulate(known)) if len(known) == len(each) else [None] * len(each)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _share(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= 1 else None


def _bands(rows: Curves) -> list[tuple[float, float, float] | None]:
    """Least, mean and most of each epoch, ``None`` where no run knows."""
    bands: list[tuple[float, float, float] | None] = []
    for i in range(max(map(len, rows))):
        known = [v for row in rows if i < len(row) and (v := row[i]) is not None]
        bands.append((min(known), fmean(known), max(known)) if known else None)
    return bands


def _table(curves: dict[str, Curves]) -> Table:
    wording = {"loss": _loss, "energy so far": joules, "accuracy": _percent}
    columns = []
    for name, rows in curves.items():
        told = wording[name]
        columns.append(
            [f"{told(b[1])} ({told(b[0])} to {told(b[2])})" if b else NONE for b in _bands(rows)]
        )
    lines = [(f"{i + 1}", *row) for i, row in enumerate(zip(*columns, strict=True))]
    return table(("epoch", *curves), lines)


def _loss(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return percent(value, 1)


def _caption(curves: dict[str, Curves], points: Sequence[Point], scope: str) -> str:
    one = len(points) == 1
    models = counted(len({p.model for p in points}), "model")
    whose = f"{readable(points[0].model)}, one run" if one else f"{len(points)} runs of {models}"
    parts = [whose if one else f"Mean (line) and range (band) of {whose}"]
    for name, rows in curves.items():
        bands = _bands(rows)
        last = bands[-1]
        if last and name == "energy so far":
            span = "" if one else f" on average, from {joules(last[0])} to {joules(last[2])}"
            after = counted(len(bands), "epoch")
            parts.append(f"After {after} {joules(last[1])} of {scope} energy{span}")
        elif last and name == "accuracy":
            low, middle, high = map(_percent, last)
            parts.append(f"Accuracy then {middle}" + ("" if one else f", from {low} to {high}"))
    return ". ".join(parts) + "."
