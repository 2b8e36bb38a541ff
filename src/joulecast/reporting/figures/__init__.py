"""The figures of a report, one file each; a new file is in the next report.

A file offers `PLACE` (where it stands, ascending), `TITLE`, `missing(material)` (one line that says
why the runs do not suffice, empty where they do) and `draw(material, canvas)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from joulecast.core.catalog import names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.material import Material

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Table:
    """Figures as text, a row per entry.

    Attributes
    ----------
    left_out : rows that it would have had beyond these.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with what it shows.

    Attributes
    ----------
    caption : what is seen, with numbers. alt : what is drawn, for those who cannot see it.
    basis : measured, modelled or predicted, or several of them.
    """

    figure: Figure
    caption: str
    alt: str
    table: Table
    basis: str = ""


class Plot(Protocol):
    """What a file of this folder offers."""

    PLACE: int
    TITLE: str

    def missing(self, material: Material) -> str:
        """Why the runs do not suffice, empty where they do."""

    def draw(self, material: Material, canvas: Canvas) -> Drawn:
        """The figure."""


def all_plots() -> dict[str, Plot]:
    """The plots by name, in their order."""
    found = {n: cast("Plot", import_module(f"{__name__}.{n}")) for n in names(FOLDER, ".py")}
    return dict(sorted(found.items(), key=lambda item: item[1].PLACE))


MOST_ROWS = 60


def table(
    head: Sequence[str],
    entries: Sequence[Any],
    told: Callable[[Any], tuple[str, ...]] = tuple,
) -> Table:
    """The first entries, each as the row that `told` makes of it, and how many there are more."""
    kept = tuple(told(entry) for entry in entries[:MOST_ROWS])
    return Table(tuple(head), kept, max(len(entries) - MOST_ROWS, 0))
