"""What every figure is drawn on: sizes, type, quiet axes with units, legends, labels that fit."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import MissingExtra
from joulecast.core.units import S_PER_H, S_PER_MIN, format_si
from joulecast.reporting.words import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from joulecast.reporting.palette import Palette

WIDE_IN, NARROW_IN = 8.4, 3.7
"""Inches of a figure on a desk and on a telephone."""
_FONT = 9.0
_LABELS = 16
"""Points up to which each is named beside it."""


_SHAPES = {
    "font.family": "DejaVu Sans",
    "font.size": _FONT,
    "text.parse_math": False,
    "axes.labelsize": 8.5,
    "axes.titlesize": _FONT,
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.2,
    "legend.borderpad": 0.0,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "joulecast",
}
"""Settings of matplotlib that are no colours."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A width and the colours to draw in."""

    width_in: float
    palette: Palette

    @property
    def narrow(self) -> bool:
        """Whether this is a telephone's."""
        return self.width_in < 5

    @property
    def name_length(self) -> int:
        """Letters of a name that fit beside a bar."""
        return 20 if self.narrow else 28

    def panels(
        self,
        titles: Sequence[str],
        height_in: float | Sequence[float],
        *,
        columns: int = 2,
        sharex: bool = False,
    ) -> tuple[Figure, list[Axes]]:
        """A figure with one panel per title, below each other where it is narrow.

        Parameters
        ----------
        height_in : of each row of panels, or of each panel where every one has a row.
        """
        from matplotlib.figure import Figure

        columns = 1 if self.narrow else min(columns, len(titles))
        rows = -(-len(titles) // columns)
        heights = [height_in] * rows if isinstance(height_in, int | float) else list(height_in)
        if len(heights) != rows:
            heights = [max(heights[i : i + columns]) for i in range(0, len(heights), columns)]
        figure = Figure(figsize=(self.width_in, sum(heights) + 0.3), layout="constrained")
        grid = figure.subplots(
            rows, columns, squeeze=False, sharex=sharex, height_ratios=heights
        ).flat
        axes: list[Axes] = list(grid)
        for ax, title in zip(axes, titles, strict=False):
            ax.set_title(readable(title, 34 if self.narrow else 44), loc="left")
        for ax in axes[len(titles) :]:
            ax.remove()
        return figure, axes[: len(titles)]

    def units(self, axis: Any, unit: str, *, log: bool = False) -> None:  # noqa: ANN401
        """Ticks of `axis`, whose limits stand, with their unit: prefixes, or minutes and kWh.

        Parameters
        ----------
        unit : ``J``, ``W``, ``s``, ...; ``Wh`` for joules shown as watt-hours.
        """
        from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

        low, high = sorted(axis.get_view_interval())
        if log and low > 0 and high / low > 4:
            ticks = _decades(low, high, 5 if self.narrow else 6)
            scale, told = 1.0, unit
        else:
            scale, told = _scale(unit, max(abs(low), abs(high)))
            locator = MaxNLocator(4 if self.narrow else 5, steps=[1, 2, 2.5, 5, 10])
            some = locator.tick_values(low / scale, high / scale)
            ticks = [float(t) * scale for t in some]
        axis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda v, _: format_si(v / scale, told)))

    def legend(self, figure: Figure, entries: Mapping[str, Any]) -> None:
        """A line of entries above the panels."""
        if not entries:
            return
        names = [readable(name, 30) for name in entries]
        figure.legend(
            list(entries.values()),
            [f"\u200a{n}" if n.startswith("_") else n for n in names],
            loc="outside upper left",
            ncols=min(len(entries), 2 if self.narrow else 4),
        )

    def patch(self, colour: str, *, hatched: bool = False) -> Any:  # noqa: ANN401
        """A legend's entry for bars."""
        from matplotlib.patches import Patch

        return Patch(**self.fill(colour, hatched=hatched))

    def dot(self, colour: str, *, hollow: bool = False, marker: str = "o") -> Any:  # noqa: ANN401
        """A legend's entry for points."""
        from matplotlib.lines import Line2D

        face = self.palette["paper"] if hollow else self.palette[colour]
        edge = self.palette[colour]
        return Line2D([], [], ls="", marker=marker, mfc=face, mec=edge, ms=6)

    def fill(self, colour: str, *, hatched: bool) -> dict[str, Any]:
        """How a bar is filled: hatched where it is predicted."""
        if not hatched:
            return {"facecolor": self.palette[colour], "edgecolor": "none", "linewidth": 0}
        return {
            "facecolor": self.palette["paper"],
            "edgecolor": self.palette[colour],
            "hatch": "/////",
            "linewidth": 0.8,
        }

    def name_points(
        self,
        ax: Axes,
        named: Sequence[tuple[float, float, str]],
        others: Sequence[tuple[float, float]] = (),
    ) -> None:
        """Names beside points of an axis, where they hide neither each other nor a point.

        Parameters
        ----------
        named : x, y and name. others : further points that no name may hide.
        """
        if not named or len(named) > (_LABELS // 2 if self.narrow else _LABELS):
            return
        ax.figure.draw_without_rendering()  # type: ignore[union-attr]
        spots = [tuple(ax.transData.transform((x, y))) for x, y, _ in named]
        scale = ax.figure.dpi / 72
        dots = spots + [tuple(ax.transData.transform(other)) for other in others]
        taken = [_around(x, y, 4 * scale) for x, y in dots]
        frame = ax.bbox.extents
        for (x, y), (at_x, at_y, text) in zip(spots, named, strict=True):
            short = readable(text, 18)
            wide, tall = 0.62 * 8 * len(short) * scale, 10 * scale
            for dx, dy, ha in _places(scale):
                left = x + dx - (wide if ha == "right" else wide / 2 if ha == "center" else 0)
                box = (left, y + dy - tall / 2, left + wide, y + dy + tall / 2)
                inside = box[0] >= frame[0] and box[2] <= frame[2] and box[3] <= frame[3] + tall
                if inside and box[1] >= frame[1] and not any(_meet(box, b) for b in taken):
                    taken.append(box)
                    look: dict[str, Any] = {"ha": ha, "va": "center_baseline", "size": 8}
                    offset = (dx / scale, dy / scale)
                    ax.annotate(
                        short,
                        (at_x, at_y),
                        offset,
                        textcoords="offset points",
                        color=self.palette["muted"],
                        **look,
                    )
                    break


def _scale(unit: str, most: float) -> tuple[float, str]:
    """By what to divide, and the name of the outcome; seconds and joules as a person would."""
    from joulecast.render import energy_scale

    if unit == "Wh":
        return energy_scale(most)
    if unit == "s" and most > 2 * S_PER_H:
        return S_PER_H, "h"
    return (S_PER_MIN, "min") if unit == "s" and most > 4 * S_PER_MIN else (1.0, unit)


def _decades(low: float, high: float, most: int) -> list[float]:
    """Round ticks of a logarithmic axis from `low` to `high`, at most about `most`."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [s * 10.0**p for p in powers for s in steps]
        ticks = [t for t in ticks if low <= t <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: -(-len(ticks) // most)]


def _places(scale: float) -> tuple[tuple[float, float, str], ...]:
    """Where a name may stand beside its point: dx, dy in pixels, side."""
    near, up = 7 * scale, 10 * scale
    return (
        (near, 0, "left"),
        (-near, 0, "right"),
        (0, up, "center"),
        (0, -up, "center"),
        (near, up * 0.8, "left"),
        (near, -up * 0.8, "left"),
        (-near, up * 0.8, "right"),
        (-near, -up * 0.8, "right"),
    )


def _around(x: float, y: float, half: float) -> tuple[float, float, float, float]:
    return x - half, y - half, x + half, y + half


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@contextmanager
def drawing(palette: Palette) -> Iterator[None]:
    """The look of all figures, while it lasts.

    Raises
    ------
    MissingExtra
        Without matplotlib.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtra("matplotlib", "plot", "drawing figures")
    import warnings

    import matplotlib as mpl

    with mpl.rc_context(_look(palette)), warnings.catch_warnings():
        # names in scripts that the measuring font lacks; the reader's own font draws them
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def _look(palette: Palette) -> dict[Any, Any]:
    from cycler import cycler

    ink, muted, rule, paper = (palette[n] for n in ("ink", "muted", "rule", "paper"))
    colours = {
        "axes.prop_cycle": cycler(color=[palette.series(i) for i in range(8)]),
        "patch.facecolor": palette["c1"],
        "text.color": ink,
        "axes.edgecolor": rule,
        "axes.labelcolor": muted,
        "axes.titlecolor": ink,
        "axes.facecolor": paper,
        "grid.color": rule,
        "xtick.color": rule,
        "ytick.color": rule,
        "xtick.labelcolor": muted,
        "ytick.labelcolor": muted,
        "figure.facecolor": paper,
        "savefig.facecolor": paper,
    }
    return colours | _SHAPES


def at_least_visible(limits: Callable[..., Any], values: Sequence[float]) -> None:
    """Room around `values` of a logarithmic axis, a factor of 1.4 on each side."""
    if values:
        limits(min(values) / 1.4, max(values) * 1.4)
