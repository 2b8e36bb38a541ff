"""GET /metrics: for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from joulecast.service import schemas

if TYPE_CHECKING:
    from joulecast.service.state import Service

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()
    said = schemas.answers({"type": "string"}, media_type="text/plain")

    @router.get("/metrics", response_class=Response, responses=said)
    async def metrics() -> Response:
        """Counts, histograms and gauges in the text format."""
        text = await service.slowly(service.metrics.text)
        return Response(text, headers={"Content-Type": _MEDIA_TYPE, "Cache-Control": "no-store"})

    return router
