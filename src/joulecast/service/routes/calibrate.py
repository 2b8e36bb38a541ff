"""POST /v1/calibrate: let the stored runs of a machine sharpen answers, or no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast.service import reading, schemas
from joulecast.service.bodies import CalibrateBody
from joulecast.service.texts import json_response, text_of

if TYPE_CHECKING:
    from joulecast.service.state import Service


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()

    @router.post(
        "/v1/calibrate",
        response_class=Response,
        openapi_extra=schemas.asks("CalibrateBody", on={"hardware": "hc3"}),
        responses=schemas.answers(schemas.ref("Calibrated"), 404, 408, 413, 415, 422, 503),
    )
    async def calibrate(request: Request) -> Response:
        """Apply the runs of a machine: answers about its device or its networks lean on them.

        Other workers follow within a second or two.
        """
        body = await reading.question(request, CalibrateBody, service.limits)
        await service.fleet.calibrate(body.hardware, on=body.on)
        applied = service.fleet.applied
        found = {
            "hardware": body.hardware,
            "on": body.hardware in applied.runs,
            "runs": applied.counts.get(body.hardware, 0),
            "calibrated": sorted(applied.runs),
        }
        return json_response(text_of(found))

    return router
