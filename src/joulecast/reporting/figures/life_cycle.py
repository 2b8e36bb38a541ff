"""Energy over a network's life: trying out, training, being used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.estimator.insight.life_cycle import PHASES, life_cycle
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import (
    Bar,
    basis_of,
    draw_bars,
    entries,
    height_in,
    ran_first,
    shown,
)
from joulecast.reporting.points import by, middle, positive, usual_batch, widest
from joulecast.reporting.words import counted, energy, percent, plain, readable

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

PLACE = 130
TITLE = "Energy over the life cycle"
_COLOURS = {"experimentation": "c3", "training": "c1", "inference": "c2"}


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    if _bars(material):
        return ""
    also = "" if material.life.requests is None else ", or none with an inference run beside it"
    return f"no training run with its energy known{also}"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Stacked bars of the three phases, a bar per network and machine."""
    bars = _bars(material)
    drawn = shown(bars, canvas)
    figure, (ax,) = canvas.panels([""], height_in(drawn, per_bar=0.24), columns=1)
    draw_bars(ax, canvas, drawn, _COLOURS, stacked=True)
    canvas.units(ax.xaxis, "Wh")
    canvas.legend(figure, entries(canvas, _COLOURS, drawn))
    rows = [
        (readable(b.model), *(energy(b.amounts.get(p)) for p in PHASES), energy(b.total))
        for b in bars
    ]
    hidden = len(bars) - len(drawn)
    rest = f" Not drawn: {counted(hidden, 'smaller bar')}." if hidden else ""
    alt = f"Stacked bars of the life cycle's energy of {counted(len(drawn), 'network')}"
    caption = _caption(material, bars) + rest
    head = ("network", *PHASES, "together")
    return Drawn(figure, caption, alt, table(head, rows), basis_of(_points(material)))


def _points(material: Material) -> list[Point]:
    known = [p for p in material.of("train", "infer") if p.samples and p.energy_j]
    scope = widest(known)
    return [p for p in known if p.per_sample_j(scope)]


def _bars(material: Material) -> list[Bar]:
    """A bar per network and machine that was trained; inference from runs, or from its share."""
    points = _points(material)
    scope = widest(points)
    machines = {p.machine for p in points}
    bars = []
    for (model, machine, predicted), group in by(points, "model", "machine", "predicted").items():
        train = usual_batch([p for p in group if p.task == "train"])
        infer = usual_batch([p for p in group if p.task == "infer"])
        whole_j = middle(_training_j(p, scope) for p in train)
        if whole_j is None:
            continue
        answer_j = middle(p.per_sample_j(scope) for p in infer)
        if material.life.requests is not None and answer_j is None:
            continue
        phases = life_cycle(
            whole_j, answer_j, shares=material.life.shares, requests=material.life.requests
        )
        name = f"{model} on {machine}" if len(machines) > 1 else str(model)
        bars.append(Bar(name, phases, bool(predicted), len(group)))
    return sorted(bars, key=lambda b: (-b.total, b.model))


def _training_j(point: Point, scope: str) -> float | None:
    """Joules of the training that the run stands for: all samples of all its epochs."""
    w, each_j = point.run.setup.workload, point.per_sample_j(scope)
    return positive(each_j * w.samples * w.epochs) if each_j else None


def _caption(material: Material, bars: list[Bar]) -> str:
    life, top = material.life, ran_first(bars)[0]
    epochs = sorted({p.run.setup.workload.epochs for p in _points(material) if p.task == "train"})
    span = plain(epochs[0]) if len(epochs) == 1 else f"{plain(epochs[0])} to {plain(epochs[-1])}"
    shares = ":".join(plain(s) for s in life.shares)
    if life.requests is None:
        how = f"spread {shares} over experimentation, training and inference as asked"
    else:
        how = (
            f"with {life.requests:,.0f} requests over the life of each; experimentation to "
            f"training as {plain(life.shares[0])}:{plain(life.shares[1])}"
        )
    using = top.amounts.get("inference", 0.0) / top.total
    return (
        f"Trainings of {span} {'epoch' if span == '1' else 'epochs'} as in the runs, {how}. "
        f"{readable(top.model)} needs most: "
        f"{energy(top.total)}, {percent(using)} of it in use."
    )
