"""Names beside the points of a figure, where they hide nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.reporting.words import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from joulecast.reporting.canvas import Canvas

_LABELS = 16
"""Points up to which each is named beside it."""


def name_points(
    ax: Axes,
    canvas: Canvas,
    named: Sequence[tuple[float, float, str]],
    others: Sequence[tuple[float, float]] = (),
) -> None:
    """Names beside points of an axis, where they hide neither each other nor a point.

    Parameters
    ----------
    named : x, y and name. others : further points that no name may hide.
    """
    if not named or len(named) > (_LABELS // 2 if canvas.narrow else _LABELS):
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
                    color=canvas.palette["muted"],
                    **look,
                )
                break


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
