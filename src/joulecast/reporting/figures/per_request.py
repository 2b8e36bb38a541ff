"""Energy per request against requests per second (the papers' Figure 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.reporting.figures._serving import bursts, rates
from joulecast.reporting.points import Point

if TYPE_CHECKING:
    from joulecast.reporting.canvas import Canvas
    from joulecast.reporting.figures import Drawn
    from joulecast.reporting.material import Material

PLACE = 80
TITLE = "Energy per request against the request rate"


def missing(material: Material) -> str:
    """Why the runs do not suffice."""
    known = bursts(material, Point.per_sample_j)
    return "" if known.points else "no burst of requests with its rate and energy known"


def draw(material: Material, canvas: Canvas) -> Drawn:
    """A line per server."""
    return rates(material, canvas, Point.per_sample_j, "request")
