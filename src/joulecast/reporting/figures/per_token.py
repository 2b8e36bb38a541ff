"""Energy per output token against requests per second (the papers' Figure 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.reporting.figures._serving import bursts, rates
from joulecast.reporting.points import Point

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.figures import Drawn
    from joulecast.reporting.material import Material

PLACE = 90
TITLE = "Energy per output token against the request rate"


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    known = bursts(material, Point.per_token_j)
    return "" if known.points else "no burst of requests with its output tokens and energy known"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """A line per server."""
    return rates(material, canvas, Point.per_token_j, "output token")
