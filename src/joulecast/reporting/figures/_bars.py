"""Horizontal bars by model, the largest first, and what is said beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from joulecast.reporting.points import Point, by, middle
from joulecast.reporting.words import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from matplotlib.axes import Axes

    from joulecast.reporting.canvas import Canvas

MOST_MACHINES = 4
MOST_BARS = 16
"""Of a panel, on a desk and on a telephone: the caption counts the others."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One model's amounts by series."""

    model: str
    amounts: Mapping[str, float] = field(default_factory=dict)
    predicted: bool = False
    n: int = 1

    @property
    def total(self) -> float:
        """All series together."""
        return sum(self.amounts.values())


def bars_of(
    points: Sequence[Point], amounts: Callable[[Point], Mapping[str, float | None]]
) -> list[Bar]:
    """A bar per model, medians over its points, the largest first; predicted ones stand apart."""
    bars = []
    for group in by(points, "model", "predicted").values():
        rows = [amounts(p) for p in group]
        names = dict.fromkeys(name for row in rows for name in row)
        known = {name: middle(row.get(name) for row in rows) for name in names}
        found = {name: value for name, value in known.items() if value is not None}
        if found:
            bars.append(Bar(group[0].model, found, group[0].predicted, len(group)))
    return sorted(bars, key=lambda bar: (-bar.total, bar.model))


def ran_first(bars: Sequence[Bar]) -> list[Bar]:
    """The bars that somebody ran, or all where every one is predicted."""
    return [bar for bar in bars if not bar.predicted] or list(bars)


def shown(bars: Sequence[Bar]) -> list[Bar]:
    """The largest bars: those that a panel has room for."""
    return list(bars[:MOST_BARS])


def hidden(panels: Iterable[Sequence[Bar]]) -> tuple[int, str]:
    """How many bars of drawn panels found no room, and what they are."""
    return sum(max(len(bars) - MOST_BARS, 0) for bars in panels), "smaller bar"


def height_in(bars: Sequence[Bar], *, per_bar: float) -> float:
    """Inches of a panel with these bars."""
    return 0.75 + per_bar * max(len(bars), 2)


def side_by_side(drawn: Sequence[Sequence[Bar]], canvas: Canvas, columns: int = 2) -> list[int]:
    """Bars for which each panel needs room, so that those beside each other are alike."""
    wide = 1 if canvas.narrow else columns
    rows = [drawn[i - i % wide : i - i % wide + wide] for i in range(len(drawn))]
    return [max(map(len, row)) for row in rows]


def draw_bars(
    ax: Axes,
    canvas: Canvas,
    bars: Sequence[Bar],
    colours: Mapping[str, str],
    *,
    stacked: bool,
    room: int = 0,
) -> None:
    """Bars of all series, one below the other or one behind the other.

    Parameters
    ----------
    room : bars for which there is to be room at least.
    """
    colours = {n: c for n, c in colours.items() if any(n in bar.amounts for bar in bars)}
    left = [0.0] * len(bars)
    thick = 0.7 if stacked else 0.7 / max(len(colours), 1)
    for k, (name, colour) in enumerate(colours.items()):
        for i, bar in enumerate(bars):
            amount = bar.amounts.get(name)
            if amount is None:
                continue
            place = i if stacked else i + (k - (len(colours) - 1) / 2) * thick
            fill: dict[str, Any] = canvas.fill(colour, hatched=bar.predicted)
            ax.barh(place, amount, thick * 0.94, left=left[i], **fill)
            if stacked:
                left[i] += amount
    alone = len(ax.figure.axes) == 1 and not canvas.narrow
    length = canvas.name_length + 16 * alone
    ax.set_yticks(range(len(bars)), [readable(bar.model, length) for bar in bars])
    ax.set_ylim(max(len(bars), room) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="y", labelcolor=canvas.palette["ink"])
    ax.grid(visible=False, axis="y")
    ax.set_xlim(left=0)


def entries(canvas: Canvas, colours: Mapping[str, str], bars: Sequence[Bar]) -> dict[str, Any]:
    """The legend of `bars`."""
    used = {name for bar in bars for name in bar.amounts}
    found = {name: canvas.patch(c) for name, c in colours.items() if name in used}
    if any(bar.predicted for bar in bars) and not all(bar.predicted for bar in bars):
        found["predicted"] = canvas.patch("muted", hatched=True)
    elif bars and bars[0].predicted:
        found = {f"{n}, predicted": canvas.patch(colours[n], hatched=True) for n in found}
    return found
