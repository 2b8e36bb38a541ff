"""Curves of model servers over the request rate: energy per request, per output token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.reporting.canvas import at_least_visible
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._bars import basis_of
from joulecast.reporting.points import by, middle, widest
from joulecast.reporting.words import counted, joules, percent, plain, readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

    Amount = Callable[[Point, str], float | None]
    Curves = dict[tuple[Any, ...], dict[float, float]]

_MOST = 8
_MARKERS = "osD^vPX*"


def points_of(material: Material, amount: Amount) -> list[Point]:
    """Bursts with a rate whose amount is known."""
    known = [p for p in material.of("serve") if p.rate_rps and p.energy_j]
    scope = widest(known)
    return [p for p in known if amount(p, scope)]


def rates(material: Material, canvas: Canvas, amount: Amount, per: str) -> Drawn:
    """A line per server over its request rate.

    Parameters
    ----------
    amount : joules of a point in a scope. per : of what, in words.
    """
    points = points_of(material, amount)
    scope = widest(points)
    curves = _curves(points, amount, scope)
    kept = dict(list(curves.items())[:_MOST])
    figure, (ax,) = canvas.panels([""], 3.1, columns=1)
    legend = _lines(ax, canvas, kept)
    ax.set_xscale("log")
    ax.set_yscale("log")
    at_least_visible(ax.set_xlim, [r for c in kept.values() for r in c])
    at_least_visible(ax.set_ylim, [v for c in kept.values() for v in c.values()])
    canvas.units(ax.xaxis, "", log=True)
    canvas.units(ax.yaxis, "J", log=True)
    ax.set_xlabel("requests per second")
    ax.set_ylabel(f"{scope} energy per {per}")
    canvas.legend(figure, legend)
    rows = [
        (_name(key, curves), plain(rate), joules(value), "predicted" if key[2] else "run")
        for key, curve in curves.items()
        for rate, value in curve.items()
    ]
    head = ("server", "requests per second", f"{scope} energy per {per}", "basis")
    hidden = len(curves) - len(kept)
    rest = f" Not drawn: {counted(hidden, 'more server')}." if hidden else ""
    alt = f"Lines of {counted(len(kept), 'server')}: requests per second across, energy upwards"
    caption = _caption(curves, per, scope) + rest
    return Drawn(figure, caption, alt, table(head, rows), basis_of(points))


def _lines(ax: Axes, canvas: Canvas, curves: Curves) -> dict[str, Any]:
    """Draws a line per server, dashed where predicted; their entries in the legend."""
    legend: dict[str, Any] = {}
    for i, (key, curve) in enumerate(curves.items()):
        colour, predicted = canvas.palette.series(i), key[2]
        face = canvas.palette["paper"] if predicted else colour
        (line,) = ax.plot(
            list(curve),
            list(curve.values()),
            "--" if predicted else "-",
            marker=_MARKERS[i],
            color=colour,
            mfc=face,
            label="",
        )
        legend[_name(key, curves)] = line
    return legend


def _curves(points: list[Point], amount: Amount, scope: str) -> Curves:
    """Joules by rate of each server, those with most rates first."""
    curves: Curves = {}
    for key, group in by(points, "model", "machine", "predicted").items():
        known = {
            float(rate): middle(amount(p, scope) for p in some)  # type: ignore[arg-type]
            for (rate,), some in by(group, "rate_rps").items()
        }
        curves[key] = {rate: v for rate, v in sorted(known.items()) if v is not None}
    return dict(sorted(curves.items(), key=lambda item: -len(item[1])))


def _name(key: tuple[Any, ...], among: Curves) -> str:
    model, machine, predicted = key
    place = f" on {machine}" if len({k[1] for k in among}) > 1 else ""
    return f"{readable(model, 22)}{place}{' (predicted)' if predicted else ''}"


def _caption(curves: Curves, per: str, scope: str) -> str:
    parts = [f"Energy ({scope}) per {per} against the rate of requests"]
    for key, curve in list(curves.items())[:3]:
        first, best = min(curve), min(curve, key=curve.__getitem__)
        if best == first:
            parts.append(
                f"{_name(key, curves)}: {joules(curve[first])} at {plain(first)} per second"
            )
        else:
            parts.append(
                f"{_name(key, curves)}: {joules(curve[first])} at {plain(first)} per second, "
                f"least at {plain(best)} ({joules(curve[best])}, "
                f"{percent(1 - curve[best] / curve[first])} less)"
            )
    return ". ".join(parts) + "."
