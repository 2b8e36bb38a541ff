"""Energy per sample against MACs per parameter, in both phases (the papers' Figure 6)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from joulecast.estimator.serving.metrics import spearman
from joulecast.reporting.canvas import at_least_visible
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import MOST_MACHINES, basis_of
from joulecast.reporting.points import by, middle, usual_batch, widest
from joulecast.reporting.words import counted, joules, plain, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

    Spot = tuple[str, str, str, float, float, bool]

PLACE = 60
TITLE = "Energy against MACs per parameter"
_WORDS = {"train": "training", "infer": "inference"}
_MARKERS = ("o", "s", "^", "D")
_MOST = 400
"""Points of a panel."""


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    models = {p.model for p in _points(material)}
    return "" if len(models) > 1 else "it takes two networks or more whose size and energy is known"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Points on logarithmic axes, a panel per phase, a colour per machine."""
    points = _points(material)
    scope = widest(points)
    machines = [m for m in material.machines if any(p.machine == m for p in points)]
    spots = [s for m in machines for t in _WORDS for s in _spots(points, m, t, scope)]
    phases = [t for t in _WORDS if any(s[1] == t for s in spots)]
    figure, axes = canvas.panels([_WORDS[t] for t in phases], 2.9)
    drawn = machines[:MOST_MACHINES]
    for ax, phase in zip(axes, phases, strict=True):
        own = [s for s in spots if s[1] == phase and s[0] in drawn]
        _draw(ax, canvas, own[:: -(-len(own) // _MOST) or 1], drawn)
    axes[0].set_ylabel(f"{scope} energy per sample")
    canvas.legend(figure, _legend(canvas, spots, drawn))
    for ax, phase in zip(axes, phases, strict=True):
        own = [s for s in spots if s[1] == phase and s[0] in drawn]
        named = [(s[3], s[4], s[2]) for s in own if s[0] == drawn[0]]
        canvas.name_points(ax, named, [(s[3], s[4]) for s in own if s[0] != drawn[0]])
    rows = [
        (m, _WORDS[t], readable(name), plain(x), joules(y), "predicted" if p else "run")
        for m, t, name, x, y, p in sorted(spots, key=lambda s: (machines.index(s[0]), s[1], -s[4]))
    ]
    head = (
        "machine",
        "phase",
        "model",
        "MACs per parameter",
        f"{scope} energy per sample",
        "basis",
    )
    hidden = len(machines) - len(drawn)
    rest = f" Not drawn: {counted(hidden, 'more machine')}." if hidden else ""
    alt = f"Points of {counted(len(spots), 'network')}: MACs per parameter across, energy upwards"
    caption = _caption(spots, scope) + rest
    return Drawn(figure, caption, alt, table(head, rows), basis_of(points))


def _draw(ax: Axes, canvas: Canvas, spots: list[Spot], machines: list[str]) -> None:
    """The points of a phase, hollow where they are predicted."""
    for machine, _, _, x, y, predicted in spots:
        i = machines.index(machine)
        colour = canvas.palette.series(i)
        face = canvas.palette["paper"] if predicted else colour
        ax.plot(x, y, _MARKERS[i], mfc=face, mec=colour, mew=1.1)
    ax.set_xscale("log")
    ax.set_yscale("log")
    at_least_visible(ax.set_xlim, [s[3] for s in spots])
    at_least_visible(ax.set_ylim, [s[4] for s in spots])
    canvas.units(ax.xaxis, "", log=True)
    canvas.units(ax.yaxis, "J", log=True)
    ax.set_xlabel("MACs per parameter")


def _legend(canvas: Canvas, spots: list[Spot], machines: list[str]) -> dict[str, Any]:
    found = {}
    for i, machine in enumerate(machines):
        hollow = all(s[5] for s in spots if s[0] == machine)
        name = f"{machine}, predicted" if hollow else machine
        found[name] = canvas.dot(f"c{i + 1}", hollow=hollow, marker=_MARKERS[i])
    if len({s[5] for s in spots}) > 1:
        found["hollow: predicted"] = canvas.dot("muted", hollow=True)
    return found


def _points(material: Material) -> list[Point]:
    known = [p for p in material.of("train", "infer") if p.macs_param and p.samples and p.energy_j]
    scope = widest(known)
    return [p for p in known if p.per_sample_j(scope)]


def _spots(points: list[Point], machine: str, task: str, scope: str) -> list[Spot]:
    """A spot per network: machine, task, name, MACs per parameter, joules, predicted."""
    own = usual_batch([p for p in points if p.machine == machine and p.task == task])
    spots = []
    for group in by(own, "model", "predicted").values():
        x, y = group[0].macs_param, middle(p.per_sample_j(scope) for p in group)
        if x and y:
            spots.append((machine, task, group[0].model, x, y, group[0].predicted))
    return spots


def _caption(spots: list[Spot], scope: str) -> str:
    import numpy as np

    parts = [f"Energy ({scope}) per sample of each network against its MACs per parameter"]
    for machine, task in dict.fromkeys((s[0], s[1]) for s in spots):
        own = [s for s in spots if (s[0], s[1]) == (machine, task)]
        own = [s for s in own if not s[5]] or own
        rho = (
            spearman(np.array([s[3] for s in own]), np.array([s[4] for s in own]))
            if len(own) > 3
            else None
        )
        if rho is not None and math.isfinite(rho) and len(parts) < 5:
            parts.append(
                f"{_WORDS[task].capitalize()} on {machine}: rank correlation {rho:+.2f} over "
                f"{counted(len(own), 'network')}"
            )
    if len(parts) == 1:
        parts.append("Too few networks for a rank correlation")
    elif any("+" in p for p in parts):
        parts.append("The papers found about +0.9 on their machines")
    return ". ".join(parts) + "."
