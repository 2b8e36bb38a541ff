"""How long answers are, by model (the papers' Figure 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.reporting.figures import Drawn, table
from joulecast.reporting.figures._said import basis_of, not_drawn
from joulecast.reporting.points import by
from joulecast.reporting.words import counted, readable

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

PLACE = 110
TITLE = "Length of answers"
_MOST = 8
_BINS = 24


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    return "" if _points(material) else "no burst was measured that counted its output tokens"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """Histogram of output tokens per request, every burst with its mean, weighted by requests."""
    import numpy as np

    points = _points(material)
    groups = {str(k[0]): g for k, g in by(points, "model").items()}
    kept = dict(sorted(groups.items(), key=lambda item: -len(item[1]))[:_MOST])
    figure, (ax,) = canvas.panels([""], 2.6, columns=1)
    every = [_tokens(p) for g in kept.values() for p in g]
    least, most = min(every), max(every)
    edges = np.linspace(0.8 * least if least > 0.4 * most else 0.0, 1.1 * most, _BINS + 1)
    under = np.zeros(_BINS)
    legend = {}
    for i, (model, group) in enumerate(kept.items()):
        weights = [_requests(p) for p in group]
        count, _ = np.histogram([_tokens(p) for p in group], edges, weights=weights)
        colour = f"c{i + 1}"
        fill = canvas.fill(colour, hatched=False)
        ax.bar(edges[:-1], count, 0.94 * np.diff(edges), under, align="edge", **fill)
        under += count
        legend[readable(model, 26)] = canvas.patch(colour)
    ax.set_xlabel("output tokens per request, mean of a burst")
    ax.set_ylabel("requests")
    ax.set_ylim(0, 1.06 * max(float(under.max()), 1.0))
    canvas.units(ax.yaxis, "")
    canvas.legend(figure, legend)
    head = ("model", "bursts", "requests", "tokens, mean", "range over bursts")
    numbers = table(head, list(groups.items()), _row)
    caption = _caption(kept) + not_drawn((len(groups) - len(kept), "more model"))
    alt = f"Histogram of the output tokens per request of {counted(len(kept), 'model')}"
    return Drawn(figure, caption, alt, numbers, basis_of(points, timed=True))


def _row(entry: tuple[str, list[Point]]) -> tuple[str, ...]:
    model, group = entry
    tokens, requests = [_tokens(p) for p in group], sum(map(_requests, group))
    span = f"{min(tokens):,.0f} to {max(tokens):,.0f}"
    return (readable(model), f"{len(group):,}", f"{requests:,.0f}", f"{_mean(group):,.0f}", span)


def _caption(kept: dict[str, list[Point]]) -> str:
    longest = max(kept, key=lambda m: _mean(kept[m]))
    shortest = min(kept, key=lambda m: _mean(kept[m]))
    caption = f"{readable(longest)} answers with {_mean(kept[longest]):,.0f} tokens on average"
    if longest != shortest:
        caption += f", {readable(shortest)} with {_mean(kept[shortest]):,.0f}"
    return f"{caption}. Records keep each burst's mean: the spread within a burst is not seen."


def _points(material: Material) -> list[Point]:
    served = [p for p in material.of("serve") if not p.predicted]
    return [p for p in served if p.burst and p.burst.output_tokens and p.output_tokens]


def _tokens(point: Point) -> float:
    return point.output_tokens or 0.0


def _requests(point: Point) -> float:
    return float(point.burst.completed) if point.burst else 1.0


def _mean(points: list[Point]) -> float:
    return sum(_tokens(p) * _requests(p) for p in points) / sum(map(_requests, points))
