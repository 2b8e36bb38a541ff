"""Energy per sample, power and utilisation against the batch size (the papers' Figure 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._curves import curves_of, names_of
from joulecast.reporting.figures._said import basis_of, left_out, not_drawn
from joulecast.reporting.points import in_widest, middle
from joulecast.reporting.words import counted, joules, percent, plain, watts

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.figures._curves import Curve
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Chosen, Point

PLACE = 70
TITLE = "What the batch size does"
_MOST = 6


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    found = _curves(_chosen(material))
    return "" if found else "no network was run at two batch sizes or more with its energy known"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """A line per network, machine, task and set-up over the batch size, a panel per figure."""
    from matplotlib.lines import Line2D

    chosen = _chosen(material)
    scope = chosen.scope
    curves = _curves(chosen)
    kept = curves[:_MOST]
    titles = (f"{scope} energy per sample", f"{scope} power", "GPU utilisation")
    panels = [_amounts(kept, k, scope) for k in range(3)]
    known = [k for k in range(3) if any(panels[k])]
    figure, axes = canvas.panels([titles[k] for k in known], 2.4, columns=3)
    for ax, k in zip(axes, known, strict=True):
        for i, (curve, spots) in enumerate(zip(kept, panels[k], strict=True)):
            colour = canvas.palette.series(i)
            ax.plot(list(spots), list(spots.values()), curve.style, marker="o", color=colour)
        _scale(ax, canvas, k, sorted({b for curve in kept for b in curve.at}))
    names = names_of(kept)
    legend = {
        name: Line2D([], [], ls=c.style, marker="o", color=canvas.palette.series(i))
        for i, (name, c) in enumerate(zip(names, kept, strict=True))
    }
    canvas.legend(figure, legend)
    named = zip(names_of(curves), curves, strict=True)
    rows = [(name, batch, some) for name, c in named for batch, some in c.at.items()]
    head = ("run", "batch", "energy per sample", "power", "utilisation")
    numbers = table(head, rows, lambda row: (row[0], plain(row[1]), *_told(row[2], scope)))
    told = dict(zip(names, panels[0], strict=True))
    rest = left_out(chosen) + not_drawn((len(curves) - len(kept), "more curve"))
    alt = f"Lines of {counted(len(kept), 'network')} over the batch size: {', '.join(titles)}"
    shown = [p for c in curves for some in c.at.values() for p in some]
    return Drawn(figure, _caption(told) + rest, alt, numbers, basis_of(shown))


def _chosen(material: Material) -> Chosen:
    """Runs that have others at another batch size beside them."""
    known = [p for p in material.of("train", "infer") if p.samples and p.batch_size > 0]
    curves = [c for c in curves_of(known, "batch_size") if len(c.at) > 1]
    return in_widest(p for c in curves for some in c.at.values() for p in some)


def _curves(chosen: Chosen) -> list[Curve]:
    return [c for c in curves_of(chosen.points, "batch_size") if len(c.at) > 1]


def _amount(points: list[Point], k: int, scope: str) -> float | None:
    """Joules per sample, watts, or utilisation; medians."""
    if k == 2:
        return middle(p.util_frac for p in points)
    return middle(p.power_w.get(scope) if k else p.per_sample_j(scope) for p in points)


def _amounts(curves: list[Curve], k: int, scope: str) -> list[dict[float, float]]:
    """What each curve knows, by batch size."""
    found = [{b: _amount(some, k, scope) for b, some in c.at.items()} for c in curves]
    return [{b: v for b, v in spots.items() if v is not None} for spots in found]


def _told(points: list[Point], scope: str) -> tuple[str, str, str]:
    each_j, power_w, util_frac = (_amount(points, k, scope) for k in range(3))
    return joules(each_j), watts(power_w), percent(util_frac)


def _scale(ax: Any, canvas: Canvas, k: int, sizes: list[float]) -> None:  # noqa: ANN401
    """Batch sizes in powers of two across, the figure's own unit upwards, from 0."""
    from matplotlib.ticker import NullLocator, PercentFormatter

    ax.set_xscale("log", base=2)
    every = -(-len(sizes) // 6)
    ticks = sizes[::every]
    ax.set_xticks(ticks, [plain(b) for b in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("batch size")
    ax.set_ylim(bottom=0)
    if k == 2:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        ax.set_ylim(0, 1.02)
    else:
        canvas.units(ax.yaxis, "J" if k == 0 else "W")


def _caption(curves: dict[str, dict[float, float]]) -> str:
    parts = []
    for name, energy_j in list(curves.items())[:3]:
        best, worst = (
            min(energy_j, key=energy_j.__getitem__),
            max(energy_j, key=energy_j.__getitem__),
        )
        parts.append(
            f"{name}: least energy per sample at batch {plain(best)} ({joules(energy_j[best])}), "
            f"{percent(1 - energy_j[best] / energy_j[worst])} less than at {plain(worst)}"
        )
    return ". ".join(parts) + "."
