"""What every figure is drawn on: sizes, type, quiet axes with units, legends, labels that fit."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joulecast.core.units import S_PER_H, S_PER_MIN, format_si
from joulecast.reporting.words import plain, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from joulecast.reporting.palette import Palette

WIDE_IN, NARROW_IN = 8.4, 3.7
"""Inches of a figure on a desk and on a telephone."""
_FONT = 9.0


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
            scale, named = 1.0, unit
        else:
            scale, named = _scale(unit, max(abs(low), abs(high)))
            locator = MaxNLocator(4 if self.narrow else 5, steps=[1, 2, 2.5, 5, 10])
            some = locator.tick_values(low / scale, high / scale)
            ticks = [float(t) * scale for t in some]
        axis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
        axis.set_minor_formatter(NullFormatter())
        prefixed = named and scale == 1.0  # 200 mJ, but 0.2 kWh, 0.5 min and 0.1 per second

        def told(value: float, _: int) -> str:
            number = value / scale
            return format_si(number, named) if prefixed else f"{plain(number)} {named}".rstrip()

        axis.set_major_formatter(FuncFormatter(told))

    def legend(self, figure: Figure, entries: Mapping[str, Any]) -> None:
        """Entries above the panels, row by row, in as many columns as their names allow."""
        if not entries:
            return
        names = [readable(name, 36 if self.narrow else 60) for name in entries]
        each_in = 0.48 + 0.067 * max(map(len, names))
        columns = max(1, min(len(names), 5, int(self.width_in / each_in)))
        rows = -(-len(names) // columns)
        figure.set_figheight(figure.get_figheight() + 0.17 * (rows - 1))
        order = [i for k in range(columns) for i in range(k, len(names), columns)]
        some = list(entries.values())
        figure.legend(
            [some[i] for i in order],
            [f"\u200a{n}" if n.startswith("_") else n for n in (names[i] for i in order)],
            loc="outside upper left",
            ncols=columns,
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


@contextmanager
def drawing(palette: Palette) -> Iterator[None]:
    """The look of all figures, while it lasts."""
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
