"""Energy per sample against MACs per parameter, in both phases (the papers' Figure 6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joulecast.estimator.serving.metrics import spearman
from joulecast.reporting.canvas import at_least_visible
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import MOST_MACHINES
from joulecast.reporting.figures._said import (
    at_usual_batch,
    basis_of,
    left_out,
    not_drawn,
    thinned,
)
from joulecast.reporting.labels import name_points
from joulecast.reporting.points import by, in_widest, middle, usual_batch
from joulecast.reporting.words import counted, joules, plain, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Chosen, Point


PLACE = 60
TITLE = "Energy against MACs per parameter"
_WORDS = {"train": "training", "infer": "inference"}
_MARKERS = ("o", "s", "^", "D")
_MOST = 400
"""Points of a panel."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A network on a machine in a phase: joules per sample, median over its runs."""

    machine: str
    task: str
    model: str
    macs_param: float
    energy_j: float
    predicted: bool


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    models = {p.model for p in _chosen(material).points}
    return "" if len(models) > 1 else "it takes two networks or more whose size and energy is known"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Points on logarithmic axes, a panel per phase, a colour per machine."""
    chosen = _chosen(material)
    points, scope = chosen.points, chosen.scope
    machines = [m for m in material.machines if any(p.machine == m for p in points)]
    spots = [s for m in machines for t in _WORDS for s in _spots(points, m, t, scope)]
    phases = [t for t in _WORDS if any(s.task == t for s in spots)]
    figure, axes = canvas.panels([_WORDS[t] for t in phases], 2.9)
    drawn = machines[:MOST_MACHINES]
    unseen = 0
    for ax, phase in zip(axes, phases, strict=True):
        own = [s for s in spots if s.task == phase and s.machine in drawn]
        some = thinned(own, _MOST)
        unseen += len(own) - len(some)
        _draw(ax, canvas, some, drawn)
    axes[0].set_ylabel(f"{scope} energy per sample")
    canvas.legend(figure, _legend(canvas, spots, drawn))
    for ax, phase in zip(axes, phases, strict=True):
        _name(ax, canvas, [s for s in spots if s.task == phase and s.machine in drawn], drawn[0])
    energy = f"{scope} energy per sample"
    head = ("machine", "phase", "model", "MACs per parameter", energy, "basis")
    place = {machine: i for i, machine in enumerate(machines)}
    numbers = table(
        head, sorted(spots, key=lambda s: (place[s.machine], s.task, -s.energy_j)), _row
    )
    rest = not_drawn((len(machines) - len(drawn), "more machine"), (unseen, "more point"))
    alt = f"Points of {counted(len(spots), 'network')}: MACs per parameter across, energy upwards"
    caption = _caption(spots, scope) + at_usual_batch(points) + left_out(chosen) + rest
    return Drawn(figure, caption, alt, numbers, basis_of(points))


def _row(s: Spot) -> tuple[str, ...]:
    basis = "predicted" if s.predicted else "run"
    name, phase = readable(s.model), _WORDS[s.task]
    return (s.machine, phase, name, plain(s.macs_param), joules(s.energy_j), basis)


def _draw(ax: Axes, canvas: Canvas, spots: Sequence[Spot], machines: list[str]) -> None:
    """The points of a phase, hollow where they are predicted."""
    for (machine, predicted), own in by(spots, "machine", "predicted").items():
        i = machines.index(str(machine))
        colour = canvas.palette.series(i)
        face = canvas.palette["paper"] if predicted else colour
        x, y = [s.macs_param for s in own], [s.energy_j for s in own]
        ax.plot(x, y, _MARKERS[i], mfc=face, mec=colour, mew=1.1)
    ax.set_xscale("log")
    ax.set_yscale("log")
    at_least_visible(ax.set_xlim, [s.macs_param for s in spots])
    at_least_visible(ax.set_ylim, [s.energy_j for s in spots])
    canvas.units(ax.xaxis, "", log=True)
    canvas.units(ax.yaxis, "J", log=True)
    ax.set_xlabel("MACs per parameter")


def _name(ax: Axes, canvas: Canvas, spots: list[Spot], machine: str) -> None:
    """Names the points of one machine, each network once."""
    own = {s.model: s for s in sorted(spots, key=lambda s: not s.predicted) if s.machine == machine}
    others = [(s.macs_param, s.energy_j) for s in spots if own.get(s.model) is not s]
    name_points(ax, canvas, [(s.macs_param, s.energy_j, s.model) for s in own.values()], others)


def _legend(canvas: Canvas, spots: list[Spot], machines: list[str]) -> dict[str, Any]:
    found = {}
    for i, machine in enumerate(machines):
        hollow = all(s.predicted for s in spots if s.machine == machine)
        name = f"{machine}, predicted" if hollow else machine
        found[name] = canvas.dot(f"c{i + 1}", hollow=hollow, marker=_MARKERS[i])
    if len({s.predicted for s in spots}) > 1:
        found["hollow: predicted"] = canvas.dot("muted", hollow=True)
    return found


def _chosen(material: Material) -> Chosen:
    return in_widest(p for p in material.of("train", "infer") if p.macs_param and p.samples)


def _spots(points: list[Point], machine: str, task: str, scope: str) -> list[Spot]:
    own = usual_batch([p for p in points if p.machine == machine and p.task == task])
    spots = []
    for group in by(own, "model", "predicted").values():
        first = group[0]
        x, y = first.macs_param, middle(p.per_sample_j(scope) for p in group)
        if x and y:
            spots.append(Spot(machine, task, first.model, x, y, first.predicted))
    return spots


def _caption(spots: list[Spot], scope: str) -> str:
    import numpy as np

    parts = [f"Energy ({scope}) per sample of each network against its MACs per parameter"]
    found: list[float] = []
    for (machine, task), some in by(spots, "machine", "task").items():
        own = [s for s in some if not s.predicted] or some
        rho = (
            spearman(np.array([s.macs_param for s in own]), np.array([s.energy_j for s in own]))
            if len(own) > 3
            else None
        )
        if rho is not None and math.isfinite(rho) and len(found) < 4:
            found.append(rho)
            parts.append(
                f"{_WORDS[str(task)].capitalize()} on {machine}: rank correlation {rho:+.2f} over "
                f"{counted(len(own), 'network')}"
            )
    if not found:
        parts.append("Too few networks for a rank correlation")
    elif max(found) > 0:
        parts.append("The papers found about +0.9 on their machines")
    return ". ".join(parts) + "."
