"""Energy over a network's life: trying out, training, being used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.estimator.insight.life_cycle import PHASES, life_cycle
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import (
    Bar,
    draw_bars,
    entries,
    height_in,
    hidden,
    ran_first,
    shown,
)
from joulecast.reporting.figures._said import at_usual_batch, basis_of, left_out, not_drawn
from joulecast.reporting.points import by, in_widest, middle, positive, usual_batch
from joulecast.reporting.words import counted, energy, percent, plain, readable

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Chosen, Point

PLACE = 130
TITLE = "Energy over the life cycle"
_COLOURS = {"experimentation": "c3", "training": "c1", "inference": "c2"}


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    found, idle = _bars(material, _chosen(material))
    if found:
        return ""
    return f"no training run with its energy known{_without_inference(idle).rstrip('.')}"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Stacked bars of the three phases, a bar per network and machine."""
    chosen = _chosen(material)
    bars, idle = _bars(material, chosen)
    drawn = shown(bars)
    figure, (ax,) = canvas.panels([""], height_in(drawn, per_bar=0.24), columns=1)
    draw_bars(ax, canvas, drawn, _COLOURS, stacked=True)
    canvas.units(ax.xaxis, "Wh")
    canvas.legend(figure, entries(canvas, _COLOURS, drawn))
    numbers = table(("network", *PHASES, "together"), bars, _row)
    alt = f"Stacked bars of the life cycle's energy of {counted(len(drawn), 'network')}"
    caption = _caption(material, bars, chosen) + at_usual_batch(chosen.points) + left_out(chosen)
    caption += f"{_without_inference(idle)}{not_drawn(hidden([bars]))}"
    return Drawn(figure, caption, alt, numbers, basis_of(chosen.points))


def _row(bar: Bar) -> tuple[str, ...]:
    phases = (energy(bar.amounts.get(p)) for p in PHASES)
    return (readable(bar.model), *phases, energy(bar.total))


def _chosen(material: Material) -> Chosen:
    return in_widest(p for p in material.of("train", "infer") if p.samples)


def _bars(material: Material, chosen: Chosen) -> tuple[list[Bar], int]:
    """A bar per network and machine that was trained; and how many have no inference run.

    Inference is from its share, or from the requests and the energy of one.
    """
    life, scope = material.life, chosen.scope
    trained = by((p for p in chosen.points if p.task == "train"), "machine")
    bars, idle = [], 0
    groups = by(chosen.points, "model", "machine", "predicted")
    for (model, machine, predicted), group in groups.items():
        train = usual_batch([p for p in group if p.task == "train"])
        infer = usual_batch([p for p in group if p.task == "infer"])
        whole_j = middle(_training_j(p, scope) for p in train)
        answer_j = middle(p.per_sample_j(scope) for p in infer)
        if whole_j is None:
            continue
        if life.requests is not None and answer_j is None:
            idle += 1
            continue
        phases = life_cycle(whole_j, answer_j, shares=life.shares, requests=life.requests)
        name = f"{model} on {machine}" if len(trained) > 1 else str(model)
        bars.append(Bar(name, phases, bool(predicted), len(group)))
    return sorted(bars, key=lambda b: (-b.total, b.model)), idle


def _without_inference(count: int) -> str:
    """A sentence on trained networks that the expected requests could not be reckoned for."""
    if not count:
        return ""
    return (
        f" {counted(count, 'network')} left out: trained, but without an inference run beside it."
    )


def _training_j(point: Point, scope: str) -> float | None:
    """Joules of the training that the run stands for: all samples of all its epochs."""
    w, each_j = point.run.setup.workload, point.per_sample_j(scope)
    return positive(each_j * w.samples * w.epochs) if each_j else None


def _caption(material: Material, bars: list[Bar], chosen: Chosen) -> str:
    life, top = material.life, ran_first(bars)[0]
    epochs = sorted({p.run.setup.workload.epochs for p in chosen.points if p.task == "train"})
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
