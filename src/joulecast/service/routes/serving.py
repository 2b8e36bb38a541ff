"""POST /v1/serving: a model server at one request rate, and its curve."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast.service import reading, schemas
from joulecast.service.bodies import ServingBody
from joulecast.service.questions import served
from joulecast.service.texts import json_response, text_of

if TYPE_CHECKING:
    from joulecast.service.state import Service

_EXAMPLE = {
    "model": "llama-3.1-8b",
    "hardware": "hc4",
    "rate_rps": 10,
    "prompt_tokens": 200,
    "output_tokens": 300,
}


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()

    @router.post(
        "/v1/serving",
        response_class=Response,
        openapi_extra=schemas.asks("ServingBody", ten_requests_per_second=_EXAMPLE),
        responses=schemas.answers(schemas.ref("ServingEstimate"), 404, 408, 413, 415, 422, 503),
    )
    async def serving(request: Request) -> Response:
        """Energy per request and token of a model server, its power, capacity and latency."""
        body = await reading.question(request, ServingBody, service.limits)
        work = partial(served, body, service.catalogue, service.fleet.applied)
        found = await service.slowly(work)
        service.metrics.estimate("serving", found.basis)
        return json_response(text_of(found))

    return router
