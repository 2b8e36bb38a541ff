"""Curves of model servers over the request rate: energy per request, per output token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.reporting.canvas import at_least_visible
from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._curves import curves_of, names_of
from joulecast.reporting.figures._said import basis_of, left_out, not_drawn
from joulecast.reporting.points import Point, in_widest, middle
from joulecast.reporting.words import counted, joules, percent, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes

    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.figures._curves import Curve
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Chosen

    Amount = Callable[[Point, str], float | None]

_MOST = 8
_MARKERS = "osD^vPX*"


def bursts(material: Material, amount: Amount = Point.per_sample_j) -> Chosen:
    """Bursts with a rate whose amount is known, in one scope."""
    return in_widest((p for p in material.of("serve") if p.rate_rps), amount)


def rates(material: Material, canvas: Canvas, amount: Amount, per: str) -> Drawn:
    """A line per server over its request rate.

    Parameters
    ----------
    amount : joules of a point in a scope. per : of what, in words.
    """
    chosen = bursts(material, amount)
    curves = curves_of(chosen.points, "rate_rps")
    joules_at = [
        {r: v for r, some in c.at.items() if (v := middle(amount(p, chosen.scope) for p in some))}
        for c in curves
    ]
    kept = list(zip(names_of(curves[:_MOST]), curves, joules_at, strict=False))
    figure, (ax,) = canvas.panels([""], 3.1, columns=1)
    canvas.legend(figure, _draw(ax, canvas, kept))
    ax.set_ylabel(f"{chosen.scope} energy per {per}")
    rows = [
        (name, plain(rate), joules(value), "predicted" if curve.predicted else "run")
        for name, curve, spots in zip(names_of(curves), curves, joules_at, strict=True)
        for rate, value in spots.items()
    ]
    head = ("server", "requests per second", f"{chosen.scope} energy per {per}", "basis")
    alt = f"Lines of {counted(len(kept), 'server')}: requests per second across, energy upwards"
    caption = f"Energy ({chosen.scope}) per {per} against the rate of requests. "
    caption += " ".join(_said(name, spots) for name, _, spots in kept[:3])
    caption += left_out(chosen) + not_drawn((len(curves) - len(kept), "more server"))
    return Drawn(figure, caption, alt, table(head, rows), basis_of(chosen.points))


def _draw(
    ax: Axes, canvas: Canvas, kept: Sequence[tuple[str, Curve, Mapping[float, float]]]
) -> dict[str, Any]:
    """Draws a line per server, hollow and dashed where predicted; their entries in the legend."""
    legend: dict[str, Any] = {}
    for i, (name, curve, spots) in enumerate(kept):
        colour = canvas.palette.series(i)
        face = canvas.palette["paper"] if curve.predicted else colour
        look: dict[str, Any] = {"marker": _MARKERS[i], "color": colour, "mfc": face}
        (legend[name],) = ax.plot(list(spots), list(spots.values()), curve.style, **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    at_least_visible(ax.set_xlim, [rate for *_, spots in kept for rate in spots])
    at_least_visible(ax.set_ylim, [value for *_, spots in kept for value in spots.values()])
    canvas.units(ax.xaxis, "", log=True)
    canvas.units(ax.yaxis, "J", log=True)
    ax.set_xlabel("requests per second")
    return legend


def _said(name: str, joules_at: Mapping[float, float]) -> str:
    """A sentence about one curve: at its lowest rate, and where it is least."""
    first, best = min(joules_at), min(joules_at, key=joules_at.__getitem__)
    text = f"{name}: {joules(joules_at[first])} at {plain(first)} per second"
    if best != first:
        less = percent(1 - joules_at[best] / joules_at[first])
        text += f", least at {plain(best)} ({joules(joules_at[best])}, {less} less)"
    return f"{text}."
