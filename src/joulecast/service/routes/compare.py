"""POST /v1/compare: networks times machines."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast.service import reading, schemas
from joulecast.service.bodies import CompareBody
from joulecast.service.several import compared
from joulecast.service.texts import json_response, text_of

if TYPE_CHECKING:
    from joulecast.service.state import Service

_EXAMPLE = {"models": ["vgg16", "resnet18"], "hardware": ["hc1", "hc3"], "samples": 50_000}


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()

    @router.post(
        "/v1/compare",
        response_class=Response,
        openapi_extra=schemas.asks("CompareBody", two_by_two=_EXAMPLE),
        responses=schemas.answers(schemas.ref("Comparison"), 404, 408, 413, 415, 422, 503),
    )
    async def compare(request: Request) -> Response:
        """Every network on every machine, the least energy first, the efficient ones marked."""
        body = await reading.question(request, CompareBody, service.limits)
        found = await service.slowly(
            partial(compared, body, service.catalogue, service.fleet.applied)
        )
        service.metrics.estimate("compare", "several")
        return json_response(text_of(found))

    return router
