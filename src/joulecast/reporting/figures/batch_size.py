"""Energy per sample, power and utilisation against the batch size (the papers' Figure 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import basis_of
from joulecast.reporting.points import by, middle, widest
from joulecast.reporting.words import counted, joules, percent, plain, readable, watts

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

    Curve = dict[float, tuple[float | None, float | None, float | None]]

PLACE = 70
TITLE = "What the batch size does"
_MOST = 6


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    curves = _curves(_points(material))
    return "" if curves else "no network was run at two batch sizes or more with its energy known"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """A line per network, machine and task over the batch size, a panel per figure."""
    points = _points(material)
    scope = widest(points)
    curves = _curves(points)
    kept = dict(list(curves.items())[:_MOST])
    titles = (f"{scope} energy per sample", f"{scope} power", "GPU utilisation")
    known = [
        k for k in range(3) if any(v[k] is not None for c in kept.values() for v in c.values())
    ]
    figure, axes = canvas.panels([titles[k] for k in known], 2.4, columns=3)
    for ax, k in zip(axes, known, strict=True):
        for i, (key, curve) in enumerate(kept.items()):
            spots = [(b, v[k]) for b, v in curve.items() if v[k] is not None]
            if spots:
                x, y = zip(*spots, strict=True)
                style = "--" if key[3] else "-"
                ax.plot(x, y, style, marker="o", color=canvas.palette.series(i))
        _scale(ax, canvas, k, sorted({b for c in kept.values() for b in c}))
    canvas.legend(figure, _legend(canvas, list(kept)))
    rows = [
        (_name(key), plain(b), joules(v[0]), watts(v[1]), percent(v[2]))
        for key, curve in curves.items()
        for b, v in curve.items()
    ]
    head = ("run", "batch", "energy per sample", "power", "utilisation")
    hidden = len(curves) - len(kept)
    rest = f" Not drawn: {counted(hidden, 'more curve')}." if hidden else ""
    alt = f"Lines of {counted(len(kept), 'network')} over the batch size: {', '.join(titles)}"
    return Drawn(figure, _caption(kept) + rest, alt, table(head, rows), basis_of(points))


def _points(material: Material) -> list[Point]:
    known = [p for p in material.of("train", "infer") if p.samples and p.batch_size > 0]
    scope = widest(known)
    return [p for p in known if p.per_sample_j(scope)]


def _curves(points: list[Point]) -> dict[tuple[Any, ...], Curve]:
    """Energy, power and utilisation by batch size; the networks with most sizes first."""
    scope = widest(points)
    curves: dict[tuple[Any, ...], Curve] = {}
    for key, group in by(points, "model", "machine", "task", "predicted").items():
        sizes = by(group, "batch_size")
        if len(sizes) > 1:
            curves[key] = {
                float(b): (  # type: ignore[arg-type]
                    middle(p.per_sample_j(scope) for p in some),
                    middle(p.power_w.get(scope) for p in some),
                    middle(p.util_frac for p in some),
                )
                for (b,), some in sorted(sizes.items(), key=lambda item: item[0][0])  # type: ignore[arg-type, return-value]
            }
    return dict(sorted(curves.items(), key=lambda item: -len(item[1])))


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


def _name(key: tuple[Any, ...]) -> str:
    model, machine, task, predicted = key
    return f"{readable(model, 18)}, {machine}, {task}{', predicted' if predicted else ''}"


def _legend(canvas: Canvas, keys: list[tuple[Any, ...]]) -> dict[str, Any]:
    from matplotlib.lines import Line2D

    one_machine = len({key[1] for key in keys}) == 1
    found = {}
    for i, key in enumerate(keys):
        name = ", ".join([readable(key[0], 14), *([] if one_machine else [key[1]]), key[2]])
        style = "--" if key[3] else "-"
        found[name + (" (predicted)" if key[3] else "")] = Line2D(
            [], [], ls=style, marker="o", color=canvas.palette.series(i)
        )
    return found


def _caption(curves: dict[tuple[Any, ...], Curve]) -> str:
    parts = []
    for key, curve in list(curves.items())[:3]:
        energy = {b: v[0] for b, v in curve.items() if v[0]}
        best = min(energy, key=lambda b: energy[b] or 0.0)
        worst = max(energy, key=lambda b: energy[b] or 0.0)
        saves = 1 - (energy[best] or 0.0) / (energy[worst] or 1.0)
        parts.append(
            f"{_name(key)}: least energy per sample at batch {plain(best)} "
            f"({joules(energy[best])}), {percent(saves)} less than at {plain(worst)}"
        )
    return ". ".join(parts) + "."
