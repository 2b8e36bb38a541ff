"""Utilisation against power, the bubble as large as the memory in use (the papers' Figure 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.estimator.serving.metrics import spearman
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import MOST_MACHINES
from joulecast.reporting.figures._said import basis_of, not_drawn, thinned
from joulecast.reporting.points import by, positive
from joulecast.reporting.words import counted, gigabytes, percent, readable, watts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from joulecast.core.insight import Knee
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

PLACE = 40
TITLE = "GPU utilisation, power and memory"
_COLOURS = {"train": "c1", "infer": "c2", "serve": "c4"}
_MOST = 400
"""Bubbles of a panel."""


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    return "" if _points(material) else "no run knows both the utilisation and the power of a GPU"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Bubbles, a panel per machine; a line at the knee where power stops rising."""
    points = _points(material)
    machines = [m for m in material.machines if any(p.machine == m for p in points)]
    knees = {k.machine: k for k in material.analysis.knees} if material.analysis else {}
    panels = machines[:MOST_MACHINES]
    figure, axes = canvas.panels(panels, 2.5)
    largest = max((p.mem_used_bytes or 0.0 for p in points), default=0.0) or 1.0
    unseen = 0
    for ax, machine in zip(axes, panels, strict=True):
        own = [p for p in points if p.machine == machine]
        some = thinned(own, _MOST)
        unseen += len(own) - len(some)
        _draw(ax, canvas, some, largest)
        _knee(ax, canvas, knees.get(machine))
    legend: dict[str, Any] = {
        t: canvas.dot(c, hollow=all(p.predicted for p in points if p.task == t))
        for t, c in _COLOURS.items()
        if any(p.task == t for p in points)
    }
    if len({p.predicted for p in points}) > 1:
        legend["hollow: predicted"] = canvas.dot("muted", hollow=True)
    canvas.legend(figure, legend)
    head = ("machine", "model", "task", "utilisation", "GPU power", "memory", "basis")
    numbers = table(head, sorted(points, key=lambda p: -p.power_w["gpu"]), _row)
    rest = not_drawn((len(machines) - len(panels), "more machine"), (unseen, "more run"))
    caption = _caption(points, machines[0], knees.get(machines[0])) + rest
    alt = f"Bubbles of {counted(len(points), 'run')}: GPU utilisation across, power upwards"
    return Drawn(figure, caption, alt, numbers, basis_of(points))


def _row(p: Point) -> tuple[str, ...]:
    return (
        p.machine,
        readable(p.model),
        p.task,
        percent(p.util_frac),
        watts(p.power_w["gpu"]),
        gigabytes(p.mem_used_bytes),
        p.basis,
    )


def _points(material: Material) -> list[Point]:
    known = material.of("train", "infer", "serve")
    return [p for p in known if p.util_frac is not None and "gpu" in p.power_w]


def _draw(ax: Axes, canvas: Canvas, points: Sequence[Point], largest: float) -> None:
    for (task, predicted), some in by(points, "task", "predicted").items():
        colour = canvas.palette[_COLOURS[str(task)]]
        ax.scatter(
            [100 * (p.util_frac or 0.0) for p in some],
            [p.power_w["gpu"] for p in some],
            s=[18 + 260 * (p.mem_used_bytes or 0.0) / largest for p in some],
            facecolors="none" if predicted else colour,
            edgecolors=colour,
            alpha=0.65,
            linewidths=1.1,
        )
    ax.set_xlim(-2, 106)
    ax.set_ylim(0, 1.15 * max(p.power_w["gpu"] for p in points))
    canvas.units(ax.yaxis, "W")
    ax.set_xlabel("GPU utilisation, %")


def _knee(ax: Axes, canvas: Canvas, knee: Knee | None) -> None:
    util = positive(knee.knee_util_frac) if knee else None
    if not util:
        return
    ax.axvline(100 * util, color=canvas.palette["ink"], lw=1, ls=(0, (3, 3)))
    ax.annotate(
        f"knee {100 * util:.0f} %",
        (100 * util, 1.0),
        (-4, -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right",
        va="top",
        color=canvas.palette["ink"],
        fontsize=8,
    )


def _caption(points: list[Point], machine: str, knee: Knee | None) -> str:
    import numpy as np

    own = [p for p in points if p.machine == machine]
    util = np.array([p.util_frac or 0.0 for p in own])
    power_w = np.array([p.power_w["gpu"] for p in own])
    rho = spearman(util, power_w) if len(own) > 2 else None
    largest = max((p.mem_used_bytes or 0.0 for p in points), default=0.0)
    size = f"the bubble as large as the memory in use (largest {gigabytes(largest)})"
    if any(p.mem_used_bytes is None for p in points):
        size = f"{size}, smallest where it is not known" if largest else "memory in use not known"
    text = f"{counted(len(own), 'run')} on {machine}, {size}"
    if rho is not None:
        text += f"; Spearman's rank correlation of utilisation and power is {rho:+.2f}"
    if knee and positive(knee.knee_util_frac) and positive(knee.knee_power_w):
        text += (
            f". Power rises up to {percent(knee.knee_util_frac)} utilisation "
            f"({watts(knee.knee_power_w)} a GPU) and hardly beyond"
        )
    elif knee and knee.reason:
        text += f". No saturation knee: {readable(knee.reason).removeprefix('no knee: ')}"
    return text + "."
