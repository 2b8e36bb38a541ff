"""POST /v1/sweep: one question over batch sizes, power limits, precisions or GPUs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast.service import reading, schemas
from joulecast.service.bodies import SweepBody
from joulecast.service.several import swept
from joulecast.service.texts import json_response, text_of

if TYPE_CHECKING:
    from joulecast.service.state import Service

_EXAMPLES: dict[str, dict[str, Any]] = {
    "batch_sizes": {"model": "vgg16", "hardware": "hc3"},
    "power_limits": {
        "model": "vgg16",
        "hardware": "hc3",
        "over": "power_limit_w",
        "values": [40, 55, 70],
    },
}


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()

    @router.post(
        "/v1/sweep",
        response_class=Response,
        openapi_extra=schemas.asks("SweepBody", **_EXAMPLES),
        responses=schemas.answers(schemas.ref("Sweep"), 404, 408, 413, 415, 422, 503),
    )
    async def sweep(request: Request) -> Response:
        """Energy, time, power and memory of a run over one of its parameters."""
        body = await reading.question(request, SweepBody, service.limits)
        found = await service.slowly(partial(swept, body, service.catalogue, service.fleet.applied))
        service.metrics.estimate("sweep", "several")
        return json_response(text_of(found))

    return router
