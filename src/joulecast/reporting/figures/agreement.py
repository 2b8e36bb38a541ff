"""Prediction against measurement, with the intervals of the predictions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from joulecast.reporting.canvas import at_least_visible
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import basis_of
from joulecast.reporting.points import middle, positive
from joulecast.reporting.words import counted, joules, percent, readable, seconds

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point
    from joulecast.reporting.predictions import Prediction

    Pair = tuple[Point, float, float, float, float]

PLACE = 120
TITLE = "Prediction against measurement"
_COLOURS = {"train": "c1", "infer": "c2", "serve": "c4"}
_MOST = 600
"""Points of a panel."""


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    pairs = energies(material) or times(material)
    return "" if pairs else "no measured run of a network and a machine that the predictor knows"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Points with interval bars on logarithmic axes; on the line they agree."""
    panels = {"energy per sample": energies(material), "time per sample": times(material)}
    panels = {name: pairs for name, pairs in panels.items() if pairs}
    figure, axes = canvas.panels(list(panels), 3.2)
    for ax, (name, pairs) in zip(axes, panels.items(), strict=True):
        _draw(ax, canvas, pairs[:: -(-len(pairs) // _MOST)], "J" if "energy" in name else "s")
    axes[0].set_ylabel("predicted before the run")
    used = {pair[0].task for pairs in panels.values() for pair in pairs}
    legend: dict[str, Any] = {t: canvas.dot(c) for t, c in _COLOURS.items() if t in used}
    canvas.legend(figure, legend)
    rows = [
        (
            readable(p.model),
            p.machine,
            p.task,
            name.split()[0],
            _said(name, seen),
            f"{_said(name, said)} ({_said(name, low)} to {_said(name, high)})",
            f"{100 * (said / seen - 1):+.0f} %",
        )
        for name, pairs in panels.items()
        for p, seen, said, low, high in sorted(pairs, key=lambda r: -abs(math.log(r[2] / r[1])))
    ]
    head = ("model", "machine", "task", "of", "run", "predicted", "off by")
    parts = [_caption(name, pairs, material.level) for name, pairs in panels.items()]
    if doubt := fitted_said(material):
        parts.append(f"{doubt}.")
    alt = "Points with bars: measured across, predicted upwards; a line where they agree"
    points = [p for pairs in panels.values() for p, *_ in pairs]
    return Drawn(figure, " ".join(parts), alt, table(head, rows), basis_of(points, timed=True))


def energies(material: Material) -> list[Pair]:
    """Runs whose energy was sensed: point, joules per sample as seen, predicted, low, high."""

    def pair(p: Point, q: Prediction) -> tuple[float | None, ...]:
        seen = p.per_sample_j(q.scope) if p.basis == "measured" else None
        return seen, q.energy_j, q.energy_low_j, q.energy_high_j

    return _pairs(material, pair)


def times(material: Material) -> list[Pair]:
    """Runs that were timed: point, seconds per sample as seen, predicted, low, high."""

    def pair(p: Point, q: Prediction) -> tuple[float | None, ...]:
        return p.sample_s, q.sample_s, q.sample_low_s, q.sample_high_s

    return _pairs(material, pair)


def off_by(pairs: list[Pair]) -> float | None:
    """Median absolute relative miss."""
    return middle(abs(said / seen - 1) for _, seen, said, _, _ in pairs)


def covered(pairs: list[Pair]) -> int:
    """Runs inside the interval of their prediction."""
    return sum(low <= seen <= high for _, seen, _, low, high in pairs)


def fitted_said(material: Material) -> str:
    """A warning where the predictor may have been fitted on the very runs."""
    count = sum(q.fitted for q in material.predictions.values())
    if not count:
        return ""
    return (
        f"{counted(count, 'run')} are of sources that the predictor was fitted on: for those this "
        "says less than its accuracy card ('joulecast accuracy')"
    )


def _pairs(material: Material, pair: Any) -> list[Pair]:  # noqa: ANN401
    found = []
    for i, q in material.predictions.items():
        p = material.points[i]
        values = () if p.predicted else pair(p, q)
        if values and all(positive(v) for v in values):
            found.append((p, *values))
    return found


def _draw(ax: Any, canvas: Canvas, pairs: list[Pair], unit: str) -> None:  # noqa: ANN401
    every = [v for _, *values in pairs for v in values]
    span = (min(every) / 1.4, max(every) * 1.4)
    ax.plot(span, span, color=canvas.palette["muted"], lw=1)
    for task, colour in _COLOURS.items():
        own = [pair for pair in pairs if pair[0].task == task]
        if own:
            _, seen, said, low, high = zip(*own, strict=True)
            ink = canvas.palette[colour]
            ax.vlines(seen, low, high, color=ink, lw=1.2, alpha=0.45)
            ax.plot(seen, said, "o", color=ink, ms=4)
    ax.set_xscale("log")
    ax.set_yscale("log")
    at_least_visible(ax.set_xlim, [pair[1] for pair in pairs])
    ax.set_ylim(*span)
    canvas.units(ax.xaxis, unit, log=True)
    canvas.units(ax.yaxis, unit, log=True)
    ax.set_xlabel("in the run")


def _said(name: str, value: float) -> str:
    return joules(value) if name.startswith("energy") else seconds(value)


def _caption(name: str, pairs: list[Pair], level: float) -> str:
    what = "Energy" if name.startswith("energy") else "Time"
    off = percent(off_by(pairs))
    if len(pairs) == 1:
        where = "inside" if covered(pairs) else "outside"
        return (
            f"{what} of the run lies {where} the {percent(level)} interval (bar) that the "
            f"predictor gives before any calibration; the prediction is off by {off}."
        )
    return (
        f"{what} of {counted(len(pairs), 'run')} as the predictor has it before any calibration: "
        f"{covered(pairs):,} lie inside their {percent(level)} interval (bars), and half are off "
        f"by {off} or less."
    )
